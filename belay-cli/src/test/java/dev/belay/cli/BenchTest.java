// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code belay bench}, by tiny runs. */
final class BenchTest {
  @TempDir Path dir;

  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  private int bench(String... args) {
    List<String> all = new ArrayList<>(List.of("bench", "--ramp=20ms"));
    all.addAll(Arrays.asList(args));
    if (all.stream().noneMatch(arg -> arg.startsWith("--runtime"))) {
      all.add("--runtime=100ms");
    }
    return Main.run(new PrintWriter(out), new PrintWriter(err), all.toArray(String[]::new));
  }

  private Map<String, Object> json() {
    return JsonReader.parseObject(out.toString());
  }

  private Path fileOf(int bytes) throws IOException {
    return Files.write(dir.resolve("disk.img"), new byte[bytes]);
  }

  @ParameterizedTest
  @CsvSource({
    "context, randread", "context, randrw", "context, write",
    "futures, randread", "futures, rw", "futures, randwrite",
    "blocking, randread", "blocking, randrw", "blocking, read",
  })
  void everyEngineDoesEveryPattern(String engine, String pattern) {
    int code =
        bench("memory(size=4M)", "--json", "--engine=" + engine, "--rw=" + pattern, "--iodepth=4");
    assertThat(err.toString()).isEmpty();
    assertThat(code).isZero();
    assertThat(json()).containsEntry("engine", engine).containsEntry("rw", pattern);
    assertThat(JsonReader.number(json(), "ios")).isPositive();
    assertThat(JsonReader.number(json(), "outcomes", "done"))
        .isEqualTo(JsonReader.number(json(), "ios"));
    assertThat(JsonReader.number(json(), "latencyNanos", "count"))
        .isEqualTo(JsonReader.number(json(), "ios"));
  }

  @Test
  void theJsonHoldsWhatThePagesPromise() {
    bench("null()", "--json", "--numjobs=2", "--cancel-rate=0.5", "--deadline=1s");
    assertThat(json())
        .containsKeys(
            "stack",
            "engine",
            "rw",
            "bs",
            "iodepth",
            "numjobs",
            "seconds",
            "ios",
            "iops",
            "bytesPerSecond",
            "cpuNanosPerIo",
            "allocatedBytesPerIo",
            "outcomes",
            "latencyNanos",
            "deadline",
            "cancels",
            "steal");
  }

  @Test
  void theTextNamesWhatWasMeasured() {
    assertThat(bench("null()", "--deadline=1s", "--cancel-rate=0.1")).isZero();
    assertThat(out.toString())
        .contains("IOPS", "CPU", "allocated", "latency p50", "deadline 1s", "asked to stop")
        .contains("work saved", "steal");
  }

  @ParameterizedTest
  @ValueSource(strings = {"context", "futures", "blocking"})
  void theRateIsKept(String engine) {
    bench("null()", "--json", "--rate=2000", "--engine=" + engine);
    double expected = 2000 * JsonReader.number(json(), "seconds");
    assertThat(JsonReader.number(json(), "ios")).isPositive().isLessThan(2 * expected + 200);
  }

  @ParameterizedTest
  @ValueSource(strings = {"context", "futures", "blocking"})
  void aDeadlineStopsWhatWaits(String engine) {
    bench(
        "throttle(memory(size=1M), iops=100, burst=1ms)",
        "--json",
        "--rate=1000",
        "--iodepth=64",
        "--deadline=20ms",
        "--engine=" + engine);
    assertThat(JsonReader.number(json(), "outcomes", "cancelled")).isPositive();
    assertThat(JsonReader.number(json(), "outcomes", "failed")).isZero();
  }

  @ParameterizedTest
  @ValueSource(strings = {"context", "futures", "blocking"})
  void askedRequestsAreCountedWithTheirOutcome(String engine) {
    bench(
        "delay(memory(size=1M), read=50ms)",
        "--json",
        "--cancel-rate=1",
        "--cancel-within=5ms",
        "--engine=" + engine);
    assertThat(JsonReader.number(json(), "cancels", "asked")).isPositive();
    assertThat(JsonReader.number(json(), "cancels", "cancelled")).isPositive();
    assertThat(JsonReader.number(json(), "cancels", "cleanBytes")).isPositive();
    assertThat(JsonReader.number(json(), "cancels", "flagToCompletionNanos", "count"))
        .isEqualTo(JsonReader.number(json(), "cancels", "asked"));
  }

  @Test
  void noLatencyReadsNoClock() {
    assertThat(bench("null()", "--json", "--no-latency")).isZero();
    assertThat(json()).doesNotContainKey("latencyNanos");
    assertThat(JsonReader.number(json(), "ios")).isPositive();
  }

  @Test
  void theJdksChannelDoesTheSame() throws IOException {
    Path file = dir.resolve("made.img");
    assertThat(bench(file.toString(), "--size=1M", "--engine=jdk", "--rw=randrw", "--json"))
        .as(() -> err.toString())
        .isZero();
    assertThat(JsonReader.number(json(), "outcomes", "done")).isPositive();
    assertThat(err.toString()).contains("made " + file);
    assertThat(Files.size(file)).isEqualTo(1 << 20);
  }

  @Test
  void itWritesOverNothingThatItDidNotMake() throws IOException {
    Path file = fileOf(1 << 20);
    assertThat(bench(file.toString(), "--rw=randwrite", "--engine=jdk")).isEqualTo(Main.MISUSED);
    assertThat(err.toString()).contains("which no bench has made").contains("--overwrite");
    assertThat(Files.readAllBytes(file)).containsOnly(0);
    assertThat(bench(file.toString(), "--rw=randwrite", "--engine=jdk", "--overwrite")).isZero();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "--iodepth=0 | --iodepth is at least 1",
        "--rwmixread=101 | 0 to 100 percent",
        "--cancel-rate=2 | a fraction from 0 to 1",
        "--bs=3k | is a multiple of the stack's block",
        "--bs=12x | is no unit of size",
        "--runtime=0 | --runtime is above 0",
        "--size=2M | is beyond the stack's 1M",
        "--bs=2M | does not fit into 1M",
        "--no-latency --deadline=1s | --no-latency reads no clock",
        "--against=jdk | only on one file",
        "--against=fio | only on one file, or on null()",
        "--against=fio --deadline=1s | know no deadline",
        "--engine=jdk | only on one file",
      })
  void whatMakesNoSenseIsSaid(String options, String sentence) {
    List<String> args = new ArrayList<>(List.of("memory(size=1M, block=4096)"));
    args.addAll(List.of(options.split(" ")));
    assertThat(bench(args.toArray(String[]::new))).isEqualTo(Main.MISUSED);
    assertThat(err.toString()).contains(sentence);
  }

  @Test
  void aMissingFileWantsASize() {
    assertThat(bench(dir.resolve("none").toString())).isEqualTo(Main.MISUSED);
    assertThat(err.toString()).contains("give --size");
  }
}
