// SPDX-License-Identifier: Apache-2.0
package dev.belay.front;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.belay.CancelFlag;
import dev.belay.Loop;
import dev.belay.Outcome;
import dev.belay.leaf.Memory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** How long callers wait, on which threads they may, and what ends their waiting. */
@Timeout(120)
final class WaitingTest {
  private static final Duration SHORT = Duration.ofMillis(20);
  private static final Duration LONG = Duration.ofSeconds(20);
  private static final Duration LONG_AGO = Duration.ofSeconds(Long.MIN_VALUE);
  private static final Duration FOR_EVER = Duration.ofSeconds(Long.MAX_VALUE);

  private final Loop loop = Loop.threaded("test");
  private final Gate gate = new Gate(loop, false);

  private static List<MemorySegment> heap() {
    return List.of(MemorySegment.ofArray(new byte[512]));
  }

  private static MemorySegment memory() {
    return Arena.ofAuto().allocate(512, 512);
  }

  // --- On the loop ---

  @Test
  void waitingOnTheLoopForItsOwnRequestsIsRefused() throws Exception {
    gate.isOpen = true;
    try (Volume volume = Volume.start(loop, gate)) {
      AtomicReference<List<Callable<?>>> waits = new AtomicReference<>();
      IoFuture first = volume.readAsync(0, memory());
      CompletableFuture<List<Throwable>> thrown = new CompletableFuture<>();
      loop.execute(
          () -> {
            IoFuture next = volume.readAsync(0, memory());
            CompletableFuture<String> derived = next.thenApply(Outcome::toString);
            CompletableFuture<Integer> further =
                derived.thenCompose(text -> next.thenApply(o -> 1));
            waits.set(
                List.of(
                    next::get,
                    next::join,
                    () -> next.get(1, TimeUnit.DAYS),
                    derived::get,
                    derived::join,
                    () -> derived.get(1, TimeUnit.DAYS),
                    further::join,
                    () -> next.copy().join(),
                    () -> next.handleAsync((done, error) -> 1).join(),
                    () -> volume.flush(IoOptions.NONE),
                    () -> volume.findHoles(0, 512, IoOptions.NONE),
                    () -> volume.discard(0, 512, IoOptions.NONE)));
            thrown.complete(waits.get().stream().map(WaitingTest::thrownBy).toList());
          });
      assertThat(thrown.get(20, TimeUnit.SECONDS))
          .hasSize(waits.get().size())
          .allSatisfy(
              each ->
                  assertThat(each)
                      .isInstanceOf(IllegalStateException.class)
                      .hasMessageMatching(".*(would never end.*thenCompose|an Async method).*"));
      for (Callable<?> wait : waits.get()) {
        wait.call(); // by this thread, all of them may be waited for
      }
      assertThat(
              first.thenCompose(done -> volume.readAsync(512, memory())).get(20, TimeUnit.SECONDS))
          .isEqualTo(Outcome.done(512));
      assertThat(first.thenApply(done -> first.join()).get(20, TimeUnit.SECONDS))
          .as("what is done needs no waiting")
          .isEqualTo(Outcome.done(512));
      assertThat(first.thenApplyAsync(done -> volume.readAsync(0, memory()).join()).get())
          .as("an asynchronous stage may wait")
          .isEqualTo(Outcome.done(512));
    }
  }

  private static Throwable thrownBy(Callable<?> wait) {
    try {
      return new AssertionError("gave " + wait.call());
    } catch (Exception e) {
      return e;
    }
  }

  @Test
  void theLoopMayWaitForAnother() throws Exception {
    gate.isOpen = true;
    Loop other = Loop.threaded("other");
    try (Volume volume = Volume.start(loop, gate);
        Volume another = Volume.start(other, new Memory(other, 1 << 20, 512))) {
      CompletableFuture<Outcome> seen = new CompletableFuture<>();
      loop.execute(() -> seen.complete(another.readAsync(0, memory()).join()));
      assertThat(seen.get(20, TimeUnit.SECONDS)).isEqualTo(Outcome.done(512));
      assertThat(volume.sizeBytes()).isPositive();
    }
  }

  @Test
  void stagesOfStagesRunOnVirtualThreads() throws Exception {
    gate.isOpen = true;
    try (Volume volume = Volume.start(loop, gate)) {
      assertThat(
              volume
                  .readAsync(0, memory())
                  .thenApply(done -> done)
                  .thenApplyAsync(done -> Thread.currentThread().isVirtual())
                  .get(20, TimeUnit.SECONDS))
          .isTrue();
    }
  }

  // --- Patience and grace ---

  private AbandonedException abandon(Volume volume, IoOptions options) {
    return catchThrowableOfType(AbandonedException.class, () -> volume.read(0, heap(), options));
  }

