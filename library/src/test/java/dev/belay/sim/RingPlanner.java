// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import dev.belay.Op;
import dev.belay.sim.Plan.Ask;
import dev.belay.sim.Plan.Raise;
import dev.belay.sim.Plan.Whose;
import dev.belay.uring.RingWeather;
import dev.belay.uring.RingWeather.Knob;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/** Makes a scenario of a ring out of a seed. */
final class RingPlanner {
  private static final Op[] OPS = {
    Op.READ,
    Op.READ,
    Op.READ,
    Op.READ,
    Op.WRITE,
    Op.WRITE,
    Op.WRITE,
    Op.WRITE,
    Op.FLUSH,
    Op.DISCARD,
    Op.WRITE_ZEROES,
    Op.WRITE_ZEROES
  };

  private final SplittableRandom random;

  private RingPlanner(SplittableRandom random) {
    this.random = random;
  }

  /** A scenario of up to some hundred requests. */
  static RingPlan large(long seed) {
    return new RingPlanner(new SplittableRandom(seed)).plan(seed, 20 + (int) (seed % 280));
  }

  /** One of a few requests, all of whose flags are children of the first shared one. */
  static RingPlan small(long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    RingPlan plan = new RingPlanner(random).plan(seed, 1 + random.nextInt(7));
    List<Ask> asks = new ArrayList<>();
    for (Ask ask : plan.asks()) {
      int granules = 1 + ask.granules() % 100;
      int flag = random.nextInt(2);
      asks.add(
          new Ask(
              ask.op(),
              ask.at(),
              granules,
              ask.fua(),
              Whose.CHILD_OF_SHARED,
              flag,
              -1,
              -1,
              ask.bySend()));
    }
    RingWeather weather = plan.weather().with(Knob.REFUSES_FOR, 0);
    return plan.withAsks(asks).withRaises(List.of()).withWeather(weather, plan.openAtMost());
  }

  private RingPlan plan(long seed, int count) {
    boolean crashes = random.nextInt(6) == 0;
    boolean cancels = random.nextInt(4) > 0;
    int sharedFlags = 1 + random.nextInt(3);
    int longest = random.nextBoolean() ? 32 : 400;
    List<Ask> asks = new ArrayList<>(count);
    for (int i = 0; i < count; i++) {
      asks.add(ask(longest, sharedFlags, cancels));
    }
    List<Raise> raises = new ArrayList<>();
    for (int i = 0; cancels && i < sharedFlags; i++) {
      if (random.nextBoolean()) {
        raises.add(new Raise(random.nextInt(count * 10), i));
      }
    }
    return new RingPlan(
        seed,
        RingWeather.random(random),
        1 + random.nextInt(2),
        1 << random.nextInt(7),
        sharedFlags,
        List.copyOf(raises),
        List.copyOf(asks),
        crashes ? random.nextInt(count * 8) : -1,
        !crashes && random.nextInt(4) == 0 ? random.nextInt(count) : -1);
  }

  private Ask ask(int longest, int sharedFlags, boolean cancels) {
    int dice = random.nextInt(8);
    return new Ask(
        OPS[random.nextInt(OPS.length)],
        random.nextInt(1 << 16),
        1 + random.nextInt(random.nextInt(1, longest + 1)),
        random.nextInt(5) == 0,
        dice < 6 ? Whose.OWN : dice == 6 ? Whose.SHARED : Whose.CHILD_OF_SHARED,
        random.nextInt(sharedFlags),
        cancels && random.nextInt(3) == 0 ? random.nextInt(random.nextInt(1, 60)) : -1,
        cancels && random.nextInt(16) == 0 ? random.nextInt(100_000) : -1,
        random.nextInt(4) == 0);
  }
}
