// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import dev.belay.Device;
import dev.belay.Loop;
import dev.belay.sim.Layer.Made;
import dev.belay.testing.Recording;
import dev.belay.testing.SimClock;
import dev.belay.testing.SimLeaf;
import dev.belay.testing.SimMedium;
import dev.belay.testing.SimPoller;
import dev.belay.testing.Steps;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.Consumer;

/** A plan's stack, built over media that outlive it. */
final class Rig {
  final SimClock clock;
  final SimPoller poller;
  final Loop loop;
  final Recording recording;
  final Device top;
  private final Plan plan;
  private final List<SimMedium> media;
  private final List<SimLeaf> leaves = new ArrayList<>();
  private final List<Consumer<Boolean>> calms = new ArrayList<>();
  private final List<Runnable> releases = new ArrayList<>();
  private final StringBuilder text = new StringBuilder();

  /**
   * @param media the leaves' media, in order; empty for new ones, which are added
   */
  Rig(Plan plan, Steps steps, List<SimMedium> media) {
    this.plan = plan;
    this.media = media;
    clock = new SimClock(steps);
    poller = new SimPoller(clock, steps);
    loop = Loop.driven(clock);
    loop.setPoller(poller);
    recording = new Recording(false, plan.stack().anyMatch(Layer::mayShield));
    top = build(plan.stack());
  }

  private Device build(Plan.Node node) {
    if (node.isLeaf()) {
      return leaf(node);
    }
    int at = text.length();
    text.append('(');
    List<Device> lowers = new ArrayList<>();
    for (Plan.Node lower : node.lowers()) {
      text.append(lowers.isEmpty() ? "" : ", ");
      lowers.add(build(lower));
    }
    Made made = node.layer().maker().make(loop, lowers, new SplittableRandom(node.seed()));
    if (made == null) {
      text.append(") without ").append(node.layer().name());
      return lowers.get(0);
    }
    text.insert(at, node.layer().name());
    text.append(made.options().isEmpty() ? "" : ", " + made.options()).append(')');
    calms.add(made.calm());
    releases.add(made.release());
    return made.device();
  }

  private SimLeaf leaf(Plan.Node node) {
    int index = leaves.size();
    if (index == media.size()) {
      SplittableRandom random = new SplittableRandom(node.seed());
      int blocks = 16 + random.nextInt(random.nextInt(1, 200));
      SimMedium medium = new SimMedium(index, blocks * plan.blockGranules(), plan.blockGranules());
      medium.setKeepsLog(plan.crashAtStep() >= 0);
      medium.spoil(random, plan.weather().badPerMille());
      media.add(medium);
    }
    SimLeaf leaf =
        new SimLeaf(
            loop,
            "sim" + index,
            media.get(index),
            plan.weather(),
            poller,
            recording,
            new SplittableRandom(plan.seed() ^ node.seed()));
    leaves.add(leaf);
    text.append(leaf.name());
    return leaf;
  }

  /** Switches all faults off, or on again. */
  void setCalm(boolean isCalm) {
    for (SimLeaf leaf : leaves) {
      leaf.setWeather(isCalm ? plan.weather().withoutFaults() : plan.weather());
    }
    calms.forEach(calm -> calm.accept(isCalm));
  }

  /** Lets go what layers would hold for ever. */
  void release() {
    releases.forEach(Runnable::run);
  }

  /** What is still in a device or waits for one. */
  int leftInLeaves() {
    return leaves.stream().mapToInt(leaf -> leaf.inFlight() + leaf.backlog()).sum();
  }

  @Override
  public String toString() {
    return text.toString();
  }
}
