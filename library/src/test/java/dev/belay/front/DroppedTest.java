// SPDX-License-Identifier: Apache-2.0
package dev.belay.front;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.CancelFlag;
import dev.belay.Loop;
import dev.belay.leaf.Memory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.WeakReference;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Volumes and contexts that a program forgets to close. */
@Timeout(120)
final class DroppedTest {
  @TempDir Path directory;

  private static MemorySegment memory() {
    return Arena.ofAuto().allocate(4096, 4096);
  }

  private static boolean isClosed(Loop loop) {
    return !loop.execute(() -> {});
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "memory(size=1M)",
        "file(%s, size=1M)",
        "file(%s, size=1M, engine=threads)",
        "align(stripe(file(%s, size=1M), memory(size=1M), chunk=4k))"
      })
  void aDroppedVolumeIsClosedAndSaysSoOnce(String form) throws Exception {
    String expression = form.formatted(directory.resolve("a.img"));
    try (Collected log = new Collected()) {
      Loop loop = useAndDrop(expression);
      Collected.until("it is closed", () -> isClosed(loop));
      Collected.until("the log says it", () -> !log.lines("was dropped").isEmpty());
      Collected.often();
      assertThat(log.lines("the volume "))
          .singleElement()
          .asString()
          .contains(expression, "never closed", "DroppedTest.useAndDrop", "try-with-resources");
    }
  }

  private static Loop useAndDrop(String expression) throws Exception {
    Volume volume = Volume.open(expression);
    volume.write(0, new byte[4096]);
    IoFuture read = volume.readAsync(0, memory());
    read.get(20, TimeUnit.SECONDS);
    volume.read(0, new byte[4096]);
    volume.flush();
    return volume.loop();
  }

  @Test
  void aVolumeWithRequestsIsNotDropped() throws Exception {
    Loop loop = Loop.threaded("test");
    Gate gate = new Gate(loop, false);
    try (Collected log = new Collected()) {
      IoFuture read = Volume.start(loop, gate).readAsync(0, memory());
      gate.awaitArrived(1);
      Collected.often();
      assertThat(loop.isClosing()).isFalse();
      assertThat(read.flag().isRaised()).isFalse();
      gate.open();
      assertThat(read.get(20, TimeUnit.SECONDS).doneBytes()).isEqualTo(4096);
      assertThat(log.lines("was dropped")).as("it was in use").isEmpty();
      Collected.until("now it is dropped", () -> isClosed(loop));
      assertThat(read.outcome().reason()).as("the future is still there").isNull();
    }
  }

  @Test
  void aBlockingCallKeepsItsVolume() throws Exception {
    Loop loop = Loop.threaded("test");
    Gate gate = new Gate(loop, false);
    CompletableFuture<String> seen = new CompletableFuture<>();
    Thread.ofPlatform().start(() -> seen.complete(readOnce(loop, gate)));
    gate.awaitArrived(1);
    Collected.often();
    assertThat(loop.isClosing()).isFalse();
    gate.open();
    assertThat(seen.get(20, TimeUnit.SECONDS)).isEqualTo("done");
    Collected.until("it is closed", () -> isClosed(loop));
  }

  private static String readOnce(Loop loop, Gate gate) {
    try {
      Volume.start(loop, gate).read(0, new byte[512]);
      return "done";
    } catch (Exception e) {
      return e.toString();
    }
  }

  @Test
  void aContextKeepsItsVolume() throws Exception {
    Loop loop = Loop.threaded("test");
    AioContext context = AioContext.over(Volume.start(loop, new Memory(loop, 1 << 20, 512)), 2);
    Collected.often();
    assertThat(loop.isClosing()).isFalse();
    context.submit(context.newIocb().prepareRead(0, memory()));
    assertThat(context.getEvents(1, 1, Duration.ofSeconds(20))).hasSize(1);
    context.close();
    context = null;
    Collected.until("it is closed", () -> isClosed(loop));
  }

  @Test
  void aHungRequestHoldsUpNobodyButItsOwnVolume() throws Exception {
    Loop loop = Loop.threaded("test");
    Gate gate = new Gate(loop, false);
    CancelFlag flag = new CancelFlag();
    try (Collected log = new Collected()) {
      AbandonedException left = abandon(loop, gate, flag);
      left.future().flag().raise();
      assertThat(left.future().isDone()).isFalse();
      Loop second = useAndDrop("memory(size=1M)");
      Collected.until("another is closed meanwhile", () -> isClosed(second));
      assertThat(loop.isClosing()).as("a request still has it").isFalse();
      gate.open();
      left.future().get(20, TimeUnit.SECONDS);
      left = null;
      Collected.until("it is closed", () -> isClosed(loop));
      Collected.until("the log says both", () -> log.lines("was dropped").size() == 2);
    }
  }

  private static AbandonedException abandon(Loop loop, Gate gate, CancelFlag flag) {
    IoOptions options = IoOptions.NONE.withFlag(flag).withPatience(Duration.ofMillis(1));
    try {
      Volume.start(loop, gate).read(0, java.util.List.of(memory()), options);
      throw new AssertionError("the gate is shut");
    } catch (AbandonedException e) {
      return e;
    } catch (java.io.IOException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void whatIsClosedByHandIsNothingToSpeakOf() throws Exception {
    try (Collected log = new Collected()) {
      WeakReference<Volume> volume = openAndClose();
      WeakReference<AioContext> context = driveAndClose();
      Loop loop = Loop.threaded("test");
      var byLoop = new WeakReference<>(Volume.start(loop, new Memory(loop, 1 << 20, 512)));
      loop.close(Long.MAX_VALUE);
      Collected.until(
          "all are collected",
          () -> volume.get() == null && context.get() == null && byLoop.get() == null);
      Collected.often();
      assertThat(log.lines("was dropped")).isEmpty();
    }
  }

  private static WeakReference<Volume> openAndClose() throws Exception {
    try (Volume volume = Volume.open("memory(size=1M)")) {
      volume.read(0, new byte[512]);
      return new WeakReference<>(volume);
    }
  }

  private static WeakReference<AioContext> driveAndClose() throws Exception {
    try (AioContext context = AioContext.open("memory(size=1M)", 2)) {
      context.submit(context.newIocb().prepareRead(0, memory()));
      context.getEvents(1, 1, Duration.ofSeconds(20));
      return new WeakReference<>(context);
    }
  }

  /** Only its own thread could close it: it stays, and the log says so. */
  @Test
  void aDroppedDrivenContextLeaksAndSaysSo() throws Exception {
    Loop driven = Loop.driven();
    Memory memory = new Memory(driven, 1 << 20, 512);
    try (Collected log = new Collected()) {
      driveAndDrop(driven, memory);
      Collected.until("the log says it", () -> !log.lines("the driven context").isEmpty());
      Collected.often();
      assertThat(log.lines("the driven context memory"))
          .singleElement()
          .asString()
          .contains("DroppedTest.driveAndDrop", "its devices stay open");
      assertThat(driven.isClosing()).isFalse();
      AioContext again = AioContext.driving(driven, memory, 2);
      again.submit(again.newIocb().prepareRead(0, memory()));
      assertThat(again.getEvents(1, 1, Duration.ofSeconds(20)))
          .as("the loop is as it was")
          .hasSize(1);
      again.close();
    }
  }

  private static void driveAndDrop(Loop driven, Memory memory) throws Exception {
    AioContext context = AioContext.driving(driven, memory, 2);
    context.submit(context.newIocb().prepareRead(0, memory()));
    context.getEvents(1, 1, Duration.ofSeconds(20));
  }
}
