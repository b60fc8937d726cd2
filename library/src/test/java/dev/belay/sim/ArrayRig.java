// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import dev.belay.Device;
import dev.belay.Loop;
import dev.belay.md.Array;
import dev.belay.md.ArrayOptions;
import dev.belay.md.Assembly;
import dev.belay.md.DirectIo;
import dev.belay.md.MemberContents;
import dev.belay.md.MetadataException;
import dev.belay.stack.MdArray;
import dev.belay.stack.MdOptions;
import dev.belay.target.Linear;
import dev.belay.target.Mirror;
import dev.belay.target.Parity;
import dev.belay.testing.Recording;
import dev.belay.testing.SimClock;
import dev.belay.testing.SimLeaf;
import dev.belay.testing.SimMedium;
import dev.belay.testing.SimPoller;
import dev.belay.testing.Steps;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/** A plan's array, opened over media that outlive it. */
final class ArrayRig {
  final SimClock clock;
  final SimPoller poller;
  final Loop loop;
  final Recording recording = new Recording(false, true);
  private final ArrayPlan plan;
  private final List<SimLeaf> leaves = new ArrayList<>();
  private final List<Device> devices = new ArrayList<>();
  private final List<Integer> numbers = new ArrayList<>();
  private final List<MemberContents> contents = new ArrayList<>();
  private @Nullable Device top;
  private @Nullable Array array;

  /**
   * The members, not yet an array, in calm weather.
   *
   * @param saboteur puts itself between array and members; null for none
   */
  ArrayRig(ArrayPlan plan, Steps steps, List<SimMedium> media, @Nullable Saboteur saboteur) {
    this.plan = plan;
    clock = new SimClock(steps);
    poller = new SimPoller(clock, steps);
    loop = Loop.driven(clock);
    loop.setPoller(poller);
    for (int i = 0; i < media.size(); i++) {
      if (plan.missing().contains(i)) {
        continue;
      }
      SimLeaf leaf =
          new SimLeaf(
              loop,
              "sim" + i,
              media.get(i),
              plan.weather().withoutFaults(),
              poller,
              recording,
              new SplittableRandom(plan.seed() * 31 + i));
      leaves.add(leaf);
      numbers.add(i);
      contents.add(MemberContents.read(leaf.name(), new DirectIo(loop, leaf)));
      devices.add(saboteur == null ? leaf : saboteur.before(loop, leaf, media.get(i), i));
    }
  }

  /** The media of the candidates, in their order. */
  List<SimMedium> media(List<SimMedium> all) {
    return numbers.stream().map(all::get).toList();
  }

  List<MemberContents> contents() {
    return contents;
  }

  Assembly assemble(boolean isForced) throws MetadataException {
    return MdArray.assemble(contents, new Assembly.Wish(true, isForced, Optional.empty()));
  }

  /**
   * Adds all devices that were members and are out, as a careful user would: as what they were, if
   * the bitmap can tell what they lack, else as new ones.
   */
  Assembly join(Assembly assembly) {
    ArrayJoin join = new ArrayJoin(contents, assembly, new SplittableRandom(plan.seed()));
    for (Assembly.Left left : assembly.left()) {
      SimLeaf leaf = leaves.get(left.candidate());
      join.add(left, new DirectIo(loop, leaf));
    }
    return join.joined();
  }

  void open(Assembly assembly) {
    ArrayOptions behaviour =
        ArrayOptions.DEFAULT.withIdleNanos(plan.idleNanos()).withSyncRates(1 << 20, 200 << 20);
    MdOptions options = new MdOptions(MdOptions.DEFAULT.wish(), behaviour, plan.hedge());
    MdArray opened = MdArray.open(loop, devices, contents, assembly, options);
    top = opened.device();
    array = Objects.requireNonNull(opened.array());
    setCalm(false);
  }

  /** The same members, as if they held no metadata; spares are no part of it. */
  void openByHand() {
    ArrayShape shape = plan.shape();
    List<Device> parts = new ArrayList<>();
    for (Device device : devices.subList(0, shape.members())) {
      parts.add(new Linear(loop, device, 0, shape.usedBytes()));
    }
    int layout = shape.layout();
    if (shape.hasParity()) {
      Parity parity = Parity.byHand(loop, shape.level(), parts, shape.chunkBytes(), layout);
      top = parity;
      array = parity.array();
    } else {
      array = Array.byHand(loop, shape.level(), ArrayOptions.DEFAULT, parts);
      top = new Mirror(loop, array, shape.copies(), plan.hedge());
    }
    setCalm(false);
  }

  Device top() {
    return Objects.requireNonNull(top);
  }

  Array array() {
    return Objects.requireNonNull(array);
  }

  /** Switches all faults off, or on again. */
  void setCalm(boolean isCalm) {
    for (int i = 0; i < leaves.size(); i++) {
      boolean isStormy = !isCalm && plan.stormy().contains(numbers.get(i));
      leaves.get(i).setWeather(isStormy ? plan.weather() : plan.weather().withoutFaults());
    }
  }

  /** What is still in a device or waits for one. */
  int leftInLeaves() {
    return leaves.stream().mapToInt(leaf -> leaf.inFlight() + leaf.backlog()).sum();
  }

  @Override
  public String toString() {
    return top == null ? "members without an array" : top.status();
  }
}
