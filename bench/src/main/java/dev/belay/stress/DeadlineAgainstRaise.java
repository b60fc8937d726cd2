// SPDX-License-Identifier: Apache-2.0
package dev.belay.stress;

import dev.belay.CancelFlag;
import java.time.Duration;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.LLL_Result;

/** A deadline passes while somebody asks: one reason is kept, for the flag and those below it. */
@JCStressTest
@Outcome(id = "DEADLINE, DEADLINE, DEADLINE", expect = Expect.ACCEPTABLE, desc = "it was first")
@Outcome(id = "EXPLICIT, EXPLICIT, EXPLICIT", expect = Expect.ACCEPTABLE, desc = "it was first")
@Outcome(expect = Expect.FORBIDDEN, desc = "the reason changed, or the flag is down")
@State
public class DeadlineAgainstRaise {
  private final CancelFlag flag = new CancelFlag().withDeadline(Duration.ZERO);
  private final CancelFlag child = flag.child();

  @Actor
  public void looker(LLL_Result r) {
    r.r1 = child.isRaised() ? child.reason() : null;
  }

  @Actor
  public void raiser(LLL_Result r) {
    flag.raise();
    r.r2 = flag.reason();
  }

  @Arbiter
  public void arbiter(LLL_Result r) {
    r.r3 = flag.reason() == child.reason() ? flag.reason() : null;
  }
}
