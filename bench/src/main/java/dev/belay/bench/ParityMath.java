// SPDX-License-Identifier: Apache-2.0
package dev.belay.bench;

import dev.belay.md.Syndromes;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Locale;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/**
 * The arithmetic of parity beside a copy of memory.
 *
 * <p>Everything is counted in bytes of the array's own columns, once each: a copy moves all columns
 * of a row to another place by MemorySegment.copy; P and Q are computed from all of them; and a
 * recovery computes one or two of them from the others. So a ratio of 1 says that the parity of
 * what is written costs as much again as copying it would.
 *
 * <p>By JMH, a benchmark a call and a process of its own; or by {@link #main}, which takes turns
 * between all of them in one process, and prints the median of each and of its ratio to the copies
 * of the same turn: on a machine with other work, that is the fairer one.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(
    value = 3,
    jvmArgsAppend = {"--add-modules=jdk.incubator.vector", "-Dbelay.vector=true"})
public class ParityMath {
  private static final int TURNS = 41;
  private static final long TURN_NANOS = TimeUnit.MILLISECONDS.toNanos(10);

  /** How long vectors may take to be compiled; less, unless they are left out. */
  private static final long WAIT_NANOS = TimeUnit.SECONDS.toNanos(20);

  @Param({"4", "8"})
  public int columns = 4;

  @Param({"65536", "1048576"})
  public long columnBytes = 65536;

  private MemorySegment own = MemorySegment.NULL;
  private MemorySegment other = MemorySegment.NULL;
  private MemorySegment parity = MemorySegment.NULL;
  private long[] addresses = {};
  private int[] qIndexes = {};
  private long p;
  private long q;

  /** Fills the columns with noise, and makes their P and Q. */
  @Setup
  public void open() {
    Arena arena = Arena.ofAuto();
    own = arena.allocate(columns * columnBytes, 4096);
    other = arena.allocate(columns * columnBytes, 4096);
    parity = arena.allocate(2 * columnBytes, 4096);
    p = parity.address();
    q = p + columnBytes;
    addresses = new long[columns];
    qIndexes = new int[columns];
    for (int column = 0; column < columns; column++) {
      addresses[column] = own.address() + column * columnBytes;
      qIndexes[column] = column;
    }
    SplittableRandom random = new SplittableRandom(1);
    for (long at = 0; at < own.byteSize(); at += Long.BYTES) {
      own.set(ValueLayout.JAVA_LONG, at, random.nextLong());
    }
    generatePAndQ();
  }

  /** A call a column, as a stack would copy them. */
  @Benchmark
  public void copy() {
    for (int column = 0; column < columns; column++) {
      long at = column * columnBytes;
      MemorySegment.copy(own, at, other, at, columnBytes);
    }
  }

  @Benchmark
  public void generateP() {
    Syndromes.generate(addresses, qIndexes, columns, p, 0, columnBytes);
  }

  @Benchmark
  public void generateQ() {
    Syndromes.generate(addresses, qIndexes, columns, 0, q, columnBytes);
  }

  @Benchmark
  public void generatePAndQ() {
    Syndromes.generate(addresses, qIndexes, columns, p, q, columnBytes);
  }

  @Benchmark
  public void recoverFromP() {
    Syndromes.recoverFromP(addresses, columns, 1, p, columnBytes);
  }

  @Benchmark
  public void recoverFromQ() {
    Syndromes.recoverFromQ(addresses, qIndexes, columns, 1, 0, q, columnBytes);
  }

  @Benchmark
  public void recoverTwo() {
    Syndromes.recoverTwo(addresses, qIndexes, columns, 0, 2, p, q, columnBytes);
  }

  /**
   * Takes turns, and prints a table for each shape; by vectors, if the JVM was started with {@code
   * --add-modules jdk.incubator.vector}.
   */
  public static void main(String[] arguments) {
    ParityMath first = new ParityMath();
    first.open();
    long start = System.nanoTime();
    boolean present = ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent();
    while (present && !Syndromes.isVectorUsed() && System.nanoTime() - start < WAIT_NANOS) {
      first.generatePAndQ();
    }
    System.out.printf(
        Locale.ROOT,
        "The arithmetic of parity: %s. GB/s of columns, and the ratio to the copy; medians.%n",
        Syndromes.isVectorUsed() ? "vectors" : "plain longs");
    for (long columnBytes : new long[] {65536, 1048576}) {
      for (int columns : new int[] {4, 8}) {
        ParityMath math = new ParityMath();
        math.columns = columns;
        math.columnBytes = columnBytes;
        math.open();
        math.compare();
      }
    }
  }

  private void compare() {
    Runnable[] all = {
      this::copy,
      this::generateP,
      this::generateQ,
      this::generatePAndQ,
      this::recoverFromP,
      this::recoverFromQ,
      this::recoverTwo
    };
    String[] names = {"copy", "P", "Q", "P and Q", "one from P", "one from Q", "two from P and Q"};
    double[][] rates = new double[all.length][TURNS];
    double[][] ratios = new double[all.length][TURNS];
    // The first turns only warm up.
    for (int turn = -TURNS / 2; turn < TURNS; turn++) {
      for (int i = 0; i < all.length; i++) {
        double rate = rate(all[i]);
        if (turn >= 0) {
          rates[i][turn] = rate;
          ratios[i][turn] = rate / rates[0][turn];
        }
      }
    }
    System.out.printf("%d columns of %d KiB%n", columns, columnBytes >> 10);
    for (int i = 0; i < all.length; i++) {
      System.out.printf(
          Locale.ROOT, "  %-17s %6.1f  %5.2f%n", names[i], median(rates[i]), median(ratios[i]));
    }
  }

  private double rate(Runnable work) {
    long start = System.nanoTime();
    long rows = 0;
    long nanos;
    do {
      work.run();
      rows++;
      nanos = System.nanoTime() - start;
    } while (nanos < TURN_NANOS);
    return (double) rows * columns * columnBytes / nanos;
  }

  private static double median(double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    return sorted[sorted.length / 2];
  }
}
