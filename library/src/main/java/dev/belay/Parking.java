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
    if (!isWoken) {
      // An interrupt is not for the loop, but would keep it from sleeping: it is put aside.
      boolean interrupted = Thread.interrupted();
      LockSupport.parkNanos(this, waitNanos);
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
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
