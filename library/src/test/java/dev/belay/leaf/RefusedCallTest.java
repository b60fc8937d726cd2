// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.Bio;
import dev.belay.CancelFlag;
import dev.belay.Loop;
import dev.belay.Op;
import dev.belay.uring.UringSupport;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A program of its own, whose calls of the ring strace has fail now and then, or for good. */
final class RefusedCallTest {
  private static final int REQUESTS = 64;
  private static final int BLOCK = 4096;

  @TempDir Path directory;

  private String run(String injection) throws Exception {
    UringSupport support = UringSupport.look();
    Assumptions.assumeTrue(support.usable(), "no io_uring here: " + support.sentence());
    Assumptions.assumeTrue(
        canTrace(), "strace is missing, or may not trace: refused calls are not tried for real");
    Path said = directory.resolve("said");
    String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
    Process program =
        new ProcessBuilder(
                List.of(
                    "strace",
                    "-f",
                    "-qq",
                    "-o",
                    "/dev/null",
                    "-e",
                    "trace=io_uring_enter",
                    "-e",
                    "inject=io_uring_enter:" + injection,
                    java,
                    "-Xshare:auto",
                    "--enable-native-access=ALL-UNNAMED",
                    "-cp",
                    System.getProperty("java.class.path"),
                    Writer.class.getName(),
                    directory.resolve("a").toString()))
            .redirectErrorStream(true)
            .redirectOutput(said.toFile())
            .start();
    try {
      assertThat(program.waitFor(2, TimeUnit.MINUTES)).as("it ends").isTrue();
    } finally {
      program.destroyForcibly();
    }
    return Files.readString(said);
  }

  private static boolean canTrace() throws Exception {
    try {
      Process probe =
          new ProcessBuilder("strace", "-f", "-qq", "-o", "/dev/null", "true")
              .redirectErrorStream(true)
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .start();
      return probe.waitFor() == 0;
    } catch (java.io.IOException e) {
      return false;
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"EAGAIN", "EBUSY", "EINTR", "ENOMEM", "EPERM"})
  void aCallThatIsRefusedNowAndThenLosesNothing(String error) throws Exception {
    assertThat(run("error=" + error + ":when=2+3"))
        .contains("done 64, failed 0, cancelled 0, still open 0");
  }

  @Test
  void aRingThatIsForbiddenFailsWhatItNeverTookAndSaysSoOnce() throws Exception {
    String said = run("error=EPERM");
    assertThat(said).contains("done 0, failed 64, cancelled 0, still open 0");
    assertThat(said.lines().filter(line -> line.contains("takes no requests")).count())
        .isEqualTo(1);
  }

  /** The program: some writes by a ring, and what became of them. */
  static final class Writer {
    private Writer() {}

    public static void main(String[] arguments) throws Exception {
      Loop loop = Loop.threaded("refused");
      FileOptions options = FileOptions.of(arguments[0]).withSize(REQUESTS * BLOCK);
      UringFile file = UringFile.open(loop, options, UringTuning.DEFAULT);
      loop.start();
      AtomicInteger done = new AtomicInteger();
      AtomicInteger failed = new AtomicInteger();
      AtomicInteger cancelled = new AtomicInteger();
      CountDownLatch open = new CountDownLatch(REQUESTS);
      MemorySegment buffer = Arena.global().allocate(BLOCK, BLOCK);
      for (int i = 0; i < REQUESTS; i++) {
        Bio bio =
            new Bio(
                loop,
                ended -> {
                  boolean isClean = ended.outcome().cleanBytes() == BLOCK;
                  (ended.isDone() ? done : ended.isFailed() && isClean ? failed : cancelled)
                      .incrementAndGet();
                  open.countDown();
                });
        long at = (long) i * BLOCK;
        bio.prepare(Op.WRITE, file, at, BLOCK, buffer, 0, new CancelFlag());
        loop.send(bio);
      }
      boolean isOver = open.await(1, TimeUnit.MINUTES);
      int left = loop.close(isOver ? Long.MAX_VALUE : TimeUnit.SECONDS.toNanos(5));
      System.out.printf(
          "done %d, failed %d, cancelled %d, still open %d%n",
          done.get(), failed.get(), cancelled.get(), left);
    }
  }
}
