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

/**
 * Two loops begin to watch one flag at the same moment, and one ends that: neither is forgotten.
 */
@JCStressTest
@Outcome(id = "1, 2", expect = Expect.ACCEPTABLE, desc = "both are woken by a later raise")
@Outcome(expect = Expect.FORBIDDEN, desc = "a watch was lost, or was not taken off")
@State
public class TwoLoopsWatch {
  private final Stage left = new Stage();
  private final Stage right = new Stage();
  private final CancelFlag flag = new CancelFlag();

  @Actor
  public void left() {
    left.loop.enter(left.request(flag));
  }

  @Actor
  public void right() {
    right.loop.enter(right.request(flag));
    right.holder.letGo();
    right.loop.enter(right.request(flag));
  }

  @Arbiter
  public void arbiter(II_Result r) {
    flag.raise();
    left.loop.turn(0);
    right.loop.turn(0);
    r.r1 = left.ended;
    r.r2 = right.ended;
  }
}
