// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.belay.CancelFlag;
import dev.belay.Device;
import dev.belay.Errno;
import dev.belay.IoError;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.leaf.FileOptions.Direct;
import dev.belay.testing.DrivenStack;
import dev.belay.testing.DrivenStack.Request;
import dev.belay.testing.Patterns;
import dev.belay.uring.UringSupport;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A file that is closed while its loop goes on. */
final class FileClosedTest {
  private static final int SIZE = 1 << 20;
  private static final int BLOCK = 4096;
  private static final int DEPTH = 2;

  @TempDir Path directory;

  private final DrivenStack stack = new DrivenStack();

  @AfterEach
  void close() {
    stack.close(); // asserts that nothing was logged, such as "Already closed"
  }

  private FileOptions options(String name) {
    return FileOptions.of(directory.resolve(name).toString()).withSize(SIZE);
  }

  private Device open(FileEngine engine, String name) throws IOException {
    assumeTrue(engine == FileEngine.THREADS || UringSupport.look().usable(), "no io_uring");
    return engine.open(
        stack.loop, options(name), UringTuning.DEFAULT.withDepth(DEPTH), DEPTH, DEPTH);
  }

  private static void assertRefused(Outcome outcome) {
    assertThat(outcome.kind()).isEqualTo(Outcome.Kind.FAILED);
    IoError error = Objects.requireNonNull(outcome.error());
    assertThat(error.errno()).isEqualTo(Errno.EBADF);
    assertThat(error.sentence()).contains("closed");
    assertThat(outcome.cleanBytes()).isEqualTo(outcome.lengthBytes());
  }

  @ParameterizedTest
  @EnumSource(names = {"URING", "THREADS"})
  void allThatComesLaterIsRefused(FileEngine engine) throws IOException {
    Device file = open(engine, "a");
    MemorySegment block = stack.memory(BLOCK);
    assertThat(stack.run(file, Op.WRITE, 0, block)).isEqualTo(Outcome.done(BLOCK));
    file.close();
    file.close();
    for (Op op : Op.values()) {
      MemorySegment buffer = op.hasBuffer() ? block : MemorySegment.NULL;
      int length = op == Op.FLUSH ? 0 : BLOCK;
      CancelFlag flag = new CancelFlag();
      assertRefused(stack.finish(stack.submit(file, op, 0, length, buffer, flag, false)));
    }
  }

  /**
   * The descriptor's number and its place in the ring must not become the next file's too early.
   */
  @ParameterizedTest
  @EnumSource(names = {"URING", "THREADS"})
  void whatWasSentIsDoneInTheFileItWasMeantFor(FileEngine engine) throws IOException {
    Device file = open(engine, "a");
    Device other = open(engine, "b");
    MemorySegment first = stack.memory(SIZE);
    Patterns.fill(first, 0, 1);
    stack.run(other, Op.WRITE, 0, first);
    MemorySegment second = stack.memory(SIZE);
    Patterns.fill(second, 0, 2);
    List<Request> writes = new ArrayList<>();
    for (int at = 0; at < 8 * BLOCK; at += BLOCK) {
      MemorySegment block = second.asSlice(at, BLOCK);
      writes.add(stack.submit(file, Op.WRITE, at, block, new CancelFlag()));
    }
    file.close();
    Device next = open(engine, "c");
    MemorySegment zeroes = stack.memory(SIZE);
    assertThat(stack.run(next, Op.WRITE, 0, zeroes)).isEqualTo(Outcome.done(SIZE));
    stack.finishAll();
    assertThat(writes.subList(0, DEPTH)).allMatch(it -> it.result().doneBytes() == BLOCK);
    writes.subList(DEPTH, 8).forEach(it -> assertRefused(it.result()));

    MemorySegment back = stack.memory(SIZE);
    stack.run(next, Op.READ, 0, back);
    assertThat(Patterns.firstOtherByte(back, (byte) 0)).as("the next file").isEqualTo(-1);
    stack.run(other, Op.READ, 0, back);
    assertThat(Patterns.firstOther(back, 0, 1)).as("the file beside it").isEqualTo(-1);
    stack.run(open(engine, "a"), Op.READ, 0, back);
    assertThat(Patterns.firstOther(back.asSlice(0, 2 * BLOCK), 0, 2)).isEqualTo(-1);
    assertThat(Patterns.firstOtherByte(back.asSlice(2 * BLOCK), (byte) 0)).isEqualTo(-1);
  }

  @Test
  void callsThatHangKeepTheFileOpenUntilTheyComeBack() throws IOException {
    GatedFile calls = new GatedFile(NativeFile.open(options("a").withDirect(Direct.OFF)), BLOCK);
    ThreadFile file = new ThreadFile(stack.loop, calls, options("a"), DEPTH, 1);
    calls.hang();
    List<Request> reads = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      reads.add(stack.submit(file, Op.READ, 0, stack.memory(BLOCK), new CancelFlag()));
    }
    stack.turnUntil(() -> calls.transfers.get() == 1);
    file.close();
    stack.turnUntil(() -> reads.get(2).ended() && reads.get(3).ended());
    assertRefused(reads.get(2).result());
    assertRefused(reads.get(3).result());
    assertThat(calls.isClosed).isFalse();
    calls.comeBack();
    stack.finishAll();
    assertThat(reads.get(0).result()).isEqualTo(Outcome.done(BLOCK));
    assertThat(reads.get(1).result()).isEqualTo(Outcome.done(BLOCK));
    assertThat(calls.isClosed).isTrue();
  }

  /** An interrupt from outside that hits a thread in a call closes a channel, for instance. */
  @Test
  void aChannelThatWasClosedSaysThatNothingWasDone() throws IOException {
    FileCalls calls = ChannelFile.open(options("a").withDirect(Direct.OFF), "for the test");
    ThreadFile file = new ThreadFile(stack.loop, calls, options("a"), DEPTH, 1);
    MemorySegment block = stack.memory(BLOCK);
    assertThat(stack.run(file, Op.WRITE, 0, block)).isEqualTo(Outcome.done(BLOCK));
    calls.close();
    assertRefused(stack.run(file, Op.READ, 0, block));
    assertRefused(stack.run(file, Op.WRITE, 0, block));
    assertRefused(stack.run(file, Op.WRITE_ZEROES, 0, BLOCK));
    assertThat(stack.run(file, Op.FLUSH, 0, 0).kind()).isEqualTo(Outcome.Kind.FAILED);
  }
}
