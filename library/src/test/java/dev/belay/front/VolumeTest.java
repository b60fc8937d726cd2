// SPDX-License-Identifier: Apache-2.0
package dev.belay.front;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.belay.CancelFlag;
import dev.belay.Holes;
import dev.belay.Loop;
import dev.belay.Outcome;
import dev.belay.leaf.Memory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
final class VolumeTest {
  private static Volume memory() {
    Loop loop = Loop.threaded("test");
    return Volume.start(loop, new Memory(loop, 1 << 20, 512));
  }

  private static byte[] pattern(int length, int seed) {
    byte[] bytes = new byte[length];
    for (int i = 0; i < length; i++) {
      bytes[i] = (byte) (i * 31 + seed);
    }
    return bytes;
  }

  @Test
  void findsWhereNothingIsStored() throws Exception {
    try (Volume volume = memory()) {
      assertThat(volume.findHoles(0, 1 << 20, IoOptions.NONE)).hasToString("[0+1048576]");
      volume.write(300 << 10, pattern(512, 1));
      Holes holes = volume.findHoles(512, (1 << 20) - 512, IoOptions.NONE);
      assertThat(holes).hasToString("[0+261632, 523776+524288]");
      assertThat(holes.endBytes()).isEqualTo(Long.MAX_VALUE);
      CancelFlag flag = new CancelFlag();
      flag.raise();
      assertThatThrownBy(() -> volume.findHoles(0, 512, IoOptions.NONE.withFlag(flag)))
          .isInstanceOf(CancelledException.class);
    }
  }

  @Test
  void everyKindOfBufferCarriesBytes() throws Exception {
    try (Volume volume = memory();
        Arena closable = Arena.ofConfined()) {
      byte[] bytes = pattern(4096, 1);
      volume.write(512, bytes);
      List<MemorySegment> buffers =
          List.of(
              MemorySegment.ofArray(new byte[4096]),
              closable.allocate(4096),
              Arena.ofAuto().allocate(4096, 4096),
              Arena.ofAuto().allocate(4097).asSlice(1),
              MemorySegment.ofArray(new long[512]));
      for (MemorySegment buffer : buffers) {
        volume.read(512, buffer);
        assertThat(buffer.toArray(ValueLayout.JAVA_BYTE)).isEqualTo(bytes);
        volume.write(8192, buffer);
        byte[] back = new byte[4096];
        volume.read(8192, back);
        assertThat(back).isEqualTo(bytes);
        volume.writeZeroes(8192, 4096, IoOptions.NONE);
      }
    }
  }

  @Test
  void vectorsAreOneRequest() throws Exception {
    try (Volume volume = memory()) {
      byte[] bytes = pattern(1536, 2);
      MemorySegment whole = MemorySegment.ofArray(bytes);
      volume.write(
          0,
          List.of(whole.asSlice(0, 100), whole.asSlice(100, 1), whole.asSlice(101)),
          IoOptions.NONE.withFua());
      MemorySegment first = MemorySegment.ofArray(new byte[1000]);
      MemorySegment second = MemorySegment.ofArray(new byte[536]);
      volume.read(0, List.of(first, second), IoOptions.NONE);
      assertThat(first.mismatch(whole)).isEqualTo(1000);
      assertThat(second.mismatch(whole.asSlice(1000))).isEqualTo(-1);
      volume.flush();
    }
  }

  @Test
  void whatDoesNotFitIsSaidBeforeAnythingIsSent() {
    try (Volume volume = memory()) {
      assertThatThrownBy(() -> volume.read(0, new byte[100]))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("multiples of 512 bytes only; open it as align(…)");
      assertThatThrownBy(() -> volume.read(1 << 20, new byte[512]))
          .isInstanceOf(IndexOutOfBoundsException.class)
          .hasMessageContaining("outside the volume, which has 1048576 bytes");
      MemorySegment readOnly = MemorySegment.ofArray(new byte[512]).asReadOnly();
      assertThatThrownBy(() -> volume.read(0, readOnly)).hasMessageContaining("written to");
    }
  }

