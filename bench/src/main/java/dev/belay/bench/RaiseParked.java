// SPDX-License-Identifier: Apache-2.0
package dev.belay.bench;

import dev.belay.Bio;
import dev.belay.CancelFlag;
import dev.belay.Device;
import dev.belay.Loop;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.leaf.Null;
import dev.belay.target.Throttle;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Locale;
import java.util.SplittableRandom;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/**
 * Raising one flag that 1, 1,000 and 1,000,000 parked requests share: how long raise() itself
 * takes, how long until all have completed clean, and what reached the device meanwhile (nothing).
 * Then one request cancelled among 100,000 that are parked, each with a flag of its own.
 *
 * <p>The requests wait in a throttle that lets one through in a quarter of an hour.
 */
public final class RaiseParked {
  private static final int BLOCK_BYTES = 4096;
  private static final long SLEEP_NANOS = TimeUnit.SECONDS.toNanos(10);

  private final Null leaf;
  private final Loop loop = Loop.driven();
  private final Device root;
  private long ended;
  private long clean;
  private volatile long endedAtNanos;
  private volatile long seenEnded;

  private RaiseParked() {
    leaf = new Null(loop, 1L << 40, BLOCK_BYTES);
    root = new Throttle(loop, leaf, 0.001, 0, 1);
    submit(newBio(), new CancelFlag()); // takes the only token
  }

  private Bio newBio() {
    return new Bio(loop, this::end);
  }

  private void submit(Bio bio, CancelFlag flag) {
    bio.prepare(Op.READ, root, 0, BLOCK_BYTES, MemorySegment.NULL, 0, flag);
    loop.enter(bio);
  }

  private void end(Bio bio) {
    Outcome outcome = bio.outcome();
    ended++;
    if (outcome.kind() == Outcome.Kind.CANCELLED && outcome.cleanBytes() == BLOCK_BYTES) {
      clean++;
    }
    endedAtNanos = System.nanoTime();
    seenEnded = ended;
  }

  /** Who raises, and what the loop's thread does at that moment. */
  private enum From {
    LOOP,
    BUSY,
    ASLEEP
  }

  private void shared(int count, int rounds, From from) throws InterruptedException {
    Bio[] bios = new Bio[count];
    Arrays.setAll(bios, i -> newBio());
    long[] raiseNanos = new long[rounds];
    long[] allNanos = new long[rounds];
    long traffic = leaf.bios();
    long cleanBefore = clean;
    for (int round = 0; round < rounds; round++) {
      CancelFlag flag = new CancelFlag();
      for (Bio bio : bios) {
        submit(bio, flag);
      }
      long target = ended + count;
      long start;
      if (from == From.LOOP) {
        start = System.nanoTime();
        flag.raise();
        raiseNanos[round] = System.nanoTime() - start;
        while (ended < target) {
          loop.turn(0);
        }
      } else {
        Raiser raiser = new Raiser(flag);
        raiser.thread.start();
        while (ended < target) {
          loop.turn(from == From.ASLEEP ? SLEEP_NANOS : 0);
        }
        raiser.thread.join();
        start = raiser.startNanos;
        raiseNanos[round] = raiser.tookNanos;
      }
      allNanos[round] = endedAtNanos - start;
    }
    System.out.printf(
        Locale.ROOT,
        "%,9d parked, raised %-30s raise() %s   all complete %s   clean %,d of %,d, to device %d%n",
        count,
        switch (from) {
          case LOOP -> "on the loop's thread:";
          case BUSY -> "elsewhere, the loop turning:";
          case ASLEEP -> "elsewhere, the loop asleep:";
        },
        spread(raiseNanos),
        spread(allNanos),
        clean - cleanBefore,
        (long) count * rounds,
        leaf.bios() - traffic);
  }

  /** Raises one flag from a thread of its own, a little later. */
  private static final class Raiser {
    final Thread thread;
    volatile long startNanos;
    volatile long tookNanos;

    Raiser(CancelFlag flag) {
      thread =
          new Thread(
              () -> {
                LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(2));
                long start = System.nanoTime();
                flag.raise();
                tookNanos = System.nanoTime() - start;
                startNanos = start;
              },
              "raiser");
    }
  }

  /** One of many: from its raise, by another thread, to its completion. */
  private void oneOf(int count, int rounds) throws InterruptedException {
    Bio[] bios = new Bio[count];
    CancelFlag[] flags = new CancelFlag[count];
    for (int i = 0; i < count; i++) {
      bios[i] = newBio();
      flags[i] = new CancelFlag();
      submit(bios[i], flags[i]);
    }
    SplittableRandom random = new SplittableRandom(1);
    int[] picks = random.ints(rounds, 0, count).distinct().toArray();
    long[] tookNanos = new long[picks.length];
    long before = seenEnded;
    CountDownLatch over = new CountDownLatch(1);
    Thread raiser =
        new Thread(
            () -> {
              for (int i = 0; i < picks.length; i++) {
                LockSupport.parkNanos(100_000);
                long start = System.nanoTime();
                flags[picks[i]].raise();
                while (seenEnded < before + i + 1) {
                  Thread.onSpinWait();
                }
                tookNanos[i] = endedAtNanos - start;
              }
              over.countDown();
              loop.execute(() -> {});
            },
            "raiser");
    raiser.start();
    while (over.getCount() > 0) {
      loop.turn(SLEEP_NANOS);
    }
    raiser.join();
    System.out.printf(
        Locale.ROOT, "one of %,d parked, flag to completion: %s%n", count, spread(tookNanos));
  }

  private static String spread(long[] nanos) {
    long[] sorted = nanos.clone();
    Arrays.sort(sorted);
    return String.format(
        Locale.ROOT,
        "p50 %,d ns, p99 %,d ns, max %,d ns",
        sorted[sorted.length / 2],
        sorted[(int) Math.ceil(sorted.length * 0.99) - 1],
        sorted[sorted.length - 1]);
  }

  /** No arguments. */
  public static void main(String[] args) throws InterruptedException {
    RaiseParked bench = new RaiseParked();
    for (From from : From.values()) {
      System.out.println("to warm up:");
      bench.shared(1, 2_000, from);
      System.out.println("measured:");
      bench.shared(1, 2_000, from);
      bench.shared(1_000, 200, from);
      bench.shared(1_000_000, 5, from);
    }
    bench.oneOf(100_000, 5_000);
    bench.loop.close(Long.MAX_VALUE);
  }
}
