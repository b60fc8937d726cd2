// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import dev.belay.sim.Plan.Ask;
import dev.belay.sim.Plan.Node;
import dev.belay.sim.Simulation.Failure;
import dev.belay.testing.Weather;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Makes a failing plan smaller for as long as it still fails: fewer requests first, then fewer
 * layers, then fewer faults and events.
 */
final class Shrinker {
  private static final int TRIES_AT_MOST = 3000;

  private final Simulation simulation;
  private Failure smallest;
  private int tries;

  private Shrinker(Simulation simulation, Failure failure) {
    this.simulation = simulation;
    smallest = failure;
  }

  static Failure shrink(Simulation simulation, Failure failure) {
    Shrinker shrinker = new Shrinker(simulation, failure);
    while (shrinker.shrinkOnce() && shrinker.tries < TRIES_AT_MOST) {
      // once more, because each thing that went away may let another one go
    }
    return shrinker.smallest;
  }

  private boolean shrinkOnce() {
    boolean asks = shrinkAsks();
    boolean stack = shrinkStack();
    boolean rest = shrinkEvents() | shrinkWeather() | simplifyAsks();
    return asks | stack | rest;
  }

  /**
   * Whether it fails. What a power loss does depends on the moment and on chance, and both are
   * other ones in a shorter plan: so others are tried as well.
   */
  private boolean stillFails(Plan plan) {
    if (stillFailsAsItIs(plan)) {
      return true;
    }
    long crash = plan.crashAtStep();
    long had = smallest.plan().asks().size();
    for (int i = 1; crash >= 0 && i <= 6; i++) {
      long sooner = crash * plan.asks().size() / had * (10 - i) / 9;
      Plan other = plan.withEvents(sooner, plan.closeBefore(), plan.submitsFromEnd());
      if (stillFailsAsItIs(other.withSeed(plan.seed() + i))) {
        return true;
      }
    }
    return false;
  }

  private boolean stillFailsAsItIs(Plan plan) {
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

  private boolean shrinkStack() {
    boolean any = false;
    for (boolean found = true; found; any |= found) {
      found = false;
      for (Node smaller : smaller(smallest.plan().stack())) {
        if (stillFails(smallest.plan().withStack(smaller))) {
          found = true;
          break;
        }
      }
    }
    return any;
  }

  /** Every tree with one layer or one device less. */
  private static List<Node> smaller(Node node) {
    List<Node> found = new ArrayList<>();
    if (node.isLeaf()) {
      return found;
    }
    found.addAll(node.lowers());
    for (int i = 0; i < node.lowers().size(); i++) {
      List<Node> fewer = new ArrayList<>(node.lowers());
      fewer.remove(i);
      if (fewer.size() >= node.layer().lowersAtLeast()) {
        found.add(new Node(node.layer(), node.seed(), fewer));
      }
      for (Node smaller : smaller(node.lowers().get(i))) {
        List<Node> other = new ArrayList<>(node.lowers());
        other.set(i, smaller);
        found.add(new Node(node.layer(), node.seed(), other));
      }
    }
    return found;
  }

  private boolean shrinkEvents() {
    Plan plan = smallest.plan();
    boolean any = false;
    if (plan.crashAtStep() >= 0) {
      any |= stillFails(plan.withEvents(-1, plan.closeBefore(), plan.submitsFromEnd()));
    }
    plan = smallest.plan();
    if (plan.closeBefore() >= 0) {
      any |= stillFails(plan.withEvents(plan.crashAtStep(), -1, plan.submitsFromEnd()));
    }
    plan = smallest.plan();
    if (plan.submitsFromEnd()) {
      any |= stillFails(plan.withEvents(plan.crashAtStep(), plan.closeBefore(), false));
    }
    for (int i = smallest.plan().raises().size() - 1; i >= 0; i--) {
      List<Plan.Raise> fewer = new ArrayList<>(smallest.plan().raises());
      fewer.remove(i);
      any |= stillFails(smallest.plan().withRaises(fewer));
    }
    return any;
  }

  private boolean shrinkWeather() {
    Weather w = smallest.plan().weather();
    int open = smallest.plan().openAtMost();
    boolean any = open > 1 && stillFails(smallest.plan().withWeather(w, open / 2));
    List<Weather> calmer =
        List.of(
            w.withoutFaults(),
            new Weather(
                w.inFlight(),
                w.latencyNanos(),
                0,
                w.hangsPerMille(),
                w.badPerMille(),
                w.abort(),
                w.largestTransferBlocks(),
                w.memoryAlignmentBytes()),
            new Weather(
                w.inFlight(),
                w.latencyNanos(),
                w.failsPerMille(),
                0,
                0,
                w.abort(),
                0,
                w.memoryAlignmentBytes()),
            new Weather(
                w.inFlight(),
                0,
                w.failsPerMille(),
                w.hangsPerMille(),
                w.badPerMille(),
                w.abort(),
                w.largestTransferBlocks(),
                1));
    for (Weather other : calmer) {
      if (!other.equals(smallest.plan().weather())) {
        any |= stillFails(smallest.plan().withWeather(other, smallest.plan().openAtMost()));
      }
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
              Plan.Whose.OWN,
              0,
              ask.raiseAfterSteps(),
              -1,
              false);
      if (!plain.equals(ask)) {
        List<Ask> asks = new ArrayList<>(smallest.plan().asks());
        asks.set(i, plain);
        any |= stillFails(smallest.plan().withAsks(asks));
      }
    }
    return any;
  }
}
