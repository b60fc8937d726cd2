// SPDX-License-Identifier: Apache-2.0
package dev.belay.uring;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * What a direct-I/O user must know of an open file or block device, from statx(2) and ioctl(2).
 *
 * @param kind what it is
 * @param sizeBytes the length of a file, or the size of a device
 * @param logicalBlockBytes the smallest transfer: a device's logical block, a power of two; of a
 *     file, the alignment of direct transfers, or 512 where the file system does not say
 * @param preferredBlockBytes the physical block of a device, or the preferred transfer of a file
 * @param directMemoryAlignBytes how buffers of direct transfers must be aligned; 0: unknown
 * @param directOffsetAlignBytes how offsets and lengths of direct transfers must be aligned; 0:
 *     unknown, or direct transfers are not supported (kernels before 6.1 do not say)
 * @param directKnown whether the kernel answered the question about direct transfers at all
 */
public record FileFacts(
    Kind kind,
    long sizeBytes,
    int logicalBlockBytes,
    int preferredBlockBytes,
    int directMemoryAlignBytes,
    int directOffsetAlignBytes,
    boolean directKnown) {

  /** What an open descriptor is. */
  public enum Kind {
    FILE,
    BLOCK_DEVICE,
    OTHER
  }

  private static final int STATX_BASIC_STATS = 0x7ff;
  private static final int STATX_DIOALIGN = 0x2000;
  private static final int STATX_BYTES = 256;
  private static final int TYPE_MASK = 0xf000;
  private static final int TYPE_FILE = 0x8000;
  private static final int TYPE_BLOCK = 0x6000;

  /**
   * Asks the kernel about an open descriptor. Any thread.
   *
   * @throws IOException if it cannot be asked; the message names the error
   */
  public static FileFacts of(int fd) throws IOException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment stat = arena.allocate(STATX_BYTES, 8);
      check(Kernel.statx(fd, stat.address(), STATX_BASIC_STATS | STATX_DIOALIGN), "statx");
      boolean directKnown = (stat.get(ValueLayout.JAVA_INT, 0) & STATX_DIOALIGN) != 0;
      int preferred = stat.get(ValueLayout.JAVA_INT, 4);
      int type = stat.get(ValueLayout.JAVA_SHORT, 28) & TYPE_MASK;
      long sizeBytes = stat.get(ValueLayout.JAVA_LONG, 40);
      int memoryAlign = stat.get(ValueLayout.JAVA_INT, 152);
      int offsetAlign = stat.get(ValueLayout.JAVA_INT, 156);
      Kind kind =
          type == TYPE_FILE ? Kind.FILE : type == TYPE_BLOCK ? Kind.BLOCK_DEVICE : Kind.OTHER;
      int logical = offsetAlign > 0 ? offsetAlign : 512;
      if (kind == Kind.BLOCK_DEVICE) {
        sizeBytes = check(Kernel.blockDeviceBytes(fd), "asking a block device for its size");
        logical = (int) check(Kernel.logicalBlockBytes(fd), "asking for the logical block size");
        preferred = (int) check(Kernel.physicalBlockBytes(fd), "asking for the physical block");
      }
      return new FileFacts(
          kind, sizeBytes, logical, preferred, memoryAlign, offsetAlign, directKnown);
    }
  }

  private static long check(long result, String what) throws IOException {
    if (result < 0) {
      throw new IOException(what + " failed: " + Errno.sentence((int) result));
    }
    return result;
  }
}