  @Test
  void patienceAloneBoundsTheCall() throws Exception {
    try (Volume volume = Volume.start(loop, gate)) {
      AbandonedException left = abandon(volume, IoOptions.NONE.withPatience(SHORT));
      assertThat(left).hasMessageContaining("READ of 512 bytes at 0 was not answered");
      assertThat(left.future().isDone()).isFalse();
      assertThat(left.future().flag().reason())
          .as("it was asked to stop before it was left")
          .isEqualTo(CancelFlag.Reason.DEADLINE);
      gate.open();
      assertThat(left.future().get(20, TimeUnit.SECONDS).doneBytes()).isEqualTo(512);
    }
  }

  @Test
  void patienceOutlastsNeitherFlagNorDeadline() throws Exception {
    try (Volume volume = Volume.start(loop, gate)) {
      CancelFlag never = new CancelFlag();
      IoOptions patient = IoOptions.NONE.withPatience(SHORT);
      for (IoOptions options :
          List.of(
              patient.withFlag(never),
              patient.withDeadline(Duration.ofDays(1)),
              patient.withDeadline(FOR_EVER).withGrace(FOR_EVER),
              patient.withDeadline(LONG_AGO),
              patient.withDeadline(Duration.ofMillis(1)).withGrace(Duration.ofDays(1)))) {
        if (LONG_AGO.equals(options.deadline())) {
          assertThatThrownBy(() -> volume.read(0, heap(), options))
              .isInstanceOf(CancelledException.class);
        } else {
          assertThat(abandon(volume, options)).isNotNull();
        }
      }
      assertThat(never.isRaised()).as("the caller's flag is not touched").isFalse();
      gate.open();
    }
  }

  @Test
  void whatNoDeviceHasIsAnsweredWhenPatienceIsOver() throws Exception {
    try (Volume volume = Volume.open("delay(memory(size=1M), read=1m)")) {
      int answered = 0;
      for (int i = 0; i < 10; i++) {
        IoOptions alone = IoOptions.NONE.withPatience(SHORT);
        IoOptions options = i % 2 == 0 ? alone : alone.withDeadline(SHORT);
        Throwable thrown =
            catchThrowableOfType(Exception.class, () -> volume.read(0, heap(), options));
        // On a machine that is busy, the last look may be too short now and then.
        if (thrown instanceof AbandonedException left) {
          left.future().handle((done, error) -> 1).get(20, TimeUnit.SECONDS);
          assertThat(left.future().outcome().cleanBytes()).isEqualTo(512);
        } else {
          assertThat(thrown).isInstanceOf(CancelledException.class);
          assertThat(((CancelledException) thrown).outcome().cleanBytes()).isEqualTo(512);
          answered++;
        }
      }
      assertThat(answered).as("of 10 calls that no device had").isPositive();
    }
  }

  @Test
  void graceBeginsWhenTheFlagGoesUp() throws Exception {
    try (Volume volume = Volume.start(loop, gate)) {
      CancelFlag flag = new CancelFlag();
      IoOptions options = IoOptions.NONE.withFlag(flag).withGrace(SHORT);
      CompletableFuture<AbandonedException> left =
          CompletableFuture.supplyAsync(() -> abandon(volume, options), Thread::startVirtualThread);
      gate.awaitArrived(1);
      Thread.sleep(5 * SHORT.toMillis());
      assertThat(left.isDone()).as("its flag is down").isFalse();
      flag.raise(CancelFlag.Reason.DISCONNECT);
      AbandonedException abandoned = left.get(20, TimeUnit.SECONDS);
      assertThat(abandoned.future().flag().reason()).isEqualTo(CancelFlag.Reason.DISCONNECT);
      assertThat(abandon(volume, IoOptions.NONE.withGrace(SHORT).withDeadline(SHORT))).isNotNull();
      gate.open();
      volume.read(0, heap(), options.withFlag(new CancelFlag()));
    }
  }

  /** Requests of others that end all the time keep nobody from looking at the clock. */
  @Test
  void aCallIsLeftInTimeWhileOthersComplete() throws Exception {
    AtomicBoolean isOver = new AtomicBoolean();
    try (Volume volume =
        Volume.open("concat(fault(memory(size=1M), effect=hang), memory(size=1M))")) {
      List<Thread> others = new ArrayList<>();
      for (int i = 0; i < 3; i++) {
        others.add(
            Thread.startVirtualThread(
                () -> {
                  while (!isOver.get()) {
                    volume.readAsync(1 << 20, memory()).join();
                  }
                }));
      }
      long start = System.nanoTime();
      Throwable thrown =
          catchThrowableOfType(
              Exception.class,
              () ->
                  volume.read(
                      0,
                      heap(),
                      IoOptions.NONE
                          .withDeadline(Duration.ofMillis(100))
                          .withGrace(Duration.ofMillis(100))));
      assertThat(System.nanoTime() - start).isLessThan(10_000_000_000L);
      assertThat(thrown).isInstanceOfAny(CancelledException.class, AbandonedException.class);
      isOver.set(true);
      for (Thread other : others) {
        other.join();
      }
    }
  }

