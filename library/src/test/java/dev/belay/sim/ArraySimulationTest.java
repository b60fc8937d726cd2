// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import java.util.Optional;
import org.junit.jupiter.api.Test;

/**
 * Random requests, cancels, failures of members, power losses, rebuilds, resyncs and checks on
 * arrays of all levels and layouts, until there were {@code belay.arraysim.operations} requests,
 * from seed {@code belay.arraysim.first} on. A failure names its seed, and {@code
 * -Dbelay.arraysim.seed} plays it again.
 */
final class ArraySimulationTest {
  private static final long OPERATIONS = Long.getLong("belay.arraysim.operations", 250_000);

  /** After how many requests a long run says how far it is. */
  private static final long CHUNK = 5_000_000;

  /** Seeds that once found something. */
  private static final long[] PINNED = {51, 91, 138, 160, 226, 255, 2883, 2979, 3489, 7709, 14987};

  @Test
  void noLawIsBroken() {
    ArraySimulation simulation = new ArraySimulation(null);
    Long only = Long.getLong("belay.arraysim.seed");
    if (only != null) {
      play(simulation, only);
      return;
    }
    long start = System.nanoTime();
    long first = Long.getLong("belay.arraysim.first", 1);
    long said = 0;
    for (long seed = first; simulation.requests() < OPERATIONS; seed++) {
      play(simulation, seed);
      if (simulation.requests() - said >= CHUNK || simulation.requests() >= OPERATIONS) {
        said = simulation.requests();
        say(simulation, first, seed, (System.nanoTime() - start) / 1e9);
      }
    }
    assertThat(simulation.requests()).isGreaterThanOrEqualTo(OPERATIONS);
  }

  private static void say(ArraySimulation simulation, long first, long last, double seconds) {
    System.out.printf(
        "arrays: %,d simulated requests in %,d runs, seeds %d to %d, %.1f s: %,.0f requests/s,"
            + " no law broken%n",
        simulation.requests(),
        simulation.runs(),
        first,
        last,
        seconds,
        simulation.requests() / seconds);
  }

  @Test
  void whatOnceFailedPassesNow() {
    ArraySimulation simulation = new ArraySimulation(null);
    for (long seed : PINNED) {
      assertThat(simulation.playSeed(seed)).as("seed " + seed).isEmpty();
    }
  }

  private static void play(ArraySimulation simulation, long seed) {
    Optional<ArraySimulation.Failure> failure = simulation.playSeed(seed);
    if (failure.isPresent()) {
      ArraySimulation.Failure small = ArrayShrinker.shrink(simulation, failure.get());
      fail(
          "seed %d (-Dbelay.arraysim.seed=%d): %s%n%nmade smaller: %s"
              .formatted(seed, seed, failure.get().violation().getMessage(), small),
          small.violation());
    }
  }
}
