// SPDX-License-Identifier: Apache-2.0
package dev.belay.uring;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIOException;

import java.io.File;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

@EnabledOnOs(OS.LINUX)
final class KernelTest {
  @TempDir Path directory;

  @Test
  void transfersAtOffsetsAndSizes() throws Exception {
    int fd = Kernel.open(directory.resolve("a").toString(), Kernel.O_RDWR | Kernel.O_CREAT, 0644);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(1000);
      MemorySegment in = arena.allocate(1000);
      Rings.fillPattern(out, 3);
      assertThat(Kernel.pwrite(fd, out.address(), 1000, 24)).isEqualTo(1000);
      assertThat(Kernel.pwrite(fd, out.address(), 1000, 1024, Kernel.RWF_DSYNC)).isEqualTo(1000);
      assertThat(Kernel.pread(fd, in.address(), 1000, 24)).isEqualTo(1000);
      assertThat(in.mismatch(out)).isEqualTo(-1);
      in.fill((byte) 0);
      assertThat(Kernel.pread(fd, in.address(), 1000, 1024, 0)).isEqualTo(1000);
      assertThat(in.mismatch(out)).isEqualTo(-1);
      assertThat(Kernel.pread(fd, in.address(), 1000, 2000)).as("short").isEqualTo(24);
      assertThat(Kernel.fsync(fd)).isZero();
      assertThat(Kernel.fdatasync(fd)).isZero();
      assertThat(Kernel.ftruncate(fd, 512)).isZero();
      FileFacts facts = FileFacts.of(fd);
      assertThat(facts.kind()).isEqualTo(FileFacts.Kind.FILE);
      assertThat(facts.sizeBytes()).isEqualTo(512);
      assertThat(Kernel.blockDeviceBytes(fd)).isEqualTo(-Errno.ENOTTY);
      assertThat(Kernel.flock(fd, Kernel.LOCK_EX | Kernel.LOCK_NB)).isZero();
    }
    assertThat(Kernel.close(fd)).isZero();
    assertThat(Kernel.close(fd)).isEqualTo(-Errno.EBADF);
  }

  @Test
  void aLockKeepsAnotherOpeningOut() {
    String path = directory.resolve("locked").toString();
    int first = Kernel.open(path, Kernel.O_RDWR | Kernel.O_CREAT, 0644);
    int second = Kernel.open(path, Kernel.O_RDWR, 0);
    assertThat(Kernel.flock(first, Kernel.LOCK_EX | Kernel.LOCK_NB)).isZero();
    assertThat(Kernel.flock(second, Kernel.LOCK_EX | Kernel.LOCK_NB)).isEqualTo(-Errno.EAGAIN);
    Kernel.close(first);
    assertThat(Kernel.flock(second, Kernel.LOCK_EX | Kernel.LOCK_NB)).isZero();
    Kernel.close(second);
  }

  @Test
  void directAlignmentIsAPowerOfTwoWhereTheKernelKnowsIt() throws Exception {
    int fd = Kernel.open(directory.resolve("d").toString(), Kernel.O_RDWR | Kernel.O_CREAT, 0644);
    FileFacts facts = FileFacts.of(fd);
    Kernel.close(fd);
    assertThat(Integer.bitCount(facts.logicalBlockBytes())).isEqualTo(1);
    if (facts.directKnown() && facts.directOffsetAlignBytes() > 0) {
      assertThat(Integer.bitCount(facts.directMemoryAlignBytes())).isEqualTo(1);
      assertThat(facts.logicalBlockBytes()).isEqualTo(facts.directOffsetAlignBytes());
    }
  }

  @Test
  void errorsComeBackNegated() {
    String missing = directory.resolve("missing").toString();
    assertThat(Kernel.open(missing, Kernel.O_RDONLY, 0)).isEqualTo(-Errno.ENOENT);
    assertThat(Kernel.fsync(-1)).isEqualTo(-Errno.EBADF);
    assertThatIOException()
        .isThrownBy(() -> FileFacts.of(-1))
        .withMessage("statx failed: " + Errno.sentence(Errno.EBADF));
  }

  @Test
  void anEventfdCounts() {
    int fd = Kernel.eventfd();
    assertThat(Kernel.eventfdDrain(fd)).isZero();
    assertThat(Kernel.eventfdSignal(fd)).isZero();
    assertThat(Kernel.eventfdSignal(fd)).isZero();
    assertThat(Kernel.eventfdDrain(fd)).isEqualTo(2);
    assertThat(Kernel.eventfdDrain(fd)).isZero();
    Kernel.close(fd);
    assertThat(Kernel.eventfdSignal(fd)).isEqualTo(-Errno.EBADF);
  }

  @Test
  void memoryIsMappedByPages() {
    int pageBytes = Kernel.pageBytes();
    assertThat(Integer.bitCount(pageBytes)).isEqualTo(1);
    long address = Kernel.mmapAnonymous(pageBytes);
    assertThat(address % pageBytes).isZero();
    RawMemory.putLong(address + pageBytes - 8, -2);
    assertThat(RawMemory.getLong(address + pageBytes - 8)).isEqualTo(-2);
    assertThat(Kernel.munmap(address, pageBytes)).isZero();
    assertThat(Kernel.memlockLimitBytes()).isNotNegative();
  }

  @Test
  void whereNativeAccessIsDeniedTheReasonIsGivenAndNothingCrashes() throws Exception {
    String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
    String classes = home(Kernel.class) + File.pathSeparator + home(KernelTest.class);
    Process program =
        new ProcessBuilder(
                java,
                "-XX:TieredStopAtLevel=1",
                "--illegal-native-access=deny",
                "-cp",
                classes,
                Denied.class.getName())
            .redirectErrorStream(true)
            .start();
    String said = new String(program.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(program.waitFor(60, TimeUnit.SECONDS)).isTrue();
    assertThat(said)
        .contains("usable=false")
        .contains("refused: native access is denied to this code: start java with");
    assertThat(program.exitValue()).isZero();
  }

  private static String home(Class<?> type) throws URISyntaxException {
    return Path.of(type.getProtectionDomain().getCodeSource().getLocation().toURI()).toString();
  }

  /** A program of its own: what a person sees where native access is denied. */
  static final class Denied {
    private Denied() {}

    public static void main(String[] arguments) {
      System.out.println(UringSupport.look());
      try {
        Kernel.fsync(1);
      } catch (UnsupportedOperationException e) {
        System.out.println("refused: " + e.getMessage());
      }
    }
  }
}
