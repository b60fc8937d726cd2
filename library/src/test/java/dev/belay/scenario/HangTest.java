// SPDX-License-Identifier: Apache-2.0
package dev.belay.scenario;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.belay.CancelFlag;
import dev.belay.Loop;
import dev.belay.Outcome;
import dev.belay.front.AbandonedException;
import dev.belay.front.AioContext;
import dev.belay.front.BufferPool;
import dev.belay.front.CancelledException;
import dev.belay.front.IoEvent;
import dev.belay.front.IoFuture;
import dev.belay.front.IoOptions;
import dev.belay.front.Volume;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * A disk that hangs for ever, which on Linux leaves threads that nothing can kill and buffers that
 * nobody may free. What is queued comes back as soon as its deadline is over; what the device has
 * is reported when the device answers, and whoever cannot wait for that walks away, also from the
 * whole volume, and leaves the buffer behind.
 */
@Timeout(60)
final class HangTest {
  private static final int BLOCK = Ground.BLOCK;
  private static final int SIZE = 1 << 20;
  private static final Duration SHORT = Duration.ofMillis(20);

  private final Loop loop = Loop.threaded("hang");
  private final HeldLeaf leaf = new HeldLeaf(loop, SIZE, 1);

  @Test
  void whatIsQueuedComesBackWhenItsDeadlineIsOver() throws Exception {
    try (Volume volume = Volume.start(loop, leaf)) {
      CancelFlag flag = new CancelFlag();
      IoOptions options = IoOptions.NONE.withFlag(flag);
      IoFuture inDevice = volume.readAsync(0, List.of(Ground.memory(BLOCK)), options);
      leaf.awaitSent(1);
      flag.raise(CancelFlag.Reason.DEADLINE);
      List<IoFuture> queued = new ArrayList<>();
      for (int i = 0; i < 100; i++) {
        queued.add(volume.readAsync(0, List.of(Ground.memory(BLOCK)), deadline()));
      }
      for (IoFuture future : queued) {
        assertThatThrownBy(() -> future.get(30, TimeUnit.SECONDS))
            .isInstanceOf(CancellationException.class);
        assertThat(future.outcome().cleanBytes()).isEqualTo(BLOCK);
        assertThat(future.outcome().reason()).isEqualTo(CancelFlag.Reason.DEADLINE);
      }
      assertThat(leaf.sent).isEqualTo(1);
      assertThat(inDevice.isDone()).as("the device has it, and has not answered").isFalse();
      leaf.release();
      Outcome outcome = inDevice.get(30, TimeUnit.SECONDS);
      assertThat(outcome.doneBytes()).isEqualTo(BLOCK);
      assertThat(outcome.reason()).isEqualTo(CancelFlag.Reason.DEADLINE);
    }
  }

  private static IoOptions deadline() {
    return IoOptions.NONE.withDeadline(SHORT);
  }

  @Test
  void theCallerWalksAwayAndItsBufferStays() throws Exception {
    try (Volume volume = Volume.start(loop, leaf)) {
      BufferPool pool = volume.newBuffers(BLOCK, 1);
      BufferPool.Buffer native0 = pool.take();
      AbandonedException abandoned = abandon(volume, native0.segment());
      assertThat(abandoned).hasMessageContaining("stay with the volume until it is");
      native0.close();
      assertThat(pool.tryTake()).as("the buffer is in quarantine").isNull();
      leaf.release();
      assertThat(abandoned.future().get(30, TimeUnit.SECONDS).doneBytes()).isEqualTo(BLOCK);
      assertThat(pool.free()).isEqualTo(1);
      volume.read(0, new byte[BLOCK]);
    }
  }

