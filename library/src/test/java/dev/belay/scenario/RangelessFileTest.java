// SPDX-License-Identifier: Apache-2.0
package dev.belay.scenario;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.belay.Outcome;
import dev.belay.front.IoFuture;
import dev.belay.front.IoOptions;
import dev.belay.front.Volume;
import dev.belay.uring.FuseFile;
import dev.belay.uring.Kernel;
import dev.belay.uring.UringSupport;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A file system that knows neither PUNCH_HOLE nor ZERO_RANGE, and on which a fallocate that asks
 * for neither succeeds and zeroes nothing: vfat and exfat are such.
 */
final class RangelessFileTest {
  private static final long MIB = 1 << 20;

  /** The long one is cut into more pieces than are in flight together. */
  private static final long[] LENGTHS = {MIB, 640 * MIB, 2 * MIB, 4096};

  private static final long GAP = 64 << 10;

  @TempDir Path directory;

  @ParameterizedTest
  @ValueSource(strings = {"threads", "uring"})
  @Timeout(120)
  void zeroesAreZeroes(String engine) throws Exception {
    assumeTrue(engine.equals("threads") || UringSupport.look().usable(), "no io_uring");
    try (FuseFile file = FuseFile.mount(directory, "a", 700 * MIB);
        Volume volume = Volume.open("file(%s, engine=%s)".formatted(file.path(), engine))) {
      List<IoFuture> all = new ArrayList<>();
      long at = GAP;
      for (long length : LENGTHS) {
        all.add(volume.writeZeroesAsync(at, length, IoOptions.NONE));
        at += length + GAP;
      }
      at = GAP;
      for (int i = 0; i < LENGTHS.length; i++) {
        assertThat(all.get(i).get(100, TimeUnit.SECONDS)).isEqualTo(Outcome.done(LENGTHS[i]));
        assertThat(file.isFullOf((byte) 0, at, LENGTHS[i])).as("zeroes at %d", at).isTrue();
        assertThat(file.isFullOf(FuseFile.FILL, at - GAP, GAP)).as("before %d", at).isTrue();
        at += LENGTHS[i] + GAP;
      }
      assertThat(file.fallocates)
          .as("a fallocate that zeroes nothing is never sent")
          .isNotEmpty()
          .allMatch(mode -> (mode & (Kernel.FALLOC_PUNCH_HOLE | Kernel.FALLOC_ZERO_RANGE)) != 0);
    }
  }
}
