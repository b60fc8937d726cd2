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
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.FutureTask;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
final class AioContextTest {
  private static final Duration LONG = Duration.ofSeconds(20);

  private static MemorySegment buffer() {
    return Arena.ofAuto().allocate(512, 512);
  }

  private static AioContext driven(int capacity) {
    Loop loop = Loop.driven();
    return AioContext.driving(loop, new Memory(loop, 1 << 20, 512), capacity);
  }

  @Test
  void submitAndGetEvents() throws Exception {
    try (AioContext context = driven(4)) {
      MemorySegment out = buffer().fill((byte) 5);
      Iocb iocb = context.newIocb().prepareWrite(1024, out).setFua().setAttachment("mine");
      assertThat(context.submit(iocb)).isTrue();
      IoEvent event = context.getEvents(1, 1, LONG).get(0);
      assertThat(event.result()).isEqualTo(512);
      assertThat(event.outcome()).isEqualTo(Outcome.done(512));
      assertThat(event.iocb().attachment()).isEqualTo("mine");

      byte[] heap = new byte[512];
      context.submit(iocb.prepareRead(1024, MemorySegment.ofArray(heap)));
      assertThat(context.getEvents(1, 1, LONG)).hasSize(1);
      assertThat(heap).containsOnly(5);
      context.submit(iocb.prepareWriteZeroes(1024, 512));
      context.getEvents(1, 1, LONG);
      context.submit(iocb.prepareDiscard(4096, 512));
      context.getEvents(1, 1, LONG);
      context.submit(iocb.prepareFlush());
      assertThat(context.getEvents(1, 1, LONG).get(0).result()).isZero();
    }
  }

  @Test
  void aFullContextSaysSo() throws Exception {
    try (AioContext context = driven(2)) {
      List<Iocb> three = new ArrayList<>();
      for (int i = 0; i < 3; i++) {
        three.add(context.newIocb().prepareRead(0, buffer()));
      }
      assertThat(context.submit(three)).isEqualTo(2);
      assertThat(context.submit(three.get(2))).isFalse();
      assertThatThrownBy(() -> context.submit(three.get(0)))
          .hasMessageContaining("submitted already");
      assertThatThrownBy(() -> three.get(0).prepareFlush())
          .hasMessageContaining("only after its event was taken");
      assertThat(context.getEvents(0, 1, Duration.ZERO)).hasSize(1);
      assertThat(context.submit(three.get(2))).isTrue();
      assertThat(context.getEvents(2, 8, LONG)).hasSize(2);
      assertThat(context.getEvents(1, 8, LONG)).as("an idle context does not wait").isEmpty();
    }
  }

  @Test
  void everyErrorComesAsAnEvent() throws Exception {
    try (AioContext context = driven(2)) {
      context.submit(context.newIocb().prepareRead(1 << 20, buffer()));
      IoEvent event = context.getEvents(1, 1, LONG).get(0);
      assertThat(event.result()).isEqualTo(-Errno.EINVAL);
      assertThat(event.outcome().error()).asString().contains("does not fit the device memory");
      assertThat(event.outcome().cleanBytes()).isEqualTo(512);
    }
  }

  @Test
  void cancelOnlyMarksAndTheEventComesLikeEveryOther() throws Exception {
    Loop loop = Loop.threaded("test");
    Gate gate = new Gate(loop, false);
    try (Volume volume = Volume.start(loop, gate);
        AioContext context = AioContext.over(volume, 8)) {
      Iocb inDevice = context.newIocb().prepareRead(0, buffer());
      context.submit(inDevice);
      gate.awaitArrived(1);
      context.cancel(inDevice);
      assertThat(context.getEvents(1, 1, Duration.ofMillis(20))).isEmpty();
      gate.open();
      IoEvent event = context.getEvents(1, 1, LONG).get(0);
      assertThat(event.result()).as("the cancel lost").isEqualTo(512);
      assertThat(event.outcome().reason()).isEqualTo(CancelFlag.Reason.EXPLICIT);

      CancelFlag above = new CancelFlag();
      above.raise(CancelFlag.Reason.DISCONNECT);
      context.submit(inDevice.setFlag(above).prepareRead(0, buffer()));
      event = context.getEvents(1, 1, LONG).get(0);
      assertThat(event.result()).isEqualTo(-Errno.ECANCELED);
      assertThat(event.outcome().cleanBytes()).isEqualTo(512);
      assertThat(event.outcome().reason()).isEqualTo(CancelFlag.Reason.DISCONNECT);

      context.submit(inDevice.setFlag(null).prepareRead(0, buffer()));
      assertThat(context.getEvents(1, 1, LONG).get(0).result())
          .as("a success follows a cancel")
          .isEqualTo(512);
    }
  }