  @Test
  void extremeTimesAreOverOrNeverCome() throws Exception {
    try (Volume volume = Volume.start(loop, gate)) {
      for (Duration over : List.of(LONG_AGO, Duration.ofNanos(-1), Duration.ZERO)) {
        assertThatThrownBy(() -> volume.read(0, heap(), IoOptions.NONE.withDeadline(over)))
            .as("a deadline of %s", over)
            .isInstanceOf(CancelledException.class)
            .hasMessageContaining("512 clean");
        assertThatThrownBy(() -> volume.read(0, heap(), IoOptions.NONE.withPatience(over)))
            .as("a patience of %s", over)
            .isInstanceOfAny(AbandonedException.class, CancelledException.class);
        assertThat(abandon(volume, IoOptions.NONE.withDeadline(SHORT).withGrace(over))).isNotNull();
        assertThat(volume.readAsync(0, memory()).flag().withDeadline(over).isRaised()).isTrue();
      }
      gate.open();
      IoOptions endless = IoOptions.NONE.withDeadline(FOR_EVER).withPatience(FOR_EVER);
      assertThat(volume.read(0, heap(), endless.withGrace(FOR_EVER)).doneBytes()).isEqualTo(512);
    }
  }

  @Test
  void aTimeoutThatIsExtremeIsOverOrNeverComes() throws Exception {
    try (Volume volume = Volume.start(loop, gate)) {
      IoFuture over = volume.readAsync(0, memory());
      IoFuture never = volume.readAsync(0, memory());
      gate.awaitArrived(2);
      over.orTimeout(Long.MIN_VALUE, TimeUnit.DAYS);
      never.orTimeout(Long.MAX_VALUE, TimeUnit.DAYS);
      long deadline = System.nanoTime() + LONG.toNanos();
      while (!over.flag().isRaised()) {
        assertThat(System.nanoTime() - deadline).isNegative();
        Thread.sleep(1);
      }
      Thread.sleep(50);
      assertThat(never.flag().isRaised()).isFalse();
      gate.open();
      assertThat(over.get(20, TimeUnit.SECONDS).reason()).isEqualTo(CancelFlag.Reason.DEADLINE);
      assertThat(never.get(20, TimeUnit.SECONDS).reason()).isNull();
    }
  }

  @Test
  void closingWithANegativeGraceWaitsForNothing() throws Exception {
    Volume volume = Volume.start(loop, gate);
    IoFuture held = volume.readAsync(0, memory());
    gate.awaitArrived(1);
    assertThat(volume.close(LONG_AGO)).isEqualTo(1);
    assertThat(volume.close(Duration.ofNanos(-1))).isEqualTo(1);
    gate.open();
    held.get(20, TimeUnit.SECONDS);
    assertThat(volume.close(LONG)).isZero();
  }

  // --- Interrupts ---

  @Test
  void anInterruptStormEndsEachCallOnceAndKeepsTheVolumeOpen() throws Exception {
    Loop busy = Loop.threaded("busy");
    long seed = System.nanoTime();
    AtomicReference<Throwable> wrong = new AtomicReference<>();
    AtomicBoolean isOver = new AtomicBoolean();
    try (Volume volume = Volume.start(busy, new Memory(busy, 1 << 20, 512))) {
      List<Thread> readers = new ArrayList<>();
      for (int t = 0; t < 4; t++) {
        Thread.Builder builder = t % 2 == 0 ? Thread.ofPlatform() : Thread.ofVirtual();
        readers.add(builder.start(() -> readUnderInterrupts(volume, wrong)));
      }
      Thread storm =
          Thread.ofPlatform()
              .start(
                  () -> {
                    Random random = new Random(seed);
                    while (!isOver.get()) {
                      readers.get(random.nextInt(readers.size())).interrupt();
                      if (random.nextInt(4) == 0) {
                        Thread.yield();
                      }
                    }
                  });
      for (Thread reader : readers) {
        reader.join();
      }
      isOver.set(true);
      storm.join();
      assertThat(wrong.get()).as("seed %d", seed).isNull();
      volume.read(0, new byte[512]);
    }
  }

  private static void readUnderInterrupts(Volume volume, AtomicReference<Throwable> wrong) {
    try {
      for (int i = 0; i < 2000; i++) {
        byte[] mine = new byte[1024];
        try {
          volume.read(0, mine);
        } catch (CancelledException e) {
          assertThat(e.outcome().reason()).isEqualTo(CancelFlag.Reason.INTERRUPT);
          assertThat(Thread.currentThread().isInterrupted()).as("it stays set").isTrue();
          if (i % 2 == 0) {
            assertThatThrownBy(() -> volume.write(0, mine)).isInstanceOf(CancelledException.class);
          }
        }
        Thread.interrupted();
      }
    } catch (Throwable e) {
      wrong.set(e);
    }
  }
}
