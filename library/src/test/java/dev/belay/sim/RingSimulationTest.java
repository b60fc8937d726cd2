// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import dev.belay.uring.Kernel;
import java.util.Optional;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * The real file, poller and ring over a simulated kernel, until there were {@code
 * belay.ringsim.requests} requests. A failure names its seed, and {@code -Dbelay.ringsim.seed}
 * plays it again; {@code -Dbelay.ringsim.first} begins with another.
 */
final class RingSimulationTest {
  private static final long REQUESTS = Long.getLong("belay.ringsim.requests", 200_000);

  /** Seeds that once found something. */
  private static final long[] PINNED = {1222, 1006988, 3004882};

  @BeforeEach
  void needsRawMemory() {
    Assumptions.assumeTrue(Kernel.available(), Kernel.unavailableReason());
  }

  @Test
  void noLawIsBroken() {
    RingSimulation simulation = new RingSimulation();
    Long only = Long.getLong("belay.ringsim.seed");
    if (only != null) {
      play(simulation, only);
      return;
    }
    long start = System.nanoTime();
    long first = Long.getLong("belay.ringsim.first", 1);
    for (long seed = first; simulation.requests() < REQUESTS; seed++) {
      play(simulation, seed);
    }
    double seconds = (System.nanoTime() - start) / 1e9;
    System.out.printf(
        "%,d requests over a simulated kernel in %,d runs, %.1f s: %,.0f requests/s, no law"
            + " broken%n",
        simulation.requests(), simulation.runs(), seconds, simulation.requests() / seconds);
    assertThat(simulation.requests()).isGreaterThanOrEqualTo(REQUESTS);
  }

  @Test
  void whatOnceFailedPassesNow() {
    RingSimulation simulation = new RingSimulation();
    for (long seed : PINNED) {
      assertThat(simulation.playSeed(seed)).as("seed " + seed).isEmpty();
    }
  }

  @Test
  void aSeedPlaysTheSameWayAgain() {
    for (long seed = 1; seed < 20; seed++) {
      RingSimulation simulation = new RingSimulation();
      RingSimulation again = new RingSimulation();
      assertThat(again.playSeed(seed)).isEqualTo(simulation.playSeed(seed));
      assertThat(again.requests()).isEqualTo(simulation.requests());
    }
  }

  private static void play(RingSimulation simulation, long seed) {
    Optional<RingSimulation.Failure> failure = simulation.playSeed(seed);
    if (failure.isPresent()) {
      RingSimulation.Failure small = RingShrinker.shrink(simulation, failure.get());
      fail(
          "seed %d (-Dbelay.ringsim.seed=%d): %s%n%nmade smaller: %s%n%s"
              .formatted(
                  seed,
                  seed,
                  failure.get().violation().getMessage(),
                  small.violation().getMessage(),
                  small.plan()),
          small.violation());
    }
  }
}
