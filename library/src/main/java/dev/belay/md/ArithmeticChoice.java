// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import java.lang.foreign.Arena;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Chooses between longs and vectors, by measuring them.
 *
 * <p>Vectors are faster than longs, for products several times, but only once the JVM has compiled
 * them; before, every one is an object, and they are ten times slower. So work begins in longs.
 * When there has been much of it, a thread of its own runs both over some memory until vectors win,
 * and from then on they are used. A program that computes little never pays for that. Where vectors
 * do not win within some seconds, longs stay.
 *
 * <p>The system property {@code belay.vector} leaves that out: {@code false} is longs for good,
 * {@code true} vectors from the beginning.
 */
final class ArithmeticChoice {
  private static final long MUCH_BYTES = 16L << 20;
  private static final long LONGEST_NANOS = TimeUnit.SECONDS.toNanos(20);
  private static final int PIECE_BYTES = 4096;
  private static final int SWEEPS = 16;
  private static final int WINS = 3;

  /** Volatile, so that a loop that computes for hours sees the change too. */
  private static volatile Arithmetic chosen = new PlainArithmetic();

  /* Any thread's, without order: whether a little more or less is counted does not matter. */
  private static boolean settled;
  private static long doneBytes;

  static {
    String wanted = System.getProperty("belay.vector", "measured");
    if (wanted.equals("false")) {
      settled = true;
    } else if (wanted.equals("true")) {
      settle(vectors());
    }
  }

  private ArithmeticChoice() {}

  /** For work on so many bytes. */
  static Arithmetic forWork(long bytes) {
    if (!settled) {
      doneBytes += bytes;
      if (doneBytes > MUCH_BYTES) {
        start();
      }
    }
    return chosen;
  }

  static boolean isVectorUsed() {
    return !(chosen instanceof PlainArithmetic);
  }

  /** Vectors, where the JVM was started with their module; otherwise null. */
  private static @Nullable Arithmetic vectors() {
    try {
      Class.forName("jdk.incubator.vector.ByteVector");
      return Class.forName("dev.belay.md.VectorArithmetic")
          .asSubclass(Arithmetic.class)
          .getDeclaredConstructor()
          .newInstance();
    } catch (ReflectiveOperationException | LinkageError absent) {
      return null;
    }
  }

  private static void settle(@Nullable Arithmetic found) {
    if (found != null) {
      chosen = found;
    }
    settled = true;
  }

  private static synchronized void start() {
    if (!settled) {
      settled = true;
      Arithmetic vectors = vectors();
      if (vectors != null) {
        Thread thread = new Thread(() -> compare(vectors), "belay-parity-warm-up");
        thread.setDaemon(true);
        thread.start();
      }
    }
  }

  private static void compare(Arithmetic vectors) {
    Arithmetic longs = new PlainArithmetic();
    try (Arena arena = Arena.ofConfined()) {
      long memory = arena.allocate(8 * PIECE_BYTES, PIECE_BYTES).address();
      long start = System.nanoTime();
      int wins = 0;
      while (wins < WINS && System.nanoTime() - start < LONGEST_NANOS) {
        long nanos = nanos(longs, memory);
        wins = nanos(vectors, memory) < nanos ? wins + 1 : 0;
      }
      if (wins == WINS) {
        chosen = vectors;
      }
    }
  }

  private static long nanos(Arithmetic arithmetic, long memory) {
    long start = System.nanoTime();
    for (int sweep = 0; sweep < SWEEPS; sweep++) {
      // Some bytes too few, so that the ends of the loops are compiled as well.
      sweep(arithmetic, memory, PIECE_BYTES - sweep % 4 * 5);
    }
    return System.nanoTime() - start;
  }

  /** Everything once: a loop that is still slow is then seen, whatever the others save. */
  private static void sweep(Arithmetic arithmetic, long memory, int length) {
    long p = memory;
    long q = memory + PIECE_BYTES;
    long a = memory + 2 * PIECE_BYTES;
    long b = memory + 3 * PIECE_BYTES;
    long c = memory + 4 * PIECE_BYTES;
    long d = memory + 5 * PIECE_BYTES;
    long e = memory + 6 * PIECE_BYTES;
    arithmetic.sum2(p, a, b, length);
    arithmetic.sum3(p, a, b, c, length);
    arithmetic.sum4(p, a, b, c, d, length);
    arithmetic.sum5(p, a, b, c, d, e, length);
    arithmetic.horner1(p, q, a, b, c, length);
    arithmetic.horner3(p, q, p, q, b, c, d, length);
    arithmetic.horner4(p, q, p, q, b, c, d, e, length);
    arithmetic.horner1(0, q, 0, a, b, length);
    arithmetic.horner3(0, q, 0, q, b, c, d, length);
    arithmetic.horner4(0, q, 0, q, b, c, d, e, length);
    arithmetic.addProduct(q, a, 29, length);
    arithmetic.multiply(q, 142, length);
    arithmetic.solve(a, b, p, q, 29, 142, length);
  }
}
