// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import java.lang.foreign.MemorySegment;

/**
 * Arithmetic on eight bytes at a time, in ordinary longs.
 *
 * <p>A product by a constant is the sum, over the eight bits of a byte, of the product of that bit.
 * With a bit of every byte moved to its lowest place, one multiplication of longs does that for all
 * eight bytes: nothing carries from a byte into the next, since a factor is 0 or 1.
 */
final class PlainArithmetic implements Arithmetic {
  /** All memory. What is read and written there belongs to who gave its address. */
  private static final MemorySegment MEMORY = MemorySegment.NULL.reinterpret(Long.MAX_VALUE);

  private static final long LOWEST = 0x0101010101010101L;
  private static final long ALL_BUT_LOWEST = ~LOWEST;

  private static long get(long address) {
    return MEMORY.get(JAVA_LONG_UNALIGNED, address);
  }

  private static void put(long address, long value) {
    MEMORY.set(JAVA_LONG_UNALIGNED, address, value);
  }

  private static byte getByte(long address) {
    return MEMORY.get(JAVA_BYTE, address);
  }

  private static void putByte(long address, long value) {
    MEMORY.set(JAVA_BYTE, address, (byte) value);
  }

  /** Of all eight bytes. */
  private static long twice(long value) {
    return ((value << 1) & ALL_BUT_LOWEST) ^ (((value >>> 7) & LOWEST) * Galois.OVERFLOW);
  }

  @Override
  public void sum2(long target, long a, long b, int length) {
    int i = 0;
    for (; i < length - 7; i += 8) {
      put(target + i, get(a + i) ^ get(b + i));
    }
    for (; i < length; i++) {
      putByte(target + i, getByte(a + i) ^ getByte(b + i));
    }
  }

  @Override
  public void sum3(long target, long a, long b, long c, int length) {
    int i = 0;
    for (; i < length - 7; i += 8) {
      put(target + i, get(a + i) ^ get(b + i) ^ get(c + i));
    }
    for (; i < length; i++) {
      putByte(target + i, getByte(a + i) ^ getByte(b + i) ^ getByte(c + i));
    }
  }

  @Override
  public void sum4(long target, long a, long b, long c, long d, int length) {
    int i = 0;
    for (; i < length - 7; i += 8) {
      put(target + i, get(a + i) ^ get(b + i) ^ get(c + i) ^ get(d + i));
    }
    for (; i < length; i++) {
      putByte(target + i, getByte(a + i) ^ getByte(b + i) ^ getByte(c + i) ^ getByte(d + i));
    }
  }

  @Override
  public void sum5(long target, long a, long b, long c, long d, long e, int length) {
    int i = 0;
    for (; i < length - 7; i += 8) {
      put(target + i, get(a + i) ^ get(b + i) ^ get(c + i) ^ get(d + i) ^ get(e + i));
    }
    for (; i < length; i++) {
      int sum = getByte(a + i) ^ getByte(b + i) ^ getByte(c + i) ^ getByte(d + i);
      putByte(target + i, sum ^ getByte(e + i));
    }
  }

  @Override
  public void horner1(long p, long q, long fromP, long fromQ, long a, int length) {
    int i = 0;
    for (; i < length - 7; i += 8) {
      long first = get(a + i);
      if (p != 0) {
        put(p + i, get(fromP + i) ^ first);
      }
      put(q + i, twice(get(fromQ + i)) ^ first);
    }
    for (; i < length; i++) {
      long first = getByte(a + i);
      if (p != 0) {
        putByte(p + i, getByte(fromP + i) ^ first);
      }
      putByte(q + i, twice(getByte(fromQ + i)) ^ first);
    }
  }

