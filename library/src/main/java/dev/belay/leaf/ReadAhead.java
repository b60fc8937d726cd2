// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.Arrays;

/** What a thread has read and the loop has not yet received; bounded. Any thread, by its lock. */
final class ReadAhead {
  private static final int FIRST_BYTES = 16 << 10;
  private static final int MOST_BYTES = 1 << 20;

  private byte[] bytes = new byte[FIRST_BYTES];
  private int from;
  private int to;
  private int end = 1;
  private boolean isClosed;

  /**
   * Takes in what fits of {@code source}, and waits until something does; false if {@code source}
   * is empty, or nobody will receive any more.
   */
  synchronized boolean put(ByteBuffer source) {
    if (!source.hasRemaining()) {
      return false;
    }
    while (to - from == MOST_BYTES && !isClosed) {
      try {
        wait();
      } catch (InterruptedException e) {
        isClosed = true; // nobody interrupts this thread; whoever does ends it
      }
    }
    if (isClosed) {
      return false;
    }
    int count = Math.min(source.remaining(), MOST_BYTES - (to - from));
    if (bytes.length - to < count) {
      int waiting = to - from;
      byte[] wider = waiting + count <= bytes.length ? bytes : new byte[widened(waiting + count)];
      System.arraycopy(bytes, from, wider, 0, waiting);
      bytes = wider;
      from = 0;
      to = waiting;
    }
    source.get(bytes, to, count);
    to += count;
    return true;
  }

  private static int widened(int least) {
    return Math.min(MOST_BYTES, Integer.highestOneBit(least - 1) << 1);
  }

  /** Moves as much as fits into {@code target}; answers how many bytes. */
  synchronized int take(MemorySegment target) {
    int count = (int) Math.min(target.byteSize(), to - from);
    if (count > 0) {
      MemorySegment.copy(MemorySegment.ofArray(bytes), from, target, 0, count);
      from += count;
      if (from == to) {
        from = 0;
        to = 0;
      }
      notifyAll();
    }
    return count;
  }

  synchronized void end(int result) {
    end = result;
  }

  /** What comes behind the last byte: 0, a negated error number, or 1 as long as more may come. */
  synchronized int end() {
    return end;
  }

  synchronized boolean hasNews() {
    return to > from || end <= 0;
  }

  /** Nobody receives any more. */
  synchronized void close() {
    isClosed = true;
    bytes = Arrays.copyOf(bytes, 0);
    from = 0;
    to = 0;
    notifyAll();
  }
}
