// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.belay.Bio;
import dev.belay.CancelFlag;
import dev.belay.Errno;
import dev.belay.Extents.State;
import dev.belay.Loop;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.testing.DrivenStack;
import dev.belay.testing.Patterns;
import dev.belay.uring.Kernel;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The file by threads, with either kind of calls, on a file of the temporary directory. */
final class ThreadFileTest {
  private static final int PIECE = 4096;
  private static final long SIZE = 4L << 20;

  @TempDir Path directory;

  private final DrivenStack stack = new DrivenStack();
  private FileOptions options = FileOptions.of("");

  /** Who makes the calls. */
  enum Calls {
    NATIVE,
    CHANNEL;

    FileCalls open(FileOptions options) throws IOException {
      if (this == CHANNEL) {
        return ChannelFile.open(options.withDirect(FileOptions.Direct.OFF), "for the test");
      }
      assumeTrue(Kernel.available(), Kernel.unavailableReason());
      return NativeFile.open(options);
    }
  }

  @AfterEach
  void close() {
    stack.close();
  }

  private GatedFile gated(Calls calls) throws IOException {
    options = FileOptions.of(directory.resolve("a").toString()).withSize(SIZE);
    return new GatedFile(calls.open(options.withDirect(FileOptions.Direct.OFF)), PIECE);
  }

  private ThreadFile device(FileCalls calls, int depth, int threads) {
    return new ThreadFile(stack.loop, calls, options, depth, threads);
  }

