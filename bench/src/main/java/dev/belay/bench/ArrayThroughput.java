// SPDX-License-Identifier: Apache-2.0
package dev.belay.bench;

import dev.belay.Device;
import dev.belay.Loop;
import dev.belay.front.AioContext;
import dev.belay.front.IoEvent;
import dev.belay.front.Iocb;
import dev.belay.stack.Stack;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * Arrays beside the stripe target over the same kind of leaves: sequential writes in whole rows, in
 * bytes a second, and random reads and writes of 4 KiB, in requests a second.
 *
 * <p>Every stack has a driven loop of its own, all on one thread, and works alone for a short turn.
 * Before each turn of an array the stripe has one; what is printed is the median of an array's
 * turns, and of the ratios to the stripe's turn just before, each with the least and the most; the
 * same ratio by the thread's CPU time, which other work on the machine hardly moves; and what a
 * request allocated, events included, in bytes.
 *
 * <p>All use the same number of bytes of the array. Over memory, each stack has leaves of its own,
 * written before. Over files, all stacks share the same five, which are written whole with noise;
 * each stack writes its part of them once before.
 */
public final class ArrayThroughput {
  private static final int BLOCK_BYTES = 4096;
  private static final int MEMBERS = 4;
  private static final int CHUNK_BYTES = 64 << 10;

  /** Whole rows of 2, 3 and 4 columns. */
  private static final int ROWS_BYTES = 12 * CHUNK_BYTES;

  private static final int ROWS_DEPTH = 8;

  /** Of each leaf; and so much of each array is used, so that all touch as many bytes. */
  private static final long LEAF_BYTES = 256L << 20;

