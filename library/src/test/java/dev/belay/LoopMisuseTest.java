// SPDX-License-Identifier: Apache-2.0
package dev.belay;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Loops in the wrong hands, and wake-ups that fail. */
@Timeout(60)
final class LoopMisuseTest {
  private static final Limits LIMITS = new Limits(1L << 40, 1, 1, Long.MAX_VALUE);

  private static final class Sink extends Device {
    final Parked parked = new Parked();
    private final boolean holds;

    Sink(Loop loop, boolean holds) {
      super(loop, "sink", LIMITS, List.of());
      this.holds = holds;
    }

    @Override
    public Verdict map(Bio bio) {
      if (holds) {
        parked.park(bio);
      } else {
        bio.complete();
      }
      return Verdict.TAKEN;
    }
  }

  private static Bio flush(Device device, CancelFlag flag, Runnable end) {
    Bio bio = new Bio(device.loop(), done -> end.run());
    bio.prepare(Op.FLUSH, device, 0, 0, MemorySegment.NULL, 0, flag);
    return bio;
  }

  @Test
  void aLoopHasOneThread() {
    Loop loop = Loop.threaded("twice");
    loop.start();
    assertThatThrownBy(loop::start)
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("twice was started already");
    CountDownLatch done = new CountDownLatch(1);
    assertThat(loop.execute(done::countDown)).isTrue();
    assertThat(loop.close(Long.MAX_VALUE)).isZero();
    assertThat(done.getCount()).isZero();
  }

  @Test
  void aDrivenLoopServesNobodyButItsThread() throws Exception {
    Loop loop = Loop.driven();
    Sink sink = new Sink(loop, false);
    AtomicInteger ends = new AtomicInteger();
    Bio bio = flush(sink, new CancelFlag(), ends::incrementAndGet);
    FutureTask<List<Throwable>> elsewhere =
        new FutureTask<>(
            () -> {
              List<Throwable> thrown = new ArrayList<>();
              for (Runnable each : List.<Runnable>of(() -> loop.enter(bio), () -> loop.turn(0))) {
                try {
                  each.run();
                } catch (IllegalStateException e) {
                  thrown.add(e);
                }
              }
              return thrown;
            });
    Thread.ofPlatform().name("stranger").start(elsewhere);
    assertThat(elsewhere.get())
        .hasSize(2)
        .allMatch(t -> t.getMessage().contains("belongs to the thread " + name()))
        .allMatch(t -> t.getMessage().contains("stranger"));
    assertThat(ends.get()).isZero();
    loop.enter(bio);
    assertThat(ends.get()).isEqualTo(1);
    assertThat(loop.close(Long.MAX_VALUE)).isZero();
  }

  private static String name() {
    return Thread.currentThread().getName();
  }

  /**
   * The monitor of a flag is its owner's: whoever holds it while he waits must not wait for ever.
   */
  @Test
  void aFlagMayBeSomebodysLock() throws Exception {
    Loop loop = Loop.threaded("locked");
    Sink sink = new Sink(loop, true);
    loop.start();
    CancelFlag flag = new CancelFlag();
    CountDownLatch done = new CountDownLatch(1);
    synchronized (flag) {
      assertThat(loop.send(flush(sink, flag, done::countDown))).isTrue();
      while (flag.watchOf(loop) == null) {
        Thread.onSpinWait();
      }
      flag.raise();
      assertThat(done.await(20, TimeUnit.SECONDS)).isTrue();
    }
    assertThat(loop.close(Long.MAX_VALUE)).isZero();
  }

  /** Lets a loop sleep in its own poller, and fails some of its wake-ups. */
  private static final class Deaf implements Poller {
    private final Poller good;
    private final AtomicInteger failures;

    Deaf(Poller good, int failures) {
      this.good = good;
      this.failures = new AtomicInteger(failures);
    }

    @Override
    public int reap() {
      return 0;
    }

    @Override
    public void enter(long waitNanos) {
      good.enter(waitNanos);
    }

    @Override
    public void wake() {
      if (failures.getAndDecrement() > 0) {
        throw new OutOfMemoryError("planted: no direct memory");
      }
      good.wake();
    }

    @Override
    public void close() {}
  }

  @Test
  void aRaiserHearsNothingOfAWakeUpThatFailsAndTheRequestEnds() throws Exception {
    for (int failures : new int[] {1, 2, 3, 4}) {
      Loop loop = Loop.threaded("deaf");
      Poller good = new Parking();
      loop.setPoller(new Deaf(good, failures));
      Sink sink = new Sink(loop, true);
      loop.start();
      CountDownLatch done = new CountDownLatch(2);
      CancelFlag[] flags = {new CancelFlag(), new CancelFlag()};
      for (CancelFlag flag : flags) {
        loop.send(flush(sink, flag, done::countDown));
      }
      while (flags[0].watchOf(loop) == null || flags[1].watchOf(loop) == null) {
        good.wake(); // what failed on the way there
        Thread.onSpinWait();
      }
      flags[0].raise();
      flags[1].raise();
      assertThat(done.await(20, TimeUnit.SECONDS)).as("%d failures", failures).isTrue();
      assertThat(loop.close(Long.MAX_VALUE)).isZero();
    }
  }
}
