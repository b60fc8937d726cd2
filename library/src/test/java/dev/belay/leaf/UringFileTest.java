// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.belay.CancelFlag;
import dev.belay.Errno;
import dev.belay.Extents.Extent;
import dev.belay.Extents.State;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.testing.DrivenStack;
import dev.belay.testing.DrivenStack.Request;
import dev.belay.testing.Patterns;
import dev.belay.uring.UringSupport;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A file by io_uring, on the file system of the temporary directory. */
final class UringFileTest {
  private static final int KIB = 1024;
  private static final int BLOCK = 4096;
  private static final int SIZE = 4 * KIB * KIB;
  private static final UringTuning SMALL_PIECES = UringTuning.DEFAULT.withPiece(16 * KIB);

  @TempDir Path directory;
  private final DrivenStack stack = new DrivenStack();

  @BeforeEach
  void needsRing() {
    UringSupport support = UringSupport.look();
    Assumptions.assumeTrue(support.usable(), "no io_uring here: " + support.sentence());
  }

  @AfterEach
  void close() {
    stack.close();
  }

  private FileOptions options(String name) {
    return FileOptions.of(directory.resolve(name).toString()).withSize(SIZE);
  }

  private UringFile open(String name) throws IOException {
    return UringFile.open(stack.loop, options(name), SMALL_PIECES);
  }

  private MemorySegment pattern(long offsetBytes, long lengthBytes, long seed) {
    MemorySegment buffer = stack.memory(lengthBytes);
    Patterns.fill(buffer, offsetBytes, seed);
    return buffer;
  }

  @ParameterizedTest
  @EnumSource
  void whatIsWrittenIsRead(FileOptions.Direct direct) throws Exception {
    Assumptions.assumeTrue(direct != FileOptions.Direct.ON || canBeDirect());
    UringFile file = UringFile.open(stack.loop, options("a").withDirect(direct), SMALL_PIECES);
    MemorySegment pinned = pattern(0, SIZE, 1);
    stack.loop.poller().pin(pinned);
    assertThat(stack.run(file, Op.WRITE, 0, pinned)).isEqualTo(Outcome.done(SIZE));
    Random random = new Random(1);
    for (int i = 0; i < 200; i++) {
      long length = BLOCK * (1L + random.nextInt(i % 20 == 0 ? 200 : 4));
      long offset = BLOCK * (long) random.nextInt((int) ((SIZE - length) / BLOCK));
      if (i % 3 == 0) {
        MemorySegment buffer = pattern(offset, length, 1);
        Request write = stack.submit(file, Op.WRITE, offset, buffer, new CancelFlag());
        assertThat(stack.finish(write)).isEqualTo(Outcome.done(length));
      } else {
        MemorySegment buffer = i % 3 == 1 ? pinned.asSlice(offset, length) : stack.memory(length);
        buffer.fill((byte) 0);
        assertThat(stack.run(file, Op.READ, offset, buffer)).isEqualTo(Outcome.done(length));
        assertThat(Patterns.firstOther(buffer, offset, 1)).as("round " + i).isEqualTo(-1);
      }
    }
    assertThat(file.status()).contains("io_uring", "0 of 128 in flight");
  }

  private boolean canBeDirect() throws IOException {
    try (DrivenStack other = new DrivenStack()) {
      FileOptions direct = options("probe").withDirect(FileOptions.Direct.ON);
      UringFile.open(other.loop, direct, SMALL_PIECES);
      return true;
    } catch (IOException e) {
      return !String.valueOf(e.getMessage()).contains("direct");
    }
  }

  @Test
  void rangesAreZeroedAndDiscardedAndFlushed() throws Exception {
    UringFile file = open("a");
    stack.run(file, Op.WRITE, 0, pattern(0, SIZE, 2));
    long at = 5 * BLOCK;
    long length = 100 * BLOCK;
    MemorySegment none = MemorySegment.NULL;
    for (boolean fua : new boolean[] {false, true}) {
      Request zero = stack.submit(file, Op.WRITE_ZEROES, at, length, none, new CancelFlag(), fua);
      assertThat(stack.finish(zero)).isEqualTo(Outcome.done(length));
    }
    MemorySegment all = stack.memory(SIZE);
    stack.run(file, Op.READ, 0, all);
    assertThat(Patterns.firstOtherByte(all.asSlice(at, length), (byte) 0)).isEqualTo(-1);
    assertThat(Patterns.firstOther(all.asSlice(0, at), 0, 2)).isEqualTo(-1);
    long behind = at + length;
    assertThat(Patterns.firstOther(all.asSlice(behind), behind, 2)).isEqualTo(-1);
    assertThat(stack.run(file, Op.DISCARD, 0, SIZE)).isEqualTo(Outcome.done(SIZE));
    assertThat(stack.run(file, Op.FLUSH, 0, 0)).isEqualTo(Outcome.done(0));
    MemorySegment durable = pattern(0, BLOCK, 3);
    Request fua = stack.submit(file, Op.WRITE, 0, BLOCK, durable, new CancelFlag(), true);
    assertThat(stack.finish(fua)).isEqualTo(Outcome.done(BLOCK));
    assertThat(Files.size(directory.resolve("a"))).isEqualTo(SIZE);
  }

