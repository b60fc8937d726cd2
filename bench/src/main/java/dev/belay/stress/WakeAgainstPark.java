// SPDX-License-Identifier: Apache-2.0
package dev.belay.stress;

import dev.belay.Loop;
import dev.belay.Poller;
import java.util.concurrent.TimeUnit;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.ZZ_Result;

/** A loop parks while it is woken: it does not sleep, or wakes, long before its time is over. */
@JCStressTest
@Outcome(id = "true, true", expect = Expect.ACCEPTABLE, desc = "woken, or it did not sleep")
@Outcome(expect = Expect.FORBIDDEN, desc = "it slept though it was woken")
@State
public class WakeAgainstPark {
  private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(10);

  private final Poller poller = Loop.threaded("stress").poller();
  private boolean isAwake;

  @Actor
  public void loop() {
    isAwake = isWokenFromSleep();
  }

  @Actor
  public void sender() {
    poller.wake();
  }

  /** The wake-up of the first sleep ends no other; another one does. */
  @Arbiter
  public void arbiter(ZZ_Result r) {
    r.r1 = isAwake;
    poller.wake();
    r.r2 = isWokenFromSleep();
  }

  private boolean isWokenFromSleep() {
    long start = System.nanoTime();
    poller.enter(PATIENCE_NANOS);
    return System.nanoTime() - start < PATIENCE_NANOS;
  }
}
