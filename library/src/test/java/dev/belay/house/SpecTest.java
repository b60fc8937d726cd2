// SPDX-License-Identifier: Apache-2.0
package dev.belay.house;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The models of spec/ hold, and a planted bug of each is found; spec/check tries all the bugs. */
final class SpecTest {
  @TempDir Path directory;

  @Test
  void theModelsHoldAndPlantedBugsAreFound() throws Exception {
    for (String program : new String[] {"bash", "spin", "cc"}) {
      assumeTrue(isInstalled(program), () -> program + " is not installed");
    }
    Path output = directory.resolve("output.txt");
    ProcessBuilder builder =
        new ProcessBuilder("bash", Sources.root().resolve("spec/check").toString(), "-q");
    builder.redirectErrorStream(true).redirectOutput(output.toFile());
    java.lang.Process child = builder.start();
    boolean isOver = child.waitFor(10, TimeUnit.MINUTES);
    if (!isOver) {
      child.descendants().forEach(ProcessHandle::destroyForcibly);
      child.destroyForcibly();
    }
    String said = Files.readString(output);
    assertThat(isOver).as(said).isTrue();
    assertThat(child.exitValue()).as(said).isZero();
    assertThat(said)
        .contains("8 checks, 8 planted bugs, 0 failures")
        .contains("NO_FENCE")
        .contains("SLEEPS_THOUGH_WOKEN")
        .contains("RAISED_AT_THE_FIRST");
  }

  private static boolean isInstalled(String program) {
    return Arrays.stream(System.getenv("PATH").split(File.pathSeparator))
        .anyMatch(at -> Files.isExecutable(Path.of(at, program)));
  }
}
