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
import dev.belay.uring.UringSupport;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Devices from text: that options reach them, and that a mistake says where and leaves nothing. */
final class StackTest {
  @TempDir Path directory;

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "linear(memory(size=1M))|true",
        "stripe(memory(size=1M), null(size=1M))|true",
        "align(raid1(memory(size=1M), memory(size=1M)))|true",
        "raid5(memory(size=1M), memory(size=1M), memory(size=1M))|false",
        "concat(memory(size=1M), raid5(memory(size=1M), memory(size=1M)))|false"
      })
  void whetherZeroesAreCheapDependsOnAllThatIsBelow(String expression, boolean isFast) {
    Loop loop = Loop.driven();
    assertThat(Stack.build(loop, expression).zeroesFast()).isEqualTo(isFast);
    assertThat(loop.close(0)).isZero();
  }

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

  @ParameterizedTest
  @ValueSource(strings = {"auto", "threads"})
  void fileHasWhatItIsGiven(String engine) throws Exception {
    String path = directory.resolve("a b.img").toString();
    String text = "file('" + path + "', engine=" + engine + ", size=1M, direct=off, block=4k)";
    assertThat(limits(text).sizeBytes()).isEqualTo(1 << 20);
    assertThat(limits(text).logicalBlockBytes()).isEqualTo(4096);
    assertThat(Files.size(Path.of(path))).isEqualTo(1 << 20);
    assertThat(status(text)).contains("buffered");
    assertThat(limits("linear('" + path + "')").sizeBytes()).isEqualTo(1 << 20);
    String readOnly = "file('" + path + "', read-only=on, engine=" + engine + ")";
    try (Volume volume = Volume.open(readOnly)) {
      volume.read(0, new byte[4096]);
      assertThatThrownBy(() -> volume.write(0, new byte[4096])).isInstanceOf(FailedException.class);
    }
  }

  @Test
  void fileTellsItsEngines() {
    String path = directory.resolve("a.img").toString();
    assertThat(status("file(" + path + ", size=1M, engine=threads, threads=3, depth=5)"))
        .contains("3 threads");
    if (UringSupport.look().usable()) {
      String pieces = "file(" + path + ", engine=uring, piece=64k, window=1M, depth=3)";
      assertThat(limits(pieces).largestTransferBytes()).isEqualTo(65536);
    }
  }

  @Test
  void fileMistakesSayWhereAndWhat() {
    String path = directory.resolve("none.img").toString();
    at(path, 1, "size=1G");
    at("linear(" + path + ")", 8, "size=1G");
    at("file(" + path + ")", 6, "size=1G");
    at("file(null())", 6, "takes the path");
    at("file()", 6, "one device or path");
    at("file(a, engine=iouring)", 16, "uring");
    at("file(a, block=3)", 15, "power of two");
    at("file(a, window=1k)", 6, "at least a piece");
    at("file(a, piece=2G)", 15, "piece");
    at("file(a, depth=0)", 15, "depth");
    assertThat(Files.exists(Path.of(path))).isFalse();
  }

  @Test
  void filesAreClosedWhenALaterOneFails() throws Exception {
    Path first = directory.resolve("first.img");
    long before = openDescriptorsOf(first);
    for (int i = 0; i < 20; i++) {
      wrong("concat(file(" + first + ", size=1M), " + directory.resolve("none.img") + ")");
    }
    assertThat(openDescriptorsOf(first)).isEqualTo(before);
  }

  private static long openDescriptorsOf(Path file) throws IOException {
    Path descriptors = Path.of("/proc/self/fd");
    if (!Files.isDirectory(descriptors)) {
      return 0;
    }
    try (Stream<Path> all = Files.list(descriptors)) {
      return all.filter(
              fd -> {
                try {
                  return Files.readSymbolicLink(fd).equals(file);
                } catch (IOException e) {
                  return false; // closed meanwhile
                }
              })
          .count();
    }
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
  void alignTakesAnything() throws Exception {
    assertThat(limits("align(memory(size=1M, block=4k))").logicalBlockBytes()).isEqualTo(1);
    try (Volume volume = Volume.open("align(memory(size=1M), block=8k, bounce=64k)")) {
      volume.write(12345, new byte[] {1, 2, 3});
      byte[] back = new byte[4];
      volume.read(12344, back);
      assertThat(back).containsExactly(0, 1, 2, 3);
    }
    at("align(memory(size=1M, block=4k), block=512)", 1, "block");
    at("align(null(), bounce=1)", 1, "bounce");
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
  void alignHasTheBlockOfTheLowerDeviceUnlessItIsGiven() {
    assertThat(limits("align(null(size=8k, block=4k))"))
        .isEqualTo(new Limits(8192, 1, 1, Long.MAX_VALUE));
    assertThat(status("align(null(block=4k))")).contains("blocks of 4096", " 64 bounce buffers");
    assertThat(status("align(null(), block=2k, bounce=128k)"))
        .contains("blocks of 2048", " 2 bounce buffers");
    at("align(null(block=4k), block=512)", 1, "the lower device's block");
    at("align(null(), bounce=1k)", 1, "one bounce buffer");
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

  @ParameterizedTest
  @ValueSource(
      strings = {
        "stripe(null(size=7E), null(size=7E))",
        "concat(null(size=7E), null(size=7E))",
        "raid0(null(size=7E), null(size=7E))",
        "raid0(null(size=6E), null(size=1E), null(size=3E))",
        "raid4(null(size=7E), null(size=7E), null(size=7E))",
        "raid5(null(size=7E), null(size=7E), null(size=7E))",
        "raid5(null(size=7E), null(size=7E), null(size=7E), chunk=4E)",
        "raid6(null(size=7E), null(size=7E), null(size=7E), null(size=7E))",
        "raid10(null(size=7E), null(size=7E), null(size=7E))",
        "raid10(null(size=7E), null(size=7E), null(size=7E), layout=f2)",
        "raid10(null(size=7E), null(size=7E), null(size=7E), layout=o2, chunk=512)"
      })
  void whatIsLongerThanAnyDeviceIsSaidSo(String text) {
    assertThat(wrong(text).sentence()).contains("8 EiB").doesNotContain("long overflow");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "raid0(null(size=3E), null(size=4E))",
        "raid5(null(size=3E), null(size=3E), null(size=3E))",
        "raid10(null(size=7E), null(size=7E))",
        "raid10(null(size=4E), null(size=4E), null(size=4E), layout=f2)"
      })
  void whatIsJustShorterThanThatIsTaken(String text) {
    Loop loop = Loop.driven();
    try {
      assertThat(Stack.build(loop, text).limits().sizeBytes()).isGreaterThan(5L << 60);
    } finally {
      loop.close(0);
    }
  }

  @Test
  void aMistakeIsSaidAndNothingIsLeftOpenOnAVirtualThreadToo() throws Exception {
    String path = directory.resolve("a").toString();
    String text = "concat(file(" + path + ", size=1M), file(" + path + "-missing))";
    java.util.concurrent.FutureTask<Object> opening =
        new java.util.concurrent.FutureTask<>(() -> Volume.open(text));
    Thread.startVirtualThread(opening).join();
    assertThatThrownBy(opening::get).hasCauseInstanceOf(StackException.class);
    try (Stream<Path> open = Files.list(Path.of("/proc/self/fd"))) {
      assertThat(open.filter(fd -> leadsTo(fd, path))).isEmpty();
    }
  }

  private static boolean leadsTo(Path fd, String path) {
    try {
      return Files.readSymbolicLink(fd).toString().equals(path);
    } catch (IOException e) {
      return false;
    }
  }
}
