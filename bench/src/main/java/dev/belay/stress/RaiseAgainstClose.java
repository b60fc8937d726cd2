// SPDX-License-Identifier: Apache-2.0
package dev.belay.stress;

import dev.belay.CancelFlag;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.IL_Result;

/** A flag goes up while the loop that holds its request closes: it ends once, with one reason. */
@JCStressTest
@Outcome(id = "1, EXPLICIT", expect = Expect.ACCEPTABLE, desc = "stopped by its owner")
@Outcome(id = "1, CLOSE", expect = Expect.ACCEPTABLE, desc = "stopped by the close")
@Outcome(expect = Expect.FORBIDDEN, desc = "it did not end, or not once")
@State
public class RaiseAgainstClose {
  private final Stage stage = new Stage();
  private final CancelFlag flag = new CancelFlag();

  public RaiseAgainstClose() {
    stage.loop.enter(stage.request(flag));
  }

  @Actor
  public void raiser() {
    flag.raise();
  }

  @Actor
  public void closer() {
    stage.loop.close(Long.MAX_VALUE);
  }

  /** A raise after the close hits nothing. */
  @Arbiter
  public void arbiter(IL_Result r) {
    flag.raise(CancelFlag.Reason.DISCONNECT);
    r.r1 = stage.ended;
    r.r2 = flag.reason();
  }
}