  @Test
  void noMoreThanTheDepthIsSentAndTheRestIsCancelledClean() throws Exception {
    UringTuning tuning = SMALL_PIECES.withDepth(4);
    UringFile file = UringFile.open(stack.loop, options("a"), tuning);
    List<Long> sent = new ArrayList<>();
    file.setRecorder((bio, offset, length) -> sent.add(offset));
    List<Request> requests = new ArrayList<>();
    for (int i = 0; i < 100; i++) {
      MemorySegment buffer = stack.memory(BLOCK);
      requests.add(stack.submit(file, Op.READ, (long) i * BLOCK, buffer, new CancelFlag()));
    }
    assertThat(file.status()).contains("4 of 4 in flight, 96 parked");
    assertThat(sent).as("nothing is sent before the turn").isEmpty();
    stack.loop.poller().enter(0);
    assertThat(sent).hasSize(4);
    for (Request request : requests.subList(2, 100)) {
      request.flag.raise();
    }
    stack.finishAll();
    assertThat(sent).hasSize(4);
    assertThat(requests.subList(0, 4)).allMatch(r -> r.result().kind() == Outcome.Kind.DONE);
    assertThat(requests.subList(4, 100))
        .allMatch(r -> r.result().cleanBytes() == BLOCK, "stopped clean");
  }

  @Test
  void aFlagThatIsUpBeforeTheSystemCallStopsWhatIsQueued() throws Exception {
    UringFile file = open("a");
    List<Long> sent = new ArrayList<>();
    file.setRecorder((bio, offset, length) -> sent.add(offset));
    Request request = stack.submit(file, Op.WRITE, 0, pattern(0, BLOCK, 1), new CancelFlag());
    request.flag.raise();
    assertThat(request.ended()).as("raising completes nothing by itself").isFalse();
    assertThat(stack.finish(request).cleanBytes()).isEqualTo(BLOCK);
    assertThat(sent).isEmpty();
    MemorySegment read = stack.memory(BLOCK);
    stack.run(file, Op.READ, 0, read);
    assertThat(Patterns.firstOtherByte(read, (byte) 0)).isEqualTo(-1);
  }

  /** Law 3 and law 4: cancels at random turns, judged by what the recorder saw and the medium. */
  @Test
  void nothingIsSentAfterTheFlagAndTheExtentsAreTrue() throws Exception {
    UringFile file =
        UringFile.open(stack.loop, options("a"), SMALL_PIECES.withDepth(8).withPiece(BLOCK));
    int stopped = 0;
    for (int round = 0; round < 100; round++) {
      Random random = new Random(round);
      int length = 64 * BLOCK;
      stack.run(file, Op.WRITE, 0, pattern(0, length, 1000));
      CancelFlag flag = new CancelFlag();
      List<Extent> sent = new ArrayList<>();
      file.setRecorder(
          (bio, offset, bytes) -> {
            assertThat(flag.isRaised()).as("sent after the flag, seed " + random).isFalse();
            sent.add(new Extent(offset, bytes, State.DONE));
          });
      Request write = stack.submit(file, Op.WRITE, 0, pattern(0, length, round), flag);
      for (int turns = random.nextInt(20); turns > 0 && !write.ended(); turns--) {
        stack.loop.turn(random.nextInt(2) * 1_000_000L);
      }
      flag.raise();
      Outcome outcome = stack.finish(write);
      file.setRecorder(null);
      MemorySegment medium = stack.memory(length);
      stack.run(file, Op.READ, 0, medium);
      for (Extent extent : outcome.extents().list()) {
        assertThat(extent.state()).isNotEqualTo(State.UNKNOWN);
        long seed = extent.state() == State.DONE ? round : 1000;
        MemorySegment part = medium.asSlice(extent.offsetBytes(), extent.lengthBytes());
        assertThat(Patterns.firstOther(part, extent.offsetBytes(), seed)).isEqualTo(-1);
      }
      assertThat(sent.stream().mapToLong(Extent::lengthBytes).sum()).isEqualTo(outcome.doneBytes());
      stopped += outcome.kind() == Outcome.Kind.CANCELLED ? 1 : 0;
    }
    assertThat(stopped).isPositive();
  }

