// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.Bio;
import dev.belay.CancelFlag;
import dev.belay.Extents.State;
import dev.belay.Loop;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.testing.DrivenStack;
import dev.belay.testing.DrivenStack.Request;
import dev.belay.testing.Patterns;
import dev.belay.uring.UringSupport;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Sleeping and waking, aborting what the kernel has, and block devices. */
final class UringPollerTest {
  private static final int BLOCK = 4096;
  private static final int SIZE = 4 << 20;

  @TempDir Path directory;

  @BeforeEach
  void needsRing() {
    UringSupport support = UringSupport.look();
    Assumptions.assumeTrue(support.usable(), "no io_uring here: " + support.sentence());
  }

  private FileOptions options() {
    return FileOptions.of(directory.resolve("a").toString()).withSize(SIZE);
  }

  @Test
  void manyThreadsWakeALoopThatSleepsInTheKernel() throws Exception {
    int threads = 8;
    int rounds = 300;
    Queue<Throwable> wrong = new ConcurrentLinkedQueue<>();
    Loop loop = Loop.threaded("waking");
    loop.setDefects(wrong::add);
    UringFile file = UringFile.open(loop, options(), UringTuning.DEFAULT.withDepth(3));
    try (Arena arena = Arena.ofShared()) {
      loop.start();
      List<Thread> started = new ArrayList<>();
      for (int t = 0; t < threads; t++) {
        MemorySegment buffer = arena.allocate(BLOCK, BLOCK);
        long seed = t;
        started.add(
            Thread.ofPlatform()
                .uncaughtExceptionHandler((thread, e) -> wrong.add(e))
                .start(() -> writeAndRead(file, buffer, seed, rounds)));
      }
      for (Thread thread : started) {
        assertThat(thread.join(java.time.Duration.ofMinutes(1))).isTrue();
      }
      assertThat(loop.close(Long.MAX_VALUE)).isZero();
    }
    assertThat(wrong).isEmpty();
    assertThat(file.bios()).isEqualTo(2L * threads * rounds);
    loop.poller().wake(); // late, and for nobody: it may not hurt anybody either
  }

  private static void writeAndRead(UringFile file, MemorySegment buffer, long seed, int rounds) {
    Semaphore ended = new Semaphore(0);
    Bio bio = new Bio(file.loop(), done -> ended.release());
    for (int i = 0; i < rounds; i++) {
      for (Op op : new Op[] {Op.WRITE, Op.READ}) {
        buffer.fill((byte) 0);
        if (op == Op.WRITE) {
          Patterns.fill(buffer, seed * BLOCK, i);
        }
        bio.prepare(op, file, seed * BLOCK, BLOCK, buffer, 0, new CancelFlag());
        file.loop().send(bio);
        try {
          if (!ended.tryAcquire(1, TimeUnit.MINUTES)) {
            throw new AssertionError("no completion within a minute");
          }
        } catch (InterruptedException e) {
          throw new AssertionError(e);
        }
        assertThat(bio.isDone()).isTrue();
      }
      assertThat(Patterns.firstOther(buffer, seed * BLOCK, i)).isEqualTo(-1);
    }
  }

  @Test
  void aWakeBeforeTheSleepEndsIt() throws Exception {
    try (DrivenStack stack = new DrivenStack()) {
      UringFile.open(stack.loop, options(), UringTuning.DEFAULT);
      stack.loop.poller().wake();
      stack.loop.turn(Long.MAX_VALUE);
      stack.loop.turn(0);
      Thread other = Thread.ofPlatform().start(() -> stack.loop.execute(() -> {}));
      stack.loop.turn(Long.MAX_VALUE);
      other.join();
    }
  }

  /** The kernel's workers do discards a few at a time: those that wait for one can be stopped. */
  @Test
  void whatTheKernelStoppedIsTrueToTheMedium() throws Exception {
    try (DrivenStack stack = new DrivenStack()) {
      UringTuning deep = new UringTuning(512, 256 << 10, 1L << 30);
      UringFile file = UringFile.open(stack.loop, options(), deep);
      MemorySegment before = stack.memory(SIZE);
      Patterns.fill(before, 0, 1);
      stack.run(file, Op.WRITE, 0, before);
      List<Request> discards = new ArrayList<>();
      CancelFlag scope = new CancelFlag();
      for (long at = 0; at < SIZE; at += 2 * BLOCK) {
        discards.add(
            stack.submit(
                file, Op.DISCARD, at, 2 * BLOCK, MemorySegment.NULL, scope.child(), false));
      }
      stack.loop.turn(2_000_000);
      stack.loop.turn(2_000_000);
      scope.raise();
      stack.finishAll();
      MemorySegment after = stack.memory(SIZE);
      stack.run(file, Op.READ, 0, after);
      for (Request discard : discards) {
        Outcome outcome = discard.result();
        MemorySegment part = after.asSlice(discard.offsetBytes, 2 * BLOCK);
        assertThat(outcome.kind()).isNotEqualTo(Outcome.Kind.FAILED);
        if (outcome.extents().at(0) == State.CLEAN) {
          assertThat(Patterns.firstOther(part, discard.offsetBytes, 1)).isEqualTo(-1);
        }
      }
    }
  }

  @Test
  void aBlockDeviceIsAFileToo() throws Exception {
    Path image = directory.resolve("image");
    Files.write(image, new byte[SIZE]);
    Path device = loopDevice(image);
    try (DrivenStack stack = new DrivenStack()) {
      UringFile file =
          UringFile.open(stack.loop, FileOptions.of(device.toString()), UringTuning.DEFAULT);
      assertThat(file.limits().sizeBytes()).isEqualTo(SIZE);
      MemorySegment buffer = stack.memory(SIZE);
      Patterns.fill(buffer, 0, 7);
      assertThat(stack.run(file, Op.WRITE, 0, buffer)).isEqualTo(Outcome.done(SIZE));
      assertThat(stack.run(file, Op.FLUSH, 0, 0)).isEqualTo(Outcome.done(0));
      long part = 16 * BLOCK;
      assertThat(stack.run(file, Op.WRITE_ZEROES, part, part)).isEqualTo(Outcome.done(part));
      assertThat(stack.run(file, Op.DISCARD, 4 * part, part)).isEqualTo(Outcome.done(part));
      buffer.fill((byte) 1);
      assertThat(stack.run(file, Op.READ, 0, buffer)).isEqualTo(Outcome.done(SIZE));
      assertThat(Patterns.firstOther(buffer.asSlice(0, part), 0, 7)).isEqualTo(-1);
      assertThat(Patterns.firstOtherByte(buffer.asSlice(part, part), (byte) 0)).isEqualTo(-1);
      assertThat(Patterns.firstOther(buffer.asSlice(2 * part, 2 * part), 2 * part, 7))
          .isEqualTo(-1);
    } finally {
      output("losetup", "-d", device.toString());
    }
  }

  private static Path loopDevice(Path image) throws Exception {
    String name = "";
    try {
      name = output("losetup", "-f", "--show", image.toString());
    } catch (IOException e) {
      Assumptions.abort("no loop devices here: " + e.getMessage());
    }
    Assumptions.assumeTrue(name.startsWith("/dev/"), "no loop devices here: it takes root");
    return Path.of(name);
  }

  private static String output(String... command) throws Exception {
    Process program = new ProcessBuilder(command).start();
    String said = new String(program.getInputStream().readAllBytes()).strip();
    program.waitFor();
    return said;
  }
}
