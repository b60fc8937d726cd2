// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

final class ArithmeticTest {
  private static final int PLACES = 8;
  private static final int PLACE_BYTES = 512;

  static Stream<Arithmetic> both() {
    return Stream.of(new PlainArithmetic(), new VectorArithmetic());
  }

  @Test
  void theFieldIsThatOfRaid6() {
    assertThat(Galois.power(8)).isEqualTo(0x1d);
    for (int a = 0; a < 256; a++) {
      assertThat(Galois.twice(a)).isEqualTo(SlowField.product(a, 2));
      for (int b = 0; b < 256; b++) {
        assertThat(Galois.product(a, b)).isEqualTo(SlowField.product(a, b));
      }
      if (a > 0) {
        assertThat(SlowField.product(a, Galois.inverse(a))).isEqualTo(1);
      }
    }
    assertThat(SlowField.product(Galois.power(-3), Galois.power(3))).isEqualTo(1);
  }

  @ParameterizedTest
  @MethodSource("both")
  void everyLoopDoesWhatItSays(Arithmetic arithmetic) {
    Random random = new Random(7);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment memory = arena.allocate(PLACES * PLACE_BYTES);
      for (int round = 0; round < 400; round++) {
        byte[] before = new byte[PLACES * PLACE_BYTES];
        random.nextBytes(before);
        int length = round < 80 ? round : random.nextInt(PLACE_BYTES - 16);
        int[] at = new int[PLACES];
        for (int place = 0; place < PLACES; place++) {
          at[place] = place * PLACE_BYTES + random.nextInt(16);
        }
        int[] factors = {random.nextInt(256), random.nextInt(256)};
        for (int loop = 0; loop < 12; loop++) {
          MemorySegment.copy(before, 0, memory, ValueLayout.JAVA_BYTE, 0, before.length);
          run(arithmetic, loop, memory.address(), at, factors, length);
          byte[] after = memory.toArray(ValueLayout.JAVA_BYTE);
          byte[] expected = before.clone();
          for (int i = 0; i < length; i++) {
            expect(loop, before, expected, at, factors, i);
          }
          assertThat(after).as("loop %s of %s bytes", loop, length).isEqualTo(expected);
        }
      }
    }
  }

  private static void run(Arithmetic k, int loop, long base, int[] at, int[] factors, int n) {
    long t = base + at[0];
    long u = base + at[1];
    long a = base + at[2];
    long b = base + at[3];
    long c = base + at[4];
    long d = base + at[5];
    long e = base + at[6];
    long f = base + at[7];
    switch (loop) {
      case 0 -> k.sum2(t, a, b, n);
      case 1 -> k.sum3(t, a, b, c, n);
      case 2 -> k.sum4(t, t, b, c, d, n);
      case 3 -> k.sum5(t, a, b, c, d, e, n);
      case 4 -> k.horner1(t, u, a, b, c, n);
      case 5 -> k.horner3(t, u, a, b, c, d, e, n);
      case 6 -> k.horner4(t, u, a, b, c, d, e, f, n);
      case 7 -> k.horner1(0, u, 0, u, c, n);
      case 8 -> k.horner4(t, u, t, u, c, d, e, f, n);
      case 9 -> k.addProduct(t, a, factors[0], n);
      case 10 -> k.multiply(t, factors[0], n);
      default -> k.solve(t, u, a, b, factors[0], factors[1], n);
    }
  }

  private static void expect(int loop, byte[] in, byte[] out, int[] at, int[] factors, int i) {
    int t = in[at[0] + i] & 0xff;
    int u = in[at[1] + i] & 0xff;
    int a = in[at[2] + i] & 0xff;
    int b = in[at[3] + i] & 0xff;
    int c = in[at[4] + i] & 0xff;
    int d = in[at[5] + i] & 0xff;
    int e = in[at[6] + i] & 0xff;
    int f = in[at[7] + i] & 0xff;
    int first = t;
    int second = u;
    switch (loop) {
      case 0 -> first = a ^ b;
      case 1 -> first = a ^ b ^ c;
      case 2 -> first = t ^ b ^ c ^ d;
      case 3 -> first = a ^ b ^ c ^ d ^ e;
      case 4 -> {
        first = a ^ c;
        second = horner(b, c);
      }
      case 5 -> {
        first = a ^ c ^ d ^ e;
        second = horner(b, c, d, e);
      }
      case 6 -> {
        first = a ^ c ^ d ^ e ^ f;
        second = horner(b, c, d, e, f);
      }
      case 7 -> second = horner(u, c);
      case 8 -> {
        first = t ^ c ^ d ^ e ^ f;
        second = horner(u, c, d, e, f);
      }
      case 9 -> first = t ^ SlowField.product(factors[0], a);
      case 10 -> first = SlowField.product(factors[0], t);
      default -> {
        int sum = SlowField.product(factors[0], a ^ u) ^ SlowField.product(factors[1], b ^ t);
        first = sum;
        second = sum ^ a ^ u;
      }
    }
    out[at[0] + i] = (byte) first;
    out[at[1] + i] = (byte) second;
  }

  private static int horner(int start, int... steps) {
    int value = start;
    for (int step : steps) {
      value = SlowField.product(value, 2) ^ step;
    }
    return value;
  }
}
