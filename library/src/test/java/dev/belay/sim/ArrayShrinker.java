// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import dev.belay.sim.ArrayPlan.Ask;
import dev.belay.sim.ArrayPlan.Event;
import dev.belay.sim.ArraySimulation.Failure;
import dev.belay.target.Hedge;
import dev.belay.testing.Weather;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * Makes a failing plan for an array smaller for as long as it still fails: fewer requests, fewer
 * events, calmer weather.
 */
final class ArrayShrinker {
  private static final int TRIES_AT_MOST = 800;

  private final ArraySimulation simulation;
  private Failure smallest;
  private int tries;

  private ArrayShrinker(ArraySimulation simulation, Failure failure) {
    this.simulation = simulation;
    smallest = failure;
  }

  static Failure shrink(ArraySimulation simulation, Failure failure) {
    ArrayShrinker shrinker = new ArrayShrinker(simulation, failure);
    while (shrinker.shrinkOnce() && shrinker.tries < TRIES_AT_MOST) {
      // once more, because each thing that went away may let another one go
    }
    return shrinker.smallest;
  }

  private boolean shrinkOnce() {
    boolean asks = shrinkAsks();
    boolean rest =
        shrinkHedge() | shrinkEvents() | shrinkMembers() | shrinkWeather() | simplifyAsks();
    return asks | rest;
  }

  /**
   * Whether it fails. What happens at a step happens at another moment in a shorter plan: so other
   * moments are tried as well.
   */
  private boolean stillFails(ArrayPlan plan) {
    if (stillFailsAsItIs(plan)) {
      return true;
    }
    for (int i = 1; !plan.events().isEmpty() && i <= 4; i++) {
      List<Event> sooner = new ArrayList<>();
      for (Event event : plan.events()) {
        sooner.add(new Event(event.atStep() * (10 - 2 * i) / 10, event.what(), event.slot()));
      }
      if (stillFailsAsItIs(plan.withEvents(sooner))) {
        return true;
      }
    }
    return false;
  }

  private boolean stillFailsAsItIs(ArrayPlan plan) {
    if (tries++ >= TRIES_AT_MOST) {
      return false;
    }
    Optional<Failure> failure = simulation.play(plan);
    failure.ifPresent(found -> smallest = found);
    return failure.isPresent();
  }

  private boolean shrinkAsks() {
    boolean any = false;
    for (int size = Math.max(1, smallest.plan().asks().size() / 2); size > 0; size /= 2) {
      for (int from = 0; from < smallest.plan().asks().size(); ) {
        List<Ask> asks = new ArrayList<>(smallest.plan().asks());
        asks.subList(from, Math.min(asks.size(), from + size)).clear();
        if (!asks.isEmpty() && stillFails(smallest.plan().withAsks(asks))) {
          any = true;
        } else {
          from += size;
        }
      }
    }
    return any;
  }

  private boolean shrinkEvents() {
    boolean any = false;
    for (int i = smallest.plan().events().size() - 1; i >= 0; i--) {
      List<Event> fewer = new ArrayList<>(smallest.plan().events());
      fewer.remove(i);
      any |= stillFails(smallest.plan().withEvents(fewer));
    }
    return any;
  }

  private boolean shrinkHedge() {
    ArrayPlan plan = smallest.plan();
    return plan.hedge().isOn() && stillFails(plan.withHedge(Hedge.NONE));
  }

  private boolean shrinkMembers() {
    ArrayPlan plan = smallest.plan();
    boolean any =
        !plan.missing().isEmpty() && stillFails(plan.withMembers(plan.stormy(), Set.of()));
    plan = smallest.plan();
    return any
        | (!plan.stormy().isEmpty() && stillFails(plan.withMembers(Set.of(), plan.missing())));
  }

  private boolean shrinkWeather() {
    boolean any = false;
    Weather w = smallest.plan().weather();
    List<Weather> calmer =
        List.of(
            w.withoutFaults(),
            with(w, 0, w.hangsPerMille(), w.badPerMille(), w.latencyNanos()),
            with(w, w.failsPerMille(), 0, w.badPerMille(), w.latencyNanos()),
            with(w, w.failsPerMille(), w.hangsPerMille(), 0, w.latencyNanos()),
            with(w, w.failsPerMille(), w.hangsPerMille(), w.badPerMille(), 0));
    for (Weather other : calmer) {
      ArrayPlan plan = smallest.plan();
      any |= !other.equals(plan.weather()) && stillFails(plan.withWeather(other));
    }
    return any;
  }

  private static Weather with(Weather w, int fails, int hangs, int bad, long latency) {
    return new Weather(
        w.inFlight(),
        latency,
        fails,
        hangs,
        bad,
        w.abort(),
        w.largestTransferBlocks(),
        w.memoryAlignmentBytes());
  }

  private boolean simplifyAsks() {
    boolean any = false;
    for (int i = 0; i < smallest.plan().asks().size(); i++) {
      Ask ask = smallest.plan().asks().get(i);
      if (ask.op() == null) {
        continue;
      }
      Ask plain = Ask.of(ask.op(), ask.block(), Math.max(1, ask.blocks() / 2), false, -1);
      if (!plain.equals(ask)) {
        List<Ask> asks = new ArrayList<>(smallest.plan().asks());
        asks.set(i, plain);
        any |= stillFails(smallest.plan().withAsks(asks));
      }
    }
    return any;
  }
}
