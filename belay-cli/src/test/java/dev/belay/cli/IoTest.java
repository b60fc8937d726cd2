// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class IoTest {
  @TempDir Path directory;
  private String path;

  @BeforeEach
  void makeFile() {
    path = directory.resolve("a.img").toString();
    Run run = Run.of("io", "write", "file(" + path + ", size=4M)");
    assertThat(run.all()).startsWith("write 4 MiB of file(").contains("DONE");
    assertThat(run.code()).isZero();
  }

  @Test
  void whatWasWrittenVerifies() {
    Run run = Run.of("io", "verify", path);
    assertThat(run.code()).isZero();
    assertThat(run.out()).contains("verified: all that was read");
  }

  @Test
  void printsWhereNothingIsStored() {
    String sparse = "stripe(memory(size=1M), memory(size=1M), chunk=256k)";
    Run holes = Run.of("io", "holes", sparse, "--offset=256k");
    assertThat(holes.code()).as(holes.all()).isZero();
    assertThat(holes.out()).contains("262144 + 1835008").contains("1.8 MiB of 1.8 MiB are holes");
    assertThat(Run.of("io", "holes", path).out()).contains(" of 4 MiB are holes");
  }

  @Test
  void whatIsWrongIsFoundAndExplained() throws IOException {
    Run otherSeed = Run.of("io", "verify", path, "--seed=2");
    assertThat(otherSeed.code()).isEqualTo(1);
    assertThat(otherSeed.out()).contains("wrong: 4 blocks", "offset 0 with the seed 1");
    byte[] all = Files.readAllBytes(Path.of(path));
    byte[] moved = all.clone();
    System.arraycopy(all, 8192, moved, 4096, 512);
    Files.write(Path.of(path), moved);
    assertThat(Run.of("io", "verify", path).out()).contains("there is the sector of offset 8192");
    moved = all.clone();
    moved[5000]++;
    Files.write(Path.of(path), moved);
    assertThat(Run.of("io", "verify", path).out()).contains("wrong: 1 block", "a torn sector");
  }

  @Test
  void aRangeIsWrittenAloneAndReadToAFile() throws IOException {
    byte[] before = Files.readAllBytes(Path.of(path));
    Run run = Run.of("io", "write", path, "--offset=1M", "--length=64k", "--seed=7", "--block=4k");
    assertThat(run.code()).as(run.all()).isZero();
    byte[] after = Files.readAllBytes(Path.of(path));
    assertThat(Arrays.mismatch(before, after)).isEqualTo((1 << 20) + 16);
    assertThat(Arrays.equals(before, 1114112, 4 << 20, after, 1114112, 4 << 20)).isTrue();
    Path copy = directory.resolve("copy");
    Run read =
        Run.of("io", "read", path, "--offset=512k", "--length=1M", "--file=" + copy, "--depth=3");
    assertThat(read.code()).as(read.all()).isZero();
    assertThat(Files.readAllBytes(copy)).isEqualTo(Arrays.copyOfRange(after, 524288, 1572864));
  }

  @Test
  void aFileIsWrittenAndVerified() throws IOException {
    byte[] bytes = new byte[1 << 20];
    new Random(5).nextBytes(bytes);
    Path from = directory.resolve("from");
    Files.write(from, bytes);
    assertThat(Run.of("io", "write", path, "--length=1M", "--file=" + from).code()).isZero();
    assertThat(Run.of("io", "verify", path, "--length=1M", "--file=" + from).code()).isZero();
    assertThat(Arrays.copyOf(Files.readAllBytes(Path.of(path)), 1 << 20)).isEqualTo(bytes);
    Run tooShort = Run.of("io", "write", path, "--file=" + from);
    assertThat(tooShort.code()).isEqualTo(1);
    assertThat(tooShort.err()).contains("--length=1048576");
  }

  @Test
  void zeroesFlushAndDiscard() {
    assertThat(Run.of("io", "zeroes", path, "--offset=64k", "--length=64k").code()).isZero();
    assertThat(Run.of("io", "flush", path).code()).isZero();
    Run zeroes = Run.of("io", "verify", path, "--pattern=zero", "--offset=64k", "--length=64k");
    assertThat(zeroes.code()).as(zeroes.all()).isZero();
    Run rest = Run.of("io", "verify", path, "--offset=128k");
    assertThat(rest.code()).as(rest.all()).isZero();
    assertThat(Run.of("io", "verify", path).out()).contains("there is zeroes");
    assertThat(Run.of("io", "discard", path, "--length=1M").code()).isZero();
  }

  @Test
  void aWriteIsStoppedMidwayAndSaysWhatWasDone() {
    String slow = "throttle(" + path + ", bandwidth=1M, burst=10ms)";
    Run run = Run.of("io", "write", slow, "--seed=9", "--block=4M", "--cancel-after=400ms");
    assertThat(run.code()).as(run.all()).isEqualTo(3);
    assertThat(run.out()).contains("CANCELLED (explicit)", "after the flag", "0 B unknown", "░░░");
    long done = doneBytes(run);
    assertThat(done).isPositive().isLessThan(4 << 20);
    verify("9", 0, done);
    verify("1", done, (4 << 20) - done);
  }

  @Test
  void aWriteIsStoppedAfterSoMuch() {
    Run run =
        Run.of("io", "write", path, "--seed=9", "--block=64k", "--depth=2", "--cancel-after=1M");
    assertThat(run.code()).as(run.all()).isEqualTo(3);
    long done = doneBytes(run);
    assertThat(done).isBetween(1L << 20, (1L << 20) + (192 << 10));
    verify("9", 0, done);
    verify("1", done, (4 << 20) - done);
  }

  @Test
  void aDeadlineStopsIt() {
    Run run = Run.of("io", "read", "delay(" + path + ", read=1h)", "--deadline=50ms");
    assertThat(run.code()).as(run.all()).isEqualTo(3);
    assertThat(run.out()).contains("CANCELLED (deadline)", "4 MiB clean");
  }

  @Test
  void aFailureIsAFailure() {
    Run run = Run.of("io", "read", "fault(" + path + ", effect=error, range=1M+4k)");
    assertThat(run.code()).isEqualTo(1);
    assertThat(run.out()).contains("FAILED", "error:");
    MainTest.assertNoTrace(run);
  }

  @Test
  void mistakesAreSentences() {
    mistake("--offset: ", "read", path, "--offset=-1");
    mistake("not inside the stack", "read", path, "--offset=1T");
    mistake("not inside the stack", "read", path, "--length=5M");
    mistake("align(", "read", path, "--length=100");
    mistake("--depth", "read", path, "--depth=0");
    mistake("--cancel-after: ", "read", path, "--cancel-after=soon");
    mistake("--deadline: ", "read", path, "--deadline=5");
    mistake("--file is for", "flush", path, "--file=x");
    mistake("size=1G", "read", path + "x");
  }

  private static void mistake(String part, String... args) {
    String[] all = new String[args.length + 1];
    all[0] = "io";
    System.arraycopy(args, 0, all, 1, args.length);
    Run run = Run.of(all);
    assertThat(run.code()).as(run.all()).isEqualTo(2);
    assertThat(run.err()).contains(part);
    MainTest.assertNoTrace(run);
  }

  /** In a JVM of its own, which is told to end by the signal that Ctrl-C sends. */
  @Test
  void ctrlCRaisesTheFlagAndTheAnswerIsShown() throws Exception {
    Path output = directory.resolve("output");
    Process program =
        Program.start(output, "io", "read", "concat(" + path + ", delay(" + path + ", read=1h))");
    Program.await(() -> runsTheStack(program));
    Thread.sleep(300);
    Program.interrupt(program);
    String said = Files.readString(output);
    assertThat(said).contains("CANCELLED", "4 MiB done, 4 MiB clean", "interrupted: ");
    assertThat(program.exitValue()).isEqualTo(130);
  }

  /** Whether the loop's thread is there: the requests follow at once. */
  private static boolean runsTheStack(Process program) {
    Path threads = Path.of("/proc", String.valueOf(program.pid()), "task");
    try (var all = Files.newDirectoryStream(threads)) {
      for (Path thread : all) {
        if (Files.readString(thread.resolve("comm")).startsWith("belay-")) {
          return true;
        }
      }
    } catch (IOException e) {
      return false; // a thread that ended meanwhile
    }
    return false;
  }

  private void verify(String seed, long offset, long length) {
    Run run =
        Run.of("io", "verify", path, "--seed=" + seed, "--offset=" + offset, "--length=" + length);
    assertThat(run.code()).as(run.all()).isZero();
  }

  /** How much the first line of the list of ranges says was done. */
  private static long doneBytes(Run run) {
    String line =
        run.out().lines().filter(l -> l.endsWith(" done") && l.contains(" + ")).findFirst().get();
    assertThat(line.strip()).startsWith("0 +");
    return Long.parseLong(line.strip().split("\\s+")[2]);
  }
}
