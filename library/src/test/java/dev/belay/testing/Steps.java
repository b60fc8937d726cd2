// SPDX-License-Identifier: Apache-2.0
package dev.belay.testing;

import java.util.Comparator;
import java.util.PriorityQueue;
import org.jspecify.annotations.Nullable;

/**
 * Counts the forward steps of a simulated run, and does what was planned for a step when it comes.
 * A step is a place where another thread could have raised a flag: a checkpoint, a send, an answer
 * of the device, a look at the clock, a sleep.
 */
public final class Steps {
  private record Planned(long step, long order, Runnable what) {}

  private final PriorityQueue<Planned> planned =
      new PriorityQueue<>(Comparator.comparingLong(Planned::step).thenComparing(Planned::order));
  private long count;
  private long next = Long.MAX_VALUE;
  private long order;
  private @Nullable Runnable observer;

  /** Steps so far. */
  public long count() {
    return count;
  }

  /** Has {@code what} run at step number {@code step}, or at the next one if that is over. */
  public void plan(long step, Runnable what) {
    planned.add(new Planned(step, order++, what));
    next = planned.element().step;
  }

  /** Forgets what was planned. */
  public void forget() {
    planned.clear();
    next = Long.MAX_VALUE;
  }

  /** Has {@code observer} run at each step, before what is planned for it; it changes nothing. */
  public void observe(@Nullable Runnable observer) {
    this.observer = observer;
  }

  /** One step. */
  public void step() {
    if (observer != null) {
      observer.run();
    }
    if (++count >= next) {
      fire();
    }
  }

  private void fire() {
    while (!planned.isEmpty() && planned.element().step <= count) {
      Runnable what = planned.remove().what;
      what.run();
    }
    next = planned.isEmpty() ? Long.MAX_VALUE : planned.element().step;
  }
}
