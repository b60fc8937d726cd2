// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

final class DescribeTest {
  @Test
  void aStackIsATree() {
    Run run = Run.of("describe", " linear( memory(size=1M),offset=4k )");
    assertThat(run.err()).isEmpty();
    assertThat(run.code()).isZero();
    assertThat(run.out().lines())
        .containsExactly(
            "linear(memory(size=1M), offset=4k)",
            "linear  1020 KiB, block 512 B, memory 1 B, pieces of 256 KiB  (from byte 4096)",
            "└─ memory  1 MiB, block 512 B, memory 1 B, pieces of 256 KiB  (0 of 1 MiB written)");
  }

  @Test
  void aStackIsAnObject() {
    Run run = Run.of("describe", "--json", "linear(null(size=8k, block=4k))");
    assertThat(run.out())
        .contains("\"expression\":\"linear(null(size=8k, block=4k))\"")
        .contains("\"device\":\"linear\",\"sizeBytes\":8192,\"logicalBlockBytes\":4096")
        .contains("\"lowers\":[{\"device\":\"null\"");
  }

  @Test
  void aDeepStackIsShownWhole() {
    Run run = Run.of("describe", "linear(".repeat(1000) + "null()" + ")".repeat(1000));
    assertThat(run.out().lines()).hasSize(1002);
  }
}