  @Test
  void aFutureIsDoneOnlyWhenTheIoIs() throws Exception {
    Loop loop = Loop.threaded("test");
    Gate gate = new Gate(loop, false);
    try (Volume volume = Volume.start(loop, gate)) {
      MemorySegment buffer = Arena.ofAuto().allocate(512, 512);
      IoFuture future = volume.readAsync(0, buffer);
      gate.awaitArrived(1);
      assertThat(future.cancel(true)).isTrue();
      assertThat(future.isDone()).isFalse();
      assertThat(future.isCancelled()).isFalse();
      assertThatThrownBy(future::outcome).hasMessageContaining("still on its way");
      assertThatThrownBy(() -> future.complete(Outcome.done(0)))
          .isInstanceOf(UnsupportedOperationException.class);
      gate.open();
      assertThat(future.get().kind())
          .as("it was in the device already")
          .isEqualTo(Outcome.Kind.DONE);
      assertThat(future.cancel(true)).isFalse();
      assertThat(buffer.get(ValueLayout.JAVA_BYTE, 511)).isEqualTo((byte) 7);

      CancelFlag flag = new CancelFlag();
      flag.raise();
      IoFuture stopped = volume.readAsync(0, List.of(buffer), IoOptions.NONE.withFlag(flag));
      assertThatThrownBy(stopped::get)
          .isInstanceOf(CancellationException.class)
          .hasRootCauseInstanceOf(CancelledException.class);
      assertThat(stopped.isCancelled()).isTrue();
      assertThat(stopped.outcome().cleanBytes()).isEqualTo(512);
      assertThat(gate.arrived).isEqualTo(1);
    }
  }

  @Test
  void aTimeoutOnlyRaisesTheFlag() throws Exception {
    Loop loop = Loop.threaded("test");
    Gate gate = new Gate(loop, false);
    try (Volume volume = Volume.start(loop, gate)) {
      IoFuture future = volume.readAsync(0, Arena.ofAuto().allocate(512, 512));
      gate.awaitArrived(1);
      assertThat(future.orTimeout(1, TimeUnit.MILLISECONDS)).isSameAs(future);
      while (!future.flag().isRaised()) {
        Thread.sleep(1);
      }
      assertThat(future.flag().reason()).isEqualTo(CancelFlag.Reason.DEADLINE);
      assertThat(future.isDone()).isFalse();
      gate.open();
      assertThat(future.get(20, TimeUnit.SECONDS).doneBytes()).isEqualTo(512);
    }
  }

  @Test
  void anInterruptStopsOneRequestAndLeavesTheVolumeOpen() throws Exception {
    Loop loop = Loop.threaded("test");
    Gate gate = new Gate(loop, false);
    try (Volume volume = Volume.start(loop, gate)) {
      for (Thread.Builder builder : List.of(Thread.ofPlatform(), Thread.ofVirtual())) {
        AtomicReference<String> seen = new AtomicReference<>("");
        int before = gate.arrived;
        Thread reader =
            builder.start(
                () -> {
                  try {
                    volume.read(0, new byte[512]);
                    seen.set("done");
                  } catch (Exception e) {
                    seen.set(e.toString());
                  }
                  seen.set(seen.get() + ", interrupted: " + Thread.currentThread().isInterrupted());
                });
        gate.awaitArrived(before + 1);
        reader.interrupt();
        reader.join(50);
        assertThat(reader.isAlive()).as("it waits for the completion").isTrue();
        gate.open();
        reader.join();
        assertThat(seen.get()).isEqualTo("done, interrupted: true");
        gate.isOpen = false;
      }
      Thread.currentThread().interrupt();
      assertThatThrownBy(() -> volume.read(0, new byte[512]))
          .isInstanceOf(CancelledException.class);
      assertThat(Thread.interrupted()).isTrue();
      gate.open();
      volume.read(0, new byte[512]);
    }
  }

