// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import dev.belay.sim.Plan.Raise;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Runs plan after plan. Every fourth seed makes a small one, which is played once for each of its
 * steps with a flag going up just there; the others make large ones.
 */
final class Simulation {
  private static final int STEPS_AT_MOST = 400;

  private final List<Layer> layers;
  private final Buffers buffers = new Buffers(64);
  private long requests;
  private long runs;

  /** A plan that broke a law, and how. */
  record Failure(Plan plan, Violation violation) {}

  Simulation(List<Layer> layers) {
    this.layers = layers;
  }

  /** How many requests were made so far. */
  long requests() {
    return requests;
  }

  /** How many scenarios were played so far. */
  long runs() {
    return runs;
  }

  /** Plays what belongs to a seed. */
  Optional<Failure> playSeed(long seed) {
    if (seed % 4 != 0) {
      return play(Planner.large(seed, layers));
    }
    return playAtEveryStep(Planner.small(seed, layers));
  }

  /** Plays one plan. */
  Optional<Failure> play(Plan plan) {
    Run run = start(plan);
    Violation violation = play(run);
    return violation == null ? Optional.empty() : Optional.of(new Failure(plan, violation));
  }

  /** Plays a plan once undisturbed, and once for each step with the first flag going up there. */
  Optional<Failure> playAtEveryStep(Plan plan) {
    Run calm = start(plan);
    Violation violation = play(calm);
    if (violation != null) {
      return Optional.of(new Failure(plan, violation));
    }
    long steps = Math.min(STEPS_AT_MOST, calm.stepsTaken());
    for (long step = 0; step <= steps; step++) {
      Plan raised = plan.withRaises(List.of(new Raise(step, 0)));
      Optional<Failure> failure = play(raised);
      if (failure.isPresent()) {
        return failure;
      }
    }
    return Optional.empty();
  }

  private Run start(Plan plan) {
    runs++;
    return new Run(plan, buffers);
  }

  private @Nullable Violation play(Run run) {
    try {
      requests += run.play();
      return null;
    } catch (Violation violation) {
      buffers.clear();
      return violation;
    }
  }
}
