// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import dev.belay.sim.Plan.Raise;
import dev.belay.uring.SimKernel;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Optional;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.jspecify.annotations.Nullable;

/**
 * Runs plan after plan over rings. Every eighth seed makes a small one, which is played once for
 * each of its steps with a flag going up just there; the others make large ones.
 */
final class RingSimulation {
  private static final int STEPS_AT_MOST = 300;

  /** A ring says in the log what the kernel refuses, which here is all the time. */
  private static final Logger LOG = Logger.getLogger("dev.belay");

  private final Buffers buffers = new Buffers(64);
  private final MemorySegment space = Arena.ofAuto().allocate(SimKernel.SPACE_BYTES, 4096);
  private long requests;
  private long runs;

  /** A plan that broke a law, and how. */
  record Failure(RingPlan plan, Violation violation) {}

  RingSimulation() {
    LOG.setLevel(Level.OFF);
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
    return seed % 8 == 0 ? playAtEveryStep(RingPlanner.small(seed)) : play(RingPlanner.large(seed));
  }

  /** Plays one plan. */
  Optional<Failure> play(RingPlan plan) {
    Violation violation = play(start(plan));
    return violation == null ? Optional.empty() : Optional.of(new Failure(plan, violation));
  }

  /** Plays a plan once undisturbed, and once for each step with the first flag going up there. */
  Optional<Failure> playAtEveryStep(RingPlan plan) {
    RingRun calm = start(plan);
    Violation violation = play(calm);
    if (violation != null) {
      return Optional.of(new Failure(plan, violation));
    }
    long steps = Math.min(STEPS_AT_MOST, calm.stepsTaken());
    for (long step = 0; step <= steps; step++) {
      RingPlan raised = plan.withRaises(List.of(new Raise(step, 0)));
      Optional<Failure> failure = play(raised);
      if (failure.isPresent()) {
        return failure;
      }
    }
    return Optional.empty();
  }

  private RingRun start(RingPlan plan) {
    runs++;
    return new RingRun(plan, buffers, space);
  }

  private @Nullable Violation play(RingRun run) {
    try {
      requests += run.play();
      return null;
    } catch (Violation violation) {
      buffers.clear();
      return violation;
    } catch (RuntimeException thrown) {
      buffers.clear();
      return new Violation("the loop's thread met an exception", thrown);
    }
  }
}
