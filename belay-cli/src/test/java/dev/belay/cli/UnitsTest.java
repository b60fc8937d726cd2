// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

final class UnitsTest {
  @Test
  void bytesAreExactWhereTheyCanBe() {
    assertThat(Units.bytes(0)).isEqualTo("0 B");
    assertThat(Units.bytes(65536)).isEqualTo("64 KiB");
    assertThat(Units.bytes(1536L << 20)).isEqualTo("1.5 GiB");
    assertThat(Units.bytes(Long.MAX_VALUE)).isEqualTo("8.0 EiB");
  }

  @Test
  void timesHaveTheirUnit() {
    assertThat(Units.nanos(999)).isEqualTo("999 ns");
    assertThat(Units.nanos(1_500)).isEqualTo("1.5 µs");
    assertThat(Units.nanos(12_340_000)).isEqualTo("12.3 ms");
    assertThat(Units.nanos(2_000_000_000L)).isEqualTo("2.00 s");
  }

  @Test
  void jsonIsJson() {
    assertThat(Json.print(Map.of("a", Arrays.asList(1, null, true, Double.NaN, "x\"\n\\"))))
        .isEqualTo("{\"a\":[1,null,true,null,\"x\\\"\\u000a\\\\\"]}");
    assertThat(Json.print(List.of(Map.of(), List.of()))).isEqualTo("[{},[]]");
  }
}
