// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import dev.belay.Op;
import dev.belay.sim.Plan.Ask;
import dev.belay.sim.Plan.Node;
import dev.belay.sim.Plan.Raise;
import dev.belay.sim.Plan.Whose;
import dev.belay.testing.Weather;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/** Makes a plan out of a seed. */
final class Planner {
  private static final Op[] OPS = {
    Op.READ,
    Op.READ,
    Op.READ,
    Op.READ,
    Op.READ,
    Op.READ,
    Op.READ,
    Op.READ,
    Op.WRITE,
    Op.WRITE,
    Op.WRITE,
    Op.WRITE,
    Op.WRITE,
    Op.WRITE,
    Op.WRITE,
    Op.WRITE,
    Op.FLUSH,
    Op.FLUSH,
    Op.DISCARD,
    Op.WRITE_ZEROES,
    Op.FIND_HOLES
  };

  private final SplittableRandom random;
  private final List<Layer> layers;

  private Planner(SplittableRandom random, List<Layer> layers) {
    this.random = random;
    this.layers = layers;
  }

  /** A scenario of up to some hundred requests over up to four layers. */
  static Plan large(long seed, List<Layer> layers) {
    return new Planner(new SplittableRandom(seed), layers).plan(seed, 4, 20 + (int) (seed % 180));
  }

  /** One of a few requests over up to two layers, which runs in some dozens of steps. */
  static Plan small(long seed, List<Layer> layers) {
    SplittableRandom random = new SplittableRandom(seed);
    Plan plan = new Planner(random, layers).plan(seed, 2, 1 + random.nextInt(3));
    List<Ask> asks = new ArrayList<>();
    for (Ask ask : plan.asks()) {
      asks.add(
          new Ask(
              ask.op(),
              ask.at(),
              1 + ask.granules() % 24,
              ask.fua(),
              Whose.CHILD_OF_SHARED,
              random.nextInt(2),
              -1,
              -1,
              ask.bySend()));
    }
    return plan.withAsks(asks).withRaises(List.of());
  }

  private Plan plan(long seed, int depthAtMost, int asks) {
    Node stack = node(random.nextInt(depthAtMost + 1));
    boolean crashes = random.nextInt(5) == 0;
    int sharedFlags = 1 + random.nextInt(3);
    boolean cancels = random.nextInt(4) > 0;
    List<Ask> all = new ArrayList<>(asks);
    int longest = random.nextBoolean() ? 16 : 200;
    for (int i = 0; i < asks; i++) {
      all.add(ask(longest, sharedFlags, cancels));
    }
    List<Raise> raises = new ArrayList<>();
    for (int i = 0; cancels && i < sharedFlags; i++) {
      if (random.nextBoolean()) {
        raises.add(new Raise(random.nextInt(asks * 20), i));
      }
    }
    return new Plan(
        seed,
        stack,
        weather(),
        1 << random.nextInt(3),
        1 << random.nextInt(6),
        sharedFlags,
        List.copyOf(raises),
        List.copyOf(all),
        crashes ? random.nextInt(asks * 15) : -1,
        !crashes && random.nextInt(5) == 0 ? random.nextInt(asks) : -1,
        random.nextInt(4) == 0);
  }

  private Node node(int layersLeft) {
    if (layersLeft == 0 || layers.isEmpty()) {
      return new Node(null, random.nextLong(), List.of());
    }
    Layer layer = layers.get(random.nextInt(layers.size()));
    int count =
        layer.lowersAtLeast() + random.nextInt(layer.lowersAtMost() - layer.lowersAtLeast() + 1);
    List<Node> lowers = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      lowers.add(node(i == 0 ? layersLeft - 1 : random.nextInt(Math.min(2, layersLeft))));
    }
    return new Node(layer, random.nextLong(), List.copyOf(lowers));
  }

  private Weather weather() {
    boolean faults = random.nextInt(3) > 0;
    Weather.Abort[] aborts = Weather.Abort.values();
    return new Weather(
        1 << random.nextInt(6),
        random.nextInt(6) == 0 ? 0 : 1 + random.nextInt(10_000),
        faults && random.nextBoolean() ? random.nextInt(60) : 0,
        faults && random.nextBoolean() ? random.nextInt(40) : 0,
        faults && random.nextInt(3) == 0 ? random.nextInt(20) : 0,
        aborts[random.nextInt(aborts.length)],
        random.nextInt(3) == 0 ? 1 << random.nextInt(5) : 0,
        random.nextBoolean() ? 1 : 64);
  }

  private Ask ask(int longest, int sharedFlags, boolean cancels) {
    int dice = random.nextInt(8);
    return new Ask(
        OPS[random.nextInt(OPS.length)],
        random.nextInt(1 << 16),
        1 + random.nextInt(random.nextInt(1, longest + 1)),
        random.nextInt(8) == 0,
        dice < 6 ? Whose.OWN : dice == 6 ? Whose.SHARED : Whose.CHILD_OF_SHARED,
        random.nextInt(sharedFlags),
        cancels && random.nextInt(3) == 0 ? random.nextInt(random.nextInt(1, 100)) : -1,
        cancels && random.nextInt(16) == 0 ? random.nextInt(20_000) : -1,
        random.nextInt(4) == 0);
  }
}
