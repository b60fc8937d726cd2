// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import dev.belay.Device;
import dev.belay.Limits;
import dev.belay.Loop;
import dev.belay.Op;
import dev.belay.md.ZonesLayout;
import dev.belay.sim.Layer.Made;
import dev.belay.target.Align;
import dev.belay.target.Concat;
import dev.belay.target.Delay;
import dev.belay.target.Fault;
import dev.belay.target.Linear;
import dev.belay.target.Raid0;
import dev.belay.target.Stripe;
import dev.belay.target.Throttle;
import dev.belay.testing.SimMedium;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/** The kinds of devices that random stacks are built of. A new target gets a line here. */
final class Layers {
  private Layers() {}

  /** The small devices of {@link Plain}. */
  static final List<Layer> PLAIN =
      List.of(
          layer("shift", 1, Layers::shift),
          layer("copy", 1, (loop, lowers, r) -> new Made(new Plain.Copy(loop, lowers.get(0)), "")),
          layer("spread", 3, Layers::spread),
          layer(
              "halves",
              1,
              (loop, lowers, r) -> new Made(new Plain.Halves(loop, lowers.get(0)), "")),
          layer("hold", 1, Layers::hold),
          new Layer(
              "twin",
              2,
              2,
              true,
              false,
              (loop, lowers, r) -> new Made(new Plain.Twin(loop, lowers), "")));

  /** The targets of the library. */
  static final List<Layer> TARGETS =
      List.of(
          layer("linear", 1, Layers::linear),
          layer("concat", 3, (loop, lowers, random) -> new Made(new Concat(loop, lowers), "")),
          layer("stripe", 4, Layers::stripe),
          layer("raid0", 4, Layers::raid0),
          layer("align", 1, Layers::align),
          layer("delay", 1, Layers::delay),
          layer("throttle", 1, Layers::throttle),
          new Layer("fault", 1, 1, false, true, Layers::fault));

  /** All; the library's own more often. */
  static final List<Layer> ALL = all();

  private static List<Layer> all() {
    List<Layer> all = new ArrayList<>(PLAIN);
    all.addAll(TARGETS);
    all.addAll(TARGETS);
    return List.copyOf(all);
  }

  private static Layer layer(String name, int lowersAtMost, Layer.Maker maker) {
    return new Layer(name, 1, lowersAtMost, false, false, maker);
  }

  /** The block, but at least a granule: where a device takes any byte, contents still do not. */
  private static int block(Limits limits) {
    return Math.max(SimMedium.GRANULE_BYTES, limits.logicalBlockBytes());
  }

  /** Somewhere in the first half of a device, in whole blocks. */
  private static long somewhere(Limits limits, SplittableRandom random) {
    int block = block(limits);
    return random.nextLong(Math.max(1, limits.sizeBytes() / block / 2)) * block;
  }

  private static Made shift(Loop loop, List<Device> lowers, SplittableRandom random) {
    long by = somewhere(lowers.get(0).limits(), random);
    return new Made(new Plain.Shift(loop, lowers.get(0), by), "by " + by);
  }

  private static @Nullable Made spread(Loop loop, List<Device> lowers, SplittableRandom random) {
    int block = block(Plain.Spread.limits(lowers, 1));
    long chunk = (long) block << random.nextInt(4);
    if (lowers.stream().anyMatch(lower -> lower.limits().sizeBytes() < chunk)) {
      return null;
    }
    return new Made(new Plain.Spread(loop, lowers, chunk), "chunk=" + chunk);
  }

  private static Made hold(Loop loop, List<Device> lowers, SplittableRandom random) {
    long nanos = 1 + random.nextLong(20_000);
    return new Made(new Plain.Hold(loop, lowers.get(0), nanos), nanos + " ns");
  }

