// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import dev.belay.Op;
import dev.belay.target.Hedge;
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
 * @param hedge of mirrors
 * @param isByHand whether there is no metadata: who is out is known while the array is open
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
    List<Event> events,
    Hedge hedge,
    boolean isByHand) {

  /** One whose mirrors do not hedge, with metadata. */
  ArrayPlan(
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
    this(
        shape,
        seed,
        weather,
        stormy,
        missing,
        idleNanos,
        openAtMost,
        waitsAfterCrash,
        asks,
        events,
        Hedge.NONE,
        false);
  }

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
    STOP,
    /** The array is closed; devices that are out are added again, and it is opened. */
    REJOIN
  }

  /**
   * Something that happens.
   *
   * @param atStep counted from the first request
   */
  record Event(long atStep, What what, int slot) {}

  ArrayPlan withAsks(List<Ask> other) {
    return with(weather, stormy, missing, other, events, hedge, isByHand);
  }

  ArrayPlan withEvents(List<Event> other) {
    return with(weather, stormy, missing, asks, other, hedge, isByHand);
  }

  ArrayPlan withMembers(Set<Integer> otherStormy, Set<Integer> otherMissing) {
    return with(weather, otherStormy, otherMissing, asks, events, hedge, isByHand);
  }

  ArrayPlan withWeather(Weather other) {
    return with(other, stormy, missing, asks, events, hedge, isByHand);
  }

  ArrayPlan withHedge(Hedge other) {
    return with(weather, stormy, missing, asks, events, other, isByHand);
  }

  ArrayPlan byHand() {
    return with(weather, stormy, missing, asks, events, hedge, true);
  }

  private ArrayPlan with(
      Weather weather,
      Set<Integer> stormy,
      Set<Integer> missing,
      List<Ask> asks,
      List<Event> events,
      Hedge hedge,
      boolean isByHand) {
    return new ArrayPlan(
        shape,
        seed,
        weather,
        stormy,
        missing,
        idleNanos,
        openAtMost,
        waitsAfterCrash,
        asks,
        events,
        hedge,
        isByHand);
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
    text.append(isByHand ? ", by hand" : "");
    text.append(hedge.isOn() ? ", " + hedge : "");
    text.append(waitsAfterCrash ? ", waits after a crash" : "").append("\n  ").append(events);
    for (int i = 0; i < Math.min(60, asks.size()); i++) {
      text.append("\n  ").append(i).append(": ").append(asks.get(i));
    }
    return text.append(asks.size() > 60 ? "\n  ..." : "").toString();
  }
}
