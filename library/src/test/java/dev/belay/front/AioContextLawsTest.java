// SPDX-License-Identifier: Apache-2.0
package dev.belay.front;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.belay.CancelFlag;
import dev.belay.Errno;
import dev.belay.Loop;
import dev.belay.Outcome;
import dev.belay.leaf.Memory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Each request has one event, which is handed over or still there, whatever anybody does. */
@Timeout(120)
final class AioContextLawsTest {
  private static final Duration LONG = Duration.ofSeconds(20);
  private static final Duration NEVER_BEGAN = Duration.ofSeconds(Long.MIN_VALUE);

  private final Loop loop = Loop.threaded("test");
  private final Gate gate = new Gate(loop, true);
  private final Loop driven = Loop.driven();
  private final Gate drivenGate = new Gate(driven, true);

  private static MemorySegment buffer() {
    return Arena.ofAuto().allocate(512, 512);
  }

  private static List<Iocb> submitted(AioContext context, int count) {
    List<Iocb> blocks = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      blocks.add(context.newIocb().setAttachment(i).prepareRead(512L * i, buffer()));
    }
    assertThat(context.submit(blocks)).isEqualTo(count);
    return blocks;
  }

  /** Waits until all have ended, and takes none of them. */
  private static void awaitReady(AioContext context, int count) throws InterruptedException {
    assertThat(context.getEvents(count, 0, LONG)).isEmpty();
  }

  private static int takeAndThrowAtThird(AioContext context, List<Object> taken) {
    AtomicInteger seen = new AtomicInteger();
    try {
      return context.getEvents(
          0,
          8,
          0,
          event -> {
            if (seen.incrementAndGet() == 3) {
              throw new IllegalStateException("the taker's own");
            }
            taken.add(event.iocb().attachment());
          });
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void aTakerThatThrowsLosesNoEvent() throws Exception {
    try (Volume volume = Volume.start(loop, gate);
        AioContext over = AioContext.over(volume, 8);
        AioContext driving = AioContext.driving(driven, drivenGate, 8)) {
      for (AioContext context : List.of(over, driving)) {
        List<Iocb> blocks = submitted(context, 8);
        awaitReady(context, 8);
        List<Object> taken = new ArrayList<>();
        assertThatThrownBy(() -> takeAndThrowAtThird(context, taken)).hasMessage("the taker's own");
        assertThat(taken).containsExactly(0, 1);
        assertThat(context.held()).as("three were handed over").isEqualTo(5);
        assertThatThrownBy(() -> blocks.get(3).prepareFlush())
            .as("its event is still there")
            .hasMessageContaining("only after its event was taken");
        context.submit(blocks.get(2).prepareRead(0, buffer()));
        awaitReady(context, 6);
        assertThat(context.cancelAndWait(blocks.get(5))).isNotNull();
        assertThat(context.getEvents(0, 8, Duration.ZERO))
            .extracting(event -> event.iocb().attachment())
            .containsExactly(3, 4, 6, 7, 2);
        assertThat(context.held()).isZero();
        assertThat(context.getEvents(1, 8, LONG)).isEmpty();
      }
    }
  }

  @Test
  void whatWasPutBackCountsAgainstTheCapacity() throws Exception {
    try (Volume volume = Volume.start(loop, gate);
        AioContext context = AioContext.over(volume, 2)) {
      submitted(context, 2);
      awaitReady(context, 2);
      assertThatThrownBy(
              () ->
                  context.getEvents(
                      2,
                      2,
                      0,
                      event -> {
                        submitted(context, 1);
                        submitted(context, 1); // there is room, for both were taken
                        throw new IllegalStateException("the taker's own");
                      }))
          .hasMessage("the taker's own");
      assertThat(context.held()).isEqualTo(3);
      assertThat(context.submit(context.newIocb().prepareFlush())).isFalse();
      assertThat(context.getEvents(3, 8, LONG)).hasSize(3);
      assertThat(context.submit(context.newIocb().prepareFlush())).isTrue();
    }
  }

  @Test
  void aTakerMaySubmitTheSameBlockAgain() throws Exception {
    try (Volume volume = Volume.start(loop, gate);
        AioContext over = AioContext.over(volume, 4);
        AioContext driving = AioContext.driving(driven, drivenGate, 4)) {
      for (AioContext context : List.of(over, driving)) {
        submitted(context, 4);
        AtomicInteger count = new AtomicInteger();
        while (count.get() < 1000) {
          context.getEvents(
              1,
              4,
              LONG.toNanos(),
              event -> {
                count.incrementAndGet();
                assertThat(context.submit(event.iocb().prepareRead(0, buffer()))).isTrue();
              });
        }
        assertThat(context.getEvents(4, 4, LONG)).hasSize(4);
      }
    }
  }

  @Test
  void othersWaitForWhatATakerHasInHand() throws Exception {
    try (Volume volume = Volume.start(loop, gate);
        AioContext context = AioContext.over(volume, 4)) {
      List<Iocb> blocks = submitted(context, 2);
      awaitReady(context, 2);
      assertThatThrownBy(
              () ->
                  context.getEvents(
                      2,
                      2,
                      0,
                      event -> {
                        try {
                          assertThat(context.cancelAndWait(blocks.get(1)))
                              .as("somebody else took it")
                              .isNull();
                          assertThat(context.getEvents(1, 1, LONG)).isEmpty();
                          assertThatThrownBy(() -> blocks.get(1).prepareFlush())
                              .as("nobody has seen its event yet")
                              .hasMessageContaining("only after its event was taken");
                        } catch (InterruptedException e) {
                          throw new AssertionError(e);
                        }
                        throw new IllegalStateException("the taker's own");
                      }))
          .hasMessage("the taker's own");
      IoEvent event = context.cancelAndWait(blocks.get(1));
      assertThat(event).isNotNull();
      assertThat(event.iocb()).isSameAs(blocks.get(1));
    }
  }

  @Test
  void whatIsPutBackWakesThoseWhoWait() throws Exception {
    try (Volume volume = Volume.start(loop, gate);
        AioContext context = AioContext.over(volume, 4)) {
      submitted(context, 2);
      awaitReady(context, 2);
      gate.isOpen = false;
      submitted(context, 1);
      gate.awaitArrived(3);
      AtomicReference<Throwable> wrong = new AtomicReference<>();
      AtomicInteger seen = new AtomicInteger();
      Thread[] waiting = new Thread[1];
      assertThatThrownBy(
              () ->
                  context.getEvents(
                      2,
                      2,
                      0,
                      event -> {
                        waiting[0] =
                            run(wrong, () -> seen.set(context.getEvents(1, 1, LONG).size()));
                        awaitParked(waiting[0]);
                        throw new IllegalStateException("the taker's own");
                      }))
          .hasMessage("the taker's own");
      assertThat(waiting[0].join(Duration.ofSeconds(10))).as("it was woken").isTrue();
      assertThat(wrong.get()).isNull();
      assertThat(seen.get()).isEqualTo(1);
      gate.open();
      assertThat(context.getEvents(1, 4, LONG)).hasSize(1);
    }
  }

  private static void awaitParked(Thread thread) {
    while (thread.getState() != Thread.State.TIMED_WAITING) {
      Thread.onSpinWait();
    }
  }

  @Test
  void anotherThreadCancelsWhileEventsAreWaitedFor() throws Exception {
    gate.isOpen = false;
    Volume held = Volume.open("fault(memory(size=1M), effect=hang)");
    try (held;
        AioContext over = AioContext.over(held, 4);
        AioContext driving = AioContext.open("fault(memory(size=1M), effect=hang)", 4)) {
      for (AioContext context : List.of(over, driving)) {
        for (int i = 0; i < 50; i++) {
          List<Iocb> blocks = submitted(context, 4);
          CancelFlag kept = blocks.get(3).flag();
          Thread canceller =
              Thread.ofPlatform()
                  .start(
                      () -> {
                        context.cancel(blocks.get(0));
                        context.cancel(blocks.get(1));
                        context.cancel(blocks.get(1));
                        context.cancel(blocks.get(2));
                        kept.raise();
                      });
          List<IoEvent> events = context.getEvents(4, 8, LONG);
          canceller.join();
          assertThat(events).hasSize(4).allMatch(event -> event.result() == -Errno.ECANCELED);
          assertThat(events).extracting(IoEvent::iocb).doesNotHaveDuplicates();
        }
      }
    }
  }

  @Test
  void aCancelHitsNoLaterRequestOfTheSameBlock() throws Exception {
    try (AioContext context = AioContext.driving(driven, drivenGate, 4)) {
      Iocb iocb = context.newIocb();
      for (int i = 0; i < 3; i++) {
        assertThat(context.submit(iocb.prepareRead(0, buffer()))).isTrue();
        context.cancel(iocb);
        assertThat(context.getEvents(1, 1, LONG)).hasSize(1);
        context.submit(iocb.prepareRead(0, buffer()));
        assertThat(context.getEvents(1, 1, LONG).getFirst().outcome()).isEqualTo(Outcome.done(512));
      }
    }
  }

  @Test
  void aPreparedBlockForgetsWhatItWas() throws Exception {
    try (AioContext context = AioContext.driving(driven, drivenGate, 4)) {
      Iocb iocb = context.newIocb();
      context.submit(iocb.prepareWrite(0, buffer()).setFua());
      context.getEvents(1, 1, LONG);
      assertThat(drivenGate.lastWasFua).isTrue();
      context.submit(iocb.prepareWrite(512, buffer()));
      context.getEvents(1, 1, LONG);
      assertThat(drivenGate.lastWasFua).isFalse();
    }
  }

  @Test
  void closingAsksEveryRequestToStop() throws Exception {
    try (Volume hung = Volume.open("fault(memory(size=1M), effect=hang)")) {
      AioContext context = AioContext.over(hung, 4);
      List<Iocb> blocks = submitted(context, 4);
      assertThat(context.close(LONG)).isZero();
      assertThat(blocks).allMatch(block -> block.flag().reason() == CancelFlag.Reason.CLOSE);
      assertThat(context.getEvents(4, 4, LONG))
          .hasSize(4)
          .allMatch(event -> event.outcome().cleanBytes() == 512);
    }
  }

  @Test
  void askingForNoneLooksAtTheDevicesOnce() throws Exception {
    try (AioContext context = AioContext.driving(driven, drivenGate, 4)) {
      submitted(context, 1);
      drivenGate.isOpen = false;
      context.submit(context.newIocb().prepareRead(0, buffer()));
      drivenGate.open();
      assertThat(context.getEvents(0, 4, Duration.ZERO)).hasSize(2);
    }
  }

  /** Submitters, takers of whom some throw, and cancellers: each event is seen once. */
  @Test
  void eachEventComesOnceWhateverManyThreadsDo() throws Exception {
    Loop busy = Loop.threaded("busy");
    int submitters = 3;
    int each = 3000;
    long seed = System.nanoTime();
    AtomicReference<Throwable> wrong = new AtomicReference<>();
    ConcurrentHashMap<Object, Integer> seen = new ConcurrentHashMap<>();
    ConcurrentHashMap<Integer, Iocb> recent = new ConcurrentHashMap<>();
    try (Volume volume = Volume.start(busy, new Memory(busy, 1 << 20, 512));
        AioContext context = AioContext.over(volume, 32)) {
      List<Thread> threads = new ArrayList<>();
      for (int t = 0; t < submitters; t++) {
        int mine = t;
        threads.add(
            run(
                wrong,
                () -> {
                  for (int i = 0; i < each; i++) {
                    Iocb iocb = context.newIocb().setAttachment(mine * each + i);
                    iocb.prepareRead(0, buffer());
                    recent.put(mine, iocb);
                    while (!context.submit(iocb)) {
                      Thread.onSpinWait();
                    }
                  }
                }));
      }
      for (int t = 0; t < 3; t++) {
        Random random = new Random(seed + t);
        threads.add(run(wrong, () -> takeAll(context, seen, submitters * each, random)));
      }
      threads.add(
          run(
              wrong,
              () -> {
                while (seen.size() < submitters * each && wrong.get() == null) {
                  recent.values().forEach(context::cancel);
                  Thread.onSpinWait();
                }
              }));
      for (Thread thread : threads) {
        thread.join();
      }
      assertThat(wrong.get()).as("seed %d", seed).isNull();
      assertThat(seen).hasSize(submitters * each).allSatisfy((k, n) -> assertThat(n).isOne());
      assertThat(context.held()).isZero();
    }
  }

  private static void takeAll(
      AioContext context, ConcurrentHashMap<Object, Integer> seen, int count, Random random)
      throws InterruptedException {
    while (seen.size() < count) {
      try {
        context.getEvents(
            1 + random.nextInt(3),
            1 + random.nextInt(16),
            10_000_000,
            event -> {
              seen.merge(event.iocb().attachment(), 1, Integer::sum);
              if (random.nextInt(8) == 0) {
                throw new IllegalStateException("the taker's own");
              }
            });
      } catch (IllegalStateException e) {
        assertThat(e).hasMessage("the taker's own");
      }
    }
  }

  private interface Body {
    void run() throws Exception;
  }

  private static Thread run(AtomicReference<Throwable> wrong, Body body) {
    return Thread.ofPlatform()
        .start(
            () -> {
              try {
                body.run();
              } catch (Throwable e) {
                wrong.set(e);
              }
            });
  }

  @Test
  void aTimeThatIsNegativeIsOverAtOnce() throws Exception {
    gate.isOpen = false;
    drivenGate.isOpen = false;
    try (Volume volume = Volume.start(loop, gate)) {
      AioContext over = AioContext.over(volume, 4);
      AioContext driving = AioContext.driving(driven, drivenGate, 4);
      for (AioContext context : List.of(over, driving)) {
        submitted(context, 1);
        assertThat(context.getEvents(1, 1, NEVER_BEGAN)).isEmpty();
        assertThat(context.getEvents(1, 1, Long.MIN_VALUE, event -> {})).isZero();
        assertThat(context.close(NEVER_BEGAN)).isEqualTo(1);
        assertThat(context.close(Duration.ofMillis(-1))).isEqualTo(1);
      }
      gate.open();
      drivenGate.open();
      assertThat(over.close(LONG)).isZero();
      assertThat(driving.close(LONG)).isZero();
    }
  }

  @Test
  void waitingOnTheLoopIsRefused() throws Exception {
    gate.isOpen = false;
    try (Volume volume = Volume.start(loop, gate);
        AioContext context = AioContext.over(volume, 4)) {
      List<Iocb> blocks = submitted(context, 1);
      gate.awaitArrived(1);
      List<Throwable> thrown = new ArrayList<>();
      Thread done = Thread.currentThread();
      AtomicReference<Boolean> ended = new AtomicReference<>(false);
      List<Body> waits =
          List.of(
              () -> context.getEvents(1, 1, LONG),
              () -> context.cancelAndWait(blocks.get(0)),
              context::close);
      loop.execute(
          () -> {
            for (Body wait : waits) {
              try {
                wait.run();
              } catch (Exception e) {
                thrown.add(e);
              }
            }
            try {
              assertThat(context.getEvents(1, 1, Duration.ZERO)).isEmpty();
            } catch (InterruptedException e) {
              thrown.add(e);
            }
            ended.set(true);
            java.util.concurrent.locks.LockSupport.unpark(done);
          });
      while (!ended.get()) {
        java.util.concurrent.locks.LockSupport.parkNanos(1_000_000);
      }
      assertThat(thrown)
          .hasSize(3)
          .allSatisfy(
              each ->
                  assertThat(each)
                      .isInstanceOf(IllegalStateException.class)
                      .hasMessageContaining("waiting here would never end"));
      gate.open();
      assertThat(context.getEvents(1, 1, LONG)).as("it is not closed").hasSize(1);
      assertThat(context.submit(blocks.get(0).prepareRead(0, buffer()))).isTrue();
    }
  }

  @Test
  void anInterruptStormDoesNotMakeAGraceLonger() throws Exception {
    gate.isOpen = false;
    try (Volume volume = Volume.start(loop, gate)) {
      AioContext context = AioContext.over(volume, 4);
      submitted(context, 2);
      gate.awaitArrived(2);
      AtomicReference<String> seen = new AtomicReference<>("");
      Thread closer =
          Thread.ofPlatform()
              .start(
                  () -> {
                    int left = context.close(Duration.ofMillis(50));
                    seen.set(left + ", " + Thread.currentThread().isInterrupted());
                  });
      long deadline = System.nanoTime() + LONG.toNanos();
      while (closer.isAlive() && System.nanoTime() - deadline < 0) {
        closer.interrupt();
        Thread.sleep(1);
      }
      assertThat(seen.get()).isEqualTo("2, true");
      gate.open();
      assertThat(context.close(LONG)).isZero();
    }
  }

  @Test
  void aContextOverAVolumeThatIsClosedHoldsNothing() {
    Volume volume = Volume.start(loop, gate);
    AioContext context = AioContext.over(volume, 2);
    BufferPool pool = volume.newBuffers(512, 1);
    BufferPool.Buffer buffer = pool.take();
    volume.close();
    Iocb iocb = context.newIocb().prepareRead(0, buffer.segment());
    for (int i = 0; i < 3; i++) {
      assertThatThrownBy(() -> context.submit(iocb))
          .hasMessageContaining("the volume below this context is closed");
      assertThat(context.held()).isZero();
    }
    assertThatThrownBy(
            () -> context.submit(iocb.prepareRead(0, MemorySegment.ofArray(new byte[1]))))
        .hasMessageContaining("is closed");
    IoFuture late = volume.readAsync(0, buffer.segment());
    assertThat(late.outcome().kind()).isEqualTo(Outcome.Kind.FAILED);
    assertThat(late.outcome().cleanBytes()).isEqualTo(512);
    buffer.close();
    assertThat(pool.free()).as("no request counts").isEqualTo(1);
    assertThat(context.close(LONG)).isZero();
  }

  @Test
  void aDrivenContextIsForItsThreadAlone() throws Exception {
    try (AioContext context = AioContext.driving(driven, drivenGate, 4)) {
      List<Iocb> blocks = submitted(context, 1);
      awaitReady(context, 1);
      List<Body> uses =
          List.of(
              () -> context.submit(context.newIocb().prepareFlush()),
              () -> context.getEvents(0, 1, Duration.ZERO),
              () -> context.getEvents(1, 1, LONG),
              () -> context.cancelAndWait(blocks.get(0)),
              () -> context.newBuffers(512, 1),
              context::close);
      for (Body use : uses) {
        AtomicReference<Throwable> thrown = new AtomicReference<>();
        run(thrown, use).join();
        assertThat(thrown.get())
            .isInstanceOf(IllegalStateException.class)
            .hasMessageContaining("is for the thread that opened it");
      }
      assertThat(context.held()).isEqualTo(1);
      assertThat(context.getEvents(1, 1, LONG)).hasSize(1);
      assertThat(context.submit(blocks.get(0).prepareFlush())).as("it is open").isTrue();
    }
  }

  @Test
  void blocksThatAreTakenOutOfTurnLeaveNoGapBehind() throws Exception {
    Random random = new Random(7);
    try (AioContext context = AioContext.driving(driven, drivenGate, 1000)) {
      List<Iocb> held = new ArrayList<>();
      List<Iocb> order = new ArrayList<>();
      for (int round = 0; round < 2000; round++) {
        for (int n = random.nextInt(8); n > 0 && held.size() < 1000; n--) {
          Iocb iocb = context.newIocb().prepareRead(0, buffer());
          assertThat(context.submit(iocb)).isTrue();
          held.add(iocb);
          order.add(iocb);
        }
        for (int n = random.nextInt(6); n > 0 && !held.isEmpty(); n--) {
          Iocb iocb = held.remove(random.nextInt(held.size()));
          assertThat(context.cancelAndWait(iocb)).isNotNull();
          order.remove(iocb);
        }
        for (IoEvent event : context.getEvents(0, random.nextInt(3), Duration.ZERO)) {
          assertThat(event.iocb()).isSameAs(order.removeFirst());
          held.remove(event.iocb());
        }
        assertThat(context.held()).isEqualTo(held.size());
      }
      assertThat(context.getEvents(held.size(), 1000, LONG))
          .extracting(IoEvent::iocb)
          .containsExactlyElementsOf(order);
    }
  }
}
