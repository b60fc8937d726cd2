// SPDX-License-Identifier: Apache-2.0
package dev.belay.stack;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.belay.Device;
import dev.belay.Limits;
import dev.belay.Loop;
import dev.belay.front.AioContext;
import dev.belay.front.FailedException;
import dev.belay.front.IoEvent;
import dev.belay.front.IoOptions;
import dev.belay.front.Volume;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Devices from text: that options reach them, and that a mistake says where and leaves nothing. */
final class StackTest {
  @Test
  void everyDeviceTakesNoOptionThatItDoesNotKnow() {
    for (String name : Stack.deviceNames()) {
      StackException e = wrong(name + "(x=1)");
      assertThat(e.sentence()).as(name).isNotEmpty();
    }
  }

  @Test
  void nullHasWhatItIsGiven() {
    assertThat(limits("null()")).isEqualTo(new Limits(1L << 40, 512, 1, Long.MAX_VALUE));
    assertThat(limits("null(size=8k, block=4k)").sizeBytes()).isEqualTo(8192);
    assertThat(limits("null(size=8k, block=4k)").logicalBlockBytes()).isEqualTo(4096);
  }

  @Test
  void memoryHasWhatItIsGiven() {
    assertThat(limits("memory(size=1M)").sizeBytes()).isEqualTo(1 << 20);
    assertThat(limits("memory(size=1M, block=1)").logicalBlockBytes()).isEqualTo(1);
  }

  @Test
  void aFileHasWhatItIsGiven(@TempDir Path directory) {
    String path = directory.resolve("a").toString();
    Limits limits =
        limits("file(" + path + ", size=1M, direct=off, block=1k, engine=threads, depth=2)");
    assertThat(limits).isEqualTo(new Limits(1 << 20, 1024, 1, 1 << 20));
    assertThat(limits(path).sizeBytes()).as("a bare path").isEqualTo(1 << 20);
    assertThat(wrong("linear(" + path + "x)").sentence()).contains("to have it made, say how");
    assertThat(wrong("file(" + path + ", direct=maybe)").sentence()).contains("direct");
  }

  @Test
  void linearHasWhatItIsGiven() {
    Loop loop = Loop.driven();
    Device linear = Stack.build(loop, "linear(memory(size=1M), offset=4k, size=64k)");
    assertThat(linear.limits().sizeBytes()).isEqualTo(65536);
    assertThat(linear.status()).contains("4096");
    assertThat(linear.lowers()).singleElement().extracting(Device::kind).isEqualTo("memory");
    loop.close(0);
    assertThat(limits("linear(memory(size=1M), offset=4k)").sizeBytes()).isEqualTo(1044480);
  }

  @Test
  void concatAndStripeStandOnMany() {
    assertThat(limits("concat(null(size=1M), null(size=2M))").sizeBytes()).isEqualTo(3 << 20);
    assertThat(limits("stripe(null(size=1M), null(size=2M))").sizeBytes()).isEqualTo(2 << 20);
    assertThat(limits("stripe(null(size=96k), null(size=96k), chunk=96k)").sizeBytes())
        .isEqualTo(196608);
    at("stripe(null(), null(), chunk=100)", 1, "chunk");
    at("concat()", 8, "one device");
  }

  @Test
  void delayHoldsBackWhatItIsTold() {
    String status = status("delay(memory(size=1M), read=20ms, write=3ms, flush=7ms)");
    assertThat(status).contains("20000000 ns", " 3000000 ns", " 7000000 ns");
    at("delay(null(), read=2)", 20, "read");
  }

  @Test
  void throttleHoldsBackWhatItIsTold() {
    assertThat(status("throttle(null(), bandwidth=10M, burst=10ms)")).contains("10485760 bytes");
    assertThat(status("throttle(null(), iops=100)")).contains("100.0 operations a second");
    at("throttle(null())", 1, "rate");
    at("throttle(null(), iops=0)", 23, "iops");
    at("throttle(null(), iops=5, burst=0)", 1, "saves up");
  }

