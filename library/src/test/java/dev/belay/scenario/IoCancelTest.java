// SPDX-License-Identifier: Apache-2.0
package dev.belay.scenario;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.belay.CancelFlag;
import dev.belay.Errno;
import dev.belay.Extents;
import dev.belay.Loop;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.front.AioContext;
import dev.belay.front.IoEvent;
import dev.belay.front.IoFuture;
import dev.belay.front.IoOptions;
import dev.belay.front.Iocb;
import dev.belay.front.Volume;
import dev.belay.leaf.FileEngine;
import dev.belay.testing.Patterns;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * What the older interfaces promise of a cancel, asked of AioContext: liburing's test of cancelling
 * I/O (reads or writes, all or every second of them, the others unharmed, one answer each); the
 * three answers of POSIX aio_cancel; libaio's destruction of a context with requests under way; and
 * the cancel that comes too late, with success as the answer.
 */
@Timeout(60)
final class IoCancelTest {
  private static final int COUNT = 128;
  private static final int BLOCK = Ground.BLOCK;
  private static final int SIZE = COUNT * BLOCK;
  private static final byte CANARY = 0x33;

  @TempDir Path directory;

  // --- liburing: io-cancel ---

  @ParameterizedTest
  @CsvSource({
    "URING, READ, 1", "URING, READ, 2", "URING, WRITE, 1", "URING, WRITE, 2",
    "THREADS, READ, 1", "THREADS, READ, 2", "THREADS, WRITE, 1", "THREADS, WRITE, 2"
  })
  void cancelledOnesEndOnceAndTheOthersAreUntouched(FileEngine engine, Op op, int everyOne)
      throws Exception {
    Ground.needs(engine);
    Path path = directory.resolve("a");
    MemorySegment old = Ground.memory(SIZE);
    Patterns.fill(old, 0, 1);
    Files.write(path, old.toArray(java.lang.foreign.ValueLayout.JAVA_BYTE));
    Map<Iocb, IoEvent> events = new IdentityHashMap<>();
    List<Iocb> iocbs = new ArrayList<>();
    MemorySegment buffers = Ground.memory(SIZE, CANARY);
    try (AioContext context = Ground.context(engine, path, SIZE, COUNT)) {
      if (op == Op.WRITE) {
        Patterns.fill(buffers, 0, 2);
      }
      for (int i = 0; i < COUNT; i++) {
        MemorySegment buffer = buffers.asSlice((long) i * BLOCK, BLOCK);
        Iocb iocb = context.newIocb().setAttachment(i);
        long at = (long) i * BLOCK;
        iocbs.add(op == Op.READ ? iocb.prepareRead(at, buffer) : iocb.prepareWrite(at, buffer));
      }
      assertThat(context.submit(iocbs)).isEqualTo(COUNT);
      for (int i = 0; i < COUNT; i += everyOne) {
        context.cancel(iocbs.get(i));
      }
      while (events.size() < COUNT) {
        List<IoEvent> some = context.getEvents(1, COUNT, Ground.LONG);
        assertThat(some).isNotEmpty();
        some.forEach(event -> assertThat(events.put(event.iocb(), event)).isNull());
      }
      assertThat(context.getEvents(0, COUNT, Ground.LONG)).as("no event comes twice").isEmpty();
      assertThat(context.held()).isZero();
    }
    MemorySegment medium = MemorySegment.ofArray(Files.readAllBytes(path));
    int stopped = 0;
    int unknown = 0;
    for (int i = 0; i < COUNT; i++) {
      IoEvent event = events.get(iocbs.get(i));
      boolean isDone = event.result() == BLOCK;
      if (i % everyOne == 0 && !isDone) {
        assertThat(event.result()).isEqualTo(-Errno.ECANCELED);
        stopped++;
        if (event.outcome().unknownBytes() == BLOCK) {
          unknown++; // the kernel stopped what it had, and does not say when
          continue;
        }
        assertThat(event.outcome().cleanBytes()).isEqualTo(BLOCK);
      } else {
        assertThat(event.result()).as("request " + i).isEqualTo(BLOCK);
      }
      long at = (long) i * BLOCK;
      MemorySegment found = (op == Op.READ ? buffers : medium).asSlice(at, BLOCK);
      if (op == Op.READ && !isDone) {
        assertThat(Patterns.firstOtherByte(found, CANARY)).isEqualTo(-1);
      } else {
        assertThat(Patterns.firstOther(found, at, op == Op.WRITE && isDone ? 2 : 1)).isEqualTo(-1);
      }
    }
    assertThat(stopped).as("stopped").isPositive();
    assertThat(unknown).as("unknown: of those with the kernel").isLessThanOrEqualTo(8);
  }

