// SPDX-License-Identifier: Apache-2.0
package dev.belay.peer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** Runs programs that nobody here wrote, each for a minute at most (longer with larger exports). */
final class Programs {
  private static final long PATIENCE_SECONDS = 60 * Math.max(1, Stacks.BYTES >> 26);

  /** What a program came to; -1 where it had to be killed. */
  record Result(List<String> command, int exit, String out, String err) {
    /** The same, which went well. */
    Result good() {
      assertThat(exit).as("%s\n%s%s", String.join(" ", command), out, err).isZero();
      return this;
    }

    /** All that it said. */
    String said() {
      return out + err;
    }
  }

  private Programs() {}

  /** Leaves a test out, with a reason, where one of these is not installed. */
  static void need(String... names) {
    for (String name : names) {
      assumeTrue(find(name), () -> name + " is not installed");
    }
  }

  private static boolean find(String name) {
    String path = System.getenv("PATH") + File.pathSeparator + "/usr/sbin:/sbin";
    return Arrays.stream(path.split(File.pathSeparator))
        .anyMatch(directory -> Files.isExecutable(Path.of(directory, name)));
  }

  static Result run(Path in, String... command) throws IOException, InterruptedException {
    Path out = Files.createTempFile(in, "said", ".out");
    Path err = Files.createTempFile(in, "said", ".err");
    Process program = start(in, out, err, command);
    boolean isOver = program.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS);
    if (!isOver) {
      end(program);
    }
    String said = Files.readString(out);
    String erred = Files.readString(err) + (isOver ? "" : "(killed: it took too long)");
    Files.delete(out);
    Files.delete(err);
    return new Result(List.of(command), isOver ? program.exitValue() : -1, said, erred);
  }

  /** One that goes on running; {@link #end} is the caller's to do. */
  static Process start(Path in, Path out, Path err, String... command) throws IOException {
    ProcessBuilder builder = new ProcessBuilder(command);
    builder.directory(in.toFile());
    builder.redirectInput(new File("/dev/null"));
    builder.redirectOutput(out.toFile()).redirectError(err.toFile());
    builder.environment().merge("PATH", "/usr/sbin:/sbin", (old, more) -> old + ":" + more);
    builder.environment().put("LC_ALL", "C");
    return builder.start();
  }

  static void end(Process program) throws InterruptedException {
    program.destroy();
    if (!program.waitFor(10, TimeUnit.SECONDS)) {
      program.descendants().forEach(ProcessHandle::destroyForcibly);
      program.destroyForcibly().waitFor();
    }
  }
}
