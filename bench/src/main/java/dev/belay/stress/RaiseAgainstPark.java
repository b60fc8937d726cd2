// SPDX-License-Identifier: Apache-2.0
package dev.belay.stress;

import dev.belay.CancelFlag;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.I_Result;

/** A flag goes up while its bio is being parked: one of the two sees the other, always. */
@JCStressTest
@Outcome(id = "1", expect = Expect.ACCEPTABLE, desc = "it completed, once")
@Outcome(expect = Expect.FORBIDDEN, desc = "a lost wake-up, or a second completion")
@State
public class RaiseAgainstPark {
  private final Stage stage = new Stage();
  private final CancelFlag root = new CancelFlag();
  private final CancelFlag flag = root.child();

  @Actor
  public void raiser() {
    root.raise();
  }

  @Actor
  public void loop() {
    stage.loop.enter(stage.request(flag));
    stage.loop.turn(0);
  }

  @Arbiter
  public void arbiter(I_Result r) {
    stage.loop.turn(0);
    r.r1 = stage.ended;
  }
}
