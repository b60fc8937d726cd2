// SPDX-License-Identifier: Apache-2.0
package dev.belay.stress;

import dev.belay.Bio;
import dev.belay.CancelFlag;
import dev.belay.Op;
import java.lang.foreign.MemorySegment;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;

/**
 * A flag goes up while its bio is let go and used again for another request: the first request ends
 * once, and the second is not hit.
 */
@JCStressTest
@Outcome(id = "1, 1", expect = Expect.ACCEPTABLE, desc = "the first ended, the second waits")
@Outcome(expect = Expect.FORBIDDEN, desc = "a second completion, or a late raise that hit")
@State
public class TakeOffAgainstRaise {
  private final Stage stage = new Stage();
  private final CancelFlag root = new CancelFlag();
  private final Bio bio = stage.request(root.child());

  public TakeOffAgainstRaise() {
    stage.loop.enter(bio);
  }

  @Actor
  public void raiser() {
    root.raise();
  }

  @Actor
  public void loop() {
    stage.holder.letGo();
    bio.prepare(Op.FLUSH, stage.holder, 0, 0, MemorySegment.NULL, 0, new CancelFlag());
    stage.loop.enter(bio);
    stage.loop.turn(0);
  }

  @Arbiter
  public void arbiter(II_Result r) {
    stage.loop.turn(0);
    r.r1 = stage.ended;
    r.r2 = stage.loop.openRequests();
  }
}
