// SPDX-License-Identifier: Apache-2.0
package dev.belay.stress;

import dev.belay.Bio;
import dev.belay.CancelFlag;
import dev.belay.Device;
import dev.belay.Limits;
import dev.belay.Loop;
import dev.belay.Op;
import dev.belay.Verdict;
import dev.belay.leaf.LoopSockets;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.J_Result;

/**
 * Requests are sent to a loop that falls asleep on its ring again and again: each ends. Where the
 * kernel has no ring, the loop parks.
 */
@JCStressTest
@Outcome(id = "0", expect = Expect.ACCEPTABLE, desc = "both ended")
@Outcome(expect = Expect.FORBIDDEN, desc = "the loop sleeps on mail")
@State
public class SendAgainstRingSleep {
  private static final long PATIENCE_SECONDS = 20;
  private static final Sink SINK = start();

  private final CountDownLatch left = new CountDownLatch(2);
  private final Bio one = request();
  private final Bio two = request();

  private Bio request() {
    Bio bio = new Bio(SINK.loop(), done -> left.countDown());
    bio.prepare(Op.FLUSH, SINK, 0, 0, MemorySegment.NULL, 0, new CancelFlag());
    return bio;
  }

  @Actor
  public void first() {
    SINK.loop().send(one);
  }

  @Actor
  public void second() {
    SINK.loop().send(two);
  }

  @Arbiter
  public void arbiter(J_Result r) {
    try {
      r.r1 = left.await(PATIENCE_SECONDS, TimeUnit.SECONDS) ? 0 : left.getCount();
    } catch (InterruptedException e) {
      throw new IllegalStateException("nobody interrupts an arbiter", e);
    }
  }

  /** One ring for all states: each is a few descriptors and locked memory. */
  private static Sink start() {
    Loop loop = Loop.threaded("stress");
    LoopSockets.of(loop);
    Sink sink = new Sink(loop);
    loop.start();
    return sink;
  }

  private static final class Sink extends Device {
    Sink(Loop loop) {
      super(loop, "sink", new Limits(0, 1, 1, 1), List.of());
    }

    @Override
    public Verdict map(Bio bio) {
      bio.complete();
      return Verdict.TAKEN;
    }
  }
}
