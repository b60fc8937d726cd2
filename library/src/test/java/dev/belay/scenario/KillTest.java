// SPDX-License-Identifier: Apache-2.0
package dev.belay.scenario;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.front.Volume;
import dev.belay.leaf.FileEngine;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * The test that every database has: a program that writes is killed by SIGKILL at a random moment,
 * again and again, and whatever it had said to be durable is there. Blocks share sectors with their
 * neighbours, so that a write which is interrupted has its chance to harm one that is durable.
 */
@Timeout(120)
final class KillTest {
  private static final int SIGKILLED = 128 + 9;

  @TempDir Path directory;

  @ParameterizedTest
  @CsvSource({"URING, 4", "THREADS, 2"})
  void whatWasDurableIsThereAfterAKill(FileEngine engine, int rounds) throws Exception {
    Ground.needs(engine);
    String file = "file(%s, size=32M, engine=" + engine.name().toLowerCase(Locale.ROOT) + ")";
    String text =
        "align(stripe(%s, %s, chunk=16k))"
            .formatted(file.formatted(path("a")), file.formatted(path("b")));
    Random random = new Random(7);
    long durable = -1;
    for (int round = 0; round < rounds; round++) {
      long now = writeAndKill(text, durable + 1, 10 + random.nextInt(200));
      assertThat(now).as("something was written").isGreaterThan(durable);
      durable = now;
      expectBlocks(text, durable, "round " + round);
    }
    System.out.println(engine + ": " + (durable + 1) + " blocks durable over " + rounds + " kills");
  }

  private Path path(String name) {
    return directory.resolve(name);
  }

  /** Answers the last block that the program said was durable. */
  private static long writeAndKill(String text, long first, long afterMillis)
      throws IOException, InterruptedException {
    String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
    String classes = placeOf(Volume.class) + File.pathSeparator + placeOf(KillWriter.class);
    List<String> command =
        List.of(
            java,
            "-XX:TieredStopAtLevel=1",
            "-ea",
            "--enable-native-access=ALL-UNNAMED",
            "-cp",
            classes,
            KillWriter.class.getName(),
            text,
            Long.toString(first));
    Process child =
        new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
    Runnable kill = child.toHandle()::destroyForcibly; // it leaves what was said to be read
    long durable = -1;
    try (BufferedReader lines = child.inputReader(StandardCharsets.US_ASCII)) {
      CompletableFuture.delayedExecutor(30, TimeUnit.SECONDS).execute(kill);
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        if (durable < 0) {
          CompletableFuture.delayedExecutor(afterMillis, TimeUnit.MILLISECONDS).execute(kill);
        }
        // A line that was cut off by the kill names a lower number, which is durable as well.
        durable = line.isEmpty() ? durable : Math.max(durable, Long.parseLong(line));
      }
      assertThat(child.waitFor(30, TimeUnit.SECONDS)).isTrue();
      assertThat(child.exitValue()).as("it was killed, and did not end").isEqualTo(SIGKILLED);
    } finally {
      child.destroyForcibly();
    }
    return durable;
  }

  private static String placeOf(Class<?> type) {
    return Path.of(
            java.net.URI.create(
                type.getProtectionDomain().getCodeSource().getLocation().toString()))
        .toString();
  }

  private static void expectBlocks(String text, long last, String when) throws IOException {
    try (Volume volume = Volume.open(text)) {
      int atOnce = 256;
      for (long number = 0; number <= last; number += atOnce) {
        int count = (int) Math.min(atOnce, last + 1 - number);
        byte[] found = new byte[count * KillWriter.BLOCK];
        volume.read(number * KillWriter.BLOCK, found);
        for (int i = 0; i < count; i++) {
          byte[] block = new byte[KillWriter.BLOCK];
          System.arraycopy(found, i * KillWriter.BLOCK, block, 0, KillWriter.BLOCK);
          assertThat(block)
              .as(when + ": block " + (number + i) + " of " + (last + 1))
              .isEqualTo(KillWriter.block(number + i));
        }
      }
    }
  }
}
