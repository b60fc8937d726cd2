// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.sim.Layer.Made;
import dev.belay.sim.Simulation.Failure;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The simulation finds each planted bug, plays it again, and makes it small. */
final class CanaryTest {
  private static final int SEEDS = 500;

  @ParameterizedTest
  @EnumSource(Buggy.Bug.class)
  void aPlantedBugIsFound(Buggy.Bug bug) {
    Layer buggy =
        new Layer(
            "buggy",
            2,
            2,
            false,
            false,
            (loop, lowers, random) -> new Made(new Buggy(loop, lowers, bug), bug.toString()));
    List<Layer> layers = new ArrayList<>(Layers.PLAIN);
    layers.add(buggy);
    Simulation simulation = new Simulation(layers);
    Optional<Failure> found = Optional.empty();
    long seed = 0;
    while (found.isEmpty() && seed++ < SEEDS) {
      found = simulation.playSeed(seed);
    }
    assertThat(found).as("found within " + SEEDS + " seeds").isPresent();
    assertThat(found.get().plan().stack().anyMatch(layer -> layer == buggy))
        .as("the stack has the bug: " + found.get())
        .isTrue();
    assertThat(simulation.play(found.get().plan())).as("it fails again").isPresent();

    Failure small = Shrinker.shrink(simulation, found.get());
    assertThat(simulation.play(small.plan())).as("the small one fails again").isPresent();
    assertThat(small.plan().stack().layers()).as("the small one: " + small).isLessThan(4);
    assertThat(small.plan().asks()).as("the small one: " + small).hasSizeLessThan(25);
  }

  @ParameterizedTest
  @EnumSource(Buggy.Bug.class)
  void withoutTheBugNothingIsFound(Buggy.Bug bug) {
    Simulation simulation = new Simulation(Layers.PLAIN);
    for (long seed = 1; seed <= 20; seed++) {
      assertThat(simulation.playSeed(seed + 1000L * bug.ordinal())).isEmpty();
    }
  }
}