  // --- POSIX aio_cancel ---

  @Test
  void aCancelOfWhatIsNotWithTheDeviceStopsIt() throws Exception {
    Loop loop = Loop.driven();
    HeldLeaf leaf = new HeldLeaf(loop, SIZE, 1);
    try (AioContext context = AioContext.driving(loop, leaf, 4)) {
      Iocb first = context.newIocb().prepareWrite(0, Ground.memory(BLOCK, 1));
      Iocb second = context.newIocb().prepareWrite(BLOCK, Ground.memory(BLOCK, 2));
      context.submit(List.of(first, second));
      context.cancel(second);
      IoEvent event = context.getEvents(1, 4, Ground.LONG).getFirst();
      assertThat(event.iocb()).isSameAs(second);
      assertThat(event.result()).isEqualTo(-Errno.ECANCELED);
      assertThat(event.outcome().cleanBytes()).isEqualTo(BLOCK);
      assertThat(context.held()).as("the other is still under way").isEqualTo(1);
      leaf.release();
      assertThat(context.getEvents(1, 4, Ground.LONG).getFirst().result()).isEqualTo(BLOCK);
      assertThat(leaf.sent).isEqualTo(1);
    }
  }

  @Test
  void aCancelOfWhatIsInTheDeviceChangesNothing() throws Exception {
    Loop loop = Loop.driven();
    HeldLeaf leaf = new HeldLeaf(loop, SIZE, 1);
    try (AioContext context = AioContext.driving(loop, leaf, 4)) {
      Iocb iocb = context.newIocb().prepareWrite(0, Ground.memory(BLOCK, 1));
      context.submit(iocb);
      context.cancel(iocb);
      assertThat(context.getEvents(1, 4, java.time.Duration.ofMillis(20))).isEmpty();
      leaf.release();
      IoEvent event = context.getEvents(1, 4, Ground.LONG).getFirst();
      assertThat(event.result()).as("it was done after all").isEqualTo(BLOCK);
      assertThat(event.outcome().reason()).isEqualTo(CancelFlag.Reason.EXPLICIT);
    }
  }

  @Test
  void aCancelOfWhatIsDoneChangesNothing() throws Exception {
    Loop loop = Loop.driven();
    HeldLeaf leaf = new HeldLeaf(loop, SIZE, 1);
    try (AioContext context = AioContext.driving(loop, leaf, 4)) {
      leaf.release();
      Iocb iocb = context.newIocb().prepareWrite(0, Ground.memory(BLOCK, 1));
      context.submit(iocb);
      CancelFlag flag = iocb.flag();
      assertThat(context.getEvents(1, 4, Ground.LONG).getFirst().result()).isEqualTo(BLOCK);
      context.cancel(iocb);
      flag.raise();
      assertThat(context.getEvents(0, 4, Ground.LONG)).isEmpty();
      assertThat(context.cancelAndWait(iocb)).as("nothing is under way").isNull();
      context.submit(iocb.prepareRead(0, Ground.memory(BLOCK)));
      assertThat(context.getEvents(1, 4, Ground.LONG).getFirst().result()).isEqualTo(BLOCK);
    }
  }

  // --- The kernel's io_cancel, which hands back the event ---

