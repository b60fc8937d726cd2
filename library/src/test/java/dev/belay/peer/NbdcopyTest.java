// SPDX-License-Identifier: Apache-2.0
package dev.belay.peer;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** nbdcopy of libnbd, in and out, over several connections with many requests each. */
final class NbdcopyTest {
  private static final int MIB = 1 << 20;

  @TempDir Path directory;

  @BeforeAll
  static void needPrograms() {
    Programs.need("nbdcopy", "nbdinfo");
  }

  @ParameterizedTest
  @EnumSource(names = {"FILE", "STRIPE", "MD"})
  void randomBytesGoInAndComeOut(Stacks stack) throws Exception {
    try (Ship ship = new Ship(directory, stack)) {
      Path in = ship.random("in", Stacks.BYTES - 12_345, 1);
      ship.run("nbdcopy", "--flush", in.toString(), ship.uri()).good();
      Path out = ship.fetch("out");
      try (var file = new RandomAccessFile(out.toFile(), "rw")) {
        file.setLength(Files.size(in));
      }
      assertThat(Files.mismatch(in, out)).isEqualTo(-1);
      // Again with other ways: one connection; synchronous; small requests.
      for (List<String> options :
          List.of(
              List.of("--connections=1", "--requests=64"),
              List.of("--synchronous"),
              List.of("--request-size=16384", "--connections=4", "--requests=16"))) {
        Files.delete(out);
        List<String> command = new ArrayList<>(List.of("nbdcopy"));
        command.addAll(options);
        command.addAll(List.of(ship.uri(), out.toString()));
        ship.run(command.toArray(String[]::new)).good();
        try (var file = new RandomAccessFile(out.toFile(), "rw")) {
          file.setLength(Files.size(in));
        }
        assertThat(Files.mismatch(in, out)).as("%s", options).isEqualTo(-1);
      }
      ship.stop();
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"FILE", "STRIPE", "MD"})
  void holesGoInAndComeOut(Stacks stack) throws Exception {
    try (Ship ship = new Ship(directory, stack)) {
      Path in = directory.resolve("in");
      Random random = new Random(2);
      byte[] piece = new byte[300_000];
      try (var file = new RandomAccessFile(in.toFile(), "rw")) {
        file.setLength(Stacks.BYTES);
        for (int i = 0; i < 8; i++) {
          random.nextBytes(piece);
          file.seek(i * (Stacks.BYTES / 8) + 70_001);
          file.write(piece);
        }
      }
      // Over what is not zero first: holes have to be made.
      Path dirt = ship.random("dirt", 4 * MIB, 3);
      ship.run("nbdcopy", dirt.toString(), ship.uri()).good();
      ship.run("nbdcopy", "--allocated", in.toString(), ship.uri()).good();
      assertThat(Files.mismatch(in, cut(ship.fetch("out1"), Stacks.BYTES))).isEqualTo(-1);
      ship.run("nbdcopy", dirt.toString(), ship.uri()).good();
      ship.run("nbdcopy", in.toString(), ship.uri()).good();
      assertThat(Files.mismatch(in, cut(ship.fetch("out2"), Stacks.BYTES))).isEqualTo(-1);
      if (stack == Stacks.FILE) {
        String map = ship.run("nbdinfo", "--map", ship.uri()).good().out();
        assertThat(map.lines().filter(line -> line.contains("hole,zero")).count())
            .as(map)
            .isGreaterThanOrEqualTo(8);
      }
      ship.stop();
      if (stack == Stacks.FILE) {
        assertThat(usedBytes(directory.resolve("whole.img"))).isLessThan(6 * MIB);
      }
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"FILE", "STRIPE", "MD"})
  void zeroesNeedNotBeWrittenToWhatIsZero(Stacks stack) throws Exception {
    try (Ship ship = new Ship(directory, stack)) {
      Path in = directory.resolve("in");
      try (var file = new RandomAccessFile(in.toFile(), "rw")) {
        file.setLength(Stacks.BYTES);
        file.seek(Stacks.BYTES / 2 + 5);
        file.write(new byte[] {1, 2, 3, 4, 5, 6, 7});
      }
      ship.run("nbdcopy", "--destination-is-zero", in.toString(), ship.uri()).good();
      assertThat(Files.mismatch(in, cut(ship.fetch("out"), Stacks.BYTES))).isEqualTo(-1);
      ship.stop();
    }
  }

  private static Path cut(Path file, long bytes) throws Exception {
    try (var open = new RandomAccessFile(file.toFile(), "rw")) {
      open.setLength(bytes);
    }
    return file;
  }

  private long usedBytes(Path file) throws Exception {
    String blocks = Programs.run(directory, "stat", "-c", "%b", file.toString()).good().out();
    return Long.parseLong(blocks.strip()) * 512;
  }
}
