// SPDX-License-Identifier: Apache-2.0
package dev.belay.front;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.belay.CancelFlag;
import dev.belay.Errno;
import dev.belay.Loop;
import dev.belay.Outcome;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Buffers that fail under the request: one completion, a sentence, and nothing is lost. */
@Timeout(120)
final class FailingMemoryTest {
  private static final Duration LONG = Duration.ofSeconds(20);

  /** So often that the copies are compiled, where the JVM throws later than it is asked to. */
  private static final int OFTEN = 3000;

  @TempDir Path directory;
  private final Loop loop = Loop.threaded("test");
  private final Gate gate = new Gate(loop, true);

  private static void expectFault(Outcome outcome) {
    assertThat(outcome.kind()).isEqualTo(Outcome.Kind.FAILED);
    assertThat(outcome.error()).isNotNull();
    assertThat(outcome.error().errno()).isEqualTo(Errno.EFAULT);
    assertThat(outcome.error().sentence()).contains("the buffer of a", "is not usable");
  }

  @Test
  void aMappedFileThatWasCutShortFailsOneRequest() throws Exception {
    try (Volume volume = Volume.start(loop, gate);
        Arena arena = Arena.ofShared()) {
      MemorySegment cut = Truncated.memory(directory, arena, 65536);
      MemorySegment fine = Arena.ofAuto().allocate(65536, 512);
      for (int i = 0; i < OFTEN; i++) {
        int before = gate.arrived;
        FailedException write =
            catchThrowableOfType(FailedException.class, () -> volume.write(0, cut));
        expectFault(write.outcome());
        assertThat(write.outcome().cleanBytes()).as("nothing was sent").isEqualTo(65536);
        assertThat(gate.arrived).isEqualTo(before);
        FailedException read =
            catchThrowableOfType(FailedException.class, () -> volume.read(0, cut));
        expectFault(read.outcome());
        assertThat(read.outcome().unknownBytes()).isEqualTo(65536);
        IoFuture later = volume.readAsync(0, cut);
        assertThatThrownBy(() -> later.get(20, TimeUnit.SECONDS))
            .hasCauseInstanceOf(FailedException.class);
        expectFault(later.outcome());
      }
      IoFuture write = volume.writeAsync(0, cut);
      assertThat(write.isDone()).isTrue();
      expectFault(write.outcome());
      volume.read(0, fine);
      assertThat(fine.get(ValueLayout.JAVA_BYTE, 65535)).isEqualTo((byte) 7);
    }
  }

  @Test
  void theSameOfEvents() throws Exception {
    Loop driven = Loop.driven();
    try (Volume volume = Volume.start(loop, gate);
        Arena arena = Arena.ofShared();
        AioContext over = AioContext.over(volume, 4);
        AioContext driving = AioContext.driving(driven, new Gate(driven, true), 4)) {
      MemorySegment cut = Truncated.memory(directory, arena, 8192);
      for (AioContext context : List.of(over, driving)) {
        Iocb write = context.newIocb();
        Iocb read = context.newIocb();
        for (int i = 0; i < OFTEN / 3; i++) {
          assertThat(context.submit(write.prepareWrite(0, cut))).isTrue();
          assertThat(context.submit(read.prepareRead(0, cut))).isTrue();
          List<IoEvent> events = context.getEvents(2, 4, LONG);
          assertThat(events).extracting(IoEvent::iocb).containsExactlyInAnyOrder(write, read);
          for (IoEvent event : events) {
            expectFault(event.outcome());
            assertThat(event.result()).isEqualTo(-Errno.EFAULT);
          }
        }
        assertThat(context.held()).isZero();
        byte[] heap = new byte[512];
        for (MemorySegment good :
            List.of(Arena.ofAuto().allocate(512, 512), MemorySegment.ofArray(heap))) {
          context.submit(write.prepareWrite(0, cut));
          context.getEvents(1, 4, LONG);
          context.submit(write.prepareRead(0, good));
          assertThat(context.getEvents(1, 4, LONG).get(0).result())
              .as("the same block, with a good buffer")
              .isEqualTo(512);
        }
      }
    }
  }