  private static Made linear(Loop loop, List<Device> lowers, SplittableRandom random) {
    Limits limits = lowers.get(0).limits();
    long from = somewhere(limits, random);
    long size = limits.sizeBytes() - from - somewhere(limits, random) / 2;
    size -= size % block(limits);
    return new Made(
        new Linear(loop, lowers.get(0), from, size), "offset=" + from + ", size=" + size);
  }

  private static @Nullable Made stripe(Loop loop, List<Device> lowers, SplittableRandom random) {
    int block = block(Plain.Spread.limits(lowers, 1));
    long chunk = (long) block * (1 + random.nextInt(9));
    if (lowers.stream().anyMatch(lower -> lower.limits().sizeBytes() < chunk)) {
      return null;
    }
    return new Made(new Stripe(loop, lowers, chunk), "chunk=" + chunk);
  }

  private static @Nullable Made raid0(Loop loop, List<Device> lowers, SplittableRandom random) {
    int block = block(Plain.Spread.limits(lowers, 1));
    long chunk = Math.max(512, block) * (1L + random.nextInt(3));
    if (chunk % block != 0 || lowers.stream().anyMatch(each -> each.limits().sizeBytes() < chunk)) {
      return null;
    }
    int number = 1 + random.nextInt(2);
    return new Made(
        Raid0.byHand(loop, lowers, chunk, number),
        "chunk=" + chunk + ", layout=" + ZonesLayout.word(number));
  }

  private static @Nullable Made align(Loop loop, List<Device> lowers, SplittableRandom random) {
    Limits limits = lowers.get(0).limits();
    int block = block(limits) << random.nextInt(3);
    if (limits.sizeBytes() < block) {
      return null;
    }
    long bounces = 1 + random.nextInt(3);
    return new Made(
        new Align(loop, lowers.get(0), block, bounces << 16),
        "block=" + block + ", bounce=" + bounces * 64 + "k");
  }

  private static Made delay(Loop loop, List<Device> lowers, SplittableRandom random) {
    long[] nanos = new long[3];
    for (int i = 0; i < 3; i++) {
      nanos[i] = random.nextInt(3) == 0 ? 0 : random.nextLong(20_000);
    }
    return new Made(
        new Delay(loop, lowers.get(0), nanos[0], nanos[1], nanos[2]),
        "read=%dns, write=%dns, flush=%dns".formatted(nanos[0], nanos[1], nanos[2]));
  }

  private static Made throttle(Loop loop, List<Device> lowers, SplittableRandom random) {
    int which = random.nextInt(3);
    double iops = which == 0 ? 0 : 100 + random.nextInt(1_000_000);
    // A fiftieth of it is what long requests are cut into.
    long bytes = which == 1 ? 0 : 400L * (3 + random.nextInt(125_000));
    long burst = 1 + random.nextInt(1_000_000);
    return new Made(
        new Throttle(loop, lowers.get(0), iops, bytes, burst),
        "iops=%.0f, bandwidth=%d, burst=%dns".formatted(iops, bytes, burst));
  }

  private static Made fault(Loop loop, List<Device> lowers, SplittableRandom random) {
    Limits limits = lowers.get(0).limits();
    List<Fault.Rule> rules = new ArrayList<>();
    Fault.Effect[] effects = Fault.Effect.values();
    Op[] ops = Op.values();
    for (int i = random.nextInt(1, 4); i > 0; i--) {
      Fault.Rule rule = Fault.Rule.of(effects[random.nextInt(effects.length)]);
      rule = random.nextBoolean() ? rule : rule.on(ops[random.nextInt(ops.length)]);
      rule =
          random.nextBoolean()
              ? rule
              : rule.within(somewhere(limits, random), 1 + somewhere(limits, random));
      rules.add(
          rule.withRate(random.nextInt(4) == 0 ? 1 : random.nextDouble() / 4)
              .withDelay(random.nextInt(30_000)));
    }
    Fault fault = new Fault(loop, lowers.get(0), rules, random.nextLong());
    return new Made(
        fault,
        rules.toString(),
        isCalm -> fault.setRules(isCalm ? List.of() : rules),
        fault::release);
  }
}
