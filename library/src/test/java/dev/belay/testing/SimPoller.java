// SPDX-License-Identifier: Apache-2.0
package dev.belay.testing;

import dev.belay.Poller;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * What a loop turns on in a simulation: the queue of what the simulated devices will answer, by
 * virtual time. Where a real loop would sleep, the clock moves on to the next answer. A sleep that
 * nothing could ever end is {@link Stuck}.
 */
public final class SimPoller implements Poller {
  /** The loop sleeps, and no device, timer or thread will ever wake it: something was lost. */
  public static final class Stuck extends RuntimeException {
    private static final long serialVersionUID = 1;

    Stuck() {
      super("the loop sleeps for ever: a request is open and nothing will happen any more");
    }
  }

  private final SimClock clock;
  private final Steps steps;
  private final CommitWitness witness = new CommitWitness();
  private boolean isWoken;
  private boolean isOff;

  // A heap of answers by time, then by the order in which they were planned.
  private long[] dueNanos = new long[64];
  private long[] order = new long[64];
  private long[] ticket = new long[64];
  private @Nullable SimLeaf[] leaf = new @Nullable SimLeaf[64];
  private int size;
  private long planned;

  public SimPoller(SimClock clock, Steps steps) {
    this.clock = clock;
    this.steps = steps;
  }

  /** Who sees what is sent after a commit point to the leaves of this poller. */
  public CommitWitness witness() {
    return witness;
  }

  SimClock clock() {
    return clock;
  }

  Steps steps() {
    return steps;
  }

  /** Power loss: no device answers any more. */
  public void switchOff() {
    isOff = true;
    size = 0;
  }

  boolean isOff() {
    return isOff;
  }

  void plan(long atNanos, SimLeaf of, long withTicket) {
    if (isOff) {
      return;
    }
    if (size == dueNanos.length) {
      dueNanos = Arrays.copyOf(dueNanos, 2 * size);
      order = Arrays.copyOf(order, 2 * size);
      ticket = Arrays.copyOf(ticket, 2 * size);
      leaf = Arrays.copyOf(leaf, 2 * size);
    }
    int at = size++;
    long as = planned++;
    while (at > 0) {
      int parent = (at - 1) >>> 1;
      if (dueNanos[parent] <= atNanos) {
        break;
      }
      move(parent, at);
      at = parent;
    }
    put(at, atNanos, as, withTicket, of);
  }

  private void move(int from, int to) {
    put(to, dueNanos[from], order[from], ticket[from], leaf[from]);
  }

  private void put(int at, long due, long as, long withTicket, @Nullable SimLeaf of) {
    dueNanos[at] = due;
    order[at] = as;
    ticket[at] = withTicket;
    leaf[at] = of;
  }

  private void removeFirst() {
    int last = --size;
    long due = dueNanos[last];
    long as = order[last];
    int at = 0;
    for (int child = 1; child < last; child = 2 * at + 1) {
      if (child + 1 < last && isBefore(child + 1, dueNanos[child], order[child])) {
        child++;
      }
      if (!isBefore(child, due, as)) {
        break;
      }
      move(child, at);
      at = child;
    }
    put(at, due, as, ticket[last], leaf[last]);
    leaf[last] = null;
  }

  private boolean isBefore(int at, long due, long as) {
    return dueNanos[at] < due || (dueNanos[at] == due && order[at] < as);
  }

  @Override
  public int reap() {
    int found = 0;
    witness.nextMoment();
    while (size > 0 && dueNanos[0] <= clock.nowNanos()) {
      SimLeaf of = leaf[0];
      long withTicket = ticket[0];
      removeFirst();
      witness.nextMoment();
      if (of != null && of.answer(withTicket)) {
        found++;
      }
    }
    return found;
  }

  @Override
  public void enter(long waitNanos) {
    if (waitNanos <= 0) {
      return;
    }
    steps.step();
    if (isWoken || isOff) {
      isWoken = false;
      return;
    }
    long sleepNanos = waitNanos;
    if (size > 0) {
      sleepNanos = Math.min(sleepNanos, Math.max(0, dueNanos[0] - clock.nowNanos()));
    } else if (waitNanos > Long.MAX_VALUE / 2) {
      throw new Stuck();
    }
    clock.advance(sleepNanos);
  }

  @Override
  public void wake() {
    isWoken = true;
  }

  @Override
  public void close() {}
}