  @Override
  public void horner3(long p, long q, long fromP, long fromQ, long a, long b, long c, int length) {
    int i = 0;
    for (; i < length - 7; i += 8) {
      long first = get(a + i);
      long second = get(b + i);
      long third = get(c + i);
      long sum = twice(twice(twice(get(fromQ + i)) ^ first) ^ second) ^ third;
      if (p != 0) {
        put(p + i, get(fromP + i) ^ first ^ second ^ third);
      }
      put(q + i, sum);
    }
    if (i < length) {
      long middleP = p == 0 ? 0 : p + i;
      horner1(middleP, q + i, fromP + i, fromQ + i, a + i, length - i);
      horner1(middleP, q + i, middleP, q + i, b + i, length - i);
      horner1(middleP, q + i, middleP, q + i, c + i, length - i);
    }
  }

  @Override
  public void horner4(
      long p, long q, long fromP, long fromQ, long a, long b, long c, long d, int length) {
    int i = 0;
    for (; i < length - 7; i += 8) {
      long first = get(a + i);
      long second = get(b + i);
      long third = get(c + i);
      long fourth = get(d + i);
      long sum = twice(twice(twice(get(fromQ + i)) ^ first) ^ second) ^ third;
      if (p != 0) {
        put(p + i, get(fromP + i) ^ first ^ second ^ third ^ fourth);
      }
      put(q + i, twice(sum) ^ fourth);
    }
    if (i < length) {
      long middleP = p == 0 ? 0 : p + i;
      horner3(middleP, q + i, fromP + i, fromQ + i, a + i, b + i, c + i, length - i);
      horner1(middleP, q + i, middleP, q + i, d + i, length - i);
    }
  }

  @Override
  public void addProduct(long target, long source, int factor, int length) {
    int f0 = factor;
    int f1 = Galois.twice(f0);
    int f2 = Galois.twice(f1);
    int f3 = Galois.twice(f2);
    int f4 = Galois.twice(f3);
    int f5 = Galois.twice(f4);
    int f6 = Galois.twice(f5);
    int f7 = Galois.twice(f6);
    int i = 0;
    for (; i < length - 7; i += 8) {
      long value = product(get(source + i), f0, f1, f2, f3, f4, f5, f6, f7);
      put(target + i, get(target + i) ^ value);
    }
    for (; i < length; i++) {
      long value = product(getByte(source + i), f0, f1, f2, f3, f4, f5, f6, f7);
      putByte(target + i, getByte(target + i) ^ value);
    }
  }

  @Override
  public void multiply(long target, int factor, int length) {
    int f0 = factor;
    int f1 = Galois.twice(f0);
    int f2 = Galois.twice(f1);
    int f3 = Galois.twice(f2);
    int f4 = Galois.twice(f3);
    int f5 = Galois.twice(f4);
    int f6 = Galois.twice(f5);
    int f7 = Galois.twice(f6);
    int i = 0;
    for (; i < length - 7; i += 8) {
      put(target + i, product(get(target + i), f0, f1, f2, f3, f4, f5, f6, f7));
    }
    for (; i < length; i++) {
      putByte(target + i, product(getByte(target + i), f0, f1, f2, f3, f4, f5, f6, f7));
    }
  }

  private static long product(
      long value, long f0, long f1, long f2, long f3, long f4, long f5, long f6, long f7) {
    long low =
        (value & LOWEST) * f0
            ^ (value >>> 1 & LOWEST) * f1
            ^ (value >>> 2 & LOWEST) * f2
            ^ (value >>> 3 & LOWEST) * f3;
    long high =
        (value >>> 4 & LOWEST) * f4
            ^ (value >>> 5 & LOWEST) * f5
            ^ (value >>> 6 & LOWEST) * f6
            ^ (value >>> 7 & LOWEST) * f7;
    return low ^ high;
  }

  @Override
  public void solve(long x, long y, long p, long q, int a, int b, int length) {
    sum2(y, y, p, length);
    sum2(x, x, q, length);
    multiply(x, b, length);
    addProduct(x, y, a, length);
    sum2(y, y, x, length);
  }
}
