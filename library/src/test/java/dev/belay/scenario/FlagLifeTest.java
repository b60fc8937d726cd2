// SPDX-License-Identifier: Apache-2.0
package dev.belay.scenario;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.belay.CancelFlag;
import dev.belay.Errno;
import dev.belay.Inside;
import dev.belay.Loop;
import dev.belay.Outcome;
import dev.belay.front.AioContext;
import dev.belay.front.CancelledException;
import dev.belay.front.IoEvent;
import dev.belay.front.IoFuture;
import dev.belay.front.IoOptions;
import dev.belay.front.Iocb;
import dev.belay.front.Volume;
import dev.belay.leaf.FileEngine;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * The moments at which nobody expects a flag to go up, each of which has hurt users of interfaces
 * that cancel by a number or by a callback: before the request exists, after it has ended, twice,
 * from a thousand threads, and long afterwards, when the kernel's control block, or the number, has
 * long become another request.
 */
@Timeout(60)
final class FlagLifeTest {
  private static final int BLOCK = Ground.BLOCK;
  private static final int SIZE = 256 * BLOCK;

  @TempDir Path directory;

  @ParameterizedTest
  @EnumSource(names = {"URING", "THREADS"})
  void aFlagThatIsUpBeforeStopsEverythingUnderIt(FileEngine engine) throws Exception {
    Ground.needs(engine);
    CancelFlag flag = new CancelFlag();
    flag.raise(CancelFlag.Reason.DISCONNECT);
    flag.raise();
    try (Volume volume = Ground.volume(engine, directory.resolve("a"), SIZE)) {
      long before = volume.root().bios();
      IoOptions options = IoOptions.NONE.withFlag(flag);
      List<MemorySegment> buffer = List.of(Ground.memory(BLOCK, 1));
      assertThatThrownBy(() -> volume.write(0, buffer, options))
          .isInstanceOfSatisfying(
              CancelledException.class,
              e -> {
                assertThat(e.outcome().cleanBytes()).isEqualTo(BLOCK);
                assertThat(e.outcome().reason())
                    .as("the first reason stays")
                    .isEqualTo(CancelFlag.Reason.DISCONNECT);
              });
      assertThatThrownBy(() -> volume.flush(options)).isInstanceOf(CancelledException.class);
      assertThat(volume.root().bios()).as("what reached the file").isEqualTo(before);
      byte[] found = new byte[BLOCK];
      volume.read(0, found);
      assertThat(found).containsOnly(0);
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"URING", "THREADS"})
  void aFlagThatGoesUpAfterwardsChangesNoOutcome(FileEngine engine) throws Exception {
    Ground.needs(engine);
    CancelFlag flag = new CancelFlag();
    try (Volume volume = Ground.volume(engine, directory.resolve("a"), SIZE)) {
      IoOptions options = IoOptions.NONE.withFlag(flag);
      IoFuture write = volume.writeAsync(0, List.of(Ground.memory(BLOCK, 1)), options);
      Outcome outcome = write.get(30, TimeUnit.SECONDS);
      flag.raise();
      assertThat(write.cancel(true)).as("it was done").isFalse();
      assertThat(write.outcome()).isSameAs(outcome);
      assertThat(outcome).isEqualTo(Outcome.done(BLOCK));
      volume.read(0, new byte[BLOCK]);
    }
  }

  @Test
  void aThousandThreadsRaiseOneFlagAndEachRequestEndsOnce() throws Exception {
    Loop loop = Loop.threaded("thousand");
    HeldLeaf leaf = new HeldLeaf(loop, SIZE, 1);
    try (Volume volume = Volume.start(loop, leaf)) {
      CancelFlag flag = new CancelFlag();
      IoOptions options = IoOptions.NONE.withFlag(flag);
      ConcurrentLinkedQueue<Outcome> ends = new ConcurrentLinkedQueue<>();
      List<IoFuture> futures = new ArrayList<>();
      IoFuture inDevice = volume.readAsync(0, Ground.memory(BLOCK));
      leaf.awaitSent(1);
      for (int i = 0; i < 100; i++) {
        IoFuture future = volume.readAsync(0, List.of(Ground.memory(BLOCK)), options);
        future.whenComplete((done, failed) -> ends.add(future.outcome()));
        futures.add(future);
      }
      CountDownLatch start = new CountDownLatch(1);
      List<Thread> threads = new ArrayList<>();
      for (int i = 0; i < 1000; i++) {
        threads.add(
            Thread.ofVirtual()
                .start(
                    () -> {
                      try {
                        start.await();
                        flag.raise(CancelFlag.Reason.SCOPE);
                      } catch (InterruptedException e) {
                        Thread.currentThread().interrupt();
                      }
                    }));
      }
      start.countDown();
      for (Thread thread : threads) {
        assertThat(thread.join(Ground.LONG)).isTrue();
      }
      for (IoFuture future : futures) {
        assertThatThrownBy(() -> future.get(30, TimeUnit.SECONDS))
            .isInstanceOf(java.util.concurrent.CancellationException.class);
        assertThat(future.outcome().cleanBytes()).isEqualTo(BLOCK);
      }
      assertThat(ends).hasSize(100).allMatch(e -> e.kind() == Outcome.Kind.CANCELLED);
      assertThat(Inside.isWatched(flag, loop)).as("the loop has forgotten the flag").isFalse();
      assertThat(leaf.sent).isEqualTo(1);
      leaf.release();
      assertThat(inDevice.get(30, TimeUnit.SECONDS)).isEqualTo(Outcome.done(BLOCK));
    }
  }

