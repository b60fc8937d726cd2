// SPDX-License-Identifier: Apache-2.0
package dev.belay;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The timers of one loop: a binary heap by deadline; equal deadlines go off in the order they were
 * set. Only on the loop's thread.
 */
public final class Timers {
  private @Nullable Timer[] heap = new @Nullable Timer[16];
  private int size;
  private long order;

  Timers() {}

  /** A timer that is not set; {@code action} runs on the loop's thread each time it goes off. */
  public Timer newTimer(Runnable action) {
    return new Timer(this, action);
  }

  /** The soonest deadline; meaningless when {@link #isEmpty}. */
  long soonestNanos() {
    return at(0).deadlineNanos;
  }

  boolean isEmpty() {
    return size == 0;
  }

  /** Runs what is due at {@code nowNanos}, each for itself if one throws; answers how many. */
  int expire(long nowNanos, Loop loop) {
    int count = 0;
    while (size > 0 && at(0).deadlineNanos - nowNanos <= 0) {
      Timer timer = at(0);
      timer.cancel();
      count++;
      try {
        timer.action.run();
      } catch (RuntimeException | Error defect) {
        loop.report(defect);
      }
    }
    return count;
  }

  private Timer at(int index) {
    Timer timer = heap[index];
    if (timer == null) {
      throw new AssertionError("no timer at " + index + " of " + size);
    }
    return timer;
  }

  private void put(int index, Timer timer) {
    heap[index] = timer;
    timer.index = index;
  }

  private void siftUp(int index, Timer timer) {
    while (index > 0) {
      int parent = (index - 1) >>> 1;
      if (at(parent).isBefore(timer)) {
        break;
      }
      put(index, at(parent));
      index = parent;
    }
    put(index, timer);
  }

  private void siftDown(int index, Timer timer) {
    for (; ; ) {
      int child = 2 * index + 1;
      if (child >= size) {
        break;
      }
      if (child + 1 < size && at(child + 1).isBefore(at(child))) {
        child++;
      }
      if (timer.isBefore(at(child))) {
        break;
      }
      put(index, at(child));
      index = child;
    }
    put(index, timer);
  }

  /** One timer: set or not. Only on the loop's thread. */
  public static final class Timer {
    private static final int NOT_SET = -1;

    private final Timers timers;
    private final Runnable action;
    private long deadlineNanos;
    private long setAs;
    private int index = NOT_SET;

    private Timer(Timers timers, Runnable action) {
      this.timers = timers;
      this.action = action;
    }

    /** Sets it, or sets it anew, to go off once the loop's clock has reached the deadline. */
    public void set(long deadlineNanos) {
      cancel();
      this.deadlineNanos = deadlineNanos;
      setAs = timers.order++;
      if (timers.size == timers.heap.length) {
        timers.heap = Arrays.copyOf(timers.heap, 2 * timers.size);
      }
      timers.siftUp(timers.size++, this);
    }

    /** Takes it back; nothing happens if it is not set. */
    public void cancel() {
      if (index == NOT_SET) {
        return;
      }
      int hole = index;
      index = NOT_SET;
      Timer last = timers.at(--timers.size);
      timers.heap[timers.size] = null;
      if (last != this) {
        timers.siftUp(hole, last);
        timers.siftDown(last.index, last);
      }
    }

    /** Whether it is set. */
    public boolean isSet() {
      return index != NOT_SET;
    }

    private boolean isBefore(Timer other) {
      long apart = deadlineNanos - other.deadlineNanos;
      return apart < 0 || (apart == 0 && setAs < other.setAs);
    }
  }
}