  @Test
  void aFileThatIsShortenedFailsTheReadAndSaysWhere() throws Exception {
    UringFile file = open("a");
    stack.run(file, Op.WRITE, 0, pattern(0, SIZE, 4));
    for (long left : new long[] {3 * BLOCK, 3 * BLOCK - 100}) {
      try (RandomAccessFile other = new RandomAccessFile(directory.resolve("a").toFile(), "rw")) {
        other.setLength(left);
      }
      MemorySegment buffer = stack.memory(8 * BLOCK);
      Outcome outcome = stack.run(file, Op.READ, 0, buffer);
      assertThat(outcome.kind()).isEqualTo(Outcome.Kind.FAILED);
      assertThat(outcome.result()).isEqualTo(-Errno.EIO);
      assertThat(outcome.error()).asString().contains("the file ends at " + left + " now");
      assertThat(outcome.doneBytes()).isEqualTo(left);
      assertThat(outcome.cleanBytes()).isZero();
      assertThat(Patterns.firstOther(buffer.asSlice(0, left & -8L), 0, 4)).isEqualTo(-1);
    }
  }

  @Test
  void twoFilesShareOneRing() throws Exception {
    UringFile a = open("a");
    UringFile b = open("b");
    assertThat(stack.loop.poller()).isInstanceOf(UringPoller.class);
    List<Request> writes = new ArrayList<>();
    for (int i = 0; i < 600; i++) {
      long offset = (long) i * BLOCK;
      MemorySegment buffer = pattern(offset, BLOCK, i % 2);
      writes.add(stack.submit(i % 2 == 0 ? a : b, Op.WRITE, offset, buffer, new CancelFlag()));
    }
    stack.finishAll();
    assertThat(writes).allMatch(r -> r.result().kind() == Outcome.Kind.DONE);
    MemorySegment block = stack.memory(BLOCK);
    for (int i = 0; i < 600; i++) {
      stack.run(i % 2 == 0 ? a : b, Op.READ, (long) i * BLOCK, block);
      assertThat(Patterns.firstOther(block, (long) i * BLOCK, i % 2)).isEqualTo(-1);
    }
  }

  @Test
  void closingWithRequestsInFlightEndsThemAll() throws Exception {
    UringFile file = open("a");
    List<Request> requests = new ArrayList<>();
    for (int i = 0; i < 300; i++) {
      MemorySegment buffer = stack.memory(BLOCK);
      requests.add(stack.submit(file, Op.READ, (long) i * BLOCK, buffer, new CancelFlag()));
    }
    stack.loop.poller().enter(0);
    assertThat(stack.loop.close(Long.MAX_VALUE)).isZero();
    assertThat(requests).allMatch(r -> r.completions == 1);
    assertThat(requests.getLast().result().reason()).isEqualTo(CancelFlag.Reason.CLOSE);
  }

  @Test
  void aReadOnlyFileRefusesToBeChanged() throws Exception {
    Files.write(directory.resolve("a"), new byte[SIZE]);
    FileOptions readOnly = FileOptions.of(directory.resolve("a").toString()).withReadOnly(true);
    UringFile file = UringFile.open(stack.loop, readOnly, UringTuning.DEFAULT);
    Outcome outcome = stack.run(file, Op.WRITE, 0, stack.memory(BLOCK));
    assertThat(outcome.result()).isEqualTo(-Errno.EROFS);
    assertThat(outcome.cleanBytes()).isEqualTo(BLOCK);
    assertThat(stack.run(file, Op.READ, 0, stack.memory(BLOCK)).kind())
        .isEqualTo(Outcome.Kind.DONE);
    assertThat(stack.run(file, Op.FLUSH, 0, 0).kind()).isEqualTo(Outcome.Kind.DONE);
  }

  @Test
  void memoryThatWasFreedWithoutUnpinIsNotUsedAsRegistered() throws Exception {
    UringFile file = open("a");
    stack.run(file, Op.WRITE, 0, pattern(0, SIZE, 5));
    try (java.lang.foreign.Arena shortLived = java.lang.foreign.Arena.ofConfined()) {
      stack.loop.poller().pin(shortLived.allocate(64 * KIB, BLOCK));
      assertThat(file.status()).contains("64 KiB of memory registered");
    }
    for (int i = 0; i < 32; i++) {
      MemorySegment buffer = stack.memory(64 * KIB);
      stack.run(file, Op.READ, 0, buffer);
      assertThat(Patterns.firstOther(buffer, 0, 5)).isEqualTo(-1);
    }
  }

  @Test
  void tuningThatMakesNoSenseIsRefused() {
    assertThatThrownBy(() -> UringTuning.DEFAULT.withDepth(0)).hasMessageContaining("depth=");
    assertThatThrownBy(() -> UringTuning.DEFAULT.withPiece(1)).hasMessageContaining("piece=");
    assertThatThrownBy(() -> UringTuning.DEFAULT.withWindow(1)).hasMessageContaining("window=");
  }
}
