// SPDX-License-Identifier: Apache-2.0
package dev.belay;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A sleep ends by a wake-up, whichever of the two comes first. */
@Timeout(100)
final class ParkingTest {
  private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(30);

  private final Parking parking = new Parking();

  private boolean sleepsForLong() {
    long start = System.nanoTime();
    parking.enter(PATIENCE_NANOS);
    return System.nanoTime() - start >= PATIENCE_NANOS;
  }

  @Test
  void aWakeUpThatCameFirstEndsTheNextSleepAndOnlyThat() throws Exception {
    parking.wake();
    assertThat(sleepsForLong()).as("nobody had slept here yet").isFalse();
    parking.wake();
    assertThat(sleepsForLong()).as("somebody had").isFalse();
    parking.wake();
    parking.wake();
    assertThat(sleepsForLong()).as("woken twice").isFalse();
    assertThatTheNextSleepLastsUntil(parking::wake);
  }

  @Test
  void aTurnThatDoesNotSleepLeavesTheWakeUpForTheNext() {
    parking.wake();
    parking.enter(0);
    parking.enter(-1);
    assertThat(parking.reap()).isZero();
    assertThat(sleepsForLong()).isFalse();
  }

  @Test
  void aSleepIsOverWhenItsTimeIs() {
    long start = System.nanoTime();
    parking.enter(1);
    parking.enter(1_000_000);
    assertThat(System.nanoTime() - start).isLessThan(PATIENCE_NANOS);
  }

  /** The interrupt is the caller's: the loop sleeps in spite of it, and gives it back. */
  @Test
  void anInterruptEndsNoSleepAndIsKept() throws Exception {
    AtomicBoolean isInterrupted = new AtomicBoolean();
    Thread sleeper =
        new Thread(
            () -> {
              Thread.currentThread().interrupt();
              parking.enter(PATIENCE_NANOS);
              isInterrupted.set(Thread.interrupted());
            });
    sleeper.start();
    waitUntilItParks(sleeper);
    parking.wake();
    sleeper.join();
    assertThat(isInterrupted).isTrue();
  }

  @Test
  void whoWasNotInterruptedIsNotAfterwards() {
    parking.wake();
    parking.enter(PATIENCE_NANOS);
    parking.enter(1);
    assertThat(Thread.currentThread().isInterrupted()).isFalse();
  }

  private void assertThatTheNextSleepLastsUntil(Runnable wake) throws InterruptedException {
    Thread sleeper = new Thread(() -> parking.enter(PATIENCE_NANOS));
    sleeper.start();
    waitUntilItParks(sleeper);
    wake.run();
    sleeper.join(PATIENCE_NANOS / 1_000_000);
    assertThat(sleeper.isAlive()).isFalse();
  }

  /** A thread that ended without parking is one that did not sleep. */
  private static void waitUntilItParks(Thread sleeper) throws InterruptedException {
    while (sleeper.getState() != Thread.State.TIMED_WAITING) {
      assertThat(sleeper.isAlive()).as("it did not sleep").isTrue();
      Thread.sleep(1);
    }
  }
}
