// SPDX-License-Identifier: Apache-2.0
package dev.belay.uring;

/** Native memory that says to the kernel which ranges to send: struct msghdr and its vector. */
public final class Message implements AutoCloseable {
  private static final int RANGES_AT = 16;
  private static final int COUNT_AT = 24;
  private static final int HEAD_BYTES = 56;
  private static final int RANGE_BYTES = 16;

  private final long address;
  private final long bytes;
  private final int mostRanges;
  private int first;
  private int count;

  /** Has room for so many ranges. */
  public Message(int mostRanges) {
    this.mostRanges = mostRanges;
    bytes = HEAD_BYTES + (long) mostRanges * RANGE_BYTES;
    address = Kernel.mmapAnonymous(bytes);
    if (address < 0) {
      throw new OutOfMemoryError("a message: " + Errno.sentence((int) address));
    }
  }

  long address() {
    return address;
  }

  /** Has no ranges from now on. */
  public void clear() {
    first = 0;
    count = 0;
    show();
  }

  /** Adds a range. */
  public void add(long rangeAddress, int lengthBytes) {
    if (count == mostRanges) {
      throw new IllegalStateException("no room for more than " + mostRanges + " ranges");
    }
    long range = range(count++);
    RawMemory.putLong(range, rangeAddress);
    RawMemory.putLong(range + 8, lengthBytes);
    show();
  }

  /** Leaves the first bytes out, which were sent. */
  public void skip(long sentBytes) {
    long left = sentBytes;
    while (left > 0) {
      long range = range(first);
      long length = RawMemory.getLong(range + 8);
      if (left < length) {
        RawMemory.putLong(range, RawMemory.getLong(range) + left);
        RawMemory.putLong(range + 8, length - left);
        break;
      }
      left -= length;
      first++;
    }
    show();
  }

  private long range(int index) {
    return address + HEAD_BYTES + (long) index * RANGE_BYTES;
  }

  private void show() {
    RawMemory.putLong(address + RANGES_AT, range(first));
    RawMemory.putLong(address + COUNT_AT, count - first);
  }

  @Override
  public void close() {
    Kernel.munmap(address, bytes);
  }
}
