// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Files that are members of arrays, in a directory of the test's. */
final class MdFiles {
  static final long MIB = 1 << 20;

  private final Path directory;

  MdFiles(Path directory) {
    this.directory = directory;
  }

  /** The path of a file, made if it is missing, full of holes. */
  String file(String name, long bytes) throws IOException {
    Path path = directory.resolve(name);
    if (!Files.exists(path)) {
      try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
        file.setLength(bytes);
      }
    }
    return path.toString();
  }

  /** Several, named by letters. */
  List<String> files(int count, long bytes) throws IOException {
    List<String> files = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      files.add(file((char) ('a' + i) + ".img", bytes));
    }
    return files;
  }

  String path(String name) {
    return directory.resolve(name).toString();
  }

  /** Runs {@code belay md COMMAND MEMBER... OPTION...}. */
  static Run md(String command, List<String> members, String... options) {
    List<String> args = new ArrayList<>(List.of("md", command));
    args.addAll(members);
    args.addAll(List.of(options));
    return Run.of(args.toArray(String[]::new));
  }

  /** The same, which must succeed. */
  static String done(String command, List<String> members, String... options) {
    Run run = md(command, members, options);
    assertThat(run.code()).as(run.all()).isZero();
    return run.out();
  }

  static String expression(List<String> members) {
    return "md(" + String.join(", ", members) + ")";
  }

  /** Fills an array with the stamps of {@code belay io}. */
  static void stamp(List<String> members) {
    Run run = Run.of("io", "write", expression(members));
    assertThat(run.code()).as(run.all()).isZero();
  }

  /** Checks the stamps, without writing to the members. */
  static void verify(List<String> members, String options, String... range) {
    String text = "md(" + String.join(", ", members) + ", read-only=on" + options + ")";
    List<String> args = new ArrayList<>(List.of("io", "verify", text));
    args.addAll(List.of(range));
    Run run = Run.of(args.toArray(String[]::new));
    assertThat(run.code()).as(run.all()).isZero();
  }

  static boolean hasMdadm() {
    return Files.isExecutable(Path.of("/usr/sbin/mdadm"));
  }

  /** What the real mdadm says of a member. */
  static String mdadm(String member) throws IOException, InterruptedException {
    Process program =
        new ProcessBuilder("/usr/sbin/mdadm", "--examine", member)
            .redirectErrorStream(true)
            .start();
    String said = new String(program.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    program.waitFor();
    return said;
  }

  /** Changes one byte. */
  static void spoil(String file, long atBytes) throws IOException {
    try (RandomAccessFile open = new RandomAccessFile(file, "rw")) {
      open.seek(atBytes);
      int was = open.read();
      open.seek(atBytes);
      open.write(was ^ 0x5a);
    }
  }

  static void cutOff(String file, long toBytes) throws IOException {
    try (RandomAccessFile open = new RandomAccessFile(file, "rw")) {
      open.setLength(toBytes);
    }
  }
}
