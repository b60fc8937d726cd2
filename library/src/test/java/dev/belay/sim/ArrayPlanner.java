// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import dev.belay.Op;
import dev.belay.md.Level;
import dev.belay.sim.ArrayPlan.Ask;
import dev.belay.sim.ArrayPlan.Event;
import dev.belay.sim.ArrayPlan.What;
import dev.belay.target.Hedge;
import dev.belay.testing.Weather;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeSet;

/** Makes plans by chance: arrays of all levels and layouts, and all that can happen to them. */
final class ArrayPlanner {
  private static final Level[] LEVELS = {
    Level.RAID1, Level.RAID4, Level.RAID5, Level.RAID5, Level.RAID6, Level.RAID6, Level.RAID10
  };
  private static final int[] RAID6_LAYOUTS = {0, 1, 2, 3, 4, 5, 8, 9, 10, 16, 17, 18, 19, 20};
  private static final int[] RAID10_LAYOUTS = {0x102, 0x102, 0x103, 0x201, 0x10201, 0x202};

  /** Seeds before it play what they always played. */
  private static final long FIRST_WITH_MORE = 2_000_000_001;

  private ArrayPlanner() {}

  /** What belongs to a seed. */
  static ArrayPlan plan(long seed) {
    ArrayPlan plan = common(seed);
    return seed < FIRST_WITH_MORE ? plan : withMore(plan, new SplittableRandom(~seed));
  }

  /** Hedged reads, discards, members that come back, and arrays without metadata. */
  private static ArrayPlan withMore(ArrayPlan plan, SplittableRandom random) {
    ArrayPlan more = plan;
    if (random.nextInt(3) == 0 && !plan.shape().hasParity()) {
      more =
          more.withHedge(
              random.nextBoolean()
                  ? Hedge.after(1 + random.nextLong(60_000))
                  : Hedge.afterPercentile(50 + random.nextInt(50)));
    }
    if (random.nextInt(4) == 0) {
      List<Ask> asks = new ArrayList<>(plan.asks());
      asks.replaceAll(
          ask ->
              ask.op() == Op.WRITE && random.nextInt(10) == 0
                  ? Ask.of(Op.DISCARD, ask.block(), ask.blocks(), false, ask.raiseAfterSteps())
                  : ask);
      more = more.withAsks(asks);
    }
    if (random.nextInt(4) == 0) {
      List<Event> events = new ArrayList<>(plan.events());
      long steps = 100L + plan.asks().size() * (long) (10 + random.nextInt(60));
      for (int i = random.nextInt(3); i >= 0; i--) {
        events.add(new Event(random.nextLong(steps), What.REJOIN, 0));
      }
      int slot = random.nextInt(plan.shape().members());
      if (random.nextBoolean()) {
        events.add(new Event(random.nextLong(steps), What.FAIL, slot));
      }
      ArrayPlan failing = more.withEvents(events);
      more = failing.isBearable() || !more.isBearable() ? failing : more;
    } else if (random.nextInt(6) == 0 && plan.shape().minor() == 0 && plan.missing().isEmpty()) {
      more = byHand(more);
    }
    return more;
  }

  /** After a power loss nobody would know which rows to resync: so there is none. */
  private static ArrayPlan byHand(ArrayPlan plan) {
    List<Event> events = new ArrayList<>(plan.events());
    events.removeIf(event -> event.what() == What.POWER_LOSS);
    return plan.withEvents(events).byHand();
  }

  private static ArrayPlan common(long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    ArrayShape shape = shape(random);
    Set<Integer> missing = new TreeSet<>();
    Set<Integer> stormy = new TreeSet<>();
    if (random.nextInt(4) == 0) {
      addIfBearable(shape, missing, stormy, random.nextInt(shape.members()));
    }
    for (int i = random.nextInt(3); i > 0; i--) {
      addIfBearable(shape, stormy, missing, random.nextInt(shape.members()));
    }
    if (random.nextInt(20) == 0) {
      stormy.add(random.nextInt(shape.devices()));
    }
    List<Ask> asks = asks(shape, random);
    Weather weather =
        new Weather(
            1 + random.nextInt(8),
            random.nextInt(8) == 0 ? 0 : 1 + random.nextLong(60_000),
            random.nextInt(3) == 0 ? random.nextInt(60) : random.nextInt(4),
            random.nextInt(3) == 0 ? random.nextInt(30) : 0,
            random.nextInt(3) == 0 ? random.nextInt(60) : 0,
            Weather.Abort.values()[random.nextInt(3)],
            random.nextInt(4) == 0 ? 1 + random.nextInt(16) : 0,
            1 << random.nextInt(13));
    return new ArrayPlan(
        shape,
        seed,
        weather,
        stormy,
        missing,
        random.nextBoolean() ? 200_000 : 200_000_000,
        1 + random.nextInt(ArrayRun.PLACES),
        random.nextInt(3) == 0,
        asks,
        events(shape, missing, stormy, asks.size(), random));
  }