  @Test
  void cancelAndWaitHandsBackTheEventItself() throws Exception {
    Loop loop = Loop.threaded("test");
    Gate gate = new Gate(loop, false);
    try (Volume volume = Volume.start(loop, gate);
        AioContext context = AioContext.over(volume, 8)) {
      Iocb first = context.newIocb().prepareRead(0, buffer());
      Iocb second = context.newIocb().prepareRead(512, buffer());
      context.submit(List.of(first, second));
      gate.awaitArrived(2);
      Thread opener = Thread.startVirtualThread(gate::open);
      IoEvent event = context.cancelAndWait(first);
      opener.join();
      assertThat(event).isNotNull();
      assertThat(event.iocb()).isSameAs(first);
      List<IoEvent> others = context.getEvents(1, 8, LONG);
      assertThat(others).extracting(IoEvent::iocb).containsExactly(second);
      assertThat(context.cancelAndWait(first)).as("nothing is under way").isNull();
    }
    try (AioContext context = driven(2)) {
      Iocb iocb = context.newIocb().prepareRead(0, buffer());
      context.submit(iocb);
      assertThat(context.cancelAndWait(iocb)).isNotNull();
      assertThat(context.cancelAndWait(iocb)).isNull();
    }
  }

  @Test
  void aFlagThatWasKeptHitsNoLaterRequestOfTheSameBlock() throws Exception {
    try (AioContext context = driven(2)) {
      Iocb iocb = context.newIocb().prepareRead(0, buffer());
      context.submit(iocb);
      CancelFlag kept = iocb.flag();
      context.getEvents(1, 1, LONG);
      iocb.prepareRead(0, buffer());
      context.submit(iocb);
      kept.raise();
      assertThat(iocb.flag()).isNotSameAs(kept);
      assertThat(iocb.flag().isRaised()).isFalse();
      context.getEvents(1, 1, LONG);
      context.cancel(iocb);
      context.submit(iocb.prepareRead(0, buffer()));
      assertThat(context.getEvents(1, 1, LONG).get(0).result())
          .as("a cancel after the event was taken is forgotten")
          .isEqualTo(512);
    }
  }

  @Test
  void destroyCancelsAndWaits() throws Exception {
    Loop loop = Loop.threaded("test");
    Gate gate = new Gate(loop, false);
    try (Volume volume = Volume.start(loop, gate)) {
      AioContext context = AioContext.over(volume, 8);
      for (int i = 0; i < 8; i++) {
        context.submit(context.newIocb().prepareRead(0, buffer()));
      }
      gate.awaitArrived(8);
      assertThat(context.close(Duration.ofMillis(10))).isEqualTo(8);
      gate.open();
      context.destroy();
      assertThat(context.held()).as("nobody took the events").isEqualTo(8);
      assertThatThrownBy(() -> context.submit(context.newIocb().prepareFlush()))
          .hasMessageContaining("the context is closed");
      volume.read(0, new byte[512]);
    }
  }

  @Test
  void manyThreadsSubmitAndTake() throws Exception {
    Loop loop = Loop.threaded("test");
    try (Volume volume = Volume.start(loop, new Memory(loop, 1 << 20, 512));
        AioContext context = AioContext.over(volume, 64)) {
      Set<Object> seen = ConcurrentHashMap.newKeySet();
      List<Thread> threads = new ArrayList<>();
      int each = 2000;
      for (int t = 0; t < 4; t++) {
        int mine = t;
        threads.add(
            Thread.ofPlatform()
                .start(
                    () -> {
                      for (int i = 0; i < each; i++) {
                        Iocb iocb =
                            context
                                .newIocb()
                                .setAttachment(mine * each + i)
                                .prepareRead(0, buffer());
                        while (!context.submit(iocb)) {
                          Thread.onSpinWait();
                        }
                      }
                    }));
      }
      for (int t = 0; t < 2; t++) {
        threads.add(
            Thread.ofPlatform()
                .start(
                    () -> {
                      try {
                        while (seen.size() < 4 * each) {
                          for (IoEvent event : context.getEvents(1, 16, Duration.ofMillis(50))) {
                            assertThat(seen.add(event.iocb().attachment())).isTrue();
                          }
                        }
                      } catch (InterruptedException e) {
                        throw new AssertionError(e);
                      }
                    }));
      }
      for (Thread thread : threads) {
        thread.join();
      }
      assertThat(seen).hasSize(4 * each);
      assertThat(context.held()).isZero();
    }
  }

