// SPDX-License-Identifier: Apache-2.0
package dev.belay.scenario;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.belay.Errno;
import dev.belay.Extents.Extent;
import dev.belay.Extents.State;
import dev.belay.Outcome;
import dev.belay.front.FailedException;
import dev.belay.front.IoOptions;
import dev.belay.front.Volume;
import dev.belay.leaf.FileEngine;
import dev.belay.testing.Patterns;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * A file system that is full, as it happens to every database with a sparse file, and a file that
 * somebody cuts off under an open stack. The failure says what and where, what it calls done is
 * there, and what was written before is untouched.
 */
@Timeout(60)
final class FullDiskTest {
  private static final int KIB = 1024;
  private static final int MIB = KIB * KIB;

  @TempDir Path directory;

  private static boolean run(String... command) throws IOException, InterruptedException {
    Process child = new ProcessBuilder(command).redirectErrorStream(true).start();
    try {
      child.getInputStream().readAllBytes();
      return child.waitFor(20, TimeUnit.SECONDS) && child.exitValue() == 0;
    } finally {
      child.destroyForcibly();
    }
  }

  private static String file(Path path, FileEngine engine, String more) {
    return "file(" + path + ", engine=" + engine.name().toLowerCase(Locale.ROOT) + more + ")";
  }

  private static FailedException failureOf(IoCall call) {
    return catchThrowableOfType(FailedException.class, call::run);
  }

  /** A call that does I/O. */
  @FunctionalInterface
  private interface IoCall {
    void run() throws IOException;
  }

  // --- Full ---

  @ParameterizedTest
  @EnumSource(names = {"URING", "THREADS"})
  void aFullDiskFailsTheWriteAndHarmsNothingElse(FileEngine engine) throws Exception {
    Ground.needs(engine);
    Path small = Files.createDirectory(directory.resolve("small"));
    Assumptions.assumeTrue(
        run("mount", "-t", "tmpfs", "-o", "size=2m", "belay-test", small.toString()),
        "a small file system cannot be mounted here, which needs root");
    try {
      String text = file(small.resolve("a"), engine, ", size=8M, depth=4");
      try (Volume volume = Volume.open(text)) {
        fill(volume);
      }
    } finally {
      assertThat(run("umount", small.toString())).as("unmounted").isTrue();
    }
  }

  private static void fill(Volume volume) throws IOException {
    MemorySegment early = Ground.memory(512 * KIB);
    Patterns.fill(early, 0, 1);
    volume.write(0, early);
    volume.flush();
    MemorySegment large = Ground.memory(4 * MIB);
    Patterns.fill(large, MIB, 2);
    FailedException full = failureOf(() -> volume.write(MIB, large));
    Outcome outcome = full.outcome();
    assertThat(outcome.result()).isEqualTo(-Errno.ENOSPC);
    assertThat(outcome.error()).asString().contains("a");
    assertThat(outcome.unknownBytes()).as("what failed is unknown").isPositive();
    assertThat(outcome.doneBytes()).isBetween(0L, 2L * MIB);
    expectDone(volume, MIB, outcome, 2);
    MemorySegment found = Ground.memory(512 * KIB);
    volume.read(0, found);
    assertThat(Patterns.firstOther(found, 0, 1)).as("what was there before").isEqualTo(-1);

    volume.discard(MIB, 4 * MIB, IoOptions.NONE);
    MemorySegment again = large.asSlice(0, 256 * KIB);
    volume.write(MIB, again);
    volume.read(MIB, found.asSlice(0, 256 * KIB));
    assertThat(found.asSlice(0, 256 * KIB).mismatch(again)).as("with room, it works").isEqualTo(-1);
  }

  private static void expectDone(Volume volume, long at, Outcome outcome, long seed)
      throws IOException {
    for (Extent extent : outcome.extents().list()) {
      if (extent.state() == State.DONE) {
        MemorySegment found = Ground.memory(extent.lengthBytes());
        volume.read(at + extent.offsetBytes(), found);
        assertThat(Patterns.firstOther(found, at + extent.offsetBytes(), seed)).isEqualTo(-1);
      }
    }
  }

