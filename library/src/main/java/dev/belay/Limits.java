// SPDX-License-Identifier: Apache-2.0
package dev.belay;

/**
 * What a device can take.
 *
 * @param sizeBytes the device's size, a multiple of the logical block
 * @param logicalBlockBytes offsets and lengths are multiples of it; a power of two
 * @param memoryAlignmentBytes buffers start at multiples of it; a power of two
 * @param largestTransferBytes how much it sends in one piece; a longer bio it splits by itself
 */
public record Limits(
    long sizeBytes, int logicalBlockBytes, int memoryAlignmentBytes, long largestTransferBytes) {

  public Limits {
    requirePowerOfTwo("the logical block", logicalBlockBytes);
    requirePowerOfTwo("the memory alignment", memoryAlignmentBytes);
    if (sizeBytes < 0 || sizeBytes % logicalBlockBytes != 0) {
      throw new IllegalArgumentException(
          "a size of " + sizeBytes + " bytes is not a multiple of the block, " + logicalBlockBytes);
    }
    if (largestTransferBytes < logicalBlockBytes) {
      throw new IllegalArgumentException(
          "a largest transfer of "
              + largestTransferBytes
              + " bytes is below the block, "
              + logicalBlockBytes);
    }
  }

  /** The same with another size, rounded down to whole blocks. */
  public Limits withSize(long bytes) {
    long whole = bytes - bytes % logicalBlockBytes;
    return new Limits(whole, logicalBlockBytes, memoryAlignmentBytes, largestTransferBytes);
  }

  /** The coarser of each alignment and the smaller transfer, with the size of this one. */
  public Limits stackedOn(Limits lower) {
    int block = Math.max(logicalBlockBytes, lower.logicalBlockBytes);
    return new Limits(
        sizeBytes - sizeBytes % block,
        block,
        Math.max(memoryAlignmentBytes, lower.memoryAlignmentBytes),
        Math.max(block, Math.min(largestTransferBytes, lower.largestTransferBytes)));
  }

  /**
   * The size of a device that is made of several of the same size.
   *
   * @param what the device, as a sentence about it begins: {@code a stripe}
   * @throws IllegalArgumentException with a sentence, where no offset could count that far
   */
  public static long times(String what, long count, long eachBytes) {
    if (eachBytes != 0 && count > Long.MAX_VALUE / eachBytes) {
      throw new IllegalArgumentException(
          "%s has less than 8 EiB, and %d times %d bytes are more"
              .formatted(what, count, eachBytes));
    }
    return count * eachBytes;
  }

  private static void requirePowerOfTwo(String what, int bytes) {
    if (bytes < 1 || Integer.bitCount(bytes) != 1) {
      throw new IllegalArgumentException(what + " is a power of two, not " + bytes);
    }
  }
}
