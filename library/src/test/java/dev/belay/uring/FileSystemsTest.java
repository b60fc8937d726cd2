// SPDX-License-Identifier: Apache-2.0
package dev.belay.uring;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class FileSystemsTest {
  private static final Set<String> LOCAL = Set.of("ext4", "xfs", "btrfs", "tmpfs");

  @TempDir Path directory;

  @Test
  void localFileSystemsDoNotHang() {
    for (int type : new int[] {0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x4d44}) {
      assertThat(FileSystems.mayHangByType(type)).as("%#x", type).isEmpty();
    }
  }

  @Test
  void thoseOfOtherMachinesAndProgramsMayAndSoMayWhatNobodyKnows() {
    assertThat(FileSystems.mayHangByType(0x65735546)).isEqualTo("FUSE");
    assertThat(FileSystems.mayHangByType(0x6969)).isEqualTo("NFS");
    assertThat(FileSystems.mayHangByType(0xfe534d42)).isEqualTo("SMB");
    assertThat(FileSystems.mayHangByType(0x794c7630)).isEqualTo("overlay");
    assertThat(FileSystems.mayHangByType(0x12345678)).isEqualTo("of the unknown type 0x12345678");
  }

  @Test
  void aDescriptorIsAsked() throws IOException {
    assumeTrue(Kernel.available(), Kernel.unavailableReason());
    Path file = Files.createFile(directory.resolve("a"));
    String type = Files.getFileStore(file).type();
    int fd = Kernel.open(file.toString(), Kernel.O_RDONLY, 0);
    try {
      assertThat(FileSystems.mayHang(fd).isEmpty()).as(type).isEqualTo(LOCAL.contains(type));
    } finally {
      Kernel.close(fd);
    }
    assertThat(FileSystems.mayHang(-1)).startsWith("one that does not say what it is (");
  }
}
