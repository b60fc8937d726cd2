// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Servers in programs of their own, which signals stop and kill. */
final class ServeSignalTest {
  private static final String SLOW = "delay(memory(size=1M), write=1h)";

  @TempDir Path directory;

  private final List<Process> started = new ArrayList<>();

  @AfterEach
  void stopAll() throws Exception {
    for (Process each : started) {
      each.destroyForcibly();
      assertThat(each.waitFor(60, TimeUnit.SECONDS)).isTrue();
    }
  }

  private Process program(String output, String... args) throws IOException {
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
    ProcessBuilder builder =
        new ProcessBuilder(command)
            .directory(directory.toFile())
            .redirectErrorStream(true)
            .redirectOutput(directory.resolve(output).toFile());
    builder.environment().put("XDG_RUNTIME_DIR", directory.toString());
    Process program = builder.start();
    started.add(program);
    return program;
  }

  /** Runs a command to its end, and gives what it said. */
  private String said(String... args) throws Exception {
    Process program = program("said.txt", args);
    assertThat(program.waitFor(60, TimeUnit.SECONDS)).isTrue();
    return text("said.txt");
  }

  private String text(String output) {
    try {
      return Files.readString(directory.resolve(output));
    } catch (IOException e) {
      return "";
    }
  }

  private Process serve(String output, String... args) throws Exception {
    List<String> all = new ArrayList<>(List.of("serve"));
    all.addAll(List.of(args));
    Process program = program(output, all.toArray(String[]::new));
    Program.await(() -> text(output).contains("ready") || !program.isAlive());
    assertThat(program.isAlive()).as(text(output)).isTrue();
    return program;
  }

  private static void signal(Process program, String name) throws Exception {
    new ProcessBuilder("kill", "-" + name, String.valueOf(program.pid())).start().waitFor();
  }

  private List<Path> controls() throws IOException {
    try (Stream<Path> list = Files.list(directory.resolve("belay"))) {
      return list.toList();
    }
  }

  @Test
  void withoutAnythingItServesAFileOfItsOwn() throws Exception {
    Process program = serve("out.txt");
    assertThat(text("out.txt")).contains("belay.img was made: 1 GiB, sparse; it stays");
    try (TinyClient client = TinyClient.unix(directory.resolve("belay.sock"), "")) {
      client.write(1, 1 << 20, new byte[] {7});
      assertThat(client.reply(1)).isZero();
      client.sayGoodbye();
    }
    signal(program, "TERM");
    assertThat(program.waitFor(60, TimeUnit.SECONDS)).isTrue();
    assertThat(program.exitValue()).as(text("out.txt")).isZero();
    assertThat(text("out.txt")).contains("stopped in");
    assertThat(directory.resolve("belay.sock")).doesNotExist();
    assertThat(directory.resolve("belay.img")).hasSize(1L << 30);
    assertThat(controls()).isEmpty();
    Process again = serve("out.txt");
    assertThat(text("out.txt")).doesNotContain("was made").contains("belay.img, 1 GiB");
    try (TinyClient client = TinyClient.unix(directory.resolve("belay.sock"), "")) {
      assertThat(client.read(1, 1 << 20, 1)).containsExactly(7);
    }
    signal(again, "INT");
    assertThat(again.waitFor(60, TimeUnit.SECONDS)).isTrue();
    assertThat(again.exitValue()).isZero();
  }

  @Test
  void theSecondSignalDoesNotWaitForTheGrace() throws Exception {
    Process program = serve("out.txt", SLOW, "--grace=1h");
    try (TinyClient client = TinyClient.unix(directory.resolve("belay.sock"), "")) {
      client.write(1, 0, new byte[512]);
      Program.await(() -> shown().contains("1 request in flight"));
      signal(program, "TERM");
      Program.await(() -> Files.notExists(directory.resolve("belay.sock")));
      assertThat(program.isAlive()).isTrue();
      signal(program, "TERM");
      assertThat(program.waitFor(60, TimeUnit.SECONDS)).isTrue();
      assertThat(program.exitValue()).as(text("out.txt")).isEqualTo(3);
      assertThat(text("out.txt")).contains("1 cancelled: 0 B done, 512 B clean, 0 B unknown");
    }
  }

  private String shown() {
    try {
      return said("ps");
    } catch (Exception e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void aKilledServerLeavesNothingInTheWay() throws Exception {
    Process first = serve("out.txt", SLOW);
    Process second = serve("out2.txt", "memory(size=1M)", "--unix=other.sock");
    assertThat(controls()).hasSize(2);
    assertThat(said("ps")).contains("pid " + first.pid(), "pid " + second.pid());
    assertThat(said("cancel", "1.1")).contains("2 servers are running");
    assertThat(said("cancel", second.pid() + ":1.1")).contains("nothing of that name");
    first.destroyForcibly();
    assertThat(first.waitFor(60, TimeUnit.SECONDS)).isTrue();
    assertThat(controls()).hasSize(2);
    Process third = serve("out3.txt", "memory(size=1M)");
    assertThat(controls()).hasSize(2);
    assertThat(said("ps"))
        .contains("pid " + third.pid(), "pid " + second.pid())
        .doesNotContain("pid " + first.pid());
  }

  @Test
  void theCommandIsStoppedWithTheServer() throws Exception {
    Process program = serve("out.txt", "memory(size=1M)", "--run=echo go; exec sleep 1000");
    Program.await(() -> text("out.txt").contains("go"));
    signal(program, "TERM");
    assertThat(program.waitFor(60, TimeUnit.SECONDS)).isTrue();
    assertThat(program.exitValue()).as(text("out.txt")).isEqualTo(143);
    assertThat(text("out.txt")).contains("stopped in");
  }
}
