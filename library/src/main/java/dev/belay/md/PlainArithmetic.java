// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * Arithmetic on eight bytes at a time, in ordinary longs.
 *
 * <p>Every loop writes to an array of the thread's, which is copied to its target afterwards: of
 * that array the JVM knows that it is none of the sources, and so may make vectors of the loop by
 * itself, which between pieces of native memory it does not. For the same reason the loops are
 * short, and a product is made of four of them, of two bits of the factor each.
 */
final class PlainArithmetic implements Arithmetic {
  /** All memory. What is read and written there belongs to who gave its address. */
  private static final MemorySegment MEMORY = MemorySegment.NULL.reinterpret(Long.MAX_VALUE);

  private static final ThreadLocal<long[]> SCRATCH =
      ThreadLocal.withInitial(() -> new long[MOST_BYTES / Long.BYTES]);

  private static final long LOWEST = 0x0101010101010101L;
  private static final long HIGHEST = LOWEST << 7;
  private static final long OVERFLOWS = LOWEST * Galois.OVERFLOW;

  private static long get(long address) {
    return MEMORY.get(JAVA_LONG_UNALIGNED, address);
  }

  /** A byte in the lowest place; what stands above it is of no use. */
  private static long getByte(long address) {
    return MEMORY.get(JAVA_BYTE, address);
  }

  private static void putByte(long address, long value) {
    MEMORY.set(JAVA_BYTE, address, (byte) value);
  }

  private static void put(long[] scratch, long target, int words) {
    MemorySegment.copy(scratch, 0, MEMORY, JAVA_LONG_UNALIGNED, target, words);
  }

  /** Of all eight bytes: a highest bit becomes seven ones below it, of which some are added. */
  private static long twice(long value) {
    long high = value & HIGHEST;
    return ((value << 1) & ~LOWEST) ^ (((high << 1) - (high >>> 7)) & OVERFLOWS);
  }

  /** A factor in all eight bytes wherever the lowest bit of that byte is set. */
  private static long where(long value, long factors) {
    long low = value & LOWEST;
    return ((low << 8) - low) & factors;
  }

  @Override
  public void sum2(long target, long a, long b, int length) {
    long[] scratch = SCRATCH.get();
    int words = length >> 3;
    for (int word = 0; word < words; word++) {
      long i = (long) word << 3;
      scratch[word] = get(a + i) ^ get(b + i);
    }
    put(scratch, target, words);
    for (int i = words << 3; i < length; i++) {
      putByte(target + i, getByte(a + i) ^ getByte(b + i));
    }
  }

  @Override
  public void sum3(long target, long a, long b, long c, int length) {
    long[] scratch = SCRATCH.get();
    int words = length >> 3;
    for (int word = 0; word < words; word++) {
      long i = (long) word << 3;
      scratch[word] = get(a + i) ^ get(b + i) ^ get(c + i);
    }
    put(scratch, target, words);
    for (int i = words << 3; i < length; i++) {
      putByte(target + i, getByte(a + i) ^ getByte(b + i) ^ getByte(c + i));
    }
  }

  @Override
  public void sum4(long target, long a, long b, long c, long d, int length) {
    long[] scratch = SCRATCH.get();
    int words = length >> 3;
    for (int word = 0; word < words; word++) {
      long i = (long) word << 3;
      scratch[word] = get(a + i) ^ get(b + i) ^ get(c + i) ^ get(d + i);
    }
    put(scratch, target, words);
    for (int i = words << 3; i < length; i++) {
      putByte(target + i, getByte(a + i) ^ getByte(b + i) ^ getByte(c + i) ^ getByte(d + i));
    }
  }

  @Override
  public void sum5(long target, long a, long b, long c, long d, long e, int length) {
    long[] scratch = SCRATCH.get();
    int words = length >> 3;
    for (int word = 0; word < words; word++) {
      long i = (long) word << 3;
      scratch[word] = get(a + i) ^ get(b + i) ^ get(c + i) ^ get(d + i) ^ get(e + i);
    }
    put(scratch, target, words);
    for (int i = words << 3; i < length; i++) {
      putByte(
          target + i,
          getByte(a + i) ^ getByte(b + i) ^ getByte(c + i) ^ getByte(d + i) ^ getByte(e + i));
    }
  }

