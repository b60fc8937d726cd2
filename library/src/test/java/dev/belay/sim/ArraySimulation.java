// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import dev.belay.testing.SimMedium;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.jspecify.annotations.Nullable;

/** Runs plan after plan over arrays. */
final class ArraySimulation {
  /** Arrays say in the log who is out, which here is all the time. */
  private static final Logger LOG = Logger.getLogger("dev.belay");

  private final Map<ArrayShape, List<SimMedium>> first = new HashMap<>();
  private final Buffers buffers = new Buffers(ArrayRun.PLACES, ArrayRun.PLACE_BYTES);
  private final Saboteur.@Nullable Bug bug;
  private long requests;
  private long runs;
  private long refusals;

  /** A plan that broke a law, and how. */
  record Failure(ArrayPlan plan, Violation violation) {
    @Override
    public String toString() {
      return violation.getMessage() + "\n" + plan;
    }
  }

  /**
   * @param bug to be planted; null for none
   */
  ArraySimulation(Saboteur.@Nullable Bug bug) {
    this.bug = bug;
    LOG.setLevel(Level.OFF);
  }

  /** How many requests were made so far. */
  long requests() {
    return requests;
  }

  /** How many runs there were so far. */
  long runs() {
    return runs;
  }

  /** How often an array that was dirty and degraded was refused, and had to be forced. */
  long refusals() {
    return refusals;
  }

  /** Plays what belongs to a seed. */
  Optional<Failure> playSeed(long seed) {
    return play(ArrayPlanner.plan(seed));
  }

  /** Plays one plan. */
  Optional<Failure> play(ArrayPlan plan) {
    return play(start(plan));
  }

  /** A run of a plan, which was not played. */
  ArrayRun start(ArrayPlan plan) {
    if (first.size() > 64) {
      first.clear();
    }
    List<SimMedium> media = first.computeIfAbsent(plan.shape(), ArrayShape::media);
    return new ArrayRun(plan, media, buffers, bug);
  }

  /** A run that goes on where the power was lost in another. */
  ArrayRun start(
      ArrayRun of, ArrayRun.Knowledge knowledge, List<SimMedium> left, Buffers itsBuffers) {
    return new ArrayRun(of.plan(), knowledge, left, itsBuffers, bug);
  }

  /** Plays a run. */
  Optional<Failure> play(ArrayRun run) {
    ArrayPlan plan = run.plan();
    runs++;
    try {
      requests += run.play();
      refusals += run.refusals();
      return Optional.empty();
    } catch (Violation violation) {
      buffers.clear();
      return Optional.of(new Failure(plan, violation));
    } catch (RuntimeException | AssertionError defect) {
      buffers.clear();
      return Optional.of(new Failure(plan, new Violation("a defect: " + defect, defect)));
    }
  }
}
