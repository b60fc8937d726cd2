// SPDX-License-Identifier: Apache-2.0
package dev.belay.net;

/** Ranges of native memory that are sent one behind the other. Not thread-safe. */
public final class Gather {
  /** How many ranges there is room for; the kernel takes up to 1024 in one call. */
  public static final int MOST_RANGES = 256;

  private final long[] addresses = new long[MOST_RANGES];
  private final int[] lengths = new int[MOST_RANGES];
  private int count;
  private long bytes;

  /**
   * Adds a range.
   *
   * @param address where it begins, absolute; it stays readable and unchanged until it was sent
   * @param lengthBytes above 0
   * @throws IllegalStateException if there is {@linkplain #room no room}
   */
  public void add(long address, int lengthBytes) {
    if (count == MOST_RANGES || lengthBytes <= 0) {
      throw new IllegalStateException(
          lengthBytes <= 0 ? "an empty range" : "no room for more than " + MOST_RANGES + " ranges");
    }
    addresses[count] = address;
    lengths[count++] = lengthBytes;
    bytes += lengthBytes;
  }

  /** How many more ranges can be added. */
  public int room() {
    return MOST_RANGES - count;
  }

  public int count() {
    return count;
  }

  /** The sum of all lengths. */
  public long bytes() {
    return bytes;
  }

  /** Where a range begins; {@code index} from 0 to {@link #count} - 1. */
  public long address(int index) {
    return addresses[index];
  }

  public int lengthBytes(int index) {
    return lengths[index];
  }

  /** Forgets all. */
  public void clear() {
    count = 0;
    bytes = 0;
  }
}
