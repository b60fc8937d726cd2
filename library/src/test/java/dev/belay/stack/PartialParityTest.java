// SPDX-License-Identifier: Apache-2.0
package dev.belay.stack;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.belay.front.Volume;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Arrays whose plug Linux had pulled while it wrote, with partial parity logs: opened here, they
 * read as Linux itself read copies of them.
 */
final class PartialParityTest {
  private static final Path ARRAYS = Path.of("src/test/resources/md/arrays");
  private static final int SECTORS = 4096;
  private static final int START_BYTES = 4096 * 512;
  private static final ValueLayout.OfLong WORD =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  @TempDir private Path directory;

  private List<Path> unpack(String name) throws IOException {
    return LinuxArraysTest.unpack(new LinuxArraysTest.Made(ARRAYS, name), directory);
  }

  private static String expression(List<Path> files, String options) {
    return files.stream()
        .map(file -> BarePath.of(file.toString()).print())
        .collect(Collectors.joining(", ", "md(", ", run=on" + options + ")"));
  }

  /** The salt of each sector; -1 for one that holds nothing that was written. */
  private static long[] salts(List<Path> files, String options) throws IOException {
    try (Volume volume = Volume.open(expression(files, options));
        Arena arena = Arena.ofShared()) {
      MemorySegment all = arena.allocate(volume.sizeBytes(), 4096);
      volume.read(0, all);
      long[] salts = new long[SECTORS];
      for (int sector = 0; sector < SECTORS; sector++) {
        long first = all.get(WORD, sector * 512L);
        salts[sector] = (first & (1L << 40) - 1) == sector ? first >> 40 : -1;
        for (int i = 0; i < 512; i += Long.BYTES) {
          if (all.get(WORD, sector * 512L + i) != first) {
            salts[sector] = -1;
          }
        }
      }
      return salts;
    }
  }

  private static int count(long[] salts, long salt) {
    int count = 0;
    for (long one : salts) {
      count += one == salt ? 1 : 0;
    }
    return count;
  }

  private static int wrongParity(List<Path> files) throws IOException {
    List<byte[]> members = new ArrayList<>();
    for (Path file : files) {
      members.add(Files.readAllBytes(file));
    }
    int wrong = 0;
    for (int at = START_BYTES; at < START_BYTES + (1 << 20); at++) {
      int sum = 0;
      for (byte[] member : members) {
        sum ^= member[at];
      }
      wrong += sum == 0 ? 0 : 1;
    }
    return wrong;
  }

  @Test
  void parityIsRightAfterReplay() throws IOException {
    List<Path> files = unpack("raid5-dirty-ppl");
    assertThat(wrongParity(files)).isPositive();
    long[] salts = salts(files, ", sync=off");
    assertThat(count(salts, 225)).isEqualTo(2821);
    assertThat(count(salts, 325)).isEqualTo(1275);
    assertThat(wrongParity(files)).isZero();
    for (int missing = 0; missing < 3; missing++) {
      List<Path> left = new ArrayList<>(files);
      left.remove(missing);
      assertThat(salts(left, ", read-only=on, force=on")).isEqualTo(salts);
    }
  }

  @Test
  void aDegradedArrayReadsAsLinuxReadsIt() throws IOException {
    List<Path> files = unpack("raid5-dirty-degraded-ppl");
    assertThatThrownBy(() -> salts(files, ", read-only=on"))
        .isInstanceOf(StackException.class)
        .hasMessageContaining("partial parity log is to be replayed");
    long[] salts = salts(files, "");
    assertThat(count(salts, 229)).isEqualTo(2304);
    assertThat(count(salts, 329)).isEqualTo(1792);
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 2})
  void theHoleIsClosed(int missing) throws IOException {
    List<Path> files = new ArrayList<>(unpack("raid5-hole-ppl"));
    files.remove(missing);
    assertThat(untouched(salts(files, ""))).isEqualTo(2048);
    // Opened again, it has nothing to replay any more, or the same.
    assertThat(untouched(salts(files, ""))).isEqualTo(2048);
  }

  @Test
  void withoutTheLogTheHoleIsThere() throws IOException {
    int fewest = SECTORS;
    for (int missing = 0; missing < 3; missing++) {
      List<Path> files = new ArrayList<>();
      Path own = Files.createDirectory(directory.resolve("without-" + missing));
      for (Path file :
          LinuxArraysTest.unpack(new LinuxArraysTest.Made(ARRAYS, "raid5-hole"), own)) {
        files.add(Objects.requireNonNull(file));
      }
      files.remove(missing);
      fewest = Math.min(fewest, untouched(salts(files, ", force=on"), 230));
    }
    assertThat(fewest).isLessThan(2048);
  }

  private static int untouched(long[] salts) {
    return untouched(salts, 231);
  }

  /** How many of the sectors that nothing wrote to hold what they should. */
  private static int untouched(long[] salts, long salt) {
    int right = 0;
    for (int sector = 0; sector < SECTORS; sector++) {
      right += sector % 256 >= 128 && salts[sector] == salt ? 1 : 0;
    }
    return right;
  }
}
