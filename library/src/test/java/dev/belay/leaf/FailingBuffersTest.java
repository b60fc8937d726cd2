// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.CancelFlag;
import dev.belay.Errno;
import dev.belay.Extents;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.leaf.FileOptions.Direct;
import dev.belay.leaf.ThreadFileTest.Calls;
import dev.belay.testing.DrivenStack;
import dev.belay.testing.DrivenStack.Request;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Memory, and threads, that fail a file by threads: no request is lost, and the threads live. */
final class FailingBuffersTest {
  private static final int BLOCK = 4096;

  @TempDir Path directory;

  private final DrivenStack stack = new DrivenStack();
  private FileOptions options = FileOptions.of("");

  @AfterEach
  void close() {
    stack.close();
  }

  private GatedFile calls(Calls calls) throws IOException {
    options = FileOptions.of(directory.resolve("a").toString()).withSize(1 << 20);
    return new GatedFile(calls.open(options.withDirect(Direct.OFF)), 1 << 20);
  }

  private ThreadFile device(FileCalls calls) {
    return new ThreadFile(stack.loop, calls, options, 4, 1);
  }

  /** It failed, and the only thread there is goes on. */
  private void assertFailed(ThreadFile file, Outcome outcome, int errno, String sentence) {
    assertThat(outcome.kind()).isEqualTo(Outcome.Kind.FAILED);
    assertThat(Objects.requireNonNull(outcome.error()).errno()).isEqualTo(errno);
    assertThat(outcome.error().sentence()).contains(sentence);
    Outcome next = stack.run(file, Op.READ, 0, stack.memory(BLOCK));
    assertThat(next).isEqualTo(Outcome.done(BLOCK));
  }

  @ParameterizedTest
  @EnumSource
  void memoryThatCannotBeGivenIsNotGiven(Calls calls) throws IOException {
    ThreadFile file = device(calls(calls));
    MemorySegment closed;
    try (Arena arena = Arena.ofShared()) {
      closed = arena.allocate(BLOCK, BLOCK);
    }
    for (Op op : new Op[] {Op.READ, Op.WRITE}) {
      Outcome outcome = stack.run(file, op, 0, closed);
      assertFailed(file, outcome, Errno.EFAULT, "the arena of its buffer is closed");
      assertThat(outcome.cleanBytes()).isEqualTo(BLOCK);
    }
    try (Arena foreign = Arena.ofConfined()) {
      for (Op op : new Op[] {Op.READ, Op.WRITE}) {
        Outcome outcome = stack.run(file, op, 0, foreign.allocate(BLOCK, BLOCK));
        assertFailed(file, outcome, Errno.EFAULT, "its buffer belongs to another thread");
        assertThat(outcome.cleanBytes()).isEqualTo(BLOCK);
      }
    }
    Outcome outcome = stack.run(file, Op.READ, 0, stack.memory(BLOCK).asReadOnly());
    assertFailed(file, outcome, Errno.EFAULT, "its buffer is read-only");
    assertThat(outcome.cleanBytes()).isEqualTo(BLOCK);
  }

  @ParameterizedTest
  @EnumSource
  void memoryThatWasCutShortFailsFromThereOn(Calls calls) throws IOException {
    ThreadFile file = device(calls(calls));
    try (Arena arena = Arena.ofShared();
        FileChannel map =
            FileChannel.open(
                directory.resolve("map"),
                StandardOpenOption.CREATE,
                StandardOpenOption.READ,
                StandardOpenOption.WRITE)) {
      MemorySegment mapped = map.map(MapMode.READ_WRITE, 0, 2 * BLOCK, arena);
      map.truncate(BLOCK);
      for (Op op : new Op[] {Op.READ, Op.WRITE}) {
        Outcome outcome = stack.run(file, op, 0, mapped);
        assertFailed(file, outcome, Errno.EFAULT, " failed");
        assertThat(outcome.extents().list())
            .containsExactly(
                new Extents.Extent(0, BLOCK, Extents.State.DONE),
                new Extents.Extent(BLOCK, BLOCK, Extents.State.UNKNOWN));
      }
      map.truncate(0);
      Outcome outcome = stack.run(file, Op.READ, 0, mapped);
      assertFailed(file, outcome, Errno.EFAULT, " failed");
      assertThat(outcome.unknownBytes()).isEqualTo(2 * BLOCK);
    }
  }

  @Test
  void aWorkerThatRunsIntoAnErrorLosesNothing() throws IOException {
    GatedFile calls = calls(Calls.NATIVE);
    ThreadFile file = device(calls);
    MemorySegment block = stack.memory(BLOCK);
    for (Error error : new Error[] {new InternalError("a page is gone"), new OutOfMemoryError()}) {
      calls.writes =
          length -> {
            throw error;
          };
      Outcome outcome = stack.run(file, Op.WRITE, 0, block);
      int errno = error instanceof OutOfMemoryError ? Errno.ENOMEM : Errno.EFAULT;
      assertFailed(file, outcome, errno, "was not possible: " + error);
      assertThat(outcome.unknownBytes()).isEqualTo(BLOCK);
    }
  }

  /** The loop has to be told, even where there was no memory for the message at first. */
  @Test
  void theLoopIsToldInTheEnd() throws IOException {
    GatedFile calls = calls(Calls.NATIVE);
    AtomicInteger tries = new AtomicInteger();
    Crew crew =
        new Crew(
            calls,
            "a",
            1,
            () -> {
              if (tries.incrementAndGet() <= 3) {
                throw new OutOfMemoryError("for the test");
              }
            });
    Slot slot = new Slot(0);
    CancelFlag flag = new CancelFlag();
    Request read = stack.prepare(device(calls), Op.READ, 0, stack.memory(BLOCK), flag);
    slot.take(read.bio);
    assertThat(crew.carryOut(slot)).isTrue();
    stack.turnUntil(() -> tries.get() == 4);
    assertThat(crew.takeFinished()).isSameAs(slot);
    crew.stop();
    stack.loop.enter(read.bio);
    stack.finishAll();
  }
}
