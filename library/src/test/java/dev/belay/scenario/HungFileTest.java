// SPDX-License-Identifier: Apache-2.0
package dev.belay.scenario;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.belay.Bio;
import dev.belay.CancelFlag;
import dev.belay.Errno;
import dev.belay.Loop;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.front.AbandonedException;
import dev.belay.front.FailedException;
import dev.belay.front.IoFuture;
import dev.belay.front.IoOptions;
import dev.belay.front.Volume;
import dev.belay.leaf.FileOptions;
import dev.belay.leaf.ThreadFile;
import dev.belay.uring.FuseFile;
import dev.belay.uring.UringSupport;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Real files that hang, in a FUSE file system of the test's own, beside ones that do not. */
@Timeout(120)
@SuppressWarnings("try") // what hangs is let go before the volume waits for it
final class HungFileTest {
  /** How many reads of the healthy file are measured; more for figures. */
  private static final int READS = Integer.getInteger("belay.hung.reads", 500);

  private static final int SIZE = 16 << 20;
  private static final int BLOCK = 4096;
  private static final int CROWD = 128;
  private static final int THREADS = 16;
  private static final Duration DEADLINE = Duration.ofMillis(100);

  @TempDir Path directory;

  private @Nullable FuseFile hung;
  private @Nullable FuseFile healthy;

  @BeforeEach
  void mount() throws IOException {
    hung = FuseFile.mount(directory, "hung", SIZE);
    healthy = FuseFile.mount(directory, "healthy", SIZE);
  }

  @AfterEach
  void unmount() throws IOException {
    for (FuseFile each : new FuseFile[] {hung, healthy}) {
      if (each != null) {
        each.close();
      }
    }
  }

  private static <T> T the(@Nullable T thing) {
    return Objects.requireNonNull(thing);
  }

  private static MemorySegment block() {
    return Arena.ofAuto().allocate(BLOCK, BLOCK);
  }

  private static void await(BooleanSupplier met) throws InterruptedException {
    long start = System.nanoTime();
    while (!met.getAsBoolean()) {
      assertThat(System.nanoTime() - start).isLessThan(TimeUnit.SECONDS.toNanos(20));
      Thread.sleep(1);
    }
  }

  /** The hung file first, the healthy one behind it. */
  private Volume both(String option) {
    return Volume.open(
        "concat(file(%s%s), file(%s%s))"
            .formatted(the(hung).path(), option, the(healthy).path(), option));
  }

  /** How long each of some reads of the healthy file took, the quickest first. */
  private static long[] readHealthy(Volume volume) throws Exception {
    MemorySegment buffer = block();
    long[] took = new long[READS];
    for (int i = 0; i < READS; i++) {
      long start = System.nanoTime();
      long at = SIZE + (long) (i * 7919 % (SIZE / BLOCK)) * BLOCK;
      volume.readAsync(at, buffer).get(20, TimeUnit.SECONDS);
      took[i] = System.nanoTime() - start;
    }
    assertThat(buffer.get(ValueLayout.JAVA_BYTE, 0)).isEqualTo(FuseFile.FILL);
    Arrays.sort(took);
    return took;
  }

  private static double micros(long[] sorted, double part) {
    return sorted[(int) (part * (sorted.length - 1))] / 1e3;
  }

  @Test
  void itStopsNeitherItsNeighbourNorItsDeadlines() throws Exception {
    try (Volume volume = both("");
        AutoCloseable release = the(hung)::comeBack) {
      readHealthy(volume); // warms up
      long[] alone = readHealthy(volume);
      the(hung).hang();
      ConcurrentLinkedQueue<Long> late = new ConcurrentLinkedQueue<>();
      List<IoFuture> crowd = new ArrayList<>();
      for (int i = 0; i < CROWD; i++) {
        IoOptions options = IoOptions.NONE.withDeadline(DEADLINE);
        long deadline = System.nanoTime() + DEADLINE.toNanos();
        IoFuture read = volume.readAsync((long) i * BLOCK, List.of(block()), options);
        read.handle((done, stopped) -> late.add(System.nanoTime() - deadline));
        crowd.add(read);
      }
      await(() -> late.size() == CROWD - THREADS);
      long[] beside = readHealthy(volume);
      List<IoFuture> waited = crowd.stream().filter(IoFuture::isDone).toList();
      assertThat(waited).hasSize(CROWD - THREADS);
      assertThat(waited)
          .allMatch(it -> it.outcome().kind() == Outcome.Kind.CANCELLED)
          .allMatch(it -> it.outcome().reason() == CancelFlag.Reason.DEADLINE)
          .allMatch(it -> it.outcome().cleanBytes() == BLOCK);
      assertThat(crowd).as("the flag of what hangs").allMatch(it -> it.flag().isRaised());
      assertThat(the(hung).hanging()).isBetween(1, THREADS);

      long[] clean = late.stream().mapToLong(Long::longValue).sorted().toArray();
      System.out.printf(
          "healthy beside hung: p50 %.0f us, p99 %.0f us; alone: p50 %.0f us, p99 %.0f us;"
              + " %d deadlines answered clean, the latest %.2f ms late%n",
          micros(beside, 0.5),
          micros(beside, 0.99),
          micros(alone, 0.5),
          micros(alone, 0.99),
          clean.length,
          micros(clean, 1) / 1e3);
      the(hung).comeBack();
      await(() -> late.size() == CROWD);
      assertThat(crowd.stream().filter(it -> it.outcome().kind() == Outcome.Kind.DONE))
          .as("what the kernel had counts when it comes back")
          .hasSize(THREADS);
    }
  }

