// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import java.util.Optional;
import org.junit.jupiter.api.Test;

/**
 * Random requests over random stacks over simulated devices, until there were {@code
 * belay.sim.requests} of them. A failure names its seed, and {@code -Dbelay.sim.seed} plays it
 * again.
 */
final class SimulationTest {
  private static final long REQUESTS = Long.getLong("belay.sim.requests", 1_000_000);

  /** Seeds that once found something. */
  private static final long[] PINNED = {34, 46, 393, 585, 61595};

  @Test
  void noLawIsBroken() {
    Simulation simulation = new Simulation(Layers.ALL);
    Long only = Long.getLong("belay.sim.seed");
    if (only != null) {
      play(simulation, only);
      return;
    }
    long start = System.nanoTime();
    long first = Long.getLong("belay.sim.first", 1);
    for (long seed = first; simulation.requests() < REQUESTS; seed++) {
      play(simulation, seed);
    }
    double seconds = (System.nanoTime() - start) / 1e9;
    System.out.printf(
        "%,d simulated requests in %,d runs, %.1f s: %,.0f requests/s, no law broken%n",
        simulation.requests(), simulation.runs(), seconds, simulation.requests() / seconds);
    assertThat(simulation.requests()).isGreaterThanOrEqualTo(REQUESTS);
  }

  @Test
  void whatOnceFailedPassesNow() {
    Simulation simulation = new Simulation(Layers.ALL);
    for (long seed : PINNED) {
      assertThat(simulation.playSeed(seed)).as("seed " + seed).isEmpty();
    }
  }

  @Test
  void aSeedPlaysTheSameWayAgain() {
    for (long seed = 1; seed < 20; seed++) {
      Run once = new Run(Planner.large(seed, Layers.ALL), new Buffers(64));
      Run again = new Run(Planner.large(seed, Layers.ALL), new Buffers(64));
      once.play();
      again.play();
      assertThat(again.stepsTaken()).isEqualTo(once.stepsTaken());
    }
  }

  private static void play(Simulation simulation, long seed) {
    Optional<Simulation.Failure> failure = simulation.playSeed(seed);
    if (failure.isPresent()) {
      Simulation.Failure small = Shrinker.shrink(simulation, failure.get());
      fail(
          "seed %d (-Dbelay.sim.seed=%d): %s%n%nmade smaller: %s%n%s"
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
