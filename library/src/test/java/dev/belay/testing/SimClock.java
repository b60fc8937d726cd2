// SPDX-License-Identifier: Apache-2.0
package dev.belay.testing;

import dev.belay.Clock;

/** Virtual time. Looking at it is a step; it moves only while the loop sleeps. */
public final class SimClock implements Clock {
  private final Steps steps;
  private long nowNanos;

  public SimClock(Steps steps) {
    this.steps = steps;
  }

  @Override
  public long nanos() {
    steps.step();
    return nowNanos;
  }

  /** The time, without a step. */
  public long nowNanos() {
    return nowNanos;
  }

  /** Moves on; not backwards. */
  public void advance(long nanos) {
    nowNanos += nanos;
  }
}
