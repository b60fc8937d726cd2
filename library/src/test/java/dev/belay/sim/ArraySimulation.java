// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import dev.belay.Op;
import dev.belay.sim.ArrayPlan.Ask;
import dev.belay.sim.ArrayPlan.Event;
import dev.belay.sim.ArrayPlan.What;
import dev.belay.testing.SimMedium;
import dev.belay.testing.Weather;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.jspecify.annotations.Nullable;

/** Runs plan after plan over arrays: every step of small ones, and large ones by seed. */
final class ArraySimulation {
  private static final Weather FAIR =
      new Weather(4, 1000, 0, 0, 0, Weather.Abort.EVERYTHING, 0, 512);
  private static final long PAUSE_NANOS = 12_000_000_000L;

  /** Arrays say in the log who is out, which here is all the time. */
  private static final Logger LOG = Logger.getLogger("dev.belay");

  private final Map<ArrayShape, List<SimMedium>> first = new HashMap<>();
  private final Buffers buffers = new Buffers(ArrayRun.PLACES, ArrayRun.PLACE_BYTES);
  private final Saboteur.@Nullable Bug bug;
  private long requests;
  private long runs;
  private long points;
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
    return play(plan, start(plan));
  }

  private ArrayRun start(ArrayPlan plan) {
    if (first.size() > 64) {
      first.clear();
    }
    List<SimMedium> media = first.computeIfAbsent(plan.shape(), ArrayShape::media);
    return new ArrayRun(plan, media, buffers, bug);
  }

  private Optional<Failure> play(ArrayPlan plan, ArrayRun run) {
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

  // --- Every step ---

  /**
   * Each write of up to a stripe and a half: undisturbed; cancelled at each of its steps; with the
   * power lost at each step until the array is at rest again; and with both.
   *
   * @param stride of what is both, one in so many is played: 1 for all
   */
  Optional<Failure> playEverySteps(ArrayShape shape, Set<Integer> missing, int stride) {
    int longest = (int) Math.ceilDiv(shape.stripeBytes() * 3 / 2, shape.blockBytes());
    for (int block = 0; block < shape.blocks(); block++) {
      for (int blocks = 1; blocks <= Math.min(longest, shape.blocks() - block); blocks++) {
        List<Ask> asks =
            List.of(
                Ask.of(Op.WRITE, block, blocks, false, -1),
                Ask.of(Op.FLUSH, 0, 0, false, -1),
                Ask.pause(PAUSE_NANOS));
        long seed = block * 64L + blocks;
        Optional<Failure> failure = playEveryStep(plan(shape, missing, seed, asks), stride);
        if (failure.isPresent()) {
          return failure;
        }
      }
    }
    return Optional.empty();
  }

  private static ArrayPlan plan(ArrayShape shape, Set<Integer> missing, long seed, List<Ask> asks) {
    return new ArrayPlan(
        shape, seed, FAIR, Set.of(), missing, 200_000_000, 1, false, asks, List.of());
  }

  private Optional<Failure> playEveryStep(ArrayPlan plan, int stride) {
    ArrayRun calm = start(plan);
    Optional<Failure> failure = play(plan, calm);
    for (long raise = 0; raise <= calm.stepsOfFirst() && failure.isEmpty(); raise++) {
      failure = play(raisedAt(plan, raise));
    }
    for (long crash = 0; crash <= calm.stepsTaken() && failure.isEmpty(); crash++) {
      if (points++ % Math.max(1, stride / 16) == 0) {
        failure = play(crashedAt(plan, crash, crash));
      }
    }
    for (long raise = 0; raise <= calm.stepsOfFirst() && failure.isEmpty(); raise++) {
      for (long crash = 0; crash <= calm.stepsTaken() && failure.isEmpty(); crash++) {
        if (points++ % stride == 0) {
          failure = play(crashedAt(raisedAt(plan, raise), crash, raise * 1000 + crash));
        }
      }
    }
    return failure;
  }

  private static ArrayPlan raisedAt(ArrayPlan plan, long step) {
    List<Ask> asks = new ArrayList<>(plan.asks());
    Ask write = asks.get(0);
    asks.set(0, Ask.of(Op.WRITE, write.block(), write.blocks(), write.fua(), step));
    return plan.withAsks(asks);
  }

  private static ArrayPlan crashedAt(ArrayPlan plan, long step, long seed) {
    return plan.withEvents(List.of(new Event(step, What.POWER_LOSS, 0)))
        .withSeed(plan.seed() * 1_000_003 + seed);
  }
}
