// SPDX-License-Identifier: Apache-2.0
package dev.belay.stress;

import dev.belay.Bio;
import dev.belay.CancelFlag;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;

/** Two threads send at the same moment: each request comes in once. */
@JCStressTest
@Outcome(id = "2, 2", expect = Expect.ACCEPTABLE, desc = "both came in, both ended")
@Outcome(expect = Expect.FORBIDDEN, desc = "mail was lost or came twice")
@State
public class TwoSenders {
  private final Stage stage = new Stage();
  private final CancelFlag flag = new CancelFlag();
  private final Bio one = stage.request(flag);
  private final Bio two = stage.request(flag);

  @Actor
  public void first() {
    stage.loop.send(one);
  }

  @Actor
  public void second() {
    stage.loop.send(two);
  }

  @Arbiter
  public void arbiter(II_Result r) {
    stage.loop.turn(0);
    r.r1 = stage.loop.openRequests();
    flag.raise();
    stage.loop.turn(0);
    r.r2 = stage.ended;
  }
}
