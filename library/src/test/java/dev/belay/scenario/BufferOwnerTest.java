// SPDX-License-Identifier: Apache-2.0
package dev.belay.scenario;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.belay.Errno;
import dev.belay.Loop;
import dev.belay.Outcome;
import dev.belay.front.AioContext;
import dev.belay.front.BufferPool;
import dev.belay.front.FailedException;
import dev.belay.front.IoEvent;
import dev.belay.front.IoFuture;
import dev.belay.front.Iocb;
import dev.belay.front.Volume;
import dev.belay.leaf.FileEngine;
import dev.belay.testing.Patterns;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Owners that give a buffer away too early, which in native interfaces is how memory is corrupted:
 * an arena that is closed, or a pool's buffer that is returned, while the device still has the
 * request. The one who did it gets an error; nothing crashes, and nobody else notices.
 */
@Timeout(60)
final class BufferOwnerTest {
  private static final int BLOCK = Ground.BLOCK;
  private static final int SIZE = 1 << 20;

  private final Loop loop = Loop.threaded("owner");
  private final HeldLeaf leaf = new HeldLeaf(loop, SIZE, 8);

  @Test
  void aReadIntoAnArenaThatWasClosedFailsForItsOwnerOnly() throws Exception {
    try (Volume volume = Volume.start(loop, leaf)) {
      MemorySegment good = Ground.memory(BLOCK, 1);
      IoFuture read;
      IoFuture bystander;
      try (Arena arena = Arena.ofShared()) {
        read = volume.readAsync(0, arena.allocate(BLOCK, BLOCK));
        bystander = volume.readAsync(0, good);
        leaf.awaitSent(2);
      }
      leaf.release();
      assertThatThrownBy(() -> read.get(30, TimeUnit.SECONDS))
          .isInstanceOf(ExecutionException.class)
          .hasCauseInstanceOf(FailedException.class)
          .hasMessageContaining("is not usable");
      assertThat(read.outcome().result()).isEqualTo(-Errno.EFAULT);
      assertThat(bystander.get(30, TimeUnit.SECONDS)).isEqualTo(Outcome.done(BLOCK));
      volume.write(0, new byte[BLOCK]);
    }
  }

  /** On real files, where it is the kernel that would write into memory that is somebody else's. */
  @ParameterizedTest
  @EnumSource(names = {"URING", "THREADS"})
  void arenasThatAreClosedAtOnceCorruptNothing(FileEngine engine, @TempDir Path directory)
      throws Exception {
    Ground.needs(engine);
    try (Volume volume = Ground.volume(engine, directory.resolve("a"), SIZE)) {
      MemorySegment content = Ground.memory(SIZE);
      Patterns.fill(content, 0, 1);
      volume.write(0, content);
      List<IoFuture> early = new ArrayList<>();
      List<IoFuture> good = new ArrayList<>();
      MemorySegment mine = Ground.memory(SIZE);
      for (int i = 0; i < SIZE / BLOCK; i++) {
        long at = (long) i * BLOCK;
        try (Arena arena = Arena.ofShared()) {
          early.add(volume.readAsync(at, arena.allocate(BLOCK, BLOCK)));
          good.add(volume.readAsync(at, mine.asSlice(at, BLOCK)));
        }
      }
      for (IoFuture future : good) {
        assertThat(future.get(30, TimeUnit.SECONDS)).isEqualTo(Outcome.done(BLOCK));
      }
      assertThat(mine.mismatch(content)).isEqualTo(-1);
      int failed = 0;
      for (IoFuture future : early) {
        Outcome outcome =
            future.handle((done, wrong) -> future.outcome()).get(30, TimeUnit.SECONDS);
        assertThat(outcome.result()).isIn((long) BLOCK, (long) -Errno.EFAULT);
        failed += outcome.result() < 0 ? 1 : 0;
      }
      assertThat(failed).as("those whose arena was closed first").isPositive();
    }
  }

  @Test
  void aWriteFromAnArenaThatWasClosedIsWrittenAsItWas() throws Exception {
    try (Volume volume = Volume.start(loop, leaf)) {
      IoFuture write;
      try (Arena arena = Arena.ofShared()) {
        write = volume.writeAsync(0, arena.allocate(BLOCK, BLOCK).fill((byte) 6));
        leaf.awaitSent(1);
      }
      leaf.release();
      assertThat(write.get(30, TimeUnit.SECONDS)).isEqualTo(Outcome.done(BLOCK));
      byte[] found = new byte[BLOCK];
      volume.read(0, found);
      assertThat(found).containsOnly(6);
    }
  }

  @Test
  void anArenaThatIsClosedAlreadyIsRefusedAtOnce() throws Exception {
    MemorySegment gone;
    try (Arena arena = Arena.ofShared()) {
      gone = arena.allocate(BLOCK, BLOCK);
    }
    leaf.release();
    try (Volume volume = Volume.start(loop, leaf);
        AioContext context = AioContext.over(volume, 1)) {
      assertThatThrownBy(() -> volume.write(0, gone)).isInstanceOf(IllegalStateException.class);
      Iocb iocb = context.newIocb().prepareWrite(0, gone);
      assertThatThrownBy(() -> context.submit(iocb)).isInstanceOf(IllegalStateException.class);
      assertThat(context.held()).isZero();
      context.submit(iocb.prepareWrite(0, Ground.memory(BLOCK)));
      assertThat(context.getEvents(1, 1, Ground.LONG).getFirst().result()).isEqualTo(BLOCK);
      volume.write(0, new byte[BLOCK]);
    }
  }

  @Test
  void aConfinedArenaThatWasClosedGivesAnEventWithAnError() throws Exception {
    Loop driven = Loop.driven();
    HeldLeaf held = new HeldLeaf(driven, SIZE, 8);
    try (AioContext context = AioContext.driving(driven, held, 4)) {
      Iocb wrong = context.newIocb();
      Iocb right = context.newIocb();
      try (Arena arena = Arena.ofConfined()) {
        context.submit(wrong.prepareRead(0, arena.allocate(BLOCK, BLOCK)));
        context.submit(right.prepareRead(0, Ground.memory(BLOCK)));
      }
      held.release();
      for (IoEvent event : context.getEvents(2, 4, Ground.LONG)) {
        assertThat(event.result()).isEqualTo(event.iocb() == wrong ? -Errno.EFAULT : BLOCK);
      }
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment alive = arena.allocate(BLOCK, BLOCK);
        context.submit(wrong.prepareRead(0, alive.fill((byte) 1)));
        assertThat(context.getEvents(1, 4, Ground.LONG).getFirst().result()).isEqualTo(BLOCK);
        assertThat(alive.get(java.lang.foreign.ValueLayout.JAVA_BYTE, 17)).isZero();
      }
    }
  }

  @Test
  void aPooledBufferIsFreeOnceTheDeviceHasAnswered() throws Exception {
    try (Volume volume = Volume.start(loop, leaf)) {
      BufferPool pool = volume.newBuffers(BLOCK, 1);
      BufferPool.Buffer buffer = pool.take();
      IoFuture read = volume.readAsync(0, buffer.segment());
      leaf.awaitSent(1);
      buffer.close();
      assertThat(pool.tryTake()).as("nobody else gets it").isNull();
      read.cancel(true);
      assertThat(pool.tryTake()).as("a cancel frees nothing either").isNull();
      leaf.release();
      assertThat(read.get(30, TimeUnit.SECONDS)).isNotNull();
      assertThat(pool.free()).isEqualTo(1);
      pool.close();
    }
  }
}