  @Test
  @SuppressWarnings("MustBeClosedChecker") // the thread that could close it has ended
  void whatCanBeSeenAtTheCallIsRefusedAndNothingIsSubmitted() throws Exception {
    try (Volume volume = Volume.start(loop, gate);
        AioContext context = AioContext.over(volume, 1)) {
      MemorySegment closed;
      try (Arena arena = Arena.ofShared()) {
        closed = arena.allocate(512, 512);
      }
      AtomicReference<MemorySegment> foreign = new AtomicReference<>();
      Thread.ofPlatform().start(() -> foreign.set(Arena.ofConfined().allocate(512, 512))).join();
      Iocb iocb = context.newIocb();
      assertThatThrownBy(() -> volume.write(0, closed)).hasMessageContaining("arena is closed");
      assertThatThrownBy(() -> volume.read(0, closed)).hasMessageContaining("arena is closed");
      assertThatThrownBy(() -> volume.readAsync(0, closed)).hasMessageContaining("is closed");
      assertThatThrownBy(() -> volume.writeAsync(0, foreign.get()))
          .isInstanceOf(WrongThreadException.class)
          .hasMessageContaining("take it from a shared or an automatic arena");
      assertThatThrownBy(() -> volume.read(0, foreign.get()))
          .isInstanceOf(WrongThreadException.class);
      for (Iocb wrong :
          List.of(iocb.prepareWrite(0, closed), context.newIocb().prepareRead(0, closed))) {
        assertThatThrownBy(() -> context.submit(wrong)).hasMessageContaining("arena is closed");
      }
      assertThatThrownBy(() -> context.submit(iocb.prepareWrite(0, foreign.get())))
          .isInstanceOf(WrongThreadException.class);
      assertThat(context.held()).isZero();
      assertThat(gate.arrived).isZero();
      context.submit(iocb.prepareRead(0, foreign.get()));
      expectFault(context.getEvents(1, 1, LONG).get(0).outcome());
      assertThat(context.close(LONG)).as("nothing is left over").isZero();
    }
  }

  @Test
  void aListIsRefusedForItsLastBuffer() {
    try (Volume volume = Volume.start(loop, gate)) {
      MemorySegment closed;
      try (Arena arena = Arena.ofShared()) {
        closed = arena.allocate(512, 512);
      }
      List<MemorySegment> list = List.of(MemorySegment.ofArray(new byte[512]), closed);
      assertThatThrownBy(() -> volume.write(0, list, IoOptions.NONE))
          .isInstanceOf(IllegalStateException.class);
      assertThat(gate.arrived).isZero();
    }
  }

  @Test
  void memoryThatIsNotToBeHadLeavesNothingSubmitted() throws Exception {
    try (Volume volume = Volume.start(loop, gate);
        AioContext context = AioContext.over(volume, 1)) {
      // Larger than any machine's memory, and misaligned; nobody touches it.
      MemorySegment huge = MemorySegment.NULL.reinterpret(1L << 41).asSlice(1, 1L << 40);
      assertThatThrownBy(() -> volume.read(0, huge)).isInstanceOf(OutOfMemoryError.class);
      assertThatThrownBy(() -> volume.writeAsync(0, huge)).isInstanceOf(OutOfMemoryError.class);
      Iocb iocb = context.newIocb().prepareRead(0, huge);
      assertThatThrownBy(() -> context.submit(iocb)).isInstanceOf(OutOfMemoryError.class);
      MemorySegment misaligned = Arena.ofAuto().allocate(1024, 512).asSlice(1, 512);
      assertThat(context.held()).isZero();
      assertThat(gate.arrived).isZero();
      context.submit(iocb.prepareRead(0, misaligned));
      assertThat(context.getEvents(1, 1, LONG).get(0).result()).isEqualTo(512);
      assertThat(misaligned.get(ValueLayout.JAVA_BYTE, 511)).isEqualTo((byte) 7);
    }
  }

