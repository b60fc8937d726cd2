// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.sim.RingSimulation.Failure;
import dev.belay.uring.Kernel;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The simulation finds each bug that is planted into the code below it, and plays it again. */
final class RingCanaryTest {
  private static final int SEEDS = 600;

  @BeforeEach
  void needsRawMemory() {
    Assumptions.assumeTrue(Kernel.available(), Kernel.unavailableReason());
  }

  @ParameterizedTest
  @EnumSource
  void aPlantedBugIsFound(RingBug bug) throws Exception {
    BugLoader loader = new BugLoader(bug.type, bug.method, bug.change);
    Object hunt = loader.loadClass(Hunt.class.getName()).getDeclaredConstructor().newInstance();
    String found = (String) ((Callable<?>) hunt).call();
    assertThat(loader.isPlanted()).as("the bug is in the code").isTrue();
    assertThat(found).as("found within " + SEEDS + " seeds").isNotEmpty();
  }

  @Test
  void withoutABugNothingIsFound() throws Exception {
    RingSimulation simulation = new RingSimulation();
    for (long seed = 1; seed <= 60; seed++) {
      assertThat(simulation.playSeed(seed)).isEmpty();
    }
  }

  @Test
  void aFailureIsMadeSmall() throws Exception {
    RingBug bug = RingBug.WATCHED_IN_THE_ROW;
    BugLoader loader = new BugLoader(bug.type, bug.method, bug.change);
    Object small = loader.loadClass(Small.class.getName()).getDeclaredConstructor().newInstance();
    assertThat((Integer) ((Callable<?>) small).call()).isBetween(1, 4);
  }

  /** Plays seeds until one fails, and that once more; answers how it failed. */
  public static final class Hunt implements Callable<String> {
    @Override
    public String call() {
      RingSimulation simulation = new RingSimulation();
      Optional<Failure> found = find(simulation);
      if (found.isEmpty()) {
        return "";
      }
      assertThat(simulation.play(found.get().plan())).as("it fails again").isPresent();
      return found.get().violation().getMessage();
    }
  }

  /** Answers how many requests the smallest plan has that fails. */
  public static final class Small implements Callable<Integer> {
    @Override
    public Integer call() {
      RingSimulation simulation = new RingSimulation();
      Failure small = RingShrinker.shrink(simulation, find(simulation).orElseThrow());
      assertThat(simulation.play(small.plan())).as("the small one fails again").isPresent();
      return small.plan().asks().size();
    }
  }

  private static Optional<Failure> find(RingSimulation simulation) {
    Optional<Failure> found = Optional.empty();
    for (long seed = 1; seed <= SEEDS && found.isEmpty(); seed++) {
      found = simulation.playSeed(seed);
    }
    return found;
  }
}
