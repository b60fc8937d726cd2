// SPDX-License-Identifier: Apache-2.0
package dev.belay;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.BitSet;
import java.util.Random;
import org.junit.jupiter.api.Test;

final class HolesTest {
  private static BitSet bits(Holes holes, int length) {
    BitSet bits = new BitSet();
    long before = -1;
    for (int i = 0; i < holes.size(); i++) {
      assertThat(holes.startBytes(i)).as("neither overlap nor touch").isGreaterThan(before);
      assertThat(holes.endBytes(i)).isGreaterThan(holes.startBytes(i));
      before = holes.endBytes(i);
      bits.set((int) holes.startBytes(i), (int) holes.endBytes(i));
    }
    assertThat(before).isLessThanOrEqualTo(length);
    return bits;
  }

  @Test
  void rangesInAnyOrderComeOutAscendingAndMerged() {
    Random random = new Random(3);
    for (int round = 0; round < 2000; round++) {
      Holes holes = new Holes();
      BitSet expected = new BitSet();
      for (int i = random.nextInt(30); i > 0; i--) {
        int start = random.nextInt(100);
        int end = start + random.nextInt(12);
        holes.add(start, end);
        expected.set(start, end);
      }
      assertThat(bits(holes, 112)).isEqualTo(expected);
      assertThat(holes.bytes()).isEqualTo(expected.cardinality());
      Holes part = new Holes();
      part.addAll(holes, -20, 50);
      assertThat(bits(part, 50)).isEqualTo(expected.get(20, 70));
    }
  }

  @Test
  void ofTooManyTheLowestAreKeptAndTheRestIsNotSaid() {
    Random random = new Random(4);
    for (int round = 0; round < 20; round++) {
      Holes holes = new Holes();
      BitSet expected = new BitSet();
      for (int i = 0; i < 3 * Holes.MOST; i++) {
        int start = random.nextInt(20 * Holes.MOST);
        holes.add(start, start + 2);
        expected.set(start, start + 2);
      }
      assertThat(holes.size()).isLessThanOrEqualTo(Holes.MOST);
      assertThat(holes.endBytes()).isLessThan(Long.MAX_VALUE);
      int end = (int) holes.endBytes();
      assertThat(bits(holes, end)).isEqualTo(expected.get(0, end));
      Holes whole = new Holes();
      whole.addAll(holes, 7, Long.MAX_VALUE);
      assertThat(whole.endBytes()).isEqualTo(end + 7L);
      whole.add(end + 7L, end + 100L);
      assertThat(whole.bytes()).as("behind its end it says nothing").isEqualTo(holes.bytes());
    }
  }

  @Test
  void whatIsClearedIsAsNew() {
    Holes holes = new Holes();
    for (int i = 0; i <= Holes.MOST; i++) {
      holes.add(2L * i, 2L * i + 1);
    }
    assertThat(holes.toString()).endsWith(", ...]");
    holes.clear();
    assertThat(holes.size()).isZero();
    holes.add(1L << 40, 1L << 41);
    assertThat(holes).hasToString("[" + (1L << 40) + "+" + (1L << 40) + "]");
  }
}
