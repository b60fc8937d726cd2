// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/** Arithmetic on as many bytes at a time as the processor has in a register. */
final class VectorArithmetic implements Arithmetic {
  private static final MemorySegment MEMORY = MemorySegment.NULL.reinterpret(Long.MAX_VALUE);
  private static final ByteOrder ORDER = ByteOrder.nativeOrder();
  private static final VectorSpecies<Byte> WIDE = ByteVector.SPECIES_PREFERRED;
  private static final int STEP = WIDE.vectorByteSize();
  private static final VectorSpecies<Byte> LINE = ByteVector.SPECIES_128;

  /** For what is left over after whole vectors. */
  private final Arithmetic rest = new PlainArithmetic();

  private static ByteVector get(long address) {
    return ByteVector.fromMemorySegment(WIDE, MEMORY, address, ORDER);
  }

  private static void put(long address, ByteVector value) {
    value.intoMemorySegment(MEMORY, address, ORDER);
  }

  private static ByteVector sum(ByteVector a, ByteVector b) {
    return a.lanewise(VectorOperators.XOR, b);
  }

  private static ByteVector twice(ByteVector value) {
    ByteVector zero = ByteVector.zero(WIDE);
    ByteVector over = zero.blend((byte) Galois.OVERFLOW, value.compare(VectorOperators.LT, zero));
    return sum(value.add(value), over);
  }

  @Override
  public void sum2(long target, long a, long b, int length) {
    int i = 0;
    for (; i < length - (STEP - 1); i += STEP) {
      put(target + i, sum(get(a + i), get(b + i)));
    }
    if (i < length) {
      rest.sum2(target + i, a + i, b + i, length - i);
    }
  }

  @Override
  public void sum3(long target, long a, long b, long c, int length) {
    int i = 0;
    for (; i < length - (STEP - 1); i += STEP) {
      put(target + i, sum(sum(get(a + i), get(b + i)), get(c + i)));
    }
    if (i < length) {
      rest.sum3(target + i, a + i, b + i, c + i, length - i);
    }
  }

  @Override
  public void sum4(long target, long a, long b, long c, long d, int length) {
    int i = 0;
    for (; i < length - (STEP - 1); i += STEP) {
      put(target + i, sum(sum(get(a + i), get(b + i)), sum(get(c + i), get(d + i))));
    }
    if (i < length) {
      rest.sum4(target + i, a + i, b + i, c + i, d + i, length - i);
    }
  }

  @Override
  public void sum5(long target, long a, long b, long c, long d, long e, int length) {
    int i = 0;
    for (; i < length - (STEP - 1); i += STEP) {
      ByteVector four = sum(sum(get(a + i), get(b + i)), sum(get(c + i), get(d + i)));
      put(target + i, sum(four, get(e + i)));
    }
    if (i < length) {
      rest.sum5(target + i, a + i, b + i, c + i, d + i, e + i, length - i);
    }
  }

  @Override
  public void horner1(long p, long q, long fromP, long fromQ, long a, int length) {
    int i = 0;
    for (; i < length - (STEP - 1); i += STEP) {
      ByteVector first = get(a + i);
      if (p != 0) {
        put(p + i, sum(get(fromP + i), first));
      }
      put(q + i, sum(twice(get(fromQ + i)), first));
    }
    if (i < length) {
      rest.horner1(p == 0 ? 0 : p + i, q + i, fromP + i, fromQ + i, a + i, length - i);
    }
  }

  @Override
  public void horner3(long p, long q, long fromP, long fromQ, long a, long b, long c, int length) {
    int i = 0;
    for (; i < length - (STEP - 1); i += STEP) {
      ByteVector first = get(a + i);
      ByteVector second = get(b + i);
      ByteVector third = get(c + i);
      ByteVector sum = sum(twice(get(fromQ + i)), first);
      sum = sum(twice(sum), second);
      sum = sum(twice(sum), third);
      if (p != 0) {
        put(p + i, sum(sum(get(fromP + i), first), sum(second, third)));
      }
      put(q + i, sum);
    }
    if (i < length) {
      long restP = p == 0 ? 0 : p + i;
      rest.horner3(restP, q + i, fromP + i, fromQ + i, a + i, b + i, c + i, length - i);
    }
  }

