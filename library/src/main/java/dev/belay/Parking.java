// SPDX-License-Identifier: Apache-2.0
package dev.belay;

import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/** Sleeps on nothing but {@link #wake}: for stacks whose leaves need no poller of their own. */
final class Parking implements Poller {
  // The sleeper says who it is and then looks whether it was woken; a waker does it the other way
  // round. So one of the two sees the other, and no wake-up is lost.
  private volatile @Nullable Thread sleeper;
  private volatile boolean isWoken;

  @Override
  public int reap() {
    return 0;
  }

  @Override
  public void enter(long waitNanos) {
    if (waitNanos <= 0) {
      return;
    }
    sleeper = Thread.currentThread();
    // An interrupt is not for the loop: it is put aside until the sleep is over. It also leaves a
    // permit, by which the next park returns at once.
    boolean isInterrupted = false;
    long start = System.nanoTime();
    long leftNanos = waitNanos;
    while (!isWoken && leftNanos > 0) {
      LockSupport.parkNanos(this, leftNanos);
      isInterrupted |= Thread.interrupted();
      leftNanos = waitNanos - (System.nanoTime() - start);
    }
    if (isInterrupted) {
      Thread.currentThread().interrupt();
    }
    isWoken = false;
  }

  @Override
  public void wake() {
    isWoken = true;
    LockSupport.unpark(sleeper);
  }

  @Override
  public void close() {}
}