  @Test
  void aPooledBufferIsWatchedOnADrivenLoopToo() throws Exception {
    try (AioContext context = driven(2)) {
      BufferPool pool = context.newBuffers(512, 1);
      BufferPool.Buffer buffer = pool.take();
      buffer.segment().set(ValueLayout.JAVA_INT, 0, 42);
      context.submit(context.newIocb().prepareWrite(0, buffer.segment()));
      context.getEvents(1, 1, LONG);
      buffer.close();
      assertThat(pool.free()).isEqualTo(1);
    }
  }

  @Test
  void aFlagThatWasTakenAwayStopsNoLaterRequest() throws Exception {
    try (AioContext context = driven(2)) {
      CancelFlag above = new CancelFlag();
      Iocb iocb = context.newIocb().setFlag(above).prepareRead(0, buffer());
      context.submit(iocb);
      context.getEvents(1, 1, LONG);
      context.submit(iocb.setFlag(null).prepareRead(0, buffer()));
      above.raise();
      assertThat(iocb.flag().isRaised()).isFalse();
      IoEvent event = context.getEvents(1, 1, LONG).get(0);
      assertThat(event.result()).isEqualTo(512);
      assertThat(event.outcome()).isEqualTo(Outcome.done(512));
      context.submit(iocb.prepareRead(0, buffer()));
      assertThat(context.getEvents(1, 1, LONG).get(0).result()).isEqualTo(512);
    }
  }

  @Test
  void aReadNeverGoesIntoMemoryThatMayOnlyBeRead() throws Exception {
    try (AioContext context = driven(2)) {
      MemorySegment memory = buffer().fill((byte) 5);
      Iocb iocb = context.newIocb().prepareWrite(0, memory.asReadOnly());
      MemorySegment readOnly = memory.asReadOnly();
      context.submit(iocb.prepareWrite(0, readOnly));
      context.getEvents(1, 1, LONG);
      iocb.prepareRead(512, readOnly);
      assertThatThrownBy(() -> context.submit(iocb))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("a read needs a buffer that can be written to");
      assertThat(memory.get(ValueLayout.JAVA_BYTE, 0)).isEqualTo((byte) 5);
    }
  }

  @Test
  void anEmptyBufferOnTheHeapIsARequestOfNoBytes() throws Exception {
    try (AioContext context = driven(2)) {
      context.submit(context.newIocb().prepareRead(0, MemorySegment.ofArray(new byte[0])));
      assertThat(context.getEvents(1, 1, LONG).get(0).result()).isZero();
      context.submit(context.newIocb().prepareWrite(512, MemorySegment.ofArray(new byte[0])));
      assertThat(context.getEvents(1, 1, LONG).get(0).result()).isZero();
    }
  }

  @Test
  void aTimeThatNoClockCountsIsForEver() throws Exception {
    Duration forEver = Duration.ofSeconds(Long.MAX_VALUE);
    AioContext context = driven(2);
    context.submit(context.newIocb().prepareRead(0, buffer()));
    assertThat(context.getEvents(1, 1, forEver)).hasSize(1);
    assertThat(context.close(forEver)).isZero();
  }

  @Test
  void aDrivenContextStaysOnItsThread() throws Exception {
    for (String stack : List.of("null(size=1M)", "memory(size=1M)")) {
      try (AioContext context = AioContext.open(stack, 4)) {
        Iocb iocb = context.newIocb().prepareRead(0, buffer());
        List<Callable<?>> misuses =
            List.of(
                () -> context.submit(iocb),
                () -> context.getEvents(0, 1, Duration.ZERO),
                () -> context.cancelAndWait(context.newIocb()),
                () -> context.newBuffers(4096, 1),
                context::held,
                () -> context.close(Duration.ZERO));
        for (Callable<?> misuse : misuses) {
          FutureTask<?> stranger = new FutureTask<>(misuse);
          Thread.ofPlatform().name("stranger").start(stranger);
          assertThatThrownBy(stranger::get)
              .as(stack)
              .cause()
              .isInstanceOf(IllegalStateException.class)
              .hasMessageContaining("used from the thread stranger");
        }
        assertThat(context.held()).isZero();
        assertThat(context.submit(iocb)).as("%s, as before", stack).isTrue();
        assertThat(context.getEvents(1, 1, LONG)).hasSize(1);
      }
    }
  }
}
