// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

final class SyndromesTest {
  private final Arena arena = Arena.ofConfined();
  private final Random random = new Random(11);

  @AfterEach
  void close() {
    arena.close();
  }

  @Test
  void generatesPAndQOfAnyShape() {
    for (int round = 0; round < 300; round++) {
      int count = 1 + random.nextInt(20);
      int length = round % 3 == 0 ? random.nextInt(9000) : random.nextInt(200);
      Row row = row(count, length, exponents(count, round % 4 == 0 ? 40 : count));
      if (random.nextInt(3) == 0) {
        int empty = random.nextInt(count);
        row.bytes[empty] = null;
        row.columns[empty] = 0;
      }
      byte[] p = SlowField.p(row.bytes, length);
      byte[] q = SlowField.q(row.bytes, row.qIndexes, length);
      Syndromes.generate(row.columns, row.qIndexes, count, row.p, row.q, length);
      assertThat(read(row.p, length)).isEqualTo(p);
      assertThat(read(row.q, length)).isEqualTo(q);
      assertThat(read(row.q + length, 8)).containsOnly(0x55);

      write(row.p, new byte[length]);
      write(row.q, new byte[length]);
      Syndromes.generate(row.columns, row.qIndexes, count, row.p, 0, length);
      Syndromes.generate(row.columns, row.qIndexes, count, 0, row.q, length);
      assertThat(read(row.p, length)).isEqualTo(p);
      assertThat(read(row.q, length)).isEqualTo(q);
    }
  }

  @Test
  void everyLossIsRecoveredUpToSixteenColumns() {
    for (int count = 2; count <= 16; count++) {
      int length = 40 + random.nextInt(60);
      Row row = row(count, length, exponents(count, count % 3 == 0 ? count + 3 : count));
      Syndromes.generate(row.columns, row.qIndexes, count, row.p, row.q, length);
      byte[] p = read(row.p, length);
      for (int x = 0; x < count; x++) {
        garble(row.columns[x], length);
        Syndromes.recoverFromP(row.columns, count, x, row.p, length);
        row.check();
        garble(row.columns[x], length);
        Syndromes.recoverFromQ(row.columns, row.qIndexes, count, x, 0, row.q, length);
        row.check();
        garble(row.columns[x], length);
        garble(row.p, length);
        Syndromes.recoverFromQ(row.columns, row.qIndexes, count, x, row.p, row.q, length);
        row.check();
        assertThat(read(row.p, length)).isEqualTo(p);
        for (int y = 0; y < count; y++) {
          if (x != y) {
            garble(row.columns[x], length);
            garble(row.columns[y], length);
            Syndromes.recoverTwo(row.columns, row.qIndexes, count, x, y, row.p, row.q, length);
            row.check();
          }
        }
      }
    }
  }

  @Test
  void recoversOverManyPieces() {
    int length = 3 * 4096 + 13;
    Row row = row(6, length, exponents(6, 6));
    Syndromes.generate(row.columns, row.qIndexes, 6, row.p, row.q, length);
    garble(row.columns[1], length);
    garble(row.columns[4], length);
    Syndromes.recoverTwo(row.columns, row.qIndexes, 6, 4, 1, row.p, row.q, length);
    row.check();
  }

  @Test
  void aChangedColumnChangesPAndQByItsDifference() {
    for (int count = 1; count < 10; count++) {
      int length = 5000 + count;
      Row row = row(count, length, exponents(count, count));
      Syndromes.generate(row.columns, row.qIndexes, count, row.p, row.q, length);
      int changed = random.nextInt(count);
      byte[] fresh = new byte[length];
      random.nextBytes(fresh);
      long delta = place(fresh);
      Syndromes.xor(delta, row.columns[changed], length);
      Syndromes.xor(row.p, delta, length);
      Syndromes.addToQ(row.q, delta, row.qIndexes[changed], length);
      row.bytes[changed] = fresh;
      assertThat(read(row.p, length)).isEqualTo(SlowField.p(row.bytes, length));
      assertThat(read(row.q, length)).isEqualTo(SlowField.q(row.bytes, row.qIndexes, length));
    }
  }

  @Test
  void sumsAnyNumberOfSources() {
    for (int count = 0; count <= 20; count++) {
      int length = 4096 + random.nextInt(100);
      Row row = row(count, length, exponents(count, count));
      Syndromes.xorAll(row.p, row.columns, count, length);
      assertThat(read(row.p, length)).isEqualTo(SlowField.p(row.bytes, length));
      if (count > 0) {
        Syndromes.xorAll(row.columns[0], row.columns, count, length);
        assertThat(Syndromes.isSame(row.columns[0], row.p, length)).isTrue();
      }
    }
  }

