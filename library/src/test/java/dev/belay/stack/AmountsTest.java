// SPDX-License-Identifier: Apache-2.0
package dev.belay.stack;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Sizes, durations, ranges and amounts: reading, printing, and both in turn. */
final class AmountsTest {

  @ParameterizedTest
  @CsvSource({
    "0, 0",
    "512, 512",
    "512B, 512",
    "64k, 65536",
    "64K, 65536",
    "64 KiB, 65536",
    "4M, 4194304",
    "4m, 4194304",
    "4MiB, 4194304",
    "1.5G, 1610612736",
    "0.5k, 512",
    "1T, 1099511627776",
    "2P, 2251799813685248",
    "1E, 1152921504606846976",
    "9223372036854775807, 9223372036854775807",
  })
  void readsSizes(String text, long bytes) {
    assertThat(Sizes.parse(text)).isEqualTo(bytes);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        " 1k",
        "k",
        ".5k",
        "1.k",
        "-1",
        "+1",
        "1e3",
        "0x10",
        "1kk",
        "1kib ",
        "1_000",
        "8E",
        "9223372036854775808",
        "0.3",
        "1.0001k",
        "64kB",
        "1mb",
        "١k",
        "1\u212a",
        "00000000000000000000000000000000000000000000000000001"
      })
  void refusesOtherSizes(String text) {
    assertThatThrownBy(() -> Sizes.parse(text)).isInstanceOf(StackException.class);
  }

  @ParameterizedTest
  @CsvSource({
    "0, 0, 0",
    "1, 1, 1",
    "1023, 1023, 1023",
    "1024, 1k, 1k",
    "1025, 1025, 1k",
    "1536, 1536, 1.5k",
    "65536, 64k, 64k",
    "1048576, 1M, 1M",
    "1610612736, 1536M, 1.5G",
    "9223372036854775807, 9223372036854775807, 8E",
  })
  void printsSizes(long bytes, String exact, String rounded) {
    assertThat(Sizes.print(bytes)).isEqualTo(exact);
    assertThat(Sizes.printRounded(bytes)).isEqualTo(rounded);
  }

  @ParameterizedTest
  @CsvSource({
    "0, 0",
    "0s, 0",
    "1ns, 1",
    "500us, 500000",
    "500µs, 500000",
    "2ms, 2000000",
    "1.5s, 1500000000",
    "1 s, 1000000000",
    "1m, 60000000000",
    "1min, 60000000000",
    "2h, 7200000000000",
  })
  void readsDurations(String text, long nanos) {
    assertThat(Durations.parse(text)).isEqualTo(nanos);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "2", "ms", "-1s", "1.5ns", "1d", "2S", "1m30s", "9999999h"})
  void refusesOtherDurations(String text) {
    assertThatThrownBy(() -> Durations.parse(text)).isInstanceOf(StackException.class);
  }

  @ParameterizedTest
  @CsvSource({
    "0, 0, 0",
    "1, 1ns, 1ns",
    "2000000, 2ms, 2ms",
    "1234567, 1234567ns, 1.23ms",
    "999999, 999999ns, 1000us",
    "1500000000, 1500ms, 1.5s",
    "60000000000, 1m, 1m",
    "90000000000, 90s, 1.5m",
    "7200000000000, 2h, 2h",
  })
  void printsDurations(long nanos, String exact, String rounded) {
    assertThat(Durations.print(nanos)).isEqualTo(exact);
    assertThat(Durations.printRounded(nanos)).isEqualTo(rounded);
  }

  @Test
  void exactPrintsReadBack() {
    var random = new Random(3);
    for (int i = 0; i < 100_000; i++) {
      long value = random.nextLong(Long.MAX_VALUE) >>> random.nextInt(63) << random.nextInt(8);
      long amount = value & Long.MAX_VALUE;
      assertThat(Sizes.parse(Sizes.print(amount))).isEqualTo(amount);
      assertThat(Durations.parse(Durations.print(amount))).isEqualTo(amount);
    }
  }

  @Test
  void refusesToPrintWhatIsNegative() {
    assertThatThrownBy(() -> Sizes.print(-1)).hasMessageContaining("not negative");
    assertThatThrownBy(() -> Durations.print(-1)).hasMessageContaining("not negative");
    assertThatThrownBy(() -> Durations.printRounded(-1)).hasMessageContaining("not negative");
  }

  @ParameterizedTest
  @CsvSource({
    "0-1, 0, 1, 0+1",
    "1M-2M, 1048576, 2097152, 1M+1M",
    "1M+4k, 1048576, 1052672, 1M+4k",
    "1k-, 1024, 9223372036854775807, 1k-",
    "1 k - 2, 1024, 1, ''",
  })
  void readsAndPrintsRanges(String text, long start, long end, String printed) {
    if (printed.isEmpty()) {
      assertThatThrownBy(() -> ByteRange.parse(text)).isInstanceOf(StackException.class);
      return;
    }
    ByteRange range = ByteRange.parse(text);

    assertThat(range).isEqualTo(new ByteRange(start, end)).hasToString(printed);
    assertThat(ByteRange.parse(printed)).isEqualTo(range);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "-",
        "1",
        "-1M",
        "+4k",
        "2-1",
        "1-1",
        "1+0",
        "1+",
        "1-2-3",
        "1+9223372036854775807",
        "9223372036854775807-",
        "1-2;",
        ";1-2",
        "1-2;;3-4"
      })
  void refusesOtherRanges(String text) {
    assertThatThrownBy(() -> ByteRange.parseAll(text)).isInstanceOf(StackException.class);
  }

  @Test
  void rangesKnowWhatTheyTouch() {
    var range = new ByteRange(100, 200);

    assertThat(range.overlaps(0, 100)).isFalse();
    assertThat(range.overlaps(0, 101)).isTrue();
    assertThat(range.overlaps(199, 1)).isTrue();
    assertThat(range.overlaps(200, 1)).isFalse();
    assertThat(range.overlaps(150, 0)).isFalse();
    assertThat(new ByteRange(100, Long.MAX_VALUE).overlaps(1L << 62, 1L << 62)).isTrue();
  }

  @Test
  void readsCountsRatesAndFractions() {
    assertThat(Amounts.count("10k", 0, 10_000)).isEqualTo(10_000);
    assertThat(Amounts.count("1.5M", 0, Long.MAX_VALUE)).isEqualTo(1_500_000);
    assertThat(Amounts.ratePerSecond("100")).isEqualTo(100);
    assertThat(Amounts.ratePerSecond("6/m")).isEqualTo(0.1);
    assertThat(Amounts.ratePerSecond("7.2k/h")).isEqualTo(2);
    assertThat(Amounts.bytesPerSecond("1M/s")).isEqualTo(1 << 20);
    assertThat(Amounts.fraction("25%")).isEqualTo(0.25);
    assertThat(Amounts.fraction("1")).isEqualTo(1);
    assertThat(Amounts.fraction("0")).isZero();
  }

  @Test
  void namesWhatWasProbablyMeant() {
    assertThat(Nearest.distance("raid5", "riad5")).isOne();
    assertThat(Nearest.distance("raid5", "raid")).isOne();
    assertThat(Nearest.distance("delay", "relays")).isEqualTo(2);
    assertThat(Nearest.distance("", "abc")).isEqualTo(3);
  }
}
