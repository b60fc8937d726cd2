// SPDX-License-Identifier: Apache-2.0
package dev.belay.uring;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.belay.front.Volume;
import java.io.File;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A program of its own, for which a sandbox forbids io_uring as container runtimes do. */
final class SandboxTest {
  @TempDir Path directory;

  @Test
  @Timeout(120)
  void filesFallBackOnThreadsAndTheLogSaysSoOnce() throws Exception {
    assumeTrue(UringSupport.look().usable(), "no io_uring that could be forbidden");
    String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
    Process program =
        new ProcessBuilder(
                java,
                "-XX:TieredStopAtLevel=1",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                home(Volume.class) + File.pathSeparator + home(SandboxTest.class),
                Sandboxed.class.getName(),
                directory.resolve("a").toString())
            .redirectErrorStream(true)
            .start();
    String said = new String(program.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(program.waitFor(60, TimeUnit.SECONDS)).isTrue();
    assumeFalse(said.contains("no seccomp"), said);
    assertThat(said).contains("first: ", "second: ").contains("; by threads, because a sandbox");
    assertThat(said.split("files are read and written by threads: a sandbox forbids io_uring", -1))
        .as("once: %s", said)
        .hasSize(2);
    assertThat(said)
        .contains("cannot be opened with engine=uring: a sandbox forbids io_uring")
        .contains("allow io_uring_setup, io_uring_enter and io_uring_register");
  }

  private static String home(Class<?> type) throws URISyntaxException {
    return Path.of(type.getProtectionDomain().getCodeSource().getLocation().toURI()).toString();
  }

  /** The program. */
  static final class Sandboxed {
    private static final boolean ARM = System.getProperty("os.arch").equals("aarch64");
    private static final int PRCTL = ARM ? 167 : 157;
    private static final int SECCOMP = ARM ? 277 : 317;
    private static final int NO_NEW_PRIVILEGES = 38;
    private static final int SET_FILTER = 1;
    private static final int ALL_THREADS = 1;

    private Sandboxed() {}

    public static void main(String[] arguments) throws IOException {
      if (forbidRings() < 0) {
        System.out.println("no seccomp");
        return;
      }
      String file = "file(" + arguments[0] + ", size=1M";
      for (String which : new String[] {"first", "second"}) {
        try (Volume volume = Volume.open(file + ")")) {
          volume.write(0, new byte[4096]);
          System.out.println(which + ": " + volume.root().status());
        }
      }
      try {
        Volume.open(file + ", engine=uring)").close();
      } catch (RuntimeException e) {
        System.out.println(e.getMessage());
      }
    }

    /** io_uring_setup answers EPERM from now on. */
    private static long forbidRings() {
      long[] filter = {
        0x20L, // load the number of the call
        0x15L
            | 1L << 24
            | (long) Kernel.IO_URING_SETUP << 32, // if it is this, go on; else skip one
        0x06L | (0x50000L | Errno.EPERM) << 32, // answer EPERM
        0x06L | 0x7fff0000L << 32 // allow
      };
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment code = arena.allocateFrom(ValueLayout.JAVA_LONG, filter);
        MemorySegment program = arena.allocate(16, 8);
        program.set(ValueLayout.JAVA_SHORT, 0, (short) filter.length);
        program.set(ValueLayout.JAVA_LONG, 8, code.address());
        Kernel.call(PRCTL, NO_NEW_PRIVILEGES, 1, 0, 0, 0, 0);
        return Kernel.call(SECCOMP, SET_FILTER, ALL_THREADS, program.address(), 0, 0, 0);
      }
    }
  }
}