  @Test
  void aCallerCanWalkAwayFromADeviceThatHangs() throws Exception {
    Loop loop = Loop.threaded("test");
    Gate gate = new Gate(loop, false);
    Volume volume = Volume.start(loop, gate);
    IoOptions options =
        IoOptions.NONE.withDeadline(Duration.ofMillis(20)).withPatience(Duration.ofMillis(20));
    byte[] heap = new byte[512];
    AbandonedException left = null;
    try {
      volume.read(0, List.of(MemorySegment.ofArray(heap)), options);
    } catch (AbandonedException e) {
      left = e;
    }
    assertThat(left).isNotNull();
    assertThat(left).hasMessageContaining("not answered by its device");
    assertThat(left.future().isDone()).isFalse();
    assertThat(volume.close(Duration.ofMillis(20))).isEqualTo(1);
    gate.open();
    assertThat(left.future().get(20, TimeUnit.SECONDS).reason())
        .isEqualTo(CancelFlag.Reason.DEADLINE);
    assertThat(heap).as("the caller left, so nothing touches its buffer").containsOnly(0);
    volume.close();
    assertThatThrownBy(() -> volume.read(0, new byte[512])).hasMessageContaining("is closed");
  }

  @Test
  void aClosedArenaIsTheCallersErrorAndNobodyElses() throws Exception {
    Loop loop = Loop.threaded("test");
    Gate gate = new Gate(loop, false);
    try (Volume volume = Volume.start(loop, gate)) {
      IoFuture future;
      try (Arena arena = Arena.ofShared()) {
        future = volume.readAsync(0, arena.allocate(512, 512));
        gate.awaitArrived(1);
      }
      gate.open();
      assertThatThrownBy(future::get)
          .isInstanceOf(ExecutionException.class)
          .hasMessageContaining("the buffer of a READ of 512 bytes is not usable");
      volume.read(0, new byte[512]);
    }
  }

  @Test
  void anAsynchronousReadIntoMemoryOfOneThreadIsRefused() throws Exception {
    try (Volume volume = memory();
        Arena confined = Arena.ofConfined()) {
      MemorySegment buffer = confined.allocate(512, 512);
      assertThatThrownBy(() -> volume.readAsync(0, buffer))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("not from a confined one");
      volume.read(0, buffer);
      volume.writeAsync(0, buffer).get();
    }
  }

  @Test
  void aScopeGivesItsFlagToWhatIsDoneInside() throws Exception {
    try (Volume volume = memory()) {
      List<IoFuture> futures = new ArrayList<>();
      CancelFlag flag = new CancelFlag();
      MemorySegment buffer = Arena.ofAuto().allocate(512, 512);
      CancelScope.call(
          flag,
          () -> {
            volume.read(0, buffer);
            flag.raise(CancelFlag.Reason.DISCONNECT);
            assertThatThrownBy(() -> volume.read(0, buffer))
                .isInstanceOf(CancelledException.class)
                .hasMessageContaining("DISCONNECT");
            CancelScope.call(() -> futures.add(volume.readAsync(0, buffer)));
            return null;
          });
      assertThatThrownBy(() -> futures.get(0).get()).isInstanceOf(CancellationException.class);
      assertThat(CancelScope.current()).isNull();
      volume.read(0, buffer);
    }
  }

  @Test
  void theEndOfAScopeStopsWhatItLeftRunning() throws Exception {
    Loop loop = Loop.threaded("test");
    Gate gate = new Gate(loop, false);
    try (Volume volume = Volume.start(loop, gate)) {
      IoFuture left =
          CancelScope.call(() -> volume.readAsync(0, Arena.ofAuto().allocate(512, 512)));
      assertThat(left.flag().reason()).isEqualTo(CancelFlag.Reason.SCOPE);
      gate.open();
    }
  }

  @Test
  void aBlockingCallOnTheLoopIsRefusedRatherThanWaitingForItself() throws Exception {
    try (Volume volume = memory()) {
      MemorySegment buffer = Arena.ofAuto().allocate(512, 512);
      IoFuture[] seen = new IoFuture[1];
      AtomicReference<Throwable> thrown = new AtomicReference<>();
      volume
          .loop()
          .execute(
              () -> {
                try {
                  volume.read(0, buffer);
                } catch (Exception e) {
                  thrown.set(e);
                }
                seen[0] = volume.readAsync(0, buffer);
              });
      while (seen[0] == null) {
        Thread.sleep(1);
      }
      assertThat(thrown.get()).hasMessageContaining("would wait for itself");
      assertThat(seen[0].get(20, TimeUnit.SECONDS).doneBytes()).isEqualTo(512);
    }
  }

