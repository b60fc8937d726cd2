// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Objects;

/**
 * The arithmetic of P and Q, on native memory.
 *
 * <p>P is the sum (exclusive or) of the columns of a row; Q is the sum of {@code 2^qIndex * column}
 * in GF(2^8) with the polynomial 0x11d, as in Linux. From both, any two columns can be computed.
 * Source: H. P. Anvin, "The mathematics of RAID-6".
 *
 * <p>Memory is given by address, and lengths are in bytes; any alignment and any length will do,
 * and multiples of 8 are fastest. Nothing is checked: who calls owns all that memory for as long as
 * the call lasts. Where a column is read, address 0 stands for a column of zeroes. Targets do not
 * overlap sources, but where it is said that they may be the same. Nothing is allocated but four
 * kilobytes, once, for a thread. All methods are safe for all threads.
 *
 * <p>With the module {@code jdk.incubator.vector}, which a JVM has only if it is started with
 * {@code --add-modules jdk.incubator.vector}, products run several times faster, and the rest
 * somewhat, once there has been enough of it for the JVM to compile; {@code -Dbelay.vector=false}
 * leaves that out.
 */
public final class Syndromes {
  /**
   * Work goes on by pieces of this size, over all columns, so that the sums stay in a processor's
   * first cache.
   */
  private static final int PIECE_BYTES = Arithmetic.MOST_BYTES;

  private static final long ZEROES = Arena.global().allocate(PIECE_BYTES, 64).address();

  private static final MemorySegment MEMORY = MemorySegment.NULL.reinterpret(Long.MAX_VALUE);

  private Syndromes() {}

  /** Whether vectors are used by now: see the class comment. */
  public static boolean isVectorUsed() {
    return ArithmeticChoice.isVectorUsed();
  }

  /** {@code target = target + source}; they may be the same. */
  public static void xor(long target, long source, long length) {
    Arithmetic arithmetic = ArithmeticChoice.forWork(length);
    for (long at = 0; at < length; at += PIECE_BYTES) {
      arithmetic.sum2(target + at, target + at, source + at, piece(length - at));
    }
  }

  /**
   * {@code target = } the sum of the first {@code count} sources, in one pass over memory. The
   * target may be the first of them; with none it is zeroed.
   */
  public static void xorAll(long target, long[] sources, int count, long length) {
    Objects.checkFromIndexSize(0, count, sources.length);
    Arithmetic arithmetic = ArithmeticChoice.forWork(count * length);
    for (long at = 0; at < length; at += PIECE_BYTES) {
      sumPiece(arithmetic, target, sources, count, -1, -1, at, piece(length - at));
    }
  }

  /**
   * P and Q of a row.
   *
   * @param columns their addresses
   * @param qIndexes the exponent of each column in Q, 0 to 254, all different; in any order
   * @param p where P goes; 0 if it is not wanted
   * @param q where Q goes; 0 if it is not wanted
   */
  public static void generate(
      long[] columns, int[] qIndexes, int count, long p, long q, long length) {
    Objects.checkFromIndexSize(0, count, columns.length);
    Objects.checkFromIndexSize(0, q == 0 ? 0 : count, qIndexes.length);
    Arithmetic arithmetic = ArithmeticChoice.forWork(count * length);
    for (long at = 0; at < length; at += PIECE_BYTES) {
      int piece = piece(length - at);
      if (q != 0) {
        generatePiece(arithmetic, columns, qIndexes, count, -1, -1, p, q, at, piece);
      } else if (p != 0) {
        sumPiece(arithmetic, p, columns, count, -1, -1, at, piece);
      }
    }
  }

  /** {@code q = q + 2^qIndex * delta}: Q after a column has changed by delta. */
  public static void addToQ(long q, long delta, int qIndex, long length) {
    int factor = Galois.power(qIndex);
    Arithmetic arithmetic = ArithmeticChoice.forWork(length);
    for (long at = 0; at < length; at += PIECE_BYTES) {
      arithmetic.addProduct(q + at, delta + at, factor, piece(length - at));
    }
  }

  /** Computes the column {@code lost} into its place, from the others and P. */
  public static void recoverFromP(long[] columns, int count, int lost, long p, long length) {
    Objects.checkIndex(lost, count);
    Objects.checkFromIndexSize(0, count, columns.length);
    long target = columns[lost];
    Arithmetic arithmetic = ArithmeticChoice.forWork(count * length);
    for (long at = 0; at < length; at += PIECE_BYTES) {
      int piece = piece(length - at);
      sumPiece(arithmetic, target, columns, count, lost, -1, at, piece);
      arithmetic.sum2(target + at, target + at, p + at, piece);
    }
  }

  /**
   * Computes the column {@code lost} into its place, from the others and Q; and then P, which is
   * lost too, where {@code p} is not 0.
   */
  public static void recoverFromQ(
      long[] columns, int[] qIndexes, int count, int lost, long p, long q, long length) {
    Objects.checkIndex(lost, count);
    Objects.checkFromIndexSize(0, count, columns.length);
    long target = columns[lost];
    Arithmetic arithmetic = ArithmeticChoice.forWork(count * length);
    int factor = Galois.power(-qIndexes[lost]);
    for (long at = 0; at < length; at += PIECE_BYTES) {
      int piece = piece(length - at);
      generatePiece(arithmetic, columns, qIndexes, count, lost, -1, p, target, at, piece);
      arithmetic.sum2(target + at, target + at, q + at, piece);
      arithmetic.multiply(target + at, factor, piece);
      if (p != 0) {
        arithmetic.sum2(p + at, p + at, target + at, piece);
      }
    }
  }

