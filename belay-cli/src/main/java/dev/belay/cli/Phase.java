// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * How far a run has got. The clock is the main thread's alone: those who submit look at one field
 * instead, once for each batch.
 */
final class Phase {
  /** Warming up: nothing is counted. */
  static final int RAMP = 0;

  static final int COUNTED = 1;
  static final int OVER = 2;

  private volatile int now = RAMP;
  private final AtomicReference<@Nullable Throwable> defect = new AtomicReference<>();

  int now() {
    return now;
  }

  void set(int phase) {
    now = phase;
  }

  /** Somebody who submits cannot go on. Any thread; the first is kept. */
  void fail(Throwable why) {
    defect.compareAndSet(null, why);
  }

  /** Throws what {@link #fail} was given. */
  void check() {
    Throwable why = defect.get();
    if (why != null) {
      throw new IllegalStateException("the bench stopped: " + why, why);
    }
  }
}
