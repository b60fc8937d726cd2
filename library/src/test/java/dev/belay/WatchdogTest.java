// SPDX-License-Identifier: Apache-2.0
package dev.belay;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
final class WatchdogTest {
  private static final Limits LIMITS = new Limits(1L << 40, 1, 1, Long.MAX_VALUE);
  private static final long LOOK_NANOS = 5_000_000;
  private static final long PATIENCE_NANOS = 100_000_000;

  private final LinkedBlockingQueue<Throwable> reports = new LinkedBlockingQueue<>();
  private final CountDownLatch mayGoOn = new CountDownLatch(1);
  private final CountDownLatch isIn = new CountDownLatch(1);
  private final Loop loop = Loop.threaded("watched");
  private final Watchdog watchdog = new Watchdog(LOOK_NANOS, PATIENCE_NANOS);

  /** Blocks the loop's thread, which no device may. */
  private final class Blocking extends Device {
    Blocking(Loop loop) {
      super(loop, "blocking", LIMITS, List.of());
    }

    @Override
    public Verdict map(Bio bio) {
      isIn.countDown();
      await(mayGoOn);
      bio.complete();
      return Verdict.TAKEN;
    }
  }

  /** Keeps what it gets, as a disk that is slow. */
  private static final class Keeping extends Device {
    private volatile @Nullable Bio kept;

    Keeping(Loop loop) {
      super(loop, "keeping", LIMITS, List.of());
    }

    @Override
    public Verdict map(Bio bio) {
      kept = bio;
      return Verdict.TAKEN;
    }
  }

  private static void await(CountDownLatch latch) {
    try {
      assertThat(latch.await(30, TimeUnit.SECONDS)).isTrue();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  @AfterEach
  void close() {
    mayGoOn.countDown();
    loop.close(Long.MAX_VALUE);
  }

  private Bio send(Device device) {
    Bio bio = new Bio(loop, ended -> {});
    bio.prepare(Op.READ, device, 0, 512, MemorySegment.NULL, 0, CancelFlag.NEVER);
    assertThat(loop.send(bio)).isTrue();
    return bio;
  }

  private void start() throws InterruptedException {
    loop.setDefects(reports::add);
    loop.start();
    Thread[] runner = new Thread[1];
    CountDownLatch known = new CountDownLatch(1);
    loop.execute(
        () -> {
          runner[0] = Thread.currentThread();
          known.countDown();
        });
    await(known);
    watchdog.watch(loop, runner[0]);
  }

  @Test
  void aLoopThatIsBlockedIsReportedOnceWithWhatItIsIn() throws Exception {
    Blocking device = new Blocking(loop);
    start();
    send(device);
    await(isIn);
    Throwable report = reports.poll(30, TimeUnit.SECONDS);
    assertThat(report)
        .hasMessageMatching(
            "the loop watched has not turned for \\d+\\.\\d s: its thread is in "
                + "dev.belay.WatchdogTest.await, called by dev.belay.WatchdogTest\\$Blocking.map; "
                + "its requests, cancels and deadlines wait");
    assertThat(report.getStackTrace()).as("where the loop is").isNotEmpty();
    assertThat(reports.poll(2 * PATIENCE_NANOS, TimeUnit.NANOSECONDS)).as("said once").isNull();
  }

  /** A disk that does not answer is no loop that does not turn. */
  @Test
  void aLoopThatWaitsForItsDeviceIsNotReported() throws Exception {
    Keeping device = new Keeping(loop);
    start();
    Bio bio = send(device);
    assertThat(reports.poll(3 * PATIENCE_NANOS, TimeUnit.NANOSECONDS)).isNull();
    assertThat(device.kept).isSameAs(bio);
    loop.execute(bio::complete);
  }

  @Test
  void aLoopThatIsClosedIsForgotten() throws Exception {
    start();
    assertThat(watchdog.isIdle()).isFalse();
    loop.close(Long.MAX_VALUE);
    long start = System.nanoTime();
    while (!watchdog.isIdle()) {
      assertThat(System.nanoTime() - start).isLessThan(TimeUnit.SECONDS.toNanos(30));
      Thread.sleep(1);
    }
    assertThat(reports).isEmpty();
  }
}
