// SPDX-License-Identifier: Apache-2.0
package dev.belay.stress;

import dev.belay.CancelFlag;
import dev.belay.Poller;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.ZZ_Result;

/** A request is sent while the loop falls asleep: it is seen before, or the loop is woken. */
@JCStressTest
@Outcome(id = "true, false", expect = Expect.ACCEPTABLE, desc = "seen, so it did not sleep")
@Outcome(id = "true, true", expect = Expect.ACCEPTABLE, desc = "seen, and woken as well")
@Outcome(id = "false, true", expect = Expect.ACCEPTABLE, desc = "not seen yet, but woken")
@Outcome(id = "false, false", expect = Expect.FORBIDDEN, desc = "it sleeps on mail")
@State
public class SendAgainstSleep {
  private final Stage stage = new Stage();
  private final Snooze snooze = new Snooze();
  private boolean isSeen;

  public SendAgainstSleep() {
    stage.loop.setPoller(snooze);
  }

  @Actor
  public void sender() {
    stage.loop.send(stage.request(new CancelFlag()));
    snooze.isSent = true;
  }

  @Actor
  public void loop() {
    stage.loop.turn(1_000_000_000L);
    if (!snooze.slept) {
      stage.loop.turn(0); // the mail came before the sleep, which was not slept
    }
    isSeen = stage.loop.openRequests() == 1;
  }

  @Arbiter
  public void arbiter(ZZ_Result r) {
    r.r1 = isSeen;
    r.r2 = snooze.isWoken;
  }

  /** Sleeps until it is woken, or the sender has come and gone. */
  private static final class Snooze implements Poller {
    boolean slept;
    volatile boolean isSent;
    volatile boolean isWoken;

    @Override
    public int reap() {
      return 0;
    }

    @Override
    public void enter(long waitNanos) {
      slept |= waitNanos > 0;
      while (waitNanos > 0 && !isSent && !isWoken) {
        Thread.onSpinWait();
      }
    }

    @Override
    public void wake() {
      isWoken = true;
    }

    @Override
    public void close() {}
  }
}
