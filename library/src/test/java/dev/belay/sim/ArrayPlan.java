// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import dev.belay.Op;
import dev.belay.testing.Weather;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What is done to an array in one run.
 *
 * @param seed of all that is left to chance
 * @param weather how members behave
 * @param stormy devices that have its faults; the others have none
 * @param missing devices that are not there
 * @param idleNanos when the array is marked clean
 * @param openAtMost how many requests are open at a time
 * @param waitsAfterCrash whether requests go on only when the resync has ended
 */
record ArrayPlan(
    ArrayShape shape,
    long seed,
    Weather weather,
    Set<Integer> stormy,
    Set<Integer> missing,
    long idleNanos,
    int openAtMost,
    boolean waitsAfterCrash,
    List<Ask> asks,
    List<Event> events) {

  /**
   * One request.
   *
   * @param op null for a pause
   * @param block where, of the array
   * @param raiseAfterSteps its flag goes up so many steps after it was submitted; never if below 0
   * @param pauseNanos how long nothing is asked, and all that was has ended
   */
  record Ask(
      @Nullable Op op, int block, int blocks, boolean fua, long raiseAfterSteps, long pauseNanos) {
    static Ask pause(long nanos) {
      return new Ask(null, 0, 0, false, -1, nanos);
    }

    static Ask of(Op op, int block, int blocks, boolean fua, long raiseAfterSteps) {
      return new Ask(op, block, blocks, fua, raiseAfterSteps, 0);
    }

    @Override
    public String toString() {
      if (op == null) {
        return "pause of " + pauseNanos + " ns";
      }
      return (op == Op.FLUSH ? "flush" : op + " " + blocks + " at " + block)
          + (fua ? ", fua" : "")
          + (raiseAfterSteps < 0 ? "" : ", raised after " + raiseAfterSteps + " steps");
    }
  }

  /** What happens beside the requests. */
  enum What {
    /** The power goes, and comes back. */
    POWER_LOSS,
    /** A member is declared faulty, by its slot. */
    FAIL,
    /** A check begins. */
    CHECK,
    /** A repair begins. */
    REPAIR,
    /** The walk is stopped. */
    STOP
  }

  /**
   * Something that happens.
   *
   * @param atStep counted from the first request
   */
  record Event(long atStep, What what, int slot) {}

  ArrayPlan withAsks(List<Ask> other) {
    return new ArrayPlan(
        shape,
        seed,
        weather,
        stormy,
        missing,
        idleNanos,
        openAtMost,
        waitsAfterCrash,
        other,
        events);
  }

  ArrayPlan withEvents(List<Event> other) {
    return new ArrayPlan(
        shape, seed, weather, stormy, missing, idleNanos, openAtMost, waitsAfterCrash, asks, other);
  }

  ArrayPlan withSeed(long other) {
    return new ArrayPlan(
        shape,
        other,
        weather,
        stormy,
        missing,
        idleNanos,
        openAtMost,
        waitsAfterCrash,
        asks,
        events);
  }

  ArrayPlan withMembers(Set<Integer> otherStormy, Set<Integer> otherMissing) {
    return new ArrayPlan(
        shape,
        seed,
        weather,
        otherStormy,
        otherMissing,
        idleNanos,
        openAtMost,
        waitsAfterCrash,
        asks,
        events);
  }

  ArrayPlan withWeather(Weather other) {
    return new ArrayPlan(
        shape, seed, other, stormy, missing, idleNanos, openAtMost, waitsAfterCrash, asks, events);
  }

  /** Whether every fault that can come is one that the level can bear. */
  boolean isBearable() {
    Set<Integer> lost = new HashSet<>(stormy);
    lost.addAll(missing);
    events.stream().filter(e -> e.what() == What.FAIL).forEach(e -> lost.add(e.slot()));
    return shape.canRunWithout(lost::contains);
  }

  boolean failsByHand() {
    return events.stream().anyMatch(event -> event.what() == What.FAIL);
  }

  boolean losesPower() {
    return events.stream().anyMatch(event -> event.what() == What.POWER_LOSS);
  }

  @Override
  public String toString() {
    StringBuilder text = new StringBuilder();
    text.append(shape).append(", seed ").append(seed).append("\n  ").append(weather);
    text.append("\n  stormy ").append(stormy).append(", missing ").append(missing);
    text.append(", idle after ").append(idleNanos).append(" ns, open ").append(openAtMost);
    text.append(waitsAfterCrash ? ", waits after a crash" : "").append("\n  ").append(events);
    for (int i = 0; i < Math.min(60, asks.size()); i++) {
      text.append("\n  ").append(i).append(": ").append(asks.get(i));
    }
    return text.append(asks.size() > 60 ? "\n  ..." : "").toString();
  }
}
