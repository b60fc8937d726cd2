// SPDX-License-Identifier: Apache-2.0
package dev.belay.bench;

import dev.belay.Device;
import dev.belay.Loop;
import dev.belay.front.AioContext;
import dev.belay.front.IoEvent;
import dev.belay.front.Iocb;
import dev.belay.stack.Stack;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/**
 * A mirror of which one leg stalls for 50 ms in 1 % of its reads: how long reads take without
 * hedging, and with a second leg asked after a fixed time or after a percentile, and how many more
 * reads that costs.
 *
 * <p>Reads are offered at a fixed rate, whatever becomes of them, and are counted from when they
 * were meant to start. The variants take turns; the median of the turns is printed with the least
 * and the most. "Asked" are the reads that went to a leg, stalled ones among them; "reached" those
 * that came to the memory below: a loser that is stopped while it is stalled never does.
 */
public final class HedgedReads {
  private static final String LEG = "delay(memory(size=64M), read=200us)";
  private static final String STALLS =
      "fault(" + LEG + ", effect=slow, delay=50ms, rate=0.01, op=read, seed=%d)";
  private static final String[] HEDGES = {"", "2ms", "p95"};
  private static final String[] COLUMNS = {
    "p50 ms", "p99 ms", "p99.9 ms", "max ms", "asked", "reached"
  };
  private static final int PER_SECOND = 2_000;
  private static final long RAMP_NANOS = TimeUnit.SECONDS.toNanos(1);
  private static final int BLOCK_BYTES = 4096;
  private static final int BLOCKS = (64 << 20) / BLOCK_BYTES;
  private static final int MOST = 4096;

  private final Device root;
  private final AioContext context;
  private final MemorySegment slab = Arena.ofAuto().allocate((long) MOST * BLOCK_BYTES, 4096);
  private final ArrayDeque<Iocb> free = new ArrayDeque<>();
  private final SplittableRandom random;
  private final long[] tookNanos;
  private int counted;
  private long startNanos;

  private HedgedReads(String hedge, int turn, int reads) {
    String stalls = STALLS.formatted(turn + 1);
    String option = hedge.isEmpty() ? "" : ", hedge=" + hedge;
    Loop loop = Loop.driven();
    root = Stack.build(loop, "raid1(" + LEG + ", " + stalls + option + ")");
    context = AioContext.driving(loop, root, MOST);
    random = new SplittableRandom(turn);
    tookNanos = new long[reads];
    for (int i = 0; i < MOST; i++) {
      free.add(context.newIocb());
    }
  }

  private void submit(long intendedNanos) {
    Iocb iocb = free.pop();
    iocb.setAttachment(intendedNanos);
    MemorySegment buffer = slab.asSlice((long) free.size() * BLOCK_BYTES, BLOCK_BYTES);
    iocb.prepareRead((long) random.nextInt(BLOCKS) * BLOCK_BYTES, buffer);
    context.submit(iocb);
  }

  private void take(IoEvent event) {
    if (event.result() != BLOCK_BYTES) {
      throw new IllegalStateException(String.valueOf(event.outcome()));
    }
    long intended = (Long) Objects.requireNonNull(event.iocb().attachment());
    if (intended - startNanos >= RAMP_NANOS && counted < tookNanos.length) {
      tookNanos[counted++] = System.nanoTime() - intended;
    }
    free.push(event.iocb());
  }

  /** Offers reads until enough are counted; answers what {@link #COLUMNS} name. */
  private double[] run() throws InterruptedException {
    startNanos = System.nanoTime();
    long number = 0;
    while (counted < tookNanos.length) {
      long due = startNanos + number * 1_000_000_000L / PER_SECOND;
      long left = due - System.nanoTime();
      if (left <= 0 && !free.isEmpty()) {
        submit(due);
        number++;
      } else if (context.held() > 0) {
        context.getEvents(1, MOST, Math.max(left, 0), this::take);
      } else {
        LockSupport.parkNanos(left);
      }
    }
    while (context.held() > 0) {
      context.getEvents(1, MOST, Long.MAX_VALUE, this::take);
    }
    double asked = root.lowers().stream().mapToLong(Device::bios).sum();
    double reached = root.lowers().stream().mapToLong(HedgedReads::leafBios).sum();
    context.close();
    Arrays.sort(tookNanos);
    return new double[] {
      percentile(50),
      percentile(99),
      percentile(99.9),
      percentile(100),
      asked / number,
      reached / number
    };
  }

  private static long leafBios(Device device) {
    return device.lowers().isEmpty()
        ? device.bios()
        : device.lowers().stream().mapToLong(HedgedReads::leafBios).sum();
  }

  private double percentile(double percent) {
    int index = (int) Math.ceil(tookNanos.length * percent / 100) - 1;
    return tookNanos[index] / 1e6;
  }

  private static void print(String hedge, List<double[]> turns) {
    System.out.printf("%-10s", hedge.isEmpty() ? "no hedge" : "hedge=" + hedge);
    for (int column = 0; column < COLUMNS.length; column++) {
      int at = column;
      double[] sorted = turns.stream().mapToDouble(turn -> turn[at]).sorted().toArray();
      String text = column < 4 ? "%.2f (%.2f-%.2f)" : "%.4f (%.4f-%.4f)";
      double middle = sorted[sorted.length / 2];
      String cell = text.formatted(middle, sorted[0], sorted[sorted.length - 1]);
      System.out.printf("  %-23s", cell);
    }
    System.out.println();
  }

  /** Arguments, both optional: how many turns each, and how many seconds a turn. */
  public static void main(String[] arguments) throws InterruptedException {
    Locale.setDefault(Locale.ROOT);
    int turns = arguments.length > 0 ? Integer.parseInt(arguments[0]) : 5;
    int seconds = arguments.length > 1 ? Integer.parseInt(arguments[1]) : 10;
    List<List<double[]>> found = new ArrayList<>();
    for (int i = 0; i < HEDGES.length; i++) {
      found.add(new ArrayList<>());
    }
    for (int turn = -1; turn < turns; turn++) {
      for (int i = 0; i < HEDGES.length; i++) {
        int reads = PER_SECOND * (turn < 0 ? 2 : seconds);
        double[] seen = new HedgedReads(HEDGES[i], turn + 1, reads).run();
        if (turn >= 0) {
          found.get(i).add(seen);
        }
      }
    }
    System.out.printf(
        "raid1 of %s,%n  and the same under fault(effect=slow, delay=50ms, rate=1 %%, op=read);"
            + " %d reads a second, %d turns of %d s: medians (least-most)%n",
        LEG, PER_SECOND, turns, seconds);
    System.out.printf("%-10s", "");
    for (String column : COLUMNS) {
      System.out.printf("  %-23s", column);
    }
    System.out.println();
    for (int i = 0; i < HEDGES.length; i++) {
      print(HEDGES[i], found.get(i));
    }
  }
}