  @Test
  void faultHitsWhatItIsTold() throws Exception {
    String text = "fault(memory(size=1M), effect=error, op=write, range=4k+4k;64k-)";
    try (Volume volume = Volume.open(text)) {
      byte[] block = new byte[4096];
      volume.write(0, block);
      volume.read(4096, block);
      assertThatThrownBy(() -> volume.write(4096, block)).isInstanceOf(FailedException.class);
      assertThatThrownBy(() -> volume.write(1 << 19, block)).isInstanceOf(FailedException.class);
    }
    try (Volume volume = Volume.open("fault(null(), effect=error, op=zeroes)")) {
      volume.write(0, new byte[512]);
      assertThatThrownBy(() -> volume.writeZeroes(0, 512, IoOptions.NONE))
          .isInstanceOf(FailedException.class);
    }
    assertThat(limits("fault(null())")).isEqualTo(limits("null()"));
    at("fault(null(), rate=1%)", 1, "effect");
    at("fault(null(), effect=error, delay=1ms)", 35, "slow");
    at("fault(null(), effect=eror)", 22, "error");
    at("fault(null(), effect=error, rate=2)", 34, "rate");
  }

  @Test
  void aThousandLayersAreFine() {
    String text = "linear(".repeat(1000) + "null()" + ")".repeat(1000);
    assertThat(limits(text).sizeBytes()).isEqualTo(1L << 40);
  }

  @Test
  void mistakesSayWhereAndWhat() {
    at("linar(null())", 1, "linear");
    at("linear(null(), ofset=4k)", 16, "offset");
    at("linear()", 8, "one device");
    at("linear(null(), null())", 16, "there are 2");
    at("null(size=1x)", 12, "size");
    at("null(size=1M, block=3)", 21, "power of two");
    at("memory()", 1, "size=");
    at("memory(size=1000)", 1, "multiple of the block");
    at("linear(memory(size=1M), offset=2M)", 1, "inside the lower device");
    at("linear(null()", 7, "never closed");
    at("memory(size=1M, size=2M)", 17, "size");
    at("linear(null)", 8, "null()");
  }

  @Test
  void aMistakeAnywhereIsFoundBeforeAnythingIsOpened() {
    at("linear(memory(size=1000), bogus=1)", 27, "bogus");
  }

  @Test
  void aStackThatFailsClosesWhatItOpened() {
    Loop loop = Loop.driven();
    assertThatThrownBy(() -> Stack.build(loop, "linear(memory(size=1M), offset=2M)"))
        .isInstanceOf(StackException.class);
    assertThat(loop.execute(() -> {})).as("the loop is closed").isFalse();
  }

  @Test
  void aVolumeOpensFromText() throws Exception {
    try (Volume volume = Volume.open("linear(memory(size=1M), offset=4k)")) {
      byte[] written = new byte[4096];
      written[17] = 42;
      volume.write(8192, written);
      byte[] read = new byte[4096];
      volume.read(8192, read);
      assertThat(read).isEqualTo(written);
    }
  }

  @Test
  void aContextOpensFromText() throws Exception {
    try (AioContext context = AioContext.open("memory(size=1M)", 4)) {
      MemorySegment buffer = Arena.ofAuto().allocate(4096);
      assertThat(context.submit(context.newIocb().prepareWrite(0, buffer))).isTrue();
      List<IoEvent> events = context.getEvents(1, 4, Duration.ofSeconds(10));
      assertThat(events).singleElement().extracting(IoEvent::result).isEqualTo(4096L);
    }
    assertThatThrownBy(() -> AioContext.open("null()", 0)).hasMessageContaining("at least 1");
  }

  @Test
  void anExpressionPrintsBackToItself() {
    String text = "linear(memory(size=1M, block=4k), offset=4k, size=64k)";
    assertThat(Expression.parse(text).print()).isEqualTo(text);
    assertThat(limits(Expression.parse(text).print())).isEqualTo(limits(text));
  }

  private static Limits limits(String text) {
    Loop loop = Loop.driven();
    try {
      return Stack.build(loop, text).limits();
    } finally {
      loop.close(0);
    }
  }

  private static String status(String text) {
    Loop loop = Loop.driven();
    try {
      return Stack.build(loop, text).status();
    } finally {
      loop.close(0);
    }
  }

  private static StackException wrong(String text) {
    return catchThrowableOfType(
        StackException.class, () -> Stack.build(Loop.driven(), text).limits());
  }

  private static void at(String text, int column, String part) {
    StackException e = wrong(text);
    assertThat(e).as(text).isNotNull();
    assertThat(e.sentence()).as(text).contains(part);
    assertThat(e.column()).as(text + ": " + e.sentence()).isEqualTo(column);
  }
}