  /** Computes the two columns {@code x} and {@code y} into their places, from P, Q and the rest. */
  public static void recoverTwo(
      long[] columns, int[] qIndexes, int count, int x, int y, long p, long q, long length) {
    Objects.checkIndex(x, count);
    Objects.checkIndex(y, count);
    Objects.checkFromIndexSize(0, count, columns.length);
    if (x == y) {
      throw new IllegalArgumentException("Two columns are wanted, not column " + x + " twice.");
    }
    Arithmetic arithmetic = ArithmeticChoice.forWork(count * length);
    // x = a (P + P') + b (Q + Q'), where P' and Q' are of the columns that are left.
    int distance = Galois.power(qIndexes[y] - qIndexes[x]);
    int a = Galois.product(distance, Galois.inverse(distance ^ 1));
    int b = Galois.product(Galois.power(-qIndexes[x]), Galois.inverse(distance ^ 1));
    for (long at = 0; at < length; at += PIECE_BYTES) {
      int piece = piece(length - at);
      generatePiece(arithmetic, columns, qIndexes, count, x, y, columns[y], columns[x], at, piece);
      arithmetic.solve(columns[x] + at, columns[y] + at, p + at, q + at, a, b, piece);
    }
  }

  /** Whether two pieces of memory hold the same. */
  public static boolean isSame(long a, long b, long length) {
    return MemorySegment.mismatch(MEMORY, a, a + length, MEMORY, b, b + length) < 0;
  }

  /** Whether a piece of memory holds only zeroes. */
  public static boolean isZero(long address, long length) {
    for (long at = 0; at < length; at += PIECE_BYTES) {
      if (!isSame(address + at, ZEROES, piece(length - at))) {
        return false;
      }
    }
    return true;
  }

  private static int piece(long left) {
    return (int) Math.min(PIECE_BYTES, left);
  }

  /** Where a piece of a column is read: the columns x and y count as zeroes. */
  private static long source(long[] columns, int index, int x, int y, long at) {
    return index < 0 || index == x || index == y || columns[index] == 0
        ? ZEROES
        : columns[index] + at;
  }

  private static void sumPiece(
      Arithmetic arithmetic,
      long target,
      long[] sources,
      int count,
      int x,
      int y,
      long at,
      int piece) {
    long to = target + at;
    int i = Math.min(count, 5);
    long a = source(sources, i > 0 ? 0 : -1, x, y, at);
    long b = source(sources, i > 1 ? 1 : -1, x, y, at);
    switch (i) {
      case 0, 1, 2 -> arithmetic.sum2(to, a, b, piece);
      case 3 -> arithmetic.sum3(to, a, b, source(sources, 2, x, y, at), piece);
      case 4 -> {
        long c = source(sources, 2, x, y, at);
        arithmetic.sum4(to, a, b, c, source(sources, 3, x, y, at), piece);
      }
      default -> {
        long c = source(sources, 2, x, y, at);
        long d = source(sources, 3, x, y, at);
        arithmetic.sum5(to, a, b, c, d, source(sources, 4, x, y, at), piece);
      }
    }
    while (i < count) {
      a = source(sources, i, x, y, at);
      if (count - i == 1) {
        arithmetic.sum2(to, to, a, piece);
        return;
      }
      b = source(sources, i + 1, x, y, at);
      if (count - i == 2) {
        arithmetic.sum3(to, to, a, b, piece);
        return;
      }
      long c = source(sources, i + 2, x, y, at);
      if (count - i == 3) {
        arithmetic.sum4(to, to, a, b, c, piece);
        return;
      }
      arithmetic.sum5(to, to, a, b, c, source(sources, i + 3, x, y, at), piece);
      i += 4;
    }
  }

  /** Horner's rule, from the column of the highest exponent down. */
  private static void generatePiece(
      Arithmetic arithmetic,
      long[] columns,
      int[] qIndexes,
      int count,
      int x,
      int y,
      long p,
      long q,
      long at,
      int piece) {
    int left = highest(qIndexes, count);
    long toP = p == 0 ? 0 : p + at;
    long toQ = q + at;
    long fromP = source(columns, left < 0 ? -1 : find(qIndexes, count, left), x, y, at);
    long fromQ = fromP;
    if (left <= 0) {
      arithmetic.sum2(toQ, fromQ, ZEROES, piece);
      if (p != 0) {
        arithmetic.sum2(toP, fromP, ZEROES, piece);
      }
      return;
    }
    while (left > 0) {
      long a = source(columns, find(qIndexes, count, left - 1), x, y, at);
      if (left < 3) {
        arithmetic.horner1(toP, toQ, fromP, fromQ, a, piece);
        left -= 1;
      } else {
        long b = source(columns, find(qIndexes, count, left - 2), x, y, at);
        long c = source(columns, find(qIndexes, count, left - 3), x, y, at);
        if (left == 3 || left == 6) {
          arithmetic.horner3(toP, toQ, fromP, fromQ, a, b, c, piece);
          left -= 3;
        } else {
          long d = source(columns, find(qIndexes, count, left - 4), x, y, at);
          arithmetic.horner4(toP, toQ, fromP, fromQ, a, b, c, d, piece);
          left -= 4;
        }
      }
      fromP = toP;
      fromQ = toQ;
    }
  }

  private static int highest(int[] qIndexes, int count) {
    int highest = -1;
    for (int i = 0; i < count; i++) {
      highest = Math.max(highest, qIndexes[i]);
    }
    return highest;
  }

  /** The column that has an exponent; -1 if none has: the DDF layouts leave some out. */
  private static int find(int[] qIndexes, int count, int exponent) {
    if (exponent < count && qIndexes[exponent] == exponent) {
      return exponent;
    }
    for (int i = 0; i < count; i++) {
      if (qIndexes[i] == exponent) {
        return i;
      }
    }
    return -1;
  }
}
