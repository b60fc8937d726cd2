// SPDX-License-Identifier: Apache-2.0
package dev.belay.scenario;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.CancelFlag;
import dev.belay.Device;
import dev.belay.Errno;
import dev.belay.Extents;
import dev.belay.Loop;
import dev.belay.Outcome;
import dev.belay.front.AioContext;
import dev.belay.front.IoEvent;
import dev.belay.front.Iocb;
import dev.belay.leaf.FileEngine;
import dev.belay.leaf.Memory;
import dev.belay.target.Align;
import dev.belay.target.Fault;
import dev.belay.target.Stripe;
import dev.belay.target.Throttle;
import dev.belay.testing.Patterns;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * What SPDK's tests of abort ask of its block layer: a request that was split is stopped between
 * its pieces, those not submitted yet never are, and the parent ends once, when the pieces under
 * way have; a request that waits for a bounce buffer is stopped there. In SPDK several layers
 * answer that they cannot; here the question goes through all of them.
 */
@Timeout(60)
final class SplitAbortTest {
  private static final int BLOCK = Ground.BLOCK;
  private static final int PIECES = 64;
  private static final long LENGTH = (long) PIECES * BLOCK;

  @TempDir Path directory;

  @ParameterizedTest
  @EnumSource(names = {"URING", "THREADS"})
  void piecesThatWereNotSubmittedNeverAre(FileEngine engine) throws Exception {
    Ground.needs(engine);
    Loop loop = Loop.driven();
    Device a = Ground.file(loop, engine, directory.resolve("a"), LENGTH, 4);
    Device b = Ground.file(loop, engine, directory.resolve("b"), LENGTH, 4);
    // Five pieces go at once, and then fifty a second.
    Device slow = new Throttle(loop, b, 50, 0, 100_000_000L);
    Device stripe = new Stripe(loop, List.of(a, slow), BLOCK);
    try (AioContext context = AioContext.driving(loop, stripe, 1)) {
      MemorySegment buffer = Ground.memory(LENGTH);
      Patterns.fill(buffer, 0, 1);
      Iocb iocb = context.newIocb().prepareWrite(0, buffer);
      context.submit(iocb);
      long began = System.nanoTime();
      while (b.bios() < 9 && System.nanoTime() - began < Ground.LONG.toNanos()) {
        assertThat(context.getEvents(1, 1, Duration.ofMillis(1))).isEmpty();
      }
      context.cancel(iocb);
      long submitted = b.bios();
      IoEvent event = context.getEvents(1, 1, Ground.LONG).getFirst();
      assertThat(b.bios()).as("pieces that reached the file").isEqualTo(submitted);
      assertThat(event.result()).isEqualTo(-Errno.ECANCELED);
      Outcome outcome = event.outcome();
      // What the kernel had taken and not begun, it may have stopped: it does not say which.
      assertThat(outcome.unknownBytes()).isLessThanOrEqualTo(8L * BLOCK);
      assertThat(outcome.doneBytes() + outcome.unknownBytes())
          .isBetween(1L * BLOCK, (a.bios() + submitted) * BLOCK);
      assertThat(outcome.cleanBytes()).isGreaterThanOrEqualTo((PIECES / 2 - submitted) * BLOCK);
      assertThat(context.getEvents(0, 1, Ground.LONG)).isEmpty();
      expectOnMedium(outcome);
    }
  }

  private void expectOnMedium(Outcome outcome) throws Exception {
    MemorySegment[] files = {
      MemorySegment.ofArray(Files.readAllBytes(directory.resolve("a"))),
      MemorySegment.ofArray(Files.readAllBytes(directory.resolve("b")))
    };
    for (int i = 0; i < PIECES; i++) {
      long at = (long) i * BLOCK;
      MemorySegment found = files[i % 2].asSlice((long) (i / 2) * BLOCK, BLOCK);
      if (outcome.extents().at(at) == Extents.State.DONE) {
        assertThat(Patterns.firstOther(found, at, 1)).isEqualTo(-1);
      } else if (outcome.extents().at(at) == Extents.State.CLEAN) {
        assertThat(Patterns.firstOtherByte(found, (byte) 0)).as("clean, " + i).isEqualTo(-1);
      }
    }
  }

  @Test
  void whatWaitsForMemoryIsStoppedThere() throws Exception {
    Loop loop = Loop.driven();
    Memory memory = new Memory(loop, 1 << 20, BLOCK);
    Fault.Rule stuck = Fault.Rule.of(Fault.Effect.STUCK).within(0, BLOCK);
    Fault fault = new Fault(loop, memory, List.of(stuck), 1);
    Align align = new Align(loop, fault, BLOCK, 64 << 10); // one bounce buffer
    try (AioContext context = AioContext.driving(loop, align, 4)) {
      Iocb holder = context.newIocb().prepareWrite(100, Ground.memory(200, 1));
      Iocb waiting = context.newIocb().prepareWrite(10 * BLOCK + 100, Ground.memory(200, 2));
      MemorySegment into = Ground.memory(200, 7);
      Iocb reading = context.newIocb().prepareRead(20 * BLOCK + 100, into);
      Iocb next = context.newIocb().prepareWrite(30 * BLOCK + 100, Ground.memory(200, 3));
      context.submit(List.of(holder, waiting, reading, next));
      assertThat(align.status()).contains("0 bounce buffers free, 3 wait for one");
      long before = memory.bios();
      context.cancel(waiting);
      CancelFlag readFlag = reading.flag();
      readFlag.raise();
      List<IoEvent> stopped = context.getEvents(2, 4, Ground.LONG);
      assertThat(stopped).extracting(IoEvent::iocb).containsExactlyInAnyOrder(waiting, reading);
      assertThat(stopped).allMatch(e -> e.outcome().cleanBytes() == 200 && e.result() < 0);
      assertThat(Patterns.firstOtherByte(into, (byte) 7)).isEqualTo(-1);
      assertThat(memory.bios()).isEqualTo(before);
      fault.setRules(List.of());
      fault.release();
      List<IoEvent> others = context.getEvents(2, 4, Ground.LONG);
      assertThat(others).extracting(IoEvent::iocb).containsExactlyInAnyOrder(holder, next);
      assertThat(others).allMatch(e -> e.result() == 200);
      context.submit(reading.prepareRead(10 * BLOCK + 100, into));
      assertThat(context.getEvents(1, 4, Ground.LONG).getFirst().result()).isEqualTo(200);
      assertThat(Patterns.firstOtherByte(into, (byte) 0)).as("clean is clean").isEqualTo(-1);
    }
  }
}