  @Test
  void manyThreadsShareOneVolume() throws Exception {
    try (Volume volume = memory()) {
      List<Thread> threads = new ArrayList<>();
      AtomicReference<Throwable> thrown = new AtomicReference<>();
      for (int t = 0; t < 16; t++) {
        int mine = t;
        Thread.Builder builder = t % 2 == 0 ? Thread.ofVirtual() : Thread.ofPlatform();
        threads.add(
            builder.start(
                () -> {
                  try {
                    for (int i = 0; i < 500; i++) {
                      byte[] bytes = pattern(512, mine + i);
                      volume.write(mine * 512L, bytes);
                      byte[] back = new byte[512];
                      volume.read(mine * 512L, back);
                      assertThat(back).isEqualTo(bytes);
                    }
                  } catch (Throwable e) {
                    thrown.set(e);
                  }
                }));
      }
      for (Thread thread : threads) {
        thread.join();
      }
      assertThat(thrown.get()).isNull();
    }
  }

  @Test
  void aListOfBuffersIsTheCallersAgainAtOnce() throws Exception {
    Loop loop = Loop.threaded("test");
    Gate gate = new Gate(loop, false);
    try (Volume volume = Volume.start(loop, gate);
        BufferPool.Buffer pooled = volume.newBuffers(512, 1).take()) {
      MemorySegment heap = MemorySegment.ofArray(new byte[512]);
      List<MemorySegment> buffers = new ArrayList<>(List.of(pooled.segment()));
      IoFuture direct = volume.readAsync(0, buffers, IoOptions.NONE);
      buffers.set(0, heap);
      IoFuture copied = volume.readAsync(0, buffers, IoOptions.NONE);
      buffers.clear();
      gate.awaitArrived(2);
      gate.open();
      assertThat(direct.get(20, TimeUnit.SECONDS).doneBytes()).isEqualTo(512);
      assertThat(copied.get(20, TimeUnit.SECONDS).doneBytes()).isEqualTo(512);
      assertThat(heap.get(ValueLayout.JAVA_BYTE, 511)).isEqualTo((byte) 7);
    }
  }

  @Test
  void aTimeThatNoClockCountsIsForEver() throws Exception {
    Duration forEver = Duration.ofSeconds(Long.MAX_VALUE);
    Volume volume = memory();
    IoOptions patient = IoOptions.NONE.withDeadline(forEver).withPatience(forEver);
    assertThat(volume.read(0, List.of(MemorySegment.ofArray(new byte[512])), patient).doneBytes())
        .isEqualTo(512);
    assertThat(volume.close(forEver)).isZero();
  }

  @Test
  void aTimeoutOfARequestThatIsDoneKeepsNothing() throws Exception {
    try (Volume volume = memory()) {
      IoFuture future =
          volume.readAsync(0, Arena.ofAuto().allocate(512, 512)).orTimeout(1, TimeUnit.HOURS);
      future.get(20, TimeUnit.SECONDS);
      var gone = new java.lang.ref.WeakReference<>(future);
      future = null;
      long deadline = System.nanoTime() + 20_000_000_000L;
      while (gone.get() != null && System.nanoTime() - deadline < 0) {
        System.gc();
        Thread.sleep(5);
      }
      assertThat(gone.get()).isNull();
    }
  }

  @Test
  void aRequestOfAHugeNumberOfPiecesLetsOthersPass() throws Exception {
    try (Volume volume = Volume.open("stripe(null(size=2T), null(size=2T), chunk=512)")) {
      IoFuture huge = volume.discardAsync(0, 1L << 41, IoOptions.NONE);
      volume.readAsync(0, Arena.ofAuto().allocate(512, 512)).get(20, TimeUnit.SECONDS);
      assertThat(huge.isDone()).isFalse();
      huge.cancel(false);
      assertThatThrownBy(() -> huge.get(20, TimeUnit.SECONDS))
          .isInstanceOf(CancellationException.class);
      assertThat(huge.outcome().cleanBytes()).isPositive();
    }
  }
}
