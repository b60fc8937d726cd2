// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.sun.management.ThreadMXBean;
import dev.belay.Bio;
import dev.belay.CancelFlag;
import dev.belay.Device;
import dev.belay.Limits;
import dev.belay.Loop;
import dev.belay.Op;
import dev.belay.Parked;
import dev.belay.Verdict;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Raising a flag whose bio is parked in a loop that sleeps on a ring: on a thread that is new. */
@Timeout(120)
final class RaiseAllocatesNothingTest {
  private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  private static final class Holder extends Device {
    final Parked parked = new Parked();

    Holder(Loop loop) {
      super(loop, "holder", new Limits(1L << 40, 1, 1, Long.MAX_VALUE), List.of());
    }

    @Override
    public Verdict map(Bio bio) {
      parked.park(bio);
      return Verdict.TAKEN;
    }
  }

  /** Parks a request, waits until the loop sleeps, and raises; answers what that allocated. */
  private static long raiseOnce(Loop loop, Holder holder) throws Exception {
    CancelFlag flag = new CancelFlag();
    CountDownLatch done = new CountDownLatch(1);
    Bio bio = new Bio(loop, ended -> done.countDown());
    bio.prepare(Op.FLUSH, holder, 0, 0, MemorySegment.NULL, 0, flag);
    assertThat(loop.send(bio)).isTrue();
    Thread.sleep(5);
    FutureTask<Long> raiser =
        new FutureTask<>(
            () -> {
              long self = Thread.currentThread().threadId();
              long before = THREADS.getThreadAllocatedBytes(self);
              long between = THREADS.getThreadAllocatedBytes(self);
              flag.raise();
              return THREADS.getThreadAllocatedBytes(self) - between - (between - before);
            });
    Thread.ofPlatform().start(raiser);
    long bytes = raiser.get();
    assertThat(done.await(20, TimeUnit.SECONDS)).isTrue();
    return bytes;
  }

  @Test
  void notEvenWhenItWakesALoopAndDirectMemoryIsUsedUp() throws Exception {
    Loop loop = Loop.threaded("raise");
    String why = UringPoller.tryOn(loop);
    assumeTrue(why.isEmpty(), why);
    Holder holder = new Holder(loop);
    loop.start();
    for (int i = 0; i < 20; i++) {
      raiseOnce(loop, holder); // whatever is loaded and linked once
    }
    List<ByteBuffer> all = new ArrayList<>();
    for (int bytes : new int[] {64 << 20, 1 << 20, 4096, 1}) {
      try {
        for (; ; ) {
          all.add(ByteBuffer.allocateDirect(bytes));
        }
      } catch (OutOfMemoryError e) {
        // No more of this size.
      }
    }
    try {
      for (int i = 0; i < 50; i++) {
        assertThat(raiseOnce(loop, holder)).isZero();
      }
    } finally {
      all.clear();
    }
    assertThat(loop.close(Long.MAX_VALUE)).isZero();
  }
}