  /** Flags of requests long gone are raised all the time while the same blocks are used anew. */
  @ParameterizedTest
  @EnumSource(names = {"URING", "THREADS"})
  void flagsThatWereKeptHitNothingLater(FileEngine engine) throws Exception {
    Ground.needs(engine);
    int depth = 16;
    int later = 4000;
    ConcurrentLinkedQueue<CancelFlag> kept = new ConcurrentLinkedQueue<>();
    CountDownLatch over = new CountDownLatch(1);
    Thread raiser =
        Thread.ofPlatform()
            .start(
                () -> {
                  while (over.getCount() > 0) {
                    CancelFlag flag = kept.poll();
                    if (flag != null) {
                      flag.raise();
                    } else {
                      Thread.yield();
                    }
                  }
                });
    int raised = 0;
    try (AioContext context = Ground.context(engine, directory.resolve("a"), SIZE, depth)) {
      MemorySegment buffers = Ground.memory((long) depth * BLOCK);
      for (int i = 0; i < depth; i++) {
        Iocb iocb = context.newIocb();
        context.submit(iocb.prepareRead(0, buffers.asSlice((long) i * BLOCK, BLOCK)));
        iocb.flag();
      }
      for (int ended = 0; ended < later; ) {
        List<IoEvent> events = context.getEvents(1, depth, Ground.LONG);
        assertThat(events).isNotEmpty();
        for (IoEvent event : events) {
          assertThat(event.result()).isEqualTo(BLOCK);
          assertThat(event.outcome().reason()).isNull();
          Iocb iocb = event.iocb();
          kept.add(iocb.flag()); // of the request that has just ended
          raised++;
          ended++;
          context.submit(iocb);
          iocb.flag();
        }
      }
    } finally {
      over.countDown();
      raiser.join(Ground.LONG);
    }
    assertThat(raised).isGreaterThanOrEqualTo(later);
  }

  /** The flag that was above the last request of a control block is not above its next one. */
  @Test
  void aParentThatIsRaisedLateDoesNotHitTheBlocksNextRequest() throws Exception {
    Loop loop = Loop.driven();
    HeldLeaf leaf = new HeldLeaf(loop, SIZE, 1);
    try (AioContext context = AioContext.driving(loop, leaf, 2)) {
      leaf.release();
      CancelFlag old = new CancelFlag();
      Iocb iocb = context.newIocb().setFlag(old).prepareRead(0, Ground.memory(BLOCK));
      context.submit(iocb);
      assertThat(context.getEvents(1, 1, Ground.LONG)).hasSize(1);
      leaf.hold();
      loop.turn(0);
      Iocb inDevice = context.newIocb().prepareRead(0, Ground.memory(BLOCK));
      context.submit(inDevice);
      context.submit(iocb.setFlag(null));
      old.raise();
      loop.turn(0);
      leaf.release();
      assertThat(context.getEvents(2, 2, Ground.LONG))
          .hasSize(2)
          .allMatch(e -> e.result() == BLOCK && e.outcome().reason() == null);
    }
  }

  /** The same with one parent flag for requests that are long over. */
  @Test
  void aParentThatIsRaisedLateHitsOnlyWhatIsStillUnderIt() throws Exception {
    Loop loop = Loop.driven();
    HeldLeaf leaf = new HeldLeaf(loop, SIZE, 1);
    try (AioContext context = AioContext.driving(loop, leaf, 1000)) {
      leaf.release();
      CancelFlag old = new CancelFlag();
      MemorySegment buffer = Ground.memory(BLOCK);
      for (int i = 0; i < 500; i++) {
        context.submit(context.newIocb().setFlag(old).prepareRead(0, buffer));
      }
      assertThat(context.getEvents(500, 500, Ground.LONG)).allMatch(e -> e.result() == BLOCK);
      leaf.hold();
      loop.turn(0);
      for (int i = 0; i < 500; i++) {
        CancelFlag flag = i % 100 == 99 ? old : null;
        context.submit(context.newIocb().setFlag(flag).setAttachment(i).prepareRead(0, buffer));
      }
      old.raise();
      List<IoEvent> stopped = context.getEvents(5, 500, Ground.LONG);
      assertThat(stopped)
          .hasSize(5)
          .allMatch(
              e -> e.result() == -Errno.ECANCELED && ((int) e.iocb().attachment()) % 100 == 99);
      leaf.release();
      assertThat(context.getEvents(495, 500, Ground.LONG))
          .hasSize(495)
          .allMatch(e -> e.result() == BLOCK);
    }
  }
}