  @ParameterizedTest
  @EnumSource(names = {"URING", "THREADS"})
  void cancelAndWaitHandsBackTheEventWhichNobodyElseGets(FileEngine engine) throws Exception {
    Ground.needs(engine);
    try (AioContext context = Ground.context(engine, directory.resolve("a"), SIZE, COUNT)) {
      List<Iocb> iocbs = new ArrayList<>();
      for (int i = 0; i < COUNT; i++) {
        iocbs.add(context.newIocb().prepareRead((long) i * BLOCK, Ground.memory(BLOCK)));
      }
      context.submit(iocbs);
      int stopped = 0;
      for (int i = COUNT - 1; i >= 0; i -= 2) {
        IoEvent event = context.cancelAndWait(iocbs.get(i));
        assertThat(event).isNotNull();
        assertThat(event.iocb()).isSameAs(iocbs.get(i));
        assertThat(event.result()).isIn((long) BLOCK, (long) -Errno.ECANCELED);
        stopped += event.result() < 0 ? 1 : 0;
      }
      assertThat(stopped).isPositive();
      List<IoEvent> others = context.getEvents(COUNT / 2, COUNT, Ground.LONG);
      assertThat(others).hasSize(COUNT / 2).allMatch(event -> event.result() == BLOCK);
    }
  }

  // --- libaio: destroy with requests under way ---

  @ParameterizedTest
  @CsvSource({"URING, true", "URING, false", "THREADS, true", "THREADS, false"})
  void destroyEndsWhatIsUnderWayAndTouchesNoBufferLater(FileEngine engine, boolean isDriven)
      throws Exception {
    Ground.needs(engine);
    Path path = directory.resolve("a");
    Volume volume = isDriven ? null : Ground.volume(engine, path, SIZE);
    AioContext context =
        volume == null ? Ground.context(engine, path, SIZE, COUNT) : AioContext.over(volume, COUNT);
    MemorySegment buffers = Ground.memory(SIZE);
    for (int i = 0; i < COUNT; i++) {
      long at = (long) i * BLOCK;
      context.submit(context.newIocb().prepareRead(at, buffers.asSlice(at, BLOCK)));
    }
    if (isDriven) {
      context.getEvents(0, 1, Ground.LONG); // so that some are with the device
    }
    context.destroy();
    buffers.fill(CANARY);
    Iocb late = context.newIocb().prepareRead(0, buffers.asSlice(0, BLOCK));
    assertThatThrownBy(() -> context.submit(late)).hasMessageContaining("closed");
    if (volume != null) {
      volume.read(0, new byte[BLOCK]);
      volume.close();
    }
    assertThat(Patterns.firstOtherByte(buffers, CANARY)).isEqualTo(-1);
    context.destroy();
  }

  // --- A cancel that loses ---

  @Test
  void aCancelThatLosesIsASuccessAndSoIsWhatFollows() throws Exception {
    Loop loop = Loop.threaded("loses");
    HeldLeaf leaf = new HeldLeaf(loop, SIZE, 8);
    try (Volume volume = Volume.start(loop, leaf)) {
      IoFuture write = volume.writeAsync(0, Ground.memory(BLOCK, 9));
      leaf.awaitSent(1);
      assertThat(write.cancel(true)).as("it was asked").isTrue();
      assertThat(write.isDone()).as("asking completes nothing").isFalse();
      leaf.release();
      Outcome outcome = write.get(30, TimeUnit.SECONDS);
      assertThat(outcome.kind()).isEqualTo(Outcome.Kind.DONE);
      assertThat(outcome.extents()).isEqualTo(Extents.whole(BLOCK, Extents.State.DONE));
      assertThat(write.isCancelled()).isFalse();
      byte[] found = new byte[BLOCK];
      Outcome read = volume.read(0, List.of(MemorySegment.ofArray(found)), IoOptions.NONE);
      assertThat(read.reason()).isNull();
      assertThat(found).containsOnly(9);
    }
  }
}