  private static void addIfBearable(
      ArrayShape shape, Set<Integer> to, Set<Integer> besides, int device) {
    to.add(device);
    if (!shape.canRunWithout(slot -> to.contains(slot) || besides.contains(slot))) {
      to.remove(device);
    }
  }

  private static ArrayShape shape(SplittableRandom random) {
    Level level = LEVELS[random.nextInt(LEVELS.length)];
    int members = Math.max(leastMembers(level), 2 + random.nextInt(5));
    int layout =
        switch (level) {
          case RAID5 -> random.nextInt(6);
          case RAID6 -> RAID6_LAYOUTS[random.nextInt(RAID6_LAYOUTS.length)];
          case RAID10 -> raid10Layout(members, random);
          default -> 0;
        };
    long chunk = level == Level.RAID1 ? 0 : 4096L << random.nextInt(3);
    long used = Math.max(chunk, 4096) * (2 + random.nextInt(7));
    int block = 512 << random.nextInt(4);
    long bitmapChunk = random.nextInt(3) == 0 ? 0 : 4096L << random.nextInt(4);
    ArrayShape shape =
        new ArrayShape(
            level,
            layout,
            members,
            random.nextInt(3) == 0 ? 1 + random.nextInt(2) : 0,
            chunk,
            used,
            block,
            random.nextInt(3),
            bitmapChunk);
    return shape.arrayBytes() > 0 ? shape : shape(random);
  }

  private static int leastMembers(Level level) {
    return switch (level) {
      case RAID6 -> 4;
      case RAID4, RAID5 -> 3;
      default -> 2;
    };
  }

  private static int raid10Layout(int members, SplittableRandom random) {
    int layout = RAID10_LAYOUTS[random.nextInt(RAID10_LAYOUTS.length)];
    int copies = (layout & 0xff) * (layout >> 8 & 0xff);
    return copies <= members ? layout : 0x102;
  }

  private static List<Ask> asks(ArrayShape shape, SplittableRandom random) {
    int count = 10 + random.nextInt(random.nextInt(5) == 0 ? 2000 : 150);
    int most = (int) Math.max(1, shape.stripeBytes() * 3 / 2 / shape.blockBytes());
    int hot = random.nextBoolean() ? shape.blocks() : Math.max(1, shape.blocks() / 4);
    int cancelled = random.nextInt(3) == 0 ? 0 : random.nextInt(100);
    List<Ask> asks = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      int dice = random.nextInt(100);
      long raise = random.nextInt(100) < cancelled ? random.nextInt(250) : -1;
      int blocks = random.nextInt(3) == 0 ? 1 + random.nextInt(most) : 1 + random.nextInt(4);
      int block = random.nextInt(hot);
      if (dice < 1) {
        asks.add(Ask.pause(random.nextLong(random.nextBoolean() ? 1_000_000 : 15_000_000_000L)));
      } else if (dice < 7) {
        asks.add(Ask.of(Op.FLUSH, 0, 0, false, raise));
      } else {
        Op op = dice < 35 ? Op.READ : dice < 41 ? Op.WRITE_ZEROES : Op.WRITE;
        op = dice < 9 ? Op.FIND_HOLES : op;
        asks.add(Ask.of(op, block, blocks, op.changesMedium() && random.nextInt(8) == 0, raise));
      }
    }
    asks.add(Ask.pause(random.nextLong(15_000_000_000L)));
    return asks;
  }

  private static List<Event> events(
      ArrayShape shape,
      Set<Integer> missing,
      Set<Integer> stormy,
      int asks,
      SplittableRandom random) {
    List<Event> events = new ArrayList<>();
    long steps = 100L + asks * (long) (10 + random.nextInt(60));
    for (int i = random.nextInt(4) - 1; i > 0; i--) {
      events.add(new Event(random.nextLong(steps), What.POWER_LOSS, 0));
    }
    Set<Integer> failed = new TreeSet<>(stormy);
    for (int i = random.nextInt(3) - 1; i > 0; i--) {
      int slot = random.nextInt(shape.members());
      addIfBearable(shape, failed, missing, slot);
      if (failed.contains(slot)) {
        events.add(new Event(random.nextLong(steps), What.FAIL, slot));
      }
    }
    if (random.nextInt(3) == 0) {
      What[] kinds = {What.CHECK, What.REPAIR, What.STOP};
      for (int i = random.nextInt(4); i >= 0; i--) {
        events.add(new Event(random.nextLong(steps), kinds[random.nextInt(kinds.length)], 0));
      }
    }
    return events;
  }
}
