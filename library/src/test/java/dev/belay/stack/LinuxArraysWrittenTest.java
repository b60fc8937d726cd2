// SPDX-License-Identifier: Apache-2.0
package dev.belay.stack;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.belay.Device;
import dev.belay.Loop;
import dev.belay.front.Volume;
import dev.belay.md.Array;
import dev.belay.md.ArrayOptions;
import dev.belay.md.Assembly;
import dev.belay.md.MemberContents;
import dev.belay.md.MetadataException;
import dev.belay.md.SyncMode;
import dev.belay.target.Hedge;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Arrays that Linux made are written through Belay: they read back right, whole and with members
 * taken away; a check finds nothing; and mdadm, where it is installed, accepts every superblock.
 */
final class LinuxArraysWrittenTest {
  @TempDir private Path directory;

  static List<LinuxArraysTest.Made> arrays() throws IOException {
    return LinuxArraysTest.arrays().stream().filter(LinuxArraysTest::isServed).toList();
  }

  @ParameterizedTest
  @MethodSource("arrays")
  void holdsWhatIsWritten(LinuxArraysTest.Made made) throws Exception {
    List<Path> files = LinuxArraysTest.unpack(made, directory);
    List<LinuxArraysTest.Content> contents = new ArrayList<>(LinuxArraysTest.contents(made));
    assumeTrue(!contents.isEmpty(), "a dirty array: what it holds is not known whole");
    SplittableRandom random = new SplittableRandom(made.name().hashCode());
    try (Opened opened = open(files)) {
      long sectors = opened.volume.sizeBytes() / 512;
      for (int i = 0; i < 12; i++) {
        long count = 1 + random.nextLong(1, Math.min(700, sectors / 8));
        long start = random.nextLong(sectors - count);
        long salt = 7000 + i;
        opened.volume.write(start * 512, LinuxArraysTest.bytes(salt, start, count));
        contents.add(new LinuxArraysTest.Content(salt, start, count));
      }
      opened.waitForWalks();
      // Where two members have known bad blocks in one step, a walk has nothing to go by.
      if (opened.array != null && !made.name().endsWith("bad-blocks")) {
        assertThat(opened.check()).as("bytes that do not agree").isZero();
        assertThat(opened.array.faulty()).isEmpty();
      }
    }
    LinuxArraysTest.checkEveryCombination(made, files, contents);
    for (Path file : files) {
      checkByMdadm(file);
    }
  }

  private static void checkByMdadm(Path file) throws Exception {
    for (String place : List.of("/usr/sbin/mdadm", "/sbin/mdadm")) {
      if (Files.isExecutable(Path.of(place))) {
        Process mdadm =
            new ProcessBuilder(place, "--examine", file.toString())
                .redirectErrorStream(true)
                .start();
        String said = new String(mdadm.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(mdadm.waitFor()).as(said).isZero();
        assertThat(said).contains("- correct").doesNotContain("expected");
        return;
      }
    }
  }

  /** An array that is open. */
  private record Opened(Volume volume, Array array) implements AutoCloseable {
    void waitForWalks() throws InterruptedException {
      for (int i = 0; i < 1000 && array != null && isWalking(); i++) {
        Thread.sleep(10);
      }
    }

    private boolean isWalking() throws InterruptedException {
      boolean[] is = new boolean[1];
      CountDownLatch looked = new CountDownLatch(1);
      volume
          .loop()
          .execute(
              () -> {
                is[0] = array.walk().isRunning();
                looked.countDown();
              });
      assertThat(looked.await(30, TimeUnit.SECONDS)).isTrue();
      return is[0];
    }

    long check() throws InterruptedException {
      volume.loop().execute(() -> array.walk().begin(SyncMode.CHECK));
      waitForWalks();
      assertThat(array.walk().error()).isNull();
      assertThat(array.walk().positionBytes()).isEqualTo(array.walk().walkBytes());
      return array.walk().mismatchedBytes();
    }

    @Override
    public void close() throws IOException {
      volume.close();
    }
  }

  private static Opened open(List<Path> files) throws MetadataException {
    List<BarePath> paths = files.stream().map(file -> BarePath.of(file.toString())).toList();
    List<MemberContents> contents = MdArray.look(paths);
    Assembly assembly =
        MdArray.assemble(contents, new Assembly.Wish(true, false, Optional.empty()));
    Loop loop = Loop.threaded("md");
    List<Device> devices =
        paths.stream().map(path -> Stack.build(loop, Expression.parse(path.print()))).toList();
    MdOptions options = new MdOptions(Assembly.Wish.SAFE, ArrayOptions.DEFAULT, Hedge.NONE);
    MdArray array = MdArray.open(loop, devices, contents, assembly, options);
    return new Opened(Volume.start(loop, array.device()), array.array());
  }
}
