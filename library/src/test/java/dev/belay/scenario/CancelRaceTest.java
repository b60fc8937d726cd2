// SPDX-License-Identifier: Apache-2.0
package dev.belay.scenario;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.CancelFlag;
import dev.belay.Errno;
import dev.belay.Outcome;
import dev.belay.front.AioContext;
import dev.belay.front.IoEvent;
import dev.belay.front.Iocb;
import dev.belay.front.Volume;
import dev.belay.leaf.FileEngine;
import dev.belay.testing.Patterns;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * liburing's race of a cancel with the completion, thousands of times: a request is cancelled by
 * another thread just when it is being answered. It ends once, done or cancelled and never both or
 * neither, and the next request on the same context knows nothing of it.
 */
@Timeout(60)
final class CancelRaceTest {
  private static final int ROUNDS = 2000;
  private static final int BLOCK = Ground.BLOCK;
  private static final byte CANARY = 0x44;

  @TempDir Path directory;

  @ParameterizedTest
  @CsvSource({"URING, true", "URING, false", "THREADS, true", "THREADS, false"})
  void everyRequestEndsOnceWhoeverWins(FileEngine engine, boolean isDriven) throws Exception {
    Ground.needs(engine);
    Path path = directory.resolve("a");
    MemorySegment content = Ground.memory(BLOCK);
    Patterns.fill(content, 0, 5);
    Files.write(path, content.toArray(ValueLayout.JAVA_BYTE));
    Volume volume = isDriven ? null : Ground.volume(engine, path, BLOCK);
    AtomicReference<CancelFlag> next = new AtomicReference<>();
    Thread raiser = Thread.ofPlatform().start(() -> raiseWhatComes(next));
    try (AioContext context =
        volume == null ? Ground.context(engine, path, BLOCK, 4) : AioContext.over(volume, 4)) {
      race(context, next);
    } finally {
      raiser.interrupt();
      raiser.join(Ground.LONG);
      if (volume != null) {
        volume.close();
      }
    }
  }

  private static void raiseWhatComes(AtomicReference<CancelFlag> next) {
    Random random = new Random(1);
    while (!Thread.currentThread().isInterrupted()) {
      CancelFlag flag = next.getAndSet(null);
      if (flag == null) {
        LockSupport.parkNanos(1000);
        continue;
      }
      for (int spins = random.nextInt(2000); spins > 0; spins--) {
        Thread.onSpinWait();
      }
      flag.raise();
    }
  }

  private static void race(AioContext context, AtomicReference<CancelFlag> next)
      throws InterruptedException {
    MemorySegment buffer = Ground.memory(BLOCK);
    Iocb iocb = context.newIocb();
    Random random = new Random(2);
    int cancelled = 0;
    for (int round = 0; round < ROUNDS; round++) {
      buffer.fill(CANARY);
      CancelFlag flag = new CancelFlag();
      if (round % 2 == 0) {
        next.set(flag);
        for (int spins = random.nextInt(10_000); spins > 0; spins--) {
          Thread.onSpinWait(); // so that also the early cancel has its chance
        }
      }
      context.submit(iocb.setFlag(flag).prepareRead(0, buffer));
      if (round % 2 == 1) {
        next.set(flag);
      }
      List<IoEvent> events = context.getEvents(1, 4, Ground.LONG);
      assertThat(events).as("round " + round).hasSize(1);
      Outcome outcome = events.getFirst().outcome();
      if (events.getFirst().result() == BLOCK) {
        assertThat(outcome.doneBytes()).isEqualTo(BLOCK);
        assertThat(Patterns.firstOther(buffer, 0, 5)).isEqualTo(-1);
      } else {
        assertThat(events.getFirst().result()).isEqualTo(-Errno.ECANCELED);
        assertThat(outcome.doneBytes()).isZero();
        if (outcome.cleanBytes() == BLOCK) {
          assertThat(Patterns.firstOtherByte(buffer, CANARY)).isEqualTo(-1);
        }
        cancelled++;
      }
      assertThat(context.getEvents(0, 4, Ground.LONG)).as("a second event").isEmpty();
      assertThat(context.held()).isZero();
      context.submit(iocb.setFlag(null).prepareRead(0, buffer.fill(CANARY)));
      assertThat(context.getEvents(1, 4, Ground.LONG).getFirst().result()).isEqualTo(BLOCK);
      assertThat(Patterns.firstOther(buffer, 0, 5)).isEqualTo(-1);
    }
    assertThat(cancelled).as("won by the cancel").isBetween(1, ROUNDS - 1);
  }
}
