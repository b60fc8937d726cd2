// SPDX-License-Identifier: Apache-2.0
package dev.belay.nbd;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/** What a server says of one export, in answer to INFO, GO or EXPORT_NAME. */
final class InfoGathering {
  private static final int MOST_MINIMUM_BYTES = 1 << 16;
  private static final int LEAST_PREFERRED_BYTES = 512;

  /** What one request has at most, however much more the server would take. */
  private static final int MOST_PAYLOAD_BYTES = 1 << 30;

  private String name;
  private String description = "";
  private long sizeBytes = -1;
  private int flags;
  private int minimumBytes = 1;
  private int preferredBytes = 4096;
  private int largestBytes = Nbd.DEFAULT_PAYLOAD_BYTES;
  private String problem = "The server did not say how large the export is.";

  InfoGathering(String name) {
    this.name = name;
  }

  /** The contents of INFO or GO. */
  byte[] request() {
    byte[] text = name.getBytes(StandardCharsets.UTF_8);
    Outgoing contents = new Outgoing().u32(text.length).raw(text).u16(3);
    return contents.u16(Nbd.INFO_NAME).u16(Nbd.INFO_DESCRIPTION).u16(Nbd.INFO_BLOCK_SIZE).take();
  }

  /** Takes the contents of one INFO; false where it is malformed. Unknown kinds are skipped. */
  boolean take(ByteBuffer read) {
    if (read.remaining() < 2) {
      return false;
    }
    switch (Short.toUnsignedInt(read.getShort())) {
      case Nbd.INFO_EXPORT -> {
        if (read.remaining() != 10) {
          return false;
        }
        export(read.getLong(), read.getShort());
      }
      case Nbd.INFO_NAME -> {
        String canonical = Strings.take(read, read.remaining());
        name = canonical == null ? name : canonical;
        return canonical != null;
      }
      case Nbd.INFO_DESCRIPTION -> description = Strings.shown(read);
      case Nbd.INFO_BLOCK_SIZE -> {
        return read.remaining() == 12 && blockSize(read.getInt(), read.getInt(), read.getInt());
      }
      default -> {}
    }
    return true;
  }

  /** What EXPORT_NAME is answered with, too. */
  void export(long size, short transmissionFlags) {
    sizeBytes = size;
    flags = Short.toUnsignedInt(transmissionFlags);
    if (size < 0) {
      problem =
          "The server says that the export has "
              + Long.toUnsignedString(size)
              + " bytes, which is beyond all reason.";
    }
  }

  private boolean blockSize(int minimum, int preferred, int largest) {
    boolean sound =
        Integer.bitCount(minimum) == 1
            && minimum > 0
            && minimum <= MOST_MINIMUM_BYTES
            && Integer.bitCount(preferred) == 1
            && preferred >= Math.max(minimum, LEAST_PREFERRED_BYTES)
            && Integer.compareUnsigned(largest, preferred) >= 0;
    if (sound) {
      minimumBytes = minimum;
      preferredBytes = preferred;
      largestBytes = largest < 0 ? MOST_PAYLOAD_BYTES : Math.min(largest, MOST_PAYLOAD_BYTES);
      largestBytes = Math.max(largestBytes, minimum);
    }
    return sound;
  }

  boolean complete() {
    return sizeBytes >= 0;
  }

  String problem() {
    return problem;
  }

  ExportFacts facts() {
    return new ExportFacts(
        name, description, sizeBytes, flags, minimumBytes, preferredBytes, largestBytes);
  }
}