  @Override
  public void horner4(
      long p, long q, long fromP, long fromQ, long a, long b, long c, long d, int length) {
    int i = 0;
    for (; i < length - (STEP - 1); i += STEP) {
      ByteVector first = get(a + i);
      ByteVector second = get(b + i);
      ByteVector third = get(c + i);
      ByteVector fourth = get(d + i);
      ByteVector sum = sum(twice(get(fromQ + i)), first);
      sum = sum(twice(sum), second);
      sum = sum(twice(sum), third);
      sum = sum(twice(sum), fourth);
      if (p != 0) {
        put(p + i, sum(sum(sum(get(fromP + i), first), sum(second, third)), fourth));
      }
      put(q + i, sum);
    }
    if (i < length) {
      long restP = p == 0 ? 0 : p + i;
      rest.horner4(restP, q + i, fromP + i, fromQ + i, a + i, b + i, c + i, d + i, length - i);
    }
  }

  @Override
  public void addProduct(long target, long source, int factor, int length) {
    ByteVector low = table(factor, 0);
    ByteVector high = table(factor, 4);
    int i = 0;
    for (; i < length - 15; i += 16) {
      putLine(target + i, sum(getLine(target + i), product(getLine(source + i), low, high)));
    }
    if (i < length) {
      rest.addProduct(target + i, source + i, factor, length - i);
    }
  }

  @Override
  public void multiply(long target, int factor, int length) {
    ByteVector low = table(factor, 0);
    ByteVector high = table(factor, 4);
    int i = 0;
    for (; i < length - 15; i += 16) {
      putLine(target + i, product(getLine(target + i), low, high));
    }
    if (i < length) {
      rest.multiply(target + i, factor, length - i);
    }
  }

  private static ByteVector getLine(long address) {
    return ByteVector.fromMemorySegment(LINE, MEMORY, address, ORDER);
  }

  private static void putLine(long address, ByteVector value) {
    value.intoMemorySegment(MEMORY, address, ORDER);
  }

  private static final ByteVector[] TABLES = new ByteVector[512];

  static {
    byte[] lanes = new byte[16];
    for (int factor = 0; factor < 256; factor++) {
      for (int shift = 0; shift <= 4; shift += 4) {
        for (int nibble = 0; nibble < 16; nibble++) {
          lanes[nibble] = (byte) Galois.product(factor, nibble << shift);
        }
        TABLES[factor * 2 + shift / 4] = ByteVector.fromArray(LINE, lanes, 0);
      }
    }
  }

  private static ByteVector table(int factor, int shift) {
    return TABLES[factor * 2 + shift / 4];
  }

  private static ByteVector product(ByteVector value, ByteVector low, ByteVector high) {
    ByteVector bottom = value.lanewise(VectorOperators.AND, (byte) 15);
    ByteVector top =
        value
            .reinterpretAsShorts()
            .lanewise(VectorOperators.LSHR, 4)
            .reinterpretAsBytes()
            .lanewise(VectorOperators.AND, (byte) 15);
    return sum(bottom.selectFrom(low), top.selectFrom(high));
  }

  @Override
  public void solve(long x, long y, long p, long q, int a, int b, int length) {
    ByteVector lowA = table(a, 0);
    ByteVector highA = table(a, 4);
    ByteVector lowB = table(b, 0);
    ByteVector highB = table(b, 4);
    int i = 0;
    for (; i < length - 15; i += 16) {
      ByteVector dp = sum(getLine(p + i), getLine(y + i));
      ByteVector dq = sum(getLine(q + i), getLine(x + i));
      ByteVector found = sum(product(dp, lowA, highA), product(dq, lowB, highB));
      putLine(x + i, found);
      putLine(y + i, sum(found, dp));
    }
    if (i < length) {
      rest.solve(x + i, y + i, p + i, q + i, a, b, length - i);
    }
  }
}
