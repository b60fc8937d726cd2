// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import dev.belay.Op;
import dev.belay.sim.ArrayPlan.Ask;
import dev.belay.sim.ArrayPlan.Event;
import dev.belay.sim.ArrayPlan.What;
import dev.belay.sim.ArraySimulation.Failure;
import dev.belay.testing.SimMedium;
import dev.belay.testing.Weather;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;

/**
 * Each write of up to a stripe and a half to a small array: undisturbed; cancelled at each of its
 * steps; and, in each of these, with the power lost at every step until the array is closed.
 *
 * <p>A power loss is not played at each step, but once for each thing that it may leave. What comes
 * after it depends only on what the members' media hold then, on what the model still expects, and
 * on the requests that are to come; members behave alike in all runs of a write. So a step at which
 * none of that is new needs no run: nothing has changed since the step before, or another cancel
 * led to the same. (Only the time of day in superblocks, with their checksums, does not count.)
 * What was not flushed survives or not, block by block: in every combination, if there are at most
 * {@link #BLOCKS_IN_EVERY_COMBINATION}; otherwise none, all, each alone, all but each, and some by
 * chance.
 */
final class ArrayEverySteps {
  private static final Weather FAIR =
      new Weather(4, 1000, 0, 0, 0, Weather.Abort.EVERYTHING, 0, 512);
  private static final long PAUSE_NANOS = 12_000_000_000L;
  private static final int BLOCKS_IN_EVERY_COMBINATION = 8;
  private static final int COMBINATIONS_BY_CHANCE = 32;

  /** After the loss nothing else is planned, but media have to be ready for it. */
  private static final Event NEVER = new Event(1L << 60, What.POWER_LOSS, 0);

  private final ArraySimulation simulation;
  private final Set<Long> moments = new HashSet<>();
  private final Set<Long> states = new HashSet<>();

  /** One set for each loss that a run may be behind: the runs before it still have theirs. */
  private final Buffers[] buffers;

  private Optional<Failure> failure = Optional.empty();
  private final int mostLosses;
  private long points;
  private long momentCount;
  private long stateCount;

  /**
   * @param mostLosses how often the power is lost in one run: again while the array makes itself
   *     good, if more than once
   */
  ArrayEverySteps(ArraySimulation simulation, int mostLosses) {
    this.simulation = simulation;
    this.mostLosses = mostLosses;
    buffers = new Buffers[mostLosses];
    Arrays.setAll(buffers, i -> new Buffers(1, ArrayRun.PLACE_BYTES));
  }

  /** How many steps there were, each a cancel and a power loss. */
  long points() {
    return points;
  }

  /** How many of them were different from all others. */
  long moments() {
    return momentCount;
  }

  /** How many different states a power loss left, each of which was played on. */
  long states() {
    return stateCount;
  }

  /**
   * Plays all writes.
   *
   * @param missing who is not there
   * @param stride of the steps at which a write is cancelled, one in so many is played: 1 for all
   */
  Optional<Failure> play(ArrayShape shape, Set<Integer> missing, int stride) {
    int longest = (int) Math.ceilDiv(shape.stripeBytes() * 3 / 2, shape.blockBytes());
    for (int block = 0; block < shape.blocks(); block++) {
      for (int blocks = 1; blocks <= Math.min(longest, shape.blocks() - block); blocks++) {
        moments.clear();
        states.clear();
        playWrite(shape, missing, block, blocks, stride);
      }
    }
    return failure;
  }

  private void playWrite(
      ArrayShape shape, Set<Integer> missing, int block, int blocks, int stride) {
    long seed = block * 64L + blocks;
    ArrayRun calm = simulation.start(plan(shape, missing, seed, block, blocks, -1));
    play(calm, 0);
    for (long raise = seed % stride; raise <= calm.stepsOfFirst(); raise += stride) {
      play(simulation.start(plan(shape, missing, seed, block, blocks, raise)), 0);
    }
  }

  private static ArrayPlan plan(
      ArrayShape shape, Set<Integer> missing, long seed, int block, int blocks, long raise) {
    List<Ask> asks =
        List.of(
            Ask.of(Op.WRITE, block, blocks, false, raise),
            Ask.of(Op.FLUSH, 0, 0, false, -1),
            Ask.pause(PAUSE_NANOS));
    List<Event> events = List.of(NEVER);
    return new ArrayPlan(shape, seed, FAIR, Set.of(), missing, 200_000_000, 1, false, asks, events);
  }

  private void play(ArrayRun run, int losses) {
    if (failure.isEmpty()) {
      if (losses < mostLosses) {
        run.steps().observe(new Observer(run, losses)::look);
      }
      Optional<Failure> found = simulation.play(run);
      failure = failure.or(() -> found);
    }
  }

  private static Failure at(Failure found, long step) {
    String where = "after a power loss at step " + step + ": ";
    Violation violation = found.violation();
    return new Failure(found.plan(), new Violation(where + violation.getMessage(), violation));
  }

  /** Looks at a run at each of its steps. */
  private final class Observer {
    private final ArrayRun run;
    private final int losses;
    private long changesSeen = -1;

    Observer(ArrayRun run, int losses) {
      this.run = run;
      this.losses = losses;
    }

    /** A step: if the power were lost now, would that leave anything new? */
    void look() {
      if (!run.isOpen() || failure.isPresent()) {
        return;
      }
      points++;
      long changes = run.changes();
      if (changes == changesSeen) {
        return;
      }
      changesSeen = changes;
      long known = run.hashOfLosses();
      long hash = known;
      for (SimMedium medium : run.media()) {
        hash = Model.mixed(hash) ^ medium.hashOfLosses();
      }
      if (!moments.add(hash)) {
        return;
      }
      momentCount++;
      int unflushed = run.media().stream().mapToInt(SimMedium::unflushed).sum();
      if (unflushed <= BLOCKS_IN_EVERY_COMBINATION) {
        for (long kept = 0; kept < 1L << unflushed; kept++) {
          lose(known, kept);
        }
        return;
      }
      long all = (1L << unflushed) - 1;
      lose(known, 0);
      lose(known, all);
      SplittableRandom random = new SplittableRandom(hash);
      for (int i = 0; i < COMBINATIONS_BY_CHANCE; i++) {
        lose(known, random.nextLong() & all);
      }
      for (int i = 0; i < unflushed; i++) {
        lose(known, 1L << i);
        lose(known, all ^ 1L << i);
      }
    }

    /** The power is lost, and of what was not flushed this is kept. */
    private void lose(long known, long kept) {
      List<SimMedium> left = new ArrayList<>();
      int before = 0;
      long hash = known;
      for (SimMedium medium : run.media()) {
        int first = before;
        SimMedium after = medium.afterLoss(i -> (kept >>> first + i & 1) != 0);
        before += medium.unflushed();
        hash = Model.mixed(hash) ^ after.hash();
        left.add(after);
      }
      if (states.add(hash)) {
        stateCount++;
        long step = run.steps().count();
        play(simulation.start(run, run.knowledge(), left, buffers[losses]), losses + 1);
        failure = failure.map(found -> at(found, step));
      }
    }
  }
}