  /** Reads, and walks away: the flag goes up when the device has the request. */
  private AbandonedException abandon(Volume volume, MemorySegment buffer) throws Exception {
    CancelFlag flag = new CancelFlag();
    IoOptions options = IoOptions.NONE.withFlag(flag).withGrace(SHORT);
    Thread raiser =
        Thread.startVirtualThread(
            () -> {
              try {
                leaf.awaitSent(1);
              } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
              } finally {
                flag.raise(CancelFlag.Reason.DEADLINE);
              }
            });
    AbandonedException abandoned =
        catchThrowableOfType(
            AbandonedException.class, () -> volume.read(0, List.of(buffer), options));
    assertThat(raiser.join(Ground.LONG)).isTrue();
    return abandoned;
  }

  @Test
  void aHeapBufferThatWasLeftIsNeverTouched() throws Exception {
    try (Volume volume = Volume.start(loop, leaf)) {
      byte[] mine = new byte[BLOCK];
      java.util.Arrays.fill(mine, (byte) 3);
      AbandonedException abandoned = abandon(volume, MemorySegment.ofArray(mine));
      leaf.release();
      assertThat(abandoned.future().get(30, TimeUnit.SECONDS).doneBytes()).isEqualTo(BLOCK);
      volume.read(0, new byte[BLOCK]);
      assertThat(mine).containsOnly(3);
    }
  }

  @Test
  void closingAnswersHowManyAreLeftAndEndsByItself() throws Exception {
    Volume volume = Volume.start(loop, leaf);
    IoFuture inDevice = volume.writeAsync(0, Ground.memory(BLOCK, 1));
    List<IoFuture> queued = new ArrayList<>();
    for (int i = 0; i < 10; i++) {
      queued.add(volume.writeAsync(0, Ground.memory(BLOCK, 2)));
    }
    leaf.awaitSent(1);
    assertThat(volume.close(SHORT)).isPositive();
    for (IoFuture future : queued) {
      assertThatThrownBy(() -> future.get(30, TimeUnit.SECONDS))
          .isInstanceOf(CancellationException.class);
      assertThat(future.outcome().reason()).isEqualTo(CancelFlag.Reason.CLOSE);
    }
    assertThat(volume.close(SHORT)).as("requests that the device has").isEqualTo(1);
    IoFuture late = volume.readAsync(0, Ground.memory(BLOCK));
    assertThatThrownBy(() -> late.get(30, TimeUnit.SECONDS)).isInstanceOf(Exception.class);
    assertThat(late.outcome().cleanBytes()).isEqualTo(BLOCK);
    leaf.release();
    assertThat(inDevice.get(30, TimeUnit.SECONDS)).isNotNull();
    assertThat(volume.close(Ground.LONG)).isZero();
    assertThat(leaf.sent).isEqualTo(1);
  }

  @Test
  void aDrivenContextIsLeftInTheSameWay() throws Exception {
    Loop driven = Loop.driven();
    HeldLeaf held = new HeldLeaf(driven, SIZE, 2);
    AioContext context = AioContext.driving(driven, held, 8);
    for (int i = 0; i < 8; i++) {
      context.submit(context.newIocb().prepareRead(0, Ground.memory(BLOCK)));
    }
    assertThat(context.close(SHORT.multipliedBy(10))).isEqualTo(2);
    List<IoEvent> stopped = context.getEvents(0, 8, Duration.ZERO);
    assertThat(stopped).hasSize(6).allMatch(e -> e.outcome().cleanBytes() == BLOCK);
    held.release();
    assertThat(context.close(Ground.LONG)).isZero();
    assertThat(held.sent).isEqualTo(2);
  }

  /** Where the hang is above a device's queue, everything has its deadline. */
  @Test
  void aThousandThreadsAreNotStuckBehindIt() throws Exception {
    ConcurrentLinkedQueue<Object> ends = new ConcurrentLinkedQueue<>();
    try (Volume volume = Volume.open("fault(memory(size=1M), effect=hang, op=read)")) {
      List<Thread> threads = new ArrayList<>();
      for (int i = 0; i < 1000; i++) {
        threads.add(Thread.startVirtualThread(() -> ends.add(endOfRead(volume))));
      }
      for (Thread thread : threads) {
        assertThat(thread.join(Ground.LONG)).isTrue();
      }
      assertThat(ends).hasSize(1000).allMatch(CancelFlag.Reason.DEADLINE::equals);
      volume.write(0, new byte[BLOCK]);
    }
  }

  private static Object endOfRead(Volume volume) {
    try {
      return volume.read(0, List.of(MemorySegment.ofArray(new byte[BLOCK])), deadline());
    } catch (CancelledException e) {
      return String.valueOf(e.outcome().reason()).equals("DEADLINE")
          ? CancelFlag.Reason.DEADLINE
          : e;
    } catch (IOException | RuntimeException e) {
      return e;
    }
  }
}