  // --- Cut off ---

  @ParameterizedTest
  @EnumSource(names = {"URING", "THREADS"})
  void aFileThatIsCutOffFailsWhatIsMissingOnly(FileEngine engine) throws Exception {
    Ground.needs(engine);
    Path b = directory.resolve("b");
    String text =
        "stripe(%s, %s, chunk=64k)"
            .formatted(
                file(directory.resolve("a"), engine, ", size=1M"), file(b, engine, ", size=1M"));
    try (Volume volume = Volume.open(text)) {
      MemorySegment all = Ground.memory(2 * MIB);
      Patterns.fill(all, 0, 3);
      volume.write(0, all);
      try (RandomAccessFile other = new RandomAccessFile(b.toFile(), "rw")) {
        other.setLength(256 * KIB);
      }
      MemorySegment found = Ground.memory(2 * MIB, 0x77);
      FailedException cut = failureOf(() -> volume.read(0, found));
      Outcome outcome = cut.outcome();
      assertThat(outcome.result()).isEqualTo(-Errno.EIO);
      assertThat(outcome.error()).asString().contains(b.toString(), "" + 256 * KIB);
      assertThat(outcome.doneBytes()).isGreaterThanOrEqualTo(512 * KIB);
      assertThat(outcome.doneBytes()).isLessThanOrEqualTo(MIB + 256 * KIB);
      for (Extent extent : outcome.extents().list()) {
        MemorySegment part = found.asSlice(extent.offsetBytes(), extent.lengthBytes());
        if (extent.state() == State.DONE) {
          assertThat(Patterns.firstOther(part, extent.offsetBytes(), 3)).isEqualTo(-1);
        } else if (extent.state() == State.CLEAN) {
          assertThat(Patterns.firstOtherByte(part, (byte) 0x77)).isEqualTo(-1);
        }
      }
      MemorySegment chunk = found.asSlice(0, 64 * KIB);
      volume.read(MIB, chunk);
      assertThat(Patterns.firstOther(chunk, MIB, 3)).as("the other file's").isEqualTo(-1);
      assertThatThrownBy(() -> volume.read(MIB + 64 * KIB, chunk))
          .isInstanceOf(FailedException.class);
      volume.write(0, all);
      volume.read(0, found);
      assertThat(found.mismatch(all)).as("written anew").isEqualTo(-1);
    }
  }

  /** Several readers at once, of whom some read what is there. */
  @ParameterizedTest
  @EnumSource(names = {"URING", "THREADS"})
  void aFileThatIsCutOffFailsNoBystander(FileEngine engine) throws Exception {
    Ground.needs(engine);
    Path path = directory.resolve("a");
    try (Volume volume = Volume.open(file(path, engine, ", size=1M, depth=4"))) {
      MemorySegment all = Ground.memory(MIB);
      Patterns.fill(all, 0, 4);
      volume.write(0, all);
      try (RandomAccessFile other = new RandomAccessFile(path.toFile(), "rw")) {
        other.setLength(512 * KIB);
      }
      List<MemorySegment> buffers =
          List.of(Ground.memory(64 * KIB), Ground.memory(64 * KIB), Ground.memory(64 * KIB));
      var there = volume.readAsync(0, buffers.get(0));
      var missing = volume.readAsync(768 * KIB, buffers.get(1));
      var alsoThere = volume.readAsync(448 * KIB, buffers.get(2));
      assertThatThrownBy(() -> missing.get(30, TimeUnit.SECONDS))
          .hasCauseInstanceOf(FailedException.class);
      assertThat(there.get(30, TimeUnit.SECONDS)).isEqualTo(Outcome.done(64 * KIB));
      assertThat(alsoThere.get(30, TimeUnit.SECONDS)).isEqualTo(Outcome.done(64 * KIB));
      assertThat(Patterns.firstOther(buffers.get(2), 448 * KIB, 4)).isEqualTo(-1);
    }
  }
}
