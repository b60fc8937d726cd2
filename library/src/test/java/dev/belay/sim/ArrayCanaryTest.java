// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.md.Level;
import dev.belay.sim.ArraySimulation.Failure;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The simulation of arrays finds each planted bug. */
final class ArrayCanaryTest {
  private static final int SEEDS = 400;

  @ParameterizedTest
  @EnumSource(Saboteur.Bug.class)
  void aPlantedBugIsFound(Saboteur.Bug bug) {
    ArraySimulation simulation = new ArraySimulation(bug);
    Optional<Failure> found = Optional.empty();
    for (long seed = 1; seed <= SEEDS && found.isEmpty(); seed++) {
      found = simulation.playSeed(seed);
    }
    assertThat(found).as("found within " + SEEDS + " seeds").isPresent();
    Failure failure = found.orElseThrow();
    assertThat(simulation.play(failure.plan())).as("it fails again").isPresent();
    assertThat(new ArraySimulation(null).play(failure.plan())).as("without the bug").isEmpty();
  }

  @ParameterizedTest
  @EnumSource(
      value = Saboteur.Bug.class,
      names = {"PASSES_THE_FLAG_ON", "SKIPS_A_LEG", "MISCOMPUTES", "FLUSHES_ONE_MEMBER"},
      mode = EnumSource.Mode.EXCLUDE)
  void whatConcernsOnlyMetadataIsNoBugWithoutIt(Saboteur.Bug bug) {
    assertThat(findByHand(bug)).isEmpty();
  }

  @ParameterizedTest
  @EnumSource(
      value = Saboteur.Bug.class,
      names = {"PASSES_THE_FLAG_ON", "SKIPS_A_LEG", "MISCOMPUTES"})
  void aPlantedBugIsFoundWithoutMetadata(Saboteur.Bug bug) {
    assertThat(findByHand(bug)).isPresent();
  }

  private static Optional<Failure> findByHand(Saboteur.Bug bug) {
    ArraySimulation simulation = new ArraySimulation(bug);
    Optional<Failure> found = Optional.empty();
    for (long seed = 2_000_000_001L; simulation.runs() < 40 && found.isEmpty(); seed++) {
      if (ArrayPlanner.plan(seed).isByHand()) {
        found = simulation.playSeed(seed);
      }
    }
    return found;
  }

  @Test
  void everyStepFindsAFlagThatParityPassesOn() {
    ArrayShape shape = new ArrayShape(Level.RAID5, 2, 3, 0, 4096, 8192, 2048, 1, 4096);
    ArraySimulation simulation = new ArraySimulation(Saboteur.Bug.PASSES_THE_FLAG_ON);
    assertThat(new ArrayEverySteps(simulation, 1).play(shape, Set.of(), 50)).isPresent();
  }

  @Test
  void whatIsFoundIsMadeSmall() {
    ArraySimulation simulation = new ArraySimulation(Saboteur.Bug.SKIPS_A_LEG);
    Failure failure = simulation.playSeed(1).orElseThrow();
    Failure small = ArrayShrinker.shrink(simulation, failure);
    assertThat(small.plan().asks().size())
        .as("the small one: " + small)
        .isLessThan(failure.plan().asks().size() / 2);
    assertThat(simulation.play(small.plan())).as("the small one fails again").isPresent();
  }

  @Test
  void everyStepFindsALegThatIsSkipped() {
    ArrayShape shape = new ArrayShape(Level.RAID1, 0, 2, 0, 0, 8192, 2048, 1, 4096);
    ArraySimulation simulation = new ArraySimulation(Saboteur.Bug.SKIPS_A_LEG);
    assertThat(new ArrayEverySteps(simulation, 1).play(shape, Set.of(), 50)).isPresent();
  }
}
