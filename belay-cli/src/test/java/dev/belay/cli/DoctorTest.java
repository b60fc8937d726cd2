// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.uring.Errno;
import dev.belay.uring.UringSupport;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class DoctorTest {
  @TempDir Path directory;

  @Test
  void itLooksAtEverythingAndLeavesNothing() {
    Run run = Run.of("doctor", directory.toString());
    assertThat(run.err()).isEmpty();
    assertThat(run.out())
        .contains("JDK", "CPUs", "kernel", "native access", "io_uring", "locked memory")
        .contains("O_DIRECT in " + directory, "files by ");
    assertThat(run.code()).isEqualTo(run.out().contains("remedy: ") ? 1 : 0);
    assertThat(directory).isEmptyDirectory();
  }

  @Test
  void itIsAnObjectToo() {
    Run run = Run.of("doctor", "--json", directory.toString());
    assertThat(run.out()).startsWith("{\"findings\":[{\"what\":\"JDK\",\"fine\":true,\"found\":");
  }

  @Test
  void aPlaceThatIsNotThereLacks() {
    Run run = Run.of("doctor", directory.resolve("none").toString());
    assertThat(run.code()).isEqualTo(1);
    assertThat(run.out()).contains("✗ O_DIRECT", "remedy: ", "lacking");
    MainTest.assertNoTrace(run);
  }

  @Test
  void eachLackHasItsRemedy() {
    assertThat(Doctor.memlock(1 << 16, false).remedy()).contains("ulimit -l unlimited");
    assertThat(Doctor.memlock(1 << 16, true).lacks()).isFalse();
    assertThat(Doctor.memlock(Long.MAX_VALUE, false).found()).isEqualTo("unlimited");
    assertThat(Doctor.nativeAccess(false, true).remedy())
        .contains("--enable-native-access=ALL-UNNAMED");
    assertThat(Doctor.nativeAccess(false, false).found()).contains("through the page cache");
    assertThat(Doctor.ring(refused(Errno.EPERM, 2)).remedy()).contains("io_uring_disabled=0");
    assertThat(Doctor.ring(refused(Errno.EPERM, 0)).remedy()).contains("seccomp");
    assertThat(Doctor.ring(refused(Errno.ENOMEM, 0)).remedy()).contains("ulimit -l");
    assertThat(Doctor.ring(refused(Errno.ENOSYS, -1)).remedy()).contains("Linux 5.11");
  }

  private static UringSupport refused(int errno, int setting) {
    return new UringSupport(false, errno, "no", "6.8", setting, 0, 0, List.of(), -1);
  }
}
