// SPDX-License-Identifier: Apache-2.0
package dev.belay;

import java.util.Arrays;

/**
 * The ranges of a request that read as zeroes because nothing is stored there: the answer to {@link
 * Op#FIND_HOLES}. They are relative to the request's first byte, ascending, not empty, and neither
 * overlap nor touch. Nothing is said of what lies between them, which may well be zeroes too.
 *
 * <p>At most {@value #MOST} ranges are kept. Where there are more, those that begin lowest stay,
 * and {@link #endBytes} says from where on holes may have been left out. Not for several threads.
 */
public final class Holes {
  /** How many ranges are kept. */
  public static final int MOST = 4096;

  private long[] starts = new long[8];
  private long[] ends = new long[8];
  private int size;
  private long endBytes = Long.MAX_VALUE;

  /** How many ranges there are. */
  public int size() {
    return size;
  }

  /** The first byte of a range, counted from the request's first. */
  public long startBytes(int index) {
    return starts[check(index)];
  }

  /** The first byte behind a range. */
  public long endBytes(int index) {
    return ends[check(index)];
  }

  /**
   * From where on holes may have been left out, because there were too many; Long.MAX_VALUE if none
   * was. Who wants to know the rest asks again from there.
   */
  public long endBytes() {
    return endBytes;
  }

  /** How many bytes the ranges have together. */
  public long bytes() {
    long sum = 0;
    for (int i = 0; i < size; i++) {
      sum += ends[i] - starts[i];
    }
    return sum;
  }

  private int check(int index) {
    if (index < 0 || index >= size) {
      throw new IndexOutOfBoundsException("range " + index + " of " + size);
    }
    return index;
  }

  /** Forgets all. */
  public void clear() {
    size = 0;
    endBytes = Long.MAX_VALUE;
  }

  /** Adds a range, from {@code start} to before {@code end}; they may come in any order. */
  public void add(long start, long end) {
    long to = Math.min(end, endBytes);
    if (start >= to) {
      return;
    }
    // The ranges from `first` to before `behind` touch the new one, and become one with it.
    int first = size;
    if (size > 0 && start <= ends[size - 1]) {
      int found = Arrays.binarySearch(ends, 0, size, start);
      first = found >= 0 ? found : -found - 1;
    }
    int behind = first;
    while (behind < size && starts[behind] <= to) {
      behind++;
    }
    if (behind == first) {
      insert(first, start, to);
      return;
    }
    starts[first] = Math.min(starts[first], start);
    ends[first] = Math.max(ends[behind - 1], to);
    System.arraycopy(starts, behind, starts, first + 1, size - behind);
    System.arraycopy(ends, behind, ends, first + 1, size - behind);
    size -= behind - first - 1;
  }

  private void insert(int index, long start, long end) {
    if (size == MOST) {
      leaveOutFrom(index == size ? start : starts[size - 1]);
      if (index == MOST) {
        return;
      }
    }
    if (size == starts.length) {
      starts = Arrays.copyOf(starts, 2 * size);
      ends = Arrays.copyOf(ends, 2 * size);
    }
    System.arraycopy(starts, index, starts, index + 1, size - index);
    System.arraycopy(ends, index, ends, index + 1, size - index);
    starts[index] = start;
    ends[index] = end;
    size++;
  }

  /** Says no more of what begins there or behind it. */
  private void leaveOutFrom(long startBytes) {
    endBytes = Math.min(endBytes, startBytes);
    while (size > 0 && ends[size - 1] > endBytes) {
      if (starts[size - 1] < endBytes) {
        ends[size - 1] = endBytes;
        return;
      }
      size--;
    }
  }

  /**
   * Adds those of a part of the request, or of a wider range.
   *
   * @param startBytes where the other's first byte is, as counted here; may be negative
   * @param lengthBytes how long the request is: what lies outside is left out
   */
  public void addAll(Holes other, long startBytes, long lengthBytes) {
    for (int i = 0; i < other.size; i++) {
      add(
          Math.max(0, other.starts[i] + startBytes),
          Math.min(lengthBytes, other.ends[i] + startBytes));
    }
    if (other.endBytes < Long.MAX_VALUE - Math.max(0, startBytes)) {
      long from = Math.max(0, other.endBytes + startBytes);
      if (from < lengthBytes) {
        leaveOutFrom(from);
      }
    }
  }

  @Override
  public String toString() {
    StringBuilder text = new StringBuilder("[");
    for (int i = 0; i < size; i++) {
      text.append(i > 0 ? ", " : "").append(starts[i]).append('+').append(ends[i] - starts[i]);
    }
    return text.append(endBytes < Long.MAX_VALUE ? ", ...]" : "]").toString();
  }
}