  /** A caller that waits is let go, though its request hangs in the kernel; its buffer is safe. */
  @Test
  void whoeverWaitsWalksAway() throws Exception {
    try (Volume volume = both("");
        AutoCloseable release = the(hung)::comeBack) {
      the(hung).hang();
      IoOptions options = IoOptions.NONE.withDeadline(DEADLINE).withGrace(Duration.ofMillis(1));
      long start = System.nanoTime();
      assertThatThrownBy(() -> volume.read(0, List.of(block()), options))
          .isInstanceOf(AbandonedException.class);
      System.out.printf(
          "a caller with a grace of 1 ms was let go %.2f ms after its deadline%n",
          (System.nanoTime() - start - DEADLINE.toNanos()) / 1e6);
      the(hung).comeBack();
    }
  }

  /** Where io_uring was asked for, the loop turns all the same. */
  @ParameterizedTest
  @ValueSource(strings = {"on", "off"})
  void theLoopTurnsWithTheRingToo(String direct) throws Exception {
    assumeTrue(UringSupport.look().usable(), "no io_uring");
    String local = directory.resolve("local").toString();
    String option = ", engine=uring, depth=64, direct=" + direct;
    try (Volume volume =
            Volume.open(
                "concat(file(%s%s), file(%s, size=1M))"
                    .formatted(the(hung).path(), option, local));
        AutoCloseable release = the(hung)::comeBack) {
      the(hung).hang();
      List<IoFuture> crowd = new ArrayList<>();
      for (int i = 0; i < CROWD; i++) {
        crowd.add(
            volume.readAsync(
                (long) i * BLOCK, List.of(block()), IoOptions.NONE.withDeadline(DEADLINE)));
      }
      volume.writeAsync(SIZE, block()).get(20, TimeUnit.SECONDS);
      await(() -> crowd.stream().filter(IoFuture::isDone).count() >= CROWD - 64);
      volume.writeAsync(SIZE, block()).get(20, TimeUnit.SECONDS);
      the(hung).comeBack();
      await(() -> crowd.stream().allMatch(IoFuture::isDone));
    }
  }

  /**
   * The kernel has a write that it was asked to cancel interrupt the server, and a read not even
   * that. What becomes of the request is the server's decision: one that does not listen, as most
   * do not, keeps it for as long as it likes.
   */
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void aServerMayHonourAnInterruptOrNot(boolean honours) throws Exception {
    assumeTrue(UringSupport.look().usable(), "no io_uring");
    the(hung).honoursInterrupts = honours;
    try (Volume volume = both(", engine=uring, direct=off");
        AutoCloseable release = the(hung)::comeBack) {
      the(hung).hang();
      CancelFlag flag = new CancelFlag();
      IoFuture write = volume.writeAsync(0, List.of(block()), IoOptions.NONE.withFlag(flag));
      await(() -> the(hung).hanging() > 0);
      flag.raise();
      await(() -> the(hung).interrupts.get() > 0);
      if (honours) {
        await(write::isDone);
        assertThat(write.outcome().kind()).isEqualTo(Outcome.Kind.CANCELLED);
        assertThat(write.outcome().unknownBytes()).isEqualTo(BLOCK);
      } else {
        assertThat(write.isDone()).isFalse();
        the(hung).comeBack();
        await(write::isDone);
        assertThat(write.outcome().kind()).isEqualTo(Outcome.Kind.DONE);
      }
      the(hung).comeBack();
    }
  }

  /** Whoever frees memory that a call is using gets the error, and not the call. */
  @Test
  @SuppressWarnings("MustBeClosedChecker") // that is what it is about
  void memoryIsNotFreedUnderACall() throws Exception {
    the(hung).hang();
    Loop loop = Loop.threaded("freed");
    var options = FileOptions.of(the(hung).path().toString());
    var file = ThreadFile.open(loop, options, 1, 1);
    loop.start();
    Arena arena = Arena.ofShared();
    ConcurrentLinkedQueue<Outcome> outcomes = new ConcurrentLinkedQueue<>();
    var bio = new Bio(loop, ended -> outcomes.add(ended.outcome()));
    bio.prepare(Op.READ, file, 0, BLOCK, arena.allocate(BLOCK, BLOCK), 0, CancelFlag.NEVER);
    loop.send(bio);
    await(() -> the(hung).hanging() == 1);
    assertThatThrownBy(arena::close).isInstanceOf(IllegalStateException.class);
    the(hung).comeBack();
    await(() -> !outcomes.isEmpty());
    assertThat(outcomes).containsExactly(Outcome.done(BLOCK));
    assertThat(loop.close(Long.MAX_VALUE)).isZero();
    arena.close();
  }

  @ParameterizedTest
  @ValueSource(strings = {"threads", "uring"})
  void aFlushThatFailedIsSaidOnceAndAShortenedFileIsSeen(String engine) throws Exception {
    assumeTrue(engine.equals("threads") || UringSupport.look().usable(), "no io_uring");
    try (Volume volume = both(", direct=off, engine=" + engine);
        AutoCloseable release = the(hung)::comeBack) {
      volume.write(0, block());
      the(hung).failFsyncOnce(Errno.EIO);
      assertThatThrownBy(volume::flush)
          .isInstanceOf(FailedException.class)
          .hasMessageContaining(the(hung).path().toString());
      volume.flush();
      the(hung).truncate(SIZE / 2);
      IoFuture behind = volume.readAsync(SIZE - BLOCK, block());
      assertThatThrownBy(behind::get)
          .isInstanceOf(ExecutionException.class)
          .hasMessageContaining("end");
      assertThat(behind.outcome().kind()).isEqualTo(Outcome.Kind.FAILED);
    }
  }
}