  @Test
  void xorWithItselfIsZero() {
    long a = place(new byte[] {1, 2, 3});
    Syndromes.xor(a, a, 3);
    assertThat(Syndromes.isZero(a, 3)).isTrue();
  }

  @Test
  void aDifferenceIsSeenAnywhere() {
    int length = 2 * 4096 + 11;
    byte[] bytes = new byte[length];
    for (int at : new int[] {0, 1, 7, 4095, 4096, 8191, length - 1}) {
      bytes[at] = 1;
      long a = place(bytes);
      assertThat(Syndromes.isZero(a, length)).isFalse();
      assertThat(Syndromes.isSame(a, place(bytes), length)).isTrue();
      assertThat(Syndromes.isSame(a, place(new byte[length]), length)).isFalse();
      bytes[at] = 0;
    }
    assertThat(Syndromes.isZero(place(bytes), length)).isTrue();
    assertThat(Syndromes.isZero(place(bytes), 0)).isTrue();
  }

  @Test
  void muchWorkGoesOnRightWhileVectorsTakeOver() {
    int length = 65536;
    Row row = row(5, length, exponents(5, 5));
    Syndromes.generate(row.columns, row.qIndexes, 5, row.p, row.q, length);
    long p = place(read(row.p, length));
    long q = place(read(row.q, length));
    long start = System.nanoTime();
    int rounds = 0;
    while (rounds++ < 200 || !Syndromes.isVectorUsed() && System.nanoTime() - start < 1L << 30) {
      Syndromes.generate(row.columns, row.qIndexes, 5, row.p, row.q, length);
      assertThat(Syndromes.isSame(row.p, p, length)).isTrue();
      assertThat(Syndromes.isSame(row.q, q, length)).isTrue();
    }
    Syndromes.recoverTwo(row.columns, row.qIndexes, 5, 0, 3, row.p, row.q, length);
    row.check();
  }

  @Test
  void whatCannotBeIsRefused() {
    long[] columns = new long[3];
    int[] qIndexes = {0, 1, 2};
    assertThatThrownBy(() -> Syndromes.recoverTwo(columns, qIndexes, 3, 1, 1, 0, 0, 8))
        .hasMessageContaining("Two columns are wanted");
    assertThatThrownBy(() -> Syndromes.recoverFromP(columns, 3, 3, 0, 8))
        .isInstanceOf(IndexOutOfBoundsException.class);
    assertThatThrownBy(() -> Syndromes.generate(columns, qIndexes, 4, 0, 0, 8))
        .isInstanceOf(IndexOutOfBoundsException.class);
  }

  /** Different exponents below a bound, mixed. */
  private int[] exponents(int count, int bound) {
    List<Integer> all = new ArrayList<>();
    for (int exponent = 0; exponent < bound; exponent++) {
      all.add(exponent);
    }
    if (random.nextBoolean()) {
      Collections.shuffle(all, random);
    }
    return all.stream().limit(count).mapToInt(Integer::intValue).toArray();
  }

  private Row row(int count, int length, int[] qIndexes) {
    byte[][] bytes = new byte[count][length];
    long[] columns = new long[count];
    for (int column = 0; column < count; column++) {
      random.nextBytes(bytes[column]);
      columns[column] = place(bytes[column]);
    }
    return new Row(bytes, columns, qIndexes, place(new byte[length]), place(new byte[length]));
  }

  /** Native memory with these bytes, at any alignment, and a margin of 0x55 after it. */
  private long place(byte[] bytes) {
    int shift = random.nextInt(9);
    MemorySegment memory = arena.allocate(bytes.length + 32L);
    memory.fill((byte) 0x55);
    write(memory.address() + shift, bytes);
    return memory.address() + shift;
  }

  private void garble(long address, int length) {
    byte[] garbage = new byte[length];
    random.nextBytes(garbage);
    write(address, garbage);
  }

  private static byte[] read(long address, int length) {
    return MemorySegment.ofAddress(address).reinterpret(length).toArray(ValueLayout.JAVA_BYTE);
  }

  private static void write(long address, byte[] bytes) {
    MemorySegment.ofAddress(address)
        .reinterpret(bytes.length)
        .copyFrom(MemorySegment.ofArray(bytes));
  }

  private record Row(byte[][] bytes, long[] columns, int[] qIndexes, long p, long q) {
    void check() {
      for (int column = 0; column < columns.length; column++) {
        assertThat(read(columns[column], bytes[column].length)).isEqualTo(bytes[column]);
      }
    }
  }
}