  @ParameterizedTest
  @EnumSource
  void keepsWhatIsWritten(Calls calls) throws IOException {
    options = FileOptions.of(directory.resolve("a").toString()).withSize(8 << 20);
    ThreadFile device = device(calls.open(options), 8, 4);
    MemorySegment all = stack.memory(8 << 20);
    Patterns.fill(all, 0, 1);
    assertThat(stack.run(device, Op.WRITE, 0, all)).isEqualTo(Outcome.done(8 << 20));
    all.fill((byte) 0);
    assertThat(stack.run(device, Op.READ, 0, all)).isEqualTo(Outcome.done(8 << 20));
    assertThat(Patterns.firstOther(all, 0, 1)).isEqualTo(-1);

    MemorySegment block = stack.memory(4096);
    Patterns.fill(block, 8192, 2);
    var durable = stack.submit(device, Op.WRITE, 8192, 4096, block, new CancelFlag(), true);
    assertThat(stack.finish(durable)).isEqualTo(Outcome.done(4096));
    assertThat(stack.run(device, Op.FLUSH, 0, 0)).isEqualTo(Outcome.done(0));
    assertThat(stack.run(device, Op.WRITE_ZEROES, 4096, 4096)).isEqualTo(Outcome.done(4096));
    assertThat(stack.run(device, Op.DISCARD, 1 << 20, 7 << 20)).isEqualTo(Outcome.done(7 << 20));
    stack.run(device, Op.READ, 0, all);
    assertThat(Patterns.firstOther(all.asSlice(0, 4096), 0, 1)).isEqualTo(-1);
    assertThat(Patterns.firstOtherByte(all.asSlice(4096, 4096), (byte) 0)).isEqualTo(-1);
    assertThat(Patterns.firstOther(all.asSlice(8192, 4096), 8192, 2)).isEqualTo(-1);
    assertThat(Patterns.firstOther(all.asSlice(12288, 4096), 12288, 1)).isEqualTo(-1);
    assertThat(device.status()).contains("4 threads, 0 with them, 0 waiting");
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void zeroesAreSentWhereTheFileKnowsNoBetter(boolean knowsRanges) throws IOException {
    GatedFile file = gated(Calls.NATIVE);
    file.knowsRanges = knowsRanges;
    ThreadFile device = device(file, 8, 4);
    MemorySegment all = stack.memory(SIZE);
    Patterns.fill(all, 0, 1);
    stack.run(device, Op.WRITE, 0, all);
    int before = file.transfers.get();
    stack.run(device, Op.WRITE_ZEROES, 8192, SIZE - 16384);
    assertThat(file.transfers.get() > before).isEqualTo(!knowsRanges);
    stack.run(device, Op.READ, 0, all);
    assertThat(Patterns.firstOther(all.asSlice(0, 8192), 0, 1)).isEqualTo(-1);
    assertThat(Patterns.firstOtherByte(all.asSlice(8192, SIZE - 16384), (byte) 0)).isEqualTo(-1);
    assertThat(Patterns.firstOther(all.asSlice(SIZE - 8192), SIZE - 8192, 1)).isEqualTo(-1);
    assertThat(stack.run(device, Op.DISCARD, 0, 4096).kind()).isEqualTo(Outcome.Kind.DONE);
  }

  @Test
  void shortWritesAreContinuedAndTheFlagStopsThem() throws IOException {
    GatedFile file = gated(Calls.NATIVE);
    ThreadFile device = device(file, 1, 1);
    file.writes = length -> Math.min(length, 512);
    MemorySegment buffer = stack.memory(PIECE);
    Patterns.fill(buffer, 0, 1);
    assertThat(stack.run(device, Op.WRITE, 0, buffer)).isEqualTo(Outcome.done(PIECE));
    assertThat(file.transfers.get()).isEqualTo(8);

    CancelFlag flag = new CancelFlag();
    file.writes =
        length -> {
          if (file.transfers.get() == 8 + 3) {
            flag.raise();
          }
          return 512;
        };
    Outcome outcome = stack.finish(stack.submit(device, Op.WRITE, 0, buffer, flag));
    assertThat(outcome.kind()).isEqualTo(Outcome.Kind.CANCELLED);
    assertThat(outcome.doneBytes()).isEqualTo(3 * 512);
    assertThat(outcome.cleanBytes()).isEqualTo(PIECE - 3 * 512);
    assertThat(file.transfers.get()).isEqualTo(8 + 3);
  }

  /** Requests of 64 pieces, two at a time, each stopped by another thread at any moment. */
  @ParameterizedTest
  @EnumSource
  void theTruthIsToldOfEveryStop(Calls calls) throws Exception {
    GatedFile file = gated(calls);
    ThreadFile device = device(file, 8, 3);
    int length = 64 * PIECE;
    MemorySegment first = stack.memory(length);
    MemorySegment second = stack.memory(length);
    MemorySegment check = stack.memory(length);
    check.fill((byte) 9);
    stack.run(device, Op.WRITE, 0, check);
    long[] owner = new long[64];
    var toRaise = new ArrayBlockingQueue<CancelFlag>(16);
    Thread raiser = new Thread(() -> raiseAtRandom(toRaise));
    raiser.start();
    int stopped = 0;
    for (int round = 1; round <= 1500; round++) {
      Patterns.fill(first, 0, round);
      second.fill((byte) 3);
      CancelFlag writeFlag = new CancelFlag();
      CancelFlag readFlag = new CancelFlag();
      var write = stack.submit(device, Op.WRITE, 0, first, writeFlag);
      var read = stack.submit(device, Op.READ, 2 << 20, second, readFlag);
      toRaise.put(writeFlag);
      toRaise.put(readFlag);
      stack.finishAll();
      stopped += write.result().kind() == Outcome.Kind.CANCELLED ? 1 : 0;
      checkExtents(write.result(), owner, round);
      for (int i = 0; i < 64; i++) {
        boolean done = read.result().extents().at((long) i * PIECE) == State.DONE;
        byte expected = (byte) (done ? 0 : 3);
        MemorySegment piece = second.asSlice((long) i * PIECE, PIECE);
        assertThat(Patterns.firstOtherByte(piece, expected)).isEqualTo(-1);
      }
      if (round % 20 == 0) {
        stack.run(device, Op.READ, 0, check);
        for (int i = 0; i < 64; i++) {
          MemorySegment piece = check.asSlice((long) i * PIECE, PIECE);
          long other =
              owner[i] == 0
                  ? Patterns.firstOtherByte(piece, (byte) 9)
                  : Patterns.firstOther(piece, (long) i * PIECE, owner[i]);
          assertThat(other).isEqualTo(-1);
        }
      }
    }
    toRaise.put(CancelFlag.NEVER);
    raiser.join();
    assertThat(stopped).isPositive();
  }

  private static void raiseAtRandom(ArrayBlockingQueue<CancelFlag> toRaise) {
    Random random = new Random(11);
    try {
      for (CancelFlag flag = toRaise.take(); flag != CancelFlag.NEVER; flag = toRaise.take()) {
        long until = System.nanoTime() + random.nextInt(150_000);
        while (System.nanoTime() < until) {
          Thread.onSpinWait();
        }
        flag.raise();
      }
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  private static void checkExtents(Outcome outcome, long[] owner, long round) {
    assertThat(outcome.unknownBytes()).isZero();
    assertThat(outcome.error()).isNull();
    for (int i = 0; i < 64; i++) {
      State state = outcome.extents().at((long) i * PIECE);
      assertThat(outcome.extents().at((long) i * PIECE + PIECE - 1)).isEqualTo(state);
      if (state == State.DONE) {
        owner[i] = round;
      }
    }
  }

  @Test
  void aDeviceThatHangsKeepsOnlyWhatItHas() throws IOException {
    GatedFile file = gated(Calls.NATIVE);
    ThreadFile device = device(file, 4, 2);
    file.hang();
    CancelFlag flag = new CancelFlag();
    List<DrivenStack.Request> requests = new ArrayList<>();
    for (int i = 0; i < 10; i++) {
      requests.add(
          stack.submit(device, Op.WRITE, i * (long) PIECE, stack.memory(PIECE), flag.child()));
    }
    var bystander = stack.submit(device, Op.READ, 0, stack.memory(PIECE), new CancelFlag());
    stack.turnUntil(() -> file.transfers.get() == 2);
    flag.raise(CancelFlag.Reason.DEADLINE);
    // Two are in a call and two wait for a worker; all but the two in a call come back clean.
    stack.turnUntil(() -> stack.loop.openRequests() == 3);
    for (int i = 0; i < 10; i++) {
      assertThat(requests.get(i).ended()).isEqualTo(i >= 2);
      if (i >= 2) {
        assertThat(requests.get(i).result().cleanBytes()).isEqualTo(PIECE);
        assertThat(requests.get(i).result().reason()).isEqualTo(CancelFlag.Reason.DEADLINE);
      }
    }
    assertThat(stack.loop.close(1_000_000)).as("still with the device").isEqualTo(2);
    assertThat(bystander.result().reason()).isEqualTo(CancelFlag.Reason.CLOSE);
    file.comeBack();
    assertThat(stack.loop.close(Long.MAX_VALUE)).isZero();
    assertThat(file.transfers.get()).as("nothing was sent after the flag").isEqualTo(2);
    assertThat(requests.get(0).result()).extracting(Outcome::kind).isEqualTo(Outcome.Kind.DONE);
  }

  @Test
  void whatWaitsForAWorkerGoesOnWhenOthersAreStopped() throws IOException {
    GatedFile file = gated(Calls.NATIVE);
    ThreadFile device = device(file, 8, 1);
    file.hang();
    CancelFlag flag = new CancelFlag();
    List<DrivenStack.Request> kept = new ArrayList<>();
    for (int i = 0; i < 40; i++) {
      CancelFlag its = i % 2 == 0 ? new CancelFlag() : flag;
      var request = stack.submit(device, Op.READ, 0, stack.memory(PIECE), its);
      if (i % 2 == 0) {
        kept.add(request);
      }
    }
    flag.raise();
    stack.turnUntil(() -> stack.loop.openRequests() == 20);
    file.comeBack();
    stack.finishAll();
    assertThat(kept).allMatch(request -> request.result().doneBytes() == PIECE);
    assertThat(file.transfers.get()).isEqualTo(20);
  }

  @ParameterizedTest
  @EnumSource
  void aFileThatWasShortenedIsReportedAsSuch(Calls calls) throws IOException {
    GatedFile file = gated(calls);
    ThreadFile device = device(file, 4, 2);
    MemorySegment buffer = stack.memory(4 * PIECE);
    Patterns.fill(buffer, 0, 1);
    stack.run(device, Op.WRITE, 0, buffer);
    try (FileChannel channel =
        FileChannel.open(Path.of(options.path()), StandardOpenOption.WRITE)) {
      channel.truncate(PIECE + 1000);
    }
    buffer.fill((byte) 0);
    Outcome outcome = stack.run(device, Op.READ, 0, buffer);
    assertThat(outcome.kind()).isEqualTo(Outcome.Kind.FAILED);
    assertThat(outcome.result()).isEqualTo(-Errno.EIO);
    assertThat(outcome.doneBytes()).isEqualTo(PIECE + 1000);
    assertThat(outcome.error())
        .asString()
        .contains(" ended at 5096, short of a read of 4096 bytes at ")
        .contains("it was shortened while it was open");
    assertThat(Patterns.firstOther(buffer.asSlice(0, PIECE + 1000), 0, 1)).isEqualTo(-1);
  }

  @Test
  void aFullDiskSaysHowFarItGot() throws IOException {
    GatedFile file = gated(Calls.NATIVE);
    int full = Kernel.open("/dev/full", Kernel.O_WRONLY, 0);
    assumeTrue(full >= 0, "there is no /dev/full");
    MemorySegment buffer = stack.memory(160 * PIECE);
    file.writes =
        length ->
            file.transfers.get() > 2 ? Kernel.pwrite(full, buffer.address(), length, 0) : length;
    ThreadFile device = device(file, 1, 1);
    Outcome outcome = stack.run(device, Op.WRITE, 0, buffer);
    Kernel.close(full);
    assertThat(outcome.result()).isEqualTo(-Errno.ENOSPC);
    assertThat(outcome.doneBytes()).isEqualTo(2 * PIECE);
    assertThat(outcome.unknownBytes()).isEqualTo((file.transfers.get() - 2L) * PIECE);
    assertThat(outcome.cleanBytes()).as("was never cut").isGreaterThanOrEqualTo(20 * PIECE);
    assertThat(Objects.requireNonNull(outcome.error()).sentence())
        .isEqualTo("a write of 4096 bytes at 8192 of " + options.path() + " failed");
  }

  @Test
  void theChannelsWordsBecomeErrorNumbers() throws IOException {
    Path full = Path.of("/dev/full");
    assumeTrue(full.toFile().exists(), "there is no /dev/full");
    try (FileChannel channel = FileChannel.open(full, StandardOpenOption.WRITE)) {
      channel.write(stack.memory(8).asByteBuffer());
      throw new AssertionError("it is full");
    } catch (IOException e) {
      assertThat(ChannelFile.errno(e)).isEqualTo(Errno.ENOSPC);
    }
    assertThat(ChannelFile.errno(new IOException((String) null))).isEqualTo(Errno.EIO);
  }

  @Test
  void closingStopsWhatIsSplitAndWaitsForWhatIsInACall() throws IOException {
    GatedFile file = gated(Calls.NATIVE);
    ThreadFile device = device(file, 4, 2);
    var request = stack.submit(device, Op.READ, 0, stack.memory(SIZE), new CancelFlag());
    assertThat(stack.loop.close(Long.MAX_VALUE)).isZero();
    Outcome outcome = request.result();
    assertThat(outcome.reason()).isEqualTo(CancelFlag.Reason.CLOSE);
    assertThat(outcome.unknownBytes()).isZero();
    assertThat(outcome.doneBytes()).isEqualTo((long) PIECE * file.transfers.get());
  }

  @Test
  void interruptingTheWorkersHasNoEffect() throws IOException {
    ThreadFile device = device(gated(Calls.CHANNEL), 2, 1);
    MemorySegment buffer = stack.memory(PIECE);
    for (int i = 0; i < 50; i++) {
      for (Thread thread : Thread.getAllStackTraces().keySet()) {
        if (thread.getName().startsWith("belay-file-")) {
          thread.interrupt();
        }
      }
      // Only a worker that sleeps is interrupted here, so the channel does not see it.
      assertThat(stack.run(device, Op.READ, 0, buffer)).isEqualTo(Outcome.done(PIECE));
    }
  }

  @Test
  void aFlushThatIsStoppedIsNotSent() throws IOException {
    GatedFile file = gated(Calls.NATIVE);
    ThreadFile device = device(file, 2, 1);
    file.hang();
    CancelFlag flag = new CancelFlag();
    var read = stack.submit(device, Op.READ, 0, stack.memory(PIECE), new CancelFlag());
    var flush = stack.submit(device, Op.FLUSH, 0, 0, MemorySegment.NULL, flag, false);
    flag.raise();
    assertThat(stack.finish(flush).kind()).isEqualTo(Outcome.Kind.CANCELLED);
    file.comeBack();
    stack.finish(read);
    assertThat(file.syncs.get()).isZero();
  }

  @Test
  void writesToAFileThatIsOnlyReadAreRefusedClean() throws IOException {
    gated(Calls.NATIVE).close();
    options = FileOptions.of(options.path()).withReadOnly(true);
    ThreadFile device = device(Calls.NATIVE.open(options), 2, 1);
    MemorySegment buffer = stack.memory(4096);
    Outcome outcome = stack.run(device, Op.WRITE, 0, buffer);
    assertThat(outcome.result()).isEqualTo(-Errno.EROFS);
    assertThat(outcome.cleanBytes()).isEqualTo(4096);
    assertThat(stack.run(device, Op.READ, 0, buffer)).isEqualTo(Outcome.done(4096));
  }

  /** A loop that sleeps is woken by whoever sends, raises or finishes. */
  @Test
  void manyThreadsShareAThreadedLoop() throws Exception {
    GatedFile file = gated(Calls.NATIVE);
    Loop loop = Loop.threaded("test");
    ThreadFile device = new ThreadFile(loop, file, options, 8, 2);
    loop.start();
    MemorySegment buffer = stack.memory(16 * PIECE);
    AtomicInteger completions = new AtomicInteger();
    List<Thread> senders = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      int seed = i;
      senders.add(Thread.ofPlatform().start(() -> send(loop, device, buffer, seed, completions)));
    }
    for (Thread sender : senders) {
      sender.join();
    }
    assertThat(loop.close(60_000_000_000L)).isZero();
    assertThat(completions).hasValue(4 * 500);
  }

  private static void send(
      Loop loop, ThreadFile device, MemorySegment buffer, int seed, AtomicInteger completions) {
    Random random = new Random(seed);
    Semaphore window = new Semaphore(16);
    for (int i = 0; i < 500; i++) {
      CancelFlag flag = new CancelFlag();
      Bio bio =
          new Bio(
              loop,
              ended -> {
                completions.incrementAndGet();
                window.release();
              });
      window.acquireUninterruptibly();
      bio.prepare(Op.READ, device, 0, (1 + random.nextInt(16)) * (long) PIECE, buffer, 0, flag);
      assertThat(loop.send(bio)).isTrue();
      if (random.nextInt(3) == 0) {
        flag.raise();
      }
    }
  }
}
