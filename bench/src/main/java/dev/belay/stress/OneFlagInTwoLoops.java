// SPDX-License-Identifier: Apache-2.0
package dev.belay.stress;

import dev.belay.CancelFlag;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;

/** Two loops watch one flag, and one takes its watch off, while the flag goes up: both end. */
@JCStressTest
@Outcome(id = "1, 1", expect = Expect.ACCEPTABLE, desc = "both ended, once")
@Outcome(expect = Expect.FORBIDDEN, desc = "a loop was not woken, or a second completion")
@State
public class OneFlagInTwoLoops {
  private final Stage coming = new Stage();
  private final Stage waiting = new Stage();
  private final CancelFlag flag = new CancelFlag();

  public OneFlagInTwoLoops() {
    waiting.loop.enter(waiting.request(flag));
  }

  @Actor
  public void raiser() {
    flag.raise();
  }

  @Actor
  public void loop() {
    coming.loop.enter(coming.request(flag));
    coming.holder.letGo();
  }

  @Arbiter
  public void arbiter(II_Result r) {
    coming.loop.turn(0);
    waiting.loop.turn(0);
    r.r1 = coming.ended;
    r.r2 = waiting.ended;
  }
}
