// SPDX-License-Identifier: Apache-2.0
package dev.belay.peer;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Programs that stand between: nbdkit as a proxy, and nbdfuse with a file system on it. */
final class NbdkitTest {
  @TempDir Path directory;

  @ParameterizedTest
  @EnumSource(names = {"FILE", "STRIPE", "MD"})
  void aProxyInBetweenChangesNothing(Stacks stack) throws Exception {
    Programs.need("nbdkit", "nbdcopy", "nbdinfo");
    try (Ship ship = new Ship(directory, stack)) {
      Path in = ship.random("in", Stacks.BYTES / 4, 5);
      String proxy = "nbdcopy " + in + " \"$uri\" && nbdinfo \"$uri\" && nbdcopy \"$uri\" out";
      String[] command = {"nbdkit", "-U", "-", "nbd", "uri=" + ship.uri(), "--run", proxy};
      assertThat(ship.run(command).good().out()).contains("can_multi_conn: true");
      Path out = directory.resolve("out");
      try (var file = new RandomAccessFile(out.toFile(), "rw")) {
        file.setLength(Files.size(in));
      }
      assertThat(Files.mismatch(in, out)).isEqualTo(-1);
      ship.stop();
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"FILE", "STRIPE", "MD"})
  void aFileSystemLivesOnIt(Stacks stack) throws Exception {
    Programs.need("nbdfuse", "mkfs.ext4", "e2fsck", "debugfs", "fusermount3");
    Ship.assume(Files.isWritable(Path.of("/dev/fuse")), "/dev/fuse may not be used here");
    try (Ship ship = new Ship(directory, stack)) {
      Path file = Files.createFile(directory.resolve("fuse"));
      Path err = directory.resolve("fuse.err");
      Process mounted =
          Programs.start(
              directory,
              directory.resolve("fuse.out"),
              err,
              "nbdfuse",
              file.toString(),
              ship.uri());
      try {
        for (int i = 0; i < 100 && Files.size(file) == 0 && mounted.isAlive(); i++) {
          Thread.sleep(50);
        }
        Ship.assume(
            mounted.isAlive() && Files.size(file) > 0, "nbdfuse cannot mount: " + read(err));
        useFileSystem(ship, file.toString());
      } finally {
        Programs.run(directory, "fusermount3", "-u", file.toString());
        Programs.end(mounted);
      }
      ship.stop();
    }
  }

  private void useFileSystem(Ship ship, String file) throws Exception {
    ship.run("mkfs.ext4", "-q", "-F", file).good();
    ship.run("e2fsck", "-fn", file).good();
    Path in = ship.random("in", 3_000_001, 6);
    StringBuilder script = new StringBuilder("mkdir hold\n");
    for (int i = 0; i < 4; i++) {
      script.append("write in hold/barrel").append(i).append('\n');
    }
    script.append("rm hold/barrel1\n");
    Files.writeString(directory.resolve("script"), script);
    ship.run("debugfs", "-w", "-f", "script", file).good();
    ship.run("e2fsck", "-fn", file).good();
    ship.run("debugfs", "-R", "dump hold/barrel3 out", file).good();
    assertThat(Files.mismatch(in, directory.resolve("out"))).isEqualTo(-1);
    mountFileSystem(ship, file, in);
  }

  /** The kernel's own ext4 on it, where this user may have that. */
  private void mountFileSystem(Ship ship, String file, Path in) throws Exception {
    Path at = Files.createDirectory(directory.resolve("at"));
    if (ship.run("mount", "-o", "loop", file, at.toString()).exit() != 0) {
      return;
    }
    try {
      for (int i = 0; i < 5; i++) {
        ship.run("cp", in.toString(), "at/bale" + i).good();
      }
      ship.run("rm", "at/bale2").good();
      ship.run("sync", "-f", "at").good();
      assertThat(Files.mismatch(in, at.resolve("bale4"))).isEqualTo(-1);
    } finally {
      ship.run("umount", at.toString()).good();
    }
    ship.run("e2fsck", "-fn", file).good();
    ship.run("debugfs", "-R", "dump bale4 out4", file).good();
    assertThat(Files.mismatch(in, directory.resolve("out4"))).isEqualTo(-1);
  }

  private static String read(Path file) throws Exception {
    return Files.exists(file) ? Files.readString(file) : "";
  }
}
