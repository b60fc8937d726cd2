// SPDX-License-Identifier: Apache-2.0
package dev.belay;

/** Where a loop reads the time: the system's, or one that a test moves by hand. */
public interface Clock {
  /** The time of {@link System#nanoTime}. */
  Clock SYSTEM = System::nanoTime;

  /** Nanoseconds since some fixed moment; compare by subtraction. Any thread. */
  long nanos();

  /**
   * The time that is {@code delayNanos} away, or 146 years for what is further, in either
   * direction: deadlines that are more than twice that apart cannot be compared.
   */
  default long after(long delayNanos) {
    return nanos() + Math.clamp(delayNanos, Long.MIN_VALUE / 2, Long.MAX_VALUE / 2);
  }

  /** A clock that stands still until it is moved, for tests on virtual time. */
  final class Manual implements Clock {
    private volatile long nowNanos;

    @Override
    public long nanos() {
      return nowNanos;
    }

    /** Moves the clock on by {@code nanos}, which is not negative. One thread at a time. */
    @SuppressWarnings("NonAtomicVolatileUpdate") // one thread at a time moves it
    public void advance(long nanos) {
      if (nanos < 0) {
        throw new IllegalArgumentException("a clock goes forward only, not by " + nanos + " ns");
      }
      nowNanos += nanos;
    }
  }
}