  @Override
  public void horner1(long p, long q, long fromP, long fromQ, long a, int length) {
    if (p != 0) {
      sum2(p, fromP, a, length);
    }
    long[] scratch = SCRATCH.get();
    int words = length >> 3;
    for (int word = 0; word < words; word++) {
      long i = (long) word << 3;
      scratch[word] = twice(get(fromQ + i)) ^ get(a + i);
    }
    put(scratch, q, words);
    for (int i = words << 3; i < length; i++) {
      putByte(q + i, twice(getByte(fromQ + i)) ^ getByte(a + i));
    }
  }

  @Override
  public void horner3(long p, long q, long fromP, long fromQ, long a, long b, long c, int length) {
    if (p != 0) {
      sum4(p, fromP, a, b, c, length);
    }
    long[] scratch = SCRATCH.get();
    int words = length >> 3;
    for (int word = 0; word < words; word++) {
      long i = (long) word << 3;
      long two = twice(twice(get(fromQ + i)) ^ get(a + i)) ^ get(b + i);
      scratch[word] = twice(two) ^ get(c + i);
    }
    put(scratch, q, words);
    for (int i = words << 3; i < length; i++) {
      long two = twice(twice(getByte(fromQ + i)) ^ getByte(a + i)) ^ getByte(b + i);
      putByte(q + i, twice(two) ^ getByte(c + i));
    }
  }

  @Override
  public void horner4(
      long p, long q, long fromP, long fromQ, long a, long b, long c, long d, int length) {
    if (p != 0) {
      sum5(p, fromP, a, b, c, d, length);
    }
    horner3(0, q, 0, fromQ, a, b, c, length);
    horner1(0, q, 0, q, d, length);
  }

  @Override
  public void addProduct(long target, long source, int factor, int length) {
    long[] scratch = SCRATCH.get();
    int words = length >> 3;
    for (int word = 0; word < words; word++) {
      scratch[word] = get(target + ((long) word << 3));
    }
    addBits(scratch, source, factor, words);
    put(scratch, target, words);
    for (int i = words << 3; i < length; i++) {
      long product = Galois.product((int) getByte(source + i) & 0xff, factor);
      putByte(target + i, getByte(target + i) ^ product);
    }
  }

  @Override
  public void multiply(long target, int factor, int length) {
    long[] scratch = SCRATCH.get();
    int words = length >> 3;
    Arrays.fill(scratch, 0, words, 0);
    addBits(scratch, target, factor, words);
    put(scratch, target, words);
    for (int i = words << 3; i < length; i++) {
      putByte(target + i, Galois.product((int) getByte(target + i) & 0xff, factor));
    }
  }

  private static void addBits(long[] scratch, long source, int factor, int words) {
    int second = Galois.twice(factor);
    int third = Galois.twice(second);
    int fourth = Galois.twice(third);
    int fifth = Galois.twice(fourth);
    int sixth = Galois.twice(fifth);
    int seventh = Galois.twice(sixth);
    int eighth = Galois.twice(seventh);
    addTwoBits(scratch, source, 0, LOWEST * factor, LOWEST * second, words);
    addTwoBits(scratch, source, 2, LOWEST * third, LOWEST * fourth, words);
    addTwoBits(scratch, source, 4, LOWEST * fifth, LOWEST * sixth, words);
    addTwoBits(scratch, source, 6, LOWEST * seventh, LOWEST * eighth, words);
  }

  private static void addTwoBits(
      long[] scratch, long source, int bit, long even, long odd, int words) {
    for (int word = 0; word < words; word++) {
      long value = get(source + ((long) word << 3)) >>> bit;
      scratch[word] ^= where(value, even) ^ where(value >>> 1, odd);
    }
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
