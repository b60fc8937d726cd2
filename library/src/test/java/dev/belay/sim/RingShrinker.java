// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import dev.belay.sim.Plan.Ask;
import dev.belay.sim.Plan.Raise;
import dev.belay.sim.Plan.Whose;
import dev.belay.sim.RingSimulation.Failure;
import dev.belay.uring.RingWeather;
import dev.belay.uring.RingWeather.Knob;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Makes a failing plan smaller for as long as it still fails: fewer requests, calmer weather. */
final class RingShrinker {
  private static final int TRIES_AT_MOST = 3000;

  private final RingSimulation simulation;
  private Failure smallest;
  private int tries;

  private RingShrinker(RingSimulation simulation, Failure failure) {
    this.simulation = simulation;
    smallest = failure;
  }

  static Failure shrink(RingSimulation simulation, Failure failure) {
    RingShrinker shrinker = new RingShrinker(simulation, failure);
    while (shrinker.shrinkOnce() && shrinker.tries < TRIES_AT_MOST) {
      // once more, because each thing that went away may let another one go
    }
    return shrinker.smallest;
  }

  private boolean shrinkOnce() {
    return shrinkAsks() | shrinkWeather() | shrinkEvents() | simplifyAsks();
  }

  private boolean stillFails(RingPlan plan) {
    if (tries++ >= TRIES_AT_MOST || plan.equals(smallest.plan())) {
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

  private boolean shrinkWeather() {
    boolean any = false;
    for (Knob knob : Knob.values()) {
      RingWeather weather = smallest.plan().weather();
      for (int value : new int[] {0, 1, weather.of(knob) / 2}) {
        if (value < weather.of(knob)
            && stillFails(
                smallest
                    .plan()
                    .withWeather(weather.with(knob, value), smallest.plan().openAtMost()))) {
          any = true;
          break;
        }
      }
    }
    int open = smallest.plan().openAtMost();
    return any
        | (open > 1
            && stillFails(smallest.plan().withWeather(smallest.plan().weather(), open / 2)));
  }

  private boolean shrinkEvents() {
    RingPlan plan = smallest.plan();
    boolean any = stillFails(plan.withEvents(plan.files(), -1, plan.closeAfter()));
    plan = smallest.plan();
    any |= stillFails(plan.withEvents(plan.files(), plan.crashAtStep(), -1));
    plan = smallest.plan();
    any |= stillFails(plan.withEvents(1, plan.crashAtStep(), plan.closeAfter()));
    for (int i = smallest.plan().raises().size() - 1; i >= 0; i--) {
      List<Raise> fewer = new ArrayList<>(smallest.plan().raises());
      fewer.remove(i);
      any |= stillFails(smallest.plan().withRaises(fewer));
    }
    return any;
  }

  private boolean simplifyAsks() {
    boolean any = false;
    for (int i = 0; i < smallest.plan().asks().size(); i++) {
      Ask ask = smallest.plan().asks().get(i);
      Ask plain =
          new Ask(
              ask.op(),
              ask.at(),
              Math.max(1, ask.granules() / 2),
              false,
              Whose.OWN,
              0,
              ask.raiseAfterSteps(),
              -1,
              false);
      List<Ask> asks = new ArrayList<>(smallest.plan().asks());
      asks.set(i, plain);
      any |= stillFails(smallest.plan().withAsks(asks));
    }
    return any;
  }
}
