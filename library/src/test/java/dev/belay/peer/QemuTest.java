// SPDX-License-Identifier: Apache-2.0
package dev.belay.peer;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
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

/** qemu's tools: the client that virtual machines use. */
final class QemuTest {
  private static final long MIB = 1 << 20;

  @TempDir Path directory;

  @BeforeAll
  static void needPrograms() {
    Programs.need("qemu-img", "qemu-io", "nbdcopy");
  }

  @ParameterizedTest
  @EnumSource(Stacks.class)
  void imagesAreConvertedComparedAndMapped(Stacks stack) throws Exception {
    try (Ship ship = new Ship(directory, stack)) {
      long size = Long.parseLong(ship.run("nbdinfo", "--size", ship.uri()).good().out().strip());
      Path in = ship.random("in", 5 * MIB, 4);
      try (var file = new RandomAccessFile(in.toFile(), "rw")) {
        file.setLength(size);
        file.seek(size - 3 * MIB);
        file.write(Files.readAllBytes(in), 0, 70_000);
      }
      String file = in.toString();
      ship.run("qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", file, ship.uri()).good();
      compare(ship, file);
      String back = directory.resolve("back.qcow2").toString();
      ship.run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", ship.uri(), back).good();
      ship.run("qemu-img", "compare", "-f", "qcow2", "-F", "raw", back, ship.uri()).good();
      // Out of order, with several coroutines; into what is zero.
      String zero = "write -z -u 0 " + size;
      ship.run("qemu-io", "-f", "raw", "-d", "unmap", "-c", zero, ship.uri()).good();
      String[] many = {"qemu-img", "convert", "-n", "-W", "-m", "16", "--target-is-zero"};
      List<String> command = new ArrayList<>(List.of(many));
      command.addAll(List.of("-f", "qcow2", "-O", "raw", back, ship.uri()));
      ship.run(command.toArray(String[]::new)).good();
      compare(ship, file);
      String map =
          ship.run("qemu-img", "map", "-f", "raw", "--output=json", ship.uri()).good().out();
      assertThat(map).contains("\"start\": 0,", "\"data\": true");
      if (stack == Stacks.FILE) {
        assertThat(map).contains("\"zero\": true");
      }
      assertThat(ship.run("qemu-img", "info", ship.uri()).good().out()).contains("virtual size");
      ship.stop();
    }
  }

  private static void compare(Ship ship, String file) throws IOException, InterruptedException {
    ship.run("qemu-img", "compare", "-f", "raw", "-F", "raw", file, ship.uri()).good();
  }

  @ParameterizedTest
  @EnumSource(Stacks.class)
  void theBenchRuns(Stacks stack) throws Exception {
    try (Ship ship = new Ship(directory, stack)) {
      for (List<String> options :
          List.of(
              List.of("-c", "2000", "-d", "32", "-s", "4k"),
              List.of("-c", "2000", "-d", "64", "-s", "4k", "-w"),
              List.of("-c", "200", "-d", "16", "-s", "256k", "-w", "--flush-interval=20"),
              List.of("-c", "500", "-d", "8", "-s", "3k", "-S", "5k", "-o", "512"))) {
        List<String> command = new ArrayList<>(List.of("qemu-img", "bench", "-f", "raw"));
        command.addAll(options);
        command.add(ship.uri());
        assertThat(ship.run(command.toArray(String[]::new)).good().out()).contains("Run completed");
      }
      ship.stop();
    }
  }

  /** The same random commands to a server and to a file must leave the same bytes. */
  @ParameterizedTest
  @EnumSource(Stacks.class)
  void whatQemuDoesIsWhatItWouldDoToAFile(Stacks stack) throws Exception {
    try (Ship ship = new Ship(directory, stack)) {
      long size = Long.parseLong(ship.run("nbdinfo", "--size", ship.uri()).good().out().strip());
      Path model = directory.resolve("model");
      try (var file = new RandomAccessFile(model.toFile(), "rw")) {
        file.setLength(size);
      }
      for (int round = 0; round < 3; round++) {
        List<String> steps = steps(new Random(100 * round + stack.ordinal()), size);
        qemuIo(ship, model.toString(), steps, false);
        String said = qemuIo(ship, ship.uri(), steps, round == 1);
        assertThat(said).doesNotContain("failed").doesNotContain("rror");
        Path out = ship.fetch("out" + round);
        assertThat(Files.mismatch(model, out)).as("%s", steps).isEqualTo(-1);
      }
      ship.stop();
    }
  }

  private String qemuIo(Ship ship, String target, List<String> steps, boolean isDirect)
      throws IOException, InterruptedException {
    List<String> command = new ArrayList<>(List.of("qemu-io", "-f", "raw", "-d", "unmap"));
    if (isDirect) {
      command.addAll(List.of("-t", "none"));
    }
    for (String step : steps) {
      command.addAll(List.of("-c", step));
    }
    command.add(target);
    return ship.run(command.toArray(String[]::new)).good().said();
  }

  /** Writes of all kinds at any offset, and reads that check the pattern just written. */
  private static List<String> steps(Random random, long size) {
    List<String> steps = new ArrayList<>();
    for (int i = 0; i < 60; i++) {
      long length = 1 + (random.nextBoolean() ? random.nextInt(9000) : random.nextInt(700_000));
      long offset = random.nextLong(Math.min(size, 8 * MIB) - length);
      if (random.nextInt(8) == 0) {
        offset = size - length; // the last byte too
      }
      String range = offset + " " + length;
      int pattern = 1 + random.nextInt(255);
      switch (random.nextInt(9)) {
        case 0 -> steps.add("write -z " + range);
        case 1 -> steps.add("write -z -u " + range);
        case 2 -> steps.add("write -z -f " + range);
        case 3 -> {
          // What is discarded may read as anything, so that it is written after that.
          steps.add("discard " + range);
          steps.add("write -z " + range);
        }
        case 4 -> steps.add("write -f -P " + pattern + " " + range);
        case 5 -> steps.add("aio_write -P " + pattern + " " + range);
        case 6 -> steps.add("flush");
        default -> steps.add("write -P " + pattern + " " + range);
      }
      String last = steps.getLast();
      if (last.startsWith("aio_write")) {
        steps.add("aio_flush");
      }
      if (last.contains("write")) {
        int expected = last.contains("-P") ? pattern : 0;
        steps.add("read -P " + expected + " " + range);
      }
    }
    steps.add("flush");
    return steps;
  }
}
