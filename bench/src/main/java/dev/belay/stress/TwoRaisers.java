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

/** Two threads raise a flag for different reasons: everybody sees one reason, for ever. */
@JCStressTest
@Outcome(id = "1, 1", expect = Expect.ACCEPTABLE, desc = "up, and the reason stays; woken once")
@Outcome(expect = Expect.FORBIDDEN, desc = "it came down, changed its reason, or lost a bio")
@State
public class TwoRaisers {
  private final Stage stage = new Stage();
  private final CancelFlag flag = new CancelFlag();
  private int steady = 1;

  public TwoRaisers() {
    stage.loop.enter(stage.request(flag));
  }

  @Actor
  public void first() {
    flag.raise(CancelFlag.Reason.DEADLINE);
  }

  @Actor
  public void second() {
    CancelFlag.Reason before = flag.reason();
    flag.raise(CancelFlag.Reason.DISCONNECT);
    CancelFlag.Reason after = flag.reason();
    if (after == null || (before != null && before != after) || flag.reason() != after) {
      steady = 0;
    }
  }

  @Arbiter
  public void arbiter(II_Result r) {
    stage.loop.turn(0);
    r.r1 = steady;
    r.r2 = stage.ended;
  }
}
