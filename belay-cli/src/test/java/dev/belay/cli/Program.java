// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;

/** The program in a JVM of its own, for what only a signal can tell it. */
final class Program {
  private static final long PATIENCE_SECONDS = 60;

  private Program() {}

  static Process start(Path output, String... args) throws IOException {
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED",
                "-XX:TieredStopAtLevel=1",
                "-cp",
                System.getProperty("java.class.path"),
                "dev.belay.cli.Main"));
    command.addAll(List.of(args));
    return new ProcessBuilder(command)
        .redirectErrorStream(true)
        .redirectOutput(output.toFile())
        .start();
  }

  static void await(BooleanSupplier met) throws InterruptedException {
    long start = System.nanoTime();
    while (!met.getAsBoolean()
        && System.nanoTime() - start < TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS)) {
      Thread.sleep(20);
    }
    assertThat(met.getAsBoolean()).isTrue();
  }

  /** Sends what Ctrl-C sends, and waits for the end. */
  static void interrupt(Process program) throws IOException, InterruptedException {
    new ProcessBuilder("kill", "-INT", String.valueOf(program.pid())).start().waitFor();
    assertThat(program.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS)).isTrue();
  }
}
