// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.uring.Kernel;
import dev.belay.uring.SimKernel;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * The real wires on the real ring over a simulated kernel, until there were {@code
 * belay.wiresim.transfers}. A failure names its seed, and {@code -Dbelay.wiresim.seed} plays it
 * again.
 */
final class WireSimulationTest {
  private static final long TRANSFERS = Long.getLong("belay.wiresim.transfers", 100_000);
  private static final Logger LOG = Logger.getLogger("dev.belay");

  @BeforeEach
  void needsRawMemory() {
    Assumptions.assumeTrue(Kernel.available(), Kernel.unavailableReason());
    LOG.setLevel(Level.OFF);
  }

  @Test
  void everyTransferEndsOnceAndEveryByteIsInItsPlace() {
    MemorySegment space = Arena.ofAuto().allocate(SimKernel.SPACE_BYTES, 4096);
    MemorySegment memory = Arena.ofAuto().allocate(64 << 10, 4096);
    Long only = Long.getLong("belay.wiresim.seed");
    long transfers = 0;
    long runs = 0;
    long first = Long.getLong("belay.wiresim.first", 1);
    for (long seed = only == null ? first : only; transfers < TRANSFERS; seed++) {
      runs++;
      try {
        transfers += new WireRun(seed, space, memory).play();
      } catch (Violation e) {
        throw new AssertionError("-Dbelay.wiresim.seed=" + seed + ": " + e.getMessage(), e);
      }
      if (only != null) {
        return;
      }
    }
    System.out.printf("%,d transfers of wires in %,d runs, no law broken%n", transfers, runs);
    assertThat(transfers).isGreaterThanOrEqualTo(TRANSFERS);
  }
}