  @Test
  void whatStoodInForTheBuffersComesBack() throws Exception {
    gate.isOpen = false;
    try (Volume volume = Volume.start(loop, gate);
        AioContext context = AioContext.over(volume, 4);
        Arena arena = Arena.ofShared()) {
      Bounce bounce = volume.bounce();
      MemorySegment stand = bounce.take(8192);
      bounce.give(stand);
      MemorySegment cut = Truncated.memory(directory, arena, 8192);
      gate.open();
      assertThatThrownBy(() -> volume.write(0, cut)).isInstanceOf(FailedException.class);
      expectSame(bounce, stand, "a write that was not sent");
      assertThatThrownBy(() -> volume.read(0, cut)).isInstanceOf(FailedException.class);
      expectSame(bounce, stand, "a read that could not be handed over");
      volume.writeAsync(0, MemorySegment.ofArray(new byte[8192])).get(20, TimeUnit.SECONDS);
      expectSame(bounce, stand, "an asynchronous write");
      context.submit(context.newIocb().prepareWrite(0, cut));
      context.getEvents(1, 1, LONG);
      expectSame(bounce, stand, "an event of a write that was not sent");
      context.submit(context.newIocb().prepareRead(0, cut));
      context.getEvents(1, 1, LONG);
      expectSame(bounce, stand, "an event of a read");
      gate.isOpen = false;
      int before = gate.arrived;
      IoOptions impatient = IoOptions.NONE.withPatience(Duration.ofMillis(1));
      AbandonedException left =
          catchThrowableOfType(
              AbandonedException.class,
              () -> volume.read(0, List.of(MemorySegment.ofArray(new byte[8192])), impatient));
      gate.awaitArrived(before + 1);
      MemorySegment other = bounce.take(8192);
      assertThat(other).as("the device may still write to it").isNotSameAs(stand);
      gate.open();
      assertThat(left.future().handle((done, error) -> true).get(20, TimeUnit.SECONDS)).isTrue();
      expectSame(bounce, stand, "a call that walked away");
    }
  }

  private static void expectSame(Bounce bounce, MemorySegment stand, String what) {
    MemorySegment found = bounce.take(8192);
    assertThat(found).as(what).isSameAs(stand);
    bounce.give(found);
  }

  @Test
  void onlyWhatWasDoneIsCopiedToTheBuffer() throws Exception {
    try (Volume volume =
        Volume.open("stripe(memory(size=1M), fault(memory(size=1M), effect=hang), chunk=4k)")) {
      volume.write(0, new byte[4096]);
      byte[] mine = new byte[8192];
      java.util.Arrays.fill(mine, (byte) 3);
      IoFuture read = volume.readAsync(0, MemorySegment.ofArray(mine));
      Thread.sleep(20);
      read.flag().raise();
      assertThat(read.handle((done, error) -> read.outcome()).get(20, TimeUnit.SECONDS))
          .satisfies(outcome -> assertThat(outcome.reason()).isEqualTo(CancelFlag.Reason.EXPLICIT))
          .satisfies(outcome -> assertThat(outcome.doneBytes()).isEqualTo(4096));
      for (int i = 0; i < 8192; i++) {
        assertThat(mine[i]).as("byte %d", i).isEqualTo((byte) (i < 4096 ? 0 : 3));
      }
    }
  }

  @Test
  void bounceMemoryIsKeptUpToABound() {
    Bounce bounce = new Bounce(512);
    assertThat(bounce.take(1).byteSize()).isEqualTo(4096);
    assertThat(bounce.take(4096).byteSize()).isEqualTo(4096);
    assertThat(bounce.take(4097).byteSize()).isEqualTo(8192);
    MemorySegment first = bounce.take(64 << 20);
    MemorySegment second = bounce.take(4096);
    bounce.give(first);
    bounce.give(second);
    assertThat(bounce.take(4096)).as("more than 64 MiB are not kept").isNotSameAs(second);
    assertThat(bounce.take(64 << 20)).isSameAs(first);
    bounce.give(second);
    assertThat(bounce.take(4096)).as("there is room again").isSameAs(second);
  }

  @Test
  void onlyMemoryThatNobodyCanFreeIsDirect() {
    MemorySegment automatic = Arena.ofAuto().allocate(1024, 512);
    assertThat(Bounce.isDirect(automatic, 512)).isTrue();
    assertThat(Bounce.isDirect(Arena.global().allocate(512, 512), 512)).isTrue();
    assertThat(Bounce.isDirect(automatic.asSlice(8, 512), 512)).isFalse();
    assertThat(Bounce.isDirect(MemorySegment.ofArray(new byte[512]), 1)).isFalse();
    try (Arena shared = Arena.ofShared();
        Arena confined = Arena.ofConfined()) {
      assertThat(Bounce.isDirect(shared.allocate(512, 512), 512)).isFalse();
      assertThat(Bounce.isDirect(confined.allocate(512, 512), 512)).isFalse();
    }
  }
}
