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
import org.openjdk.jcstress.infra.results.ZI_Result;

/** A request is sent while the loop closes: accepted and ended, or refused and not. */
@JCStressTest
@Outcome(id = "true, 1", expect = Expect.ACCEPTABLE, desc = "accepted, ended once")
@Outcome(id = "false, 0", expect = Expect.ACCEPTABLE, desc = "refused, the caller's again")
@Outcome(expect = Expect.FORBIDDEN, desc = "accepted and forgotten, or refused and ended")
@State
public class SendAgainstClose {
  private final Stage stage = new Stage();
  private final Bio bio = stage.request(new CancelFlag());
  private boolean accepted;

  @Actor
  public void sender() {
    accepted = stage.loop.send(bio);
  }

  @Actor
  public void closer() {
    stage.loop.close(Long.MAX_VALUE);
  }

  @Arbiter
  public void arbiter(ZI_Result r) {
    r.r1 = accepted;
    r.r2 = stage.ended;
  }
}