  private static final long BLOCKS = LEAF_BYTES / BLOCK_BYTES;
  private static final com.sun.management.ThreadMXBean THREADS =
      (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();

  /** What is asked: long writes one behind the other, or short requests at random. */
  private record Shape(String words, boolean isWrite, int lengthBytes, int depth) {
    boolean isLong() {
      return lengthBytes > BLOCK_BYTES;
    }
  }

  private static final List<Shape> SHAPES =
      List.of(
          new Shape("sequential writes of 768 KiB", true, ROWS_BYTES, ROWS_DEPTH),
          new Shape("sequential writes of 1 MiB", true, 1 << 20, ROWS_DEPTH),
          new Shape("random reads of 4 KiB", false, BLOCK_BYTES, 1),
          new Shape("random reads of 4 KiB", false, BLOCK_BYTES, 32),
          new Shape("random reads of 4 KiB", false, BLOCK_BYTES, 128),
          new Shape("random writes of 4 KiB", true, BLOCK_BYTES, 32));

  private final List<String> leaves = new ArrayList<>();
  private final List<Contender> contenders = new ArrayList<>();
  private final int rounds;
  private final long turnNanos;

  private ArrayThroughput(int rounds, long turnMillis) {
    this.rounds = rounds;
    turnNanos = TimeUnit.MILLISECONDS.toNanos(turnMillis);
  }

  /** One stack, and its requests. */
  private static final class Contender implements Consumer<IoEvent> {
    private static final int MOST = 128;

    final String name;
    private final AioContext context;
    private final MemorySegment noise;
    private final SplittableRandom random = new SplittableRandom(1);
    private final List<Iocb> iocbs = new ArrayList<>();
    private Shape shape = SHAPES.getFirst();
    private long nextBytes;
    private long ended;
    private boolean isOver;
    private double bytesEach;
    private double perCpuSecond;

    Contender(String name, String stack, MemorySegment noise) {
      this.name = name;
      this.noise = noise;
      Loop loop = Loop.driven();
      Device root = Stack.build(loop, stack);
      context = AioContext.driving(loop, root, MOST);
      for (int i = 0; i < MOST; i++) {
        iocbs.add(context.newIocb());
      }
    }

    private void submit(Iocb iocb) {
      MemorySegment buffer = (MemorySegment) Objects.requireNonNull(iocb.attachment());
      if (!shape.isWrite()) {
        iocb.prepareRead(random.nextLong(BLOCKS) * BLOCK_BYTES, buffer);
      } else if (!shape.isLong()) {
        iocb.prepareWrite(random.nextLong(BLOCKS) * BLOCK_BYTES, buffer);
      } else {
        nextBytes = nextBytes + shape.lengthBytes() > LEAF_BYTES ? 0 : nextBytes;
        iocb.prepareWrite(nextBytes, buffer);
        nextBytes += shape.lengthBytes();
      }
      context.submit(iocb);
    }

    @Override
    public void accept(IoEvent event) {
      if (event.result() != shape.lengthBytes()) {
        throw new IllegalStateException(name + ": " + event.outcome());
      }
      ended++;
      if (!isOver) {
        submit(event.iocb());
      }
    }

    /** Works for so long, and at least until so many have ended; answers how many a second. */
    double run(Shape wanted, long nanos, long least) throws InterruptedException {
      shape = wanted;
      ended = 0;
      isOver = false;
      if (shape.isWrite()) {
        nextBytes = 0;
      }
      for (int i = 0; i < shape.depth(); i++) {
        long at = (long) i * shape.lengthBytes();
        iocbs.get(i).setAttachment(noise.asSlice(at, shape.lengthBytes()));
      }
      long allocated = THREADS.getCurrentThreadAllocatedBytes();
      long cpu = THREADS.getCurrentThreadCpuTime();
      long start = System.nanoTime();
      for (int i = 0; i < shape.depth(); i++) {
        submit(iocbs.get(i));
      }
      long now = start;
      while (now - start < nanos || ended < least) {
        context.getEvents(1, shape.depth(), Long.MAX_VALUE, this);
        now = System.nanoTime();
      }
      isOver = true;
      double rate = ended * 1e9 / (now - start);
      perCpuSecond = ended * 1e9 / (THREADS.getCurrentThreadCpuTime() - cpu);
      bytesEach = (double) (THREADS.getCurrentThreadAllocatedBytes() - allocated) / ended;
      while (context.held() > 0) {
        context.getEvents(1, shape.depth(), Long.MAX_VALUE, this);
      }
      return rate;
    }

    /** Writes all of it once. */
    void fill() throws InterruptedException {
      run(SHAPES.getFirst(), 0, LEAF_BYTES / ROWS_BYTES + 1);
    }
  }

  private static MemorySegment noise(long bytes) {
    MemorySegment noise = Arena.ofAuto().allocate(bytes, BLOCK_BYTES);
    SplittableRandom random = new SplittableRandom(2);
    for (long at = 0; at < bytes; at += Long.BYTES) {
      noise.set(ValueLayout.JAVA_LONG, at, random.nextLong());
    }
    return noise;
  }

  /** Makes the files that are not there, whole. */
  private void useFiles(Path directory) throws IOException {
    ByteBuffer noise = noise(1 << 20).asByteBuffer();
    for (int i = 0; i <= MEMBERS; i++) {
      Path file = directory.resolve("array-bench-" + i + ".img");
      if (!Files.exists(file) || Files.size(file) != LEAF_BYTES) {
        try (FileChannel out =
            FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
          for (long at = 0; at < LEAF_BYTES; at += noise.limit()) {
            out.write(noise.rewind());
          }
          out.force(true);
        }
      }
      leaves.add("file(\"" + file + "\", size=" + LEAF_BYTES + ", direct=on)");
    }
  }

  private void useMemory() {
    for (int i = 0; i <= MEMBERS; i++) {
      leaves.add("memory(size=" + LEAF_BYTES + ", block=4096)");
    }
  }

  private String over(String device, int members, String options) {
    return device + "(" + String.join(", ", leaves.subList(0, members)) + options + ")";
  }

  private void open(MemorySegment noise) throws InterruptedException {
    String chunk = ", chunk=64k";
    contenders.add(new Contender("stripe x4", over("stripe", MEMBERS, chunk), noise));
    contenders.add(new Contender("raid5 x4", over("raid5", MEMBERS, chunk), noise));
    contenders.add(new Contender("raid6 x4", over("raid6", MEMBERS, chunk), noise));
    contenders.add(new Contender("raid6 x5", over("raid6", MEMBERS + 1, chunk), noise));
    contenders.add(new Contender("raid1 x2", over("raid1", 2, ""), noise));
    contenders.add(new Contender("raid10 x4", over("raid10", MEMBERS, chunk), noise));
    for (Contender contender : contenders) {
      contender.fill();
    }
  }

  private void compare(Shape shape) throws InterruptedException {
    int count = contenders.size();
    double[][] rates = new double[count][rounds];
    double[][] ratios = new double[count][rounds];
    double[][] cpuRatios = new double[count][rounds];
    // The first two rounds only warm up.
    for (int round = -2; round < rounds; round++) {
      for (int i = 1; i < count; i++) {
        double stripe = contenders.getFirst().run(shape, turnNanos, 1);
        double rate = contenders.get(i).run(shape, turnNanos, 1);
        if (round >= 0) {
          rates[0][round] = stripe;
          rates[i][round] = rate;
          ratios[i][round] = rate / stripe;
          double stripePerCpu = contenders.getFirst().perCpuSecond;
          cpuRatios[i][round] = contenders.get(i).perCpuSecond / stripePerCpu;
        }
      }
    }
    System.out.printf("%s, depth %d%n", shape.words(), shape.depth());
    double unit = shape.isLong() ? shape.lengthBytes() / 1e6 : 1e-3;
    for (int i = 0; i < count; i++) {
      String name = contenders.get(i).name;
      double[] of = sorted(rates[i]);
      System.out.printf(
          Locale.ROOT,
          "  %-10s %9.1f %-5s (%.1f to %.1f)",
          name,
          of[rounds / 2] * unit,
          shape.isLong() ? "MB/s" : "kIOPS",
          of[0] * unit,
          of[rounds - 1] * unit);
      if (i > 0) {
        printRatio("of stripe", ratios[i]);
        printRatio("by CPU time", cpuRatios[i]);
      }
      System.out.printf(Locale.ROOT, "  %.0f B each%n", contenders.get(i).bytesEach);
    }
  }

  private void printRatio(String words, double[] ratios) {
    double[] of = sorted(ratios);
    System.out.printf(
        Locale.ROOT, "  %s %.3f (%.3f to %.3f)", words, of[rounds / 2], of[0], of[rounds - 1]);
  }

  private static double[] sorted(double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    return sorted;
  }

  private static long number(String[] arguments, String name, long otherwise) {
    return Arrays.stream(arguments)
        .filter(argument -> argument.startsWith(name + "="))
        .mapToLong(argument -> Long.parseLong(argument.substring(name.length() + 1)))
        .findFirst()
        .orElse(otherwise);
  }

  /**
   * Arguments, all optional: a directory for files of 256 MiB, instead of memory; {@code rounds=N}
   * and {@code millis=N}, how many turns and how long each; {@code only=N}, one of the shapes.
   */
  public static void main(String[] arguments) throws IOException, InterruptedException {
    List<String> places = Arrays.stream(arguments).filter(each -> !each.contains("=")).toList();
    long millis = number(arguments, "millis", places.isEmpty() ? 200 : 1000);
    int rounds = (int) number(arguments, "rounds", places.isEmpty() ? 11 : 5);
    ArrayThroughput bench = new ArrayThroughput(rounds, millis);
    if (places.isEmpty()) {
      bench.useMemory();
    } else {
      bench.useFiles(Path.of(places.getFirst()));
    }
    bench.open(noise((long) ROWS_DEPTH << 20));
    System.out.printf(
        "Over %s; %d rounds of %d ms: medians (least to most)%n",
        places.isEmpty() ? "memory" : "files", rounds, millis);
    int only = (int) number(arguments, "only", -1);
    for (int i = 0; i < SHAPES.size(); i++) {
      if (only < 0 || only == i) {
        bench.compare(SHAPES.get(i));
      }
    }
    for (Contender contender : bench.contenders) {
      contender.context.close();
    }
  }
}
