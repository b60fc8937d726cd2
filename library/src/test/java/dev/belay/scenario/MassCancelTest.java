// SPDX-License-Identifier: Apache-2.0
package dev.belay.scenario;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.CancelFlag;
import dev.belay.Device;
import dev.belay.Errno;
import dev.belay.Loop;
import dev.belay.Outcome;
import dev.belay.front.AioContext;
import dev.belay.front.IoEvent;
import dev.belay.front.Iocb;
import dev.belay.leaf.FileEngine;
import dev.belay.leaf.Memory;
import dev.belay.target.Fault;
import dev.belay.target.Throttle;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * A hundred thousand requests wait where a device is slow or hangs, and one flag is raised: all
 * come back clean, each once, and the device below hears nothing more. io_uring's cancel looks up
 * one request after the other; here it is one store.
 */
@Timeout(60)
final class MassCancelTest {
  private static final int COUNT = 100_000;
  private static final int BLOCK = 512;

  private final Loop loop = Loop.driven();
  private final Memory memory = new Memory(loop, 1 << 20, BLOCK);
  private final MemorySegment buffer = Ground.memory(BLOCK, 1);

  private void submit(AioContext context, CancelFlag flag, int count) {
    for (int i = 0; i < count; i++) {
      Iocb iocb = context.newIocb().setFlag(flag);
      assertThat(context.submit(iocb.prepareWrite((long) BLOCK * (i % 2048), buffer))).isTrue();
    }
  }

  private static void expectClean(List<IoEvent> events, int count) {
    assertThat(events).hasSize(count);
    for (IoEvent event : events) {
      if (event.result() != -Errno.ECANCELED || event.outcome().cleanBytes() != BLOCK) {
        throw new AssertionError("not clean: " + event);
      }
    }
  }

  @Test
  void behindAThrottle() throws Exception {
    Device throttle = new Throttle(loop, memory, 1e-3, 0, 1_000_000);
    try (AioContext context = AioContext.driving(loop, throttle, COUNT)) {
      submit(context, new CancelFlag(), 1); // pays for what the throttle had saved up
      assertThat(context.getEvents(1, 1, Ground.LONG)).hasSize(1);
      CancelFlag flag = new CancelFlag();
      submit(context, flag, COUNT);
      assertThat(context.submit(context.newIocb().prepareFlush())).as("it is full").isFalse();
      long before = memory.bios();
      flag.raise();
      expectClean(context.getEvents(COUNT, COUNT, Ground.LONG), COUNT);
      loop.turn(0);
      assertThat(memory.bios()).isEqualTo(before);
      assertThat(context.held()).isZero();
    }
  }

  @Test
  void behindADeviceThatHangsWhereTheOthersGoOnLater() throws Exception {
    Fault fault = new Fault(loop, memory, List.of(Fault.Rule.of(Fault.Effect.HANG)), 1);
    try (AioContext context = AioContext.driving(loop, fault, COUNT)) {
      CancelFlag flag = new CancelFlag();
      CancelFlag other = new CancelFlag();
      for (int i = 0; i < COUNT / 200; i++) {
        submit(context, flag, 100);
        submit(context, other, 100);
      }
      flag.raise();
      expectClean(context.getEvents(COUNT / 2, COUNT, Ground.LONG), COUNT / 2);
      assertThat(memory.bios()).as("what reached the device").isZero();
      fault.release();
      List<IoEvent> others = context.getEvents(COUNT / 2, COUNT, Ground.LONG);
      assertThat(others).hasSize(COUNT / 2);
      assertThat(others.stream().filter(e -> e.outcome().equals(Outcome.done(BLOCK))).count())
          .isEqualTo(COUNT / 2);
      assertThat(memory.bios()).isEqualTo(COUNT / 2);
    }
  }

  /** In front of a real file, which has eight of them while the others wait. */
  @ParameterizedTest
  @EnumSource(names = {"URING", "THREADS"})
  void behindAFile(FileEngine engine, @TempDir Path directory) throws Exception {
    Ground.needs(engine);
    int count = 20_000;
    Path path = directory.resolve("a");
    Set<Integer> done = new HashSet<>();
    Set<Integer> unknown = new HashSet<>();
    Set<Integer> ended = new HashSet<>();
    try (AioContext context = Ground.context(engine, path, (long) count * Ground.BLOCK, count)) {
      CancelFlag flag = new CancelFlag();
      MemorySegment ones = Ground.memory(Ground.BLOCK, 1);
      for (int i = 0; i < count; i++) {
        Iocb iocb = context.newIocb().setFlag(flag).setAttachment(i);
        context.submit(iocb.prepareWrite((long) i * Ground.BLOCK, ones));
      }
      List<IoEvent> events = new ArrayList<>(context.getEvents(1, count, Ground.LONG));
      flag.raise();
      int before = events.size();
      events.addAll(context.getEvents(count - before, count, Ground.LONG));
      for (IoEvent event : events) {
        Integer number = (Integer) event.iocb().attachment();
        assertThat(ended.add(number)).as("ended once").isTrue();
        if (event.result() == Ground.BLOCK) {
          done.add(number);
        } else if (event.outcome().unknownBytes() > 0) {
          unknown.add(number);
        } else {
          assertThat(event.outcome().cleanBytes()).isEqualTo(Ground.BLOCK);
        }
      }
      assertThat(ended).hasSize(count);
      int taken = done.size() + unknown.size();
      assertThat(taken).as("those the device had").isLessThanOrEqualTo(before + 8);
    }
    MemorySegment medium = MemorySegment.ofArray(Files.readAllBytes(path));
    MemorySegment[] either = {Ground.memory(Ground.BLOCK, 0), Ground.memory(Ground.BLOCK, 1)};
    for (int i = 0; i < count; i++) {
      MemorySegment found = medium.asSlice((long) i * Ground.BLOCK, Ground.BLOCK);
      if (!unknown.contains(i)) {
        assertThat(found.mismatch(either[done.contains(i) ? 1 : 0])).isEqualTo(-1);
      }
    }
  }
}
