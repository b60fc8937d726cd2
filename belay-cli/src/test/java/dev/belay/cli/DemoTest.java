// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class DemoTest {
  @TempDir Path directory;

  @ParameterizedTest
  @ValueSource(strings = {"auto", "threads"})
  void itTellsTheTruthAndCleansUp(String engine) {
    Run run = Run.of("demo", "--dir=" + directory, "--size=32M", "--engine=" + engine);
    assertThat(run.code()).as(run.all()).isZero();
    assertThat(run.err()).isEmpty();
    assertThat(run.out())
        .contains("A read, stopped", "A write, stopped", "was it true", "cancel(false)")
        .contains("flag raised with", "never sent to any device", "FileChannel")
        .doesNotContain("not true", "NO:", "\u001b");
    assertThat(run.out().split("every byte was compared: the", -1)).hasSize(3);
    assertThat(directory).isEmptyDirectory();
  }

  @Test
  void mistakesAreSentences() {
    List<List<String>> mistakes =
        List.of(
            List.of("demo", "--size=1k"),
            List.of("demo", "--size=much"),
            List.of("demo", "--dir=" + directory.resolve("none")),
            List.of("demo", "--dir=" + directory, "--engine=steam"));
    for (List<String> args : mistakes) {
      Run run = Run.of(args.toArray(String[]::new));
      assertThat(run.code()).as(args + run.all()).isEqualTo(2);
      assertThat(run.err()).startsWith("belay: ");
      MainTest.assertNoTrace(run);
    }
    assertThat(directory).isEmptyDirectory();
  }

  @Test
  void ctrlCTakesTheFileAway() throws Exception {
    Path output = directory.resolve("output");
    Path place = Files.createDirectory(directory.resolve("place"));
    Process program = Program.start(output, "demo", "--dir=" + place, "--size=64M");
    Program.await(
        () -> {
          File[] made = place.toFile().listFiles();
          return made != null && made.length > 0;
        });
    Program.interrupt(program);
    assertThat(program.exitValue()).isEqualTo(130);
    assertThat(place).isEmptyDirectory();
    assertThat(Files.readString(output).toLowerCase(Locale.ROOT)).doesNotContain("exception in");
  }
}
