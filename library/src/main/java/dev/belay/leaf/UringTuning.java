// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

/**
 * How much a {@link UringFile} gives the kernel at a time. More keeps a faster device busy; less
 * leaves more where a cancel still reaches it.
 *
 * @param depth how many requests, 1..32768
 * @param pieceBytes how much in one request, from 512 to 1 GiB; what is longer is cut
 * @param windowBytes how much in all requests together, at least one piece
 */
public record UringTuning(int depth, int pieceBytes, long windowBytes) {
  public static final UringTuning DEFAULT = new UringTuning(128, 256 << 10, 4 << 20);

  private static final int LARGEST_DEPTH = 32_768;
  private static final int LARGEST_PIECE_BYTES = 1 << 30;

  public UringTuning {
    if (depth < 1 || depth > LARGEST_DEPTH) {
      throw new IllegalArgumentException(
          "depth= is how many requests the kernel gets at a time, 1 to 32768, not " + depth);
    }
    if (pieceBytes < 512 || pieceBytes > LARGEST_PIECE_BYTES) {
      throw new IllegalArgumentException(
          "piece= is how much is sent in one request, 512 to 1G, not " + pieceBytes);
    }
    if (windowBytes < pieceBytes) {
      throw new IllegalArgumentException(
          "window= is how much is in flight and so at least a piece, "
              + pieceBytes
              + " bytes, not "
              + windowBytes);
    }
  }

  public UringTuning withDepth(int requests) {
    return new UringTuning(requests, pieceBytes, windowBytes);
  }

  public UringTuning withPiece(int bytes) {
    return new UringTuning(depth, bytes, Math.max(bytes, windowBytes));
  }

  public UringTuning withWindow(long bytes) {
    return new UringTuning(depth, pieceBytes, bytes);
  }
}
