// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

/**
 * How a file or block device is opened, whichever engine does its I/O.
 *
 * @param path where it is, absolute or from the working directory
 * @param sizeBytes how much of it is used; {@link #AS_IT_IS} for all. A file that is missing is
 *     made, and one that is shorter is made longer, by a hole; nothing is ever cut off
 * @param blockBytes the logical block, a power of two; {@link #AS_IT_IS} for the smallest that the
 *     file can take
 * @param direct whether transfers bypass the page cache
 * @param readOnly whether it is opened for reading alone; everything else then fails with EROFS
 */
public record FileOptions(
    String path, long sizeBytes, int blockBytes, Direct direct, boolean readOnly) {

  /** For a size or a block: what the file has. */
  public static final int AS_IT_IS = -1;

  /** Whether transfers bypass the page cache. */
  public enum Direct {
    /** Where the file, its size and the block allow it. */
    AUTO,
    /** They do, or the file is not opened. */
    ON,
    /** They do not. */
    OFF
  }

  /** The file as it is, for reading and writing, direct where it can be. */
  public static FileOptions of(String path) {
    return new FileOptions(path, AS_IT_IS, AS_IT_IS, Direct.AUTO, false);
  }

  public FileOptions withSize(long bytes) {
    return new FileOptions(path, bytes, blockBytes, direct, readOnly);
  }

  public FileOptions withBlock(int bytes) {
    return new FileOptions(path, sizeBytes, bytes, direct, readOnly);
  }

  public FileOptions withDirect(Direct whether) {
    return new FileOptions(path, sizeBytes, blockBytes, whether, readOnly);
  }

  public FileOptions withReadOnly(boolean whether) {
    return new FileOptions(path, sizeBytes, blockBytes, direct, whether);
  }

  boolean hasSize() {
    return sizeBytes != AS_IT_IS;
  }

  boolean hasBlock() {
    return blockBytes != AS_IT_IS;
  }
}
