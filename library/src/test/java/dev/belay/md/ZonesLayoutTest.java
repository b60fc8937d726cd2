// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

final class ZonesLayoutTest {
  private static final int CHUNK = 4096;

  @Test
  void equalMembersAreOneStripe() {
    ZonesLayout layout = zones(0, 2, 2, 2);
    assertThat(layout.zones()).isEqualTo(1);
    assertThat(layout.isLayoutNeeded()).isFalse();
    assertThat(layout.isLayoutSeen()).isFalse();
    assertThat(members(layout)).isEqualTo("012 012");
  }

  /* Members of 1, 3 and 3 chunks: the second zone has two members and begins at chunk 3. */

  @Test
  void theOriginalLayoutCountsFromTheStartOfTheArray() {
    ZonesLayout layout = zones(1, 1, 3, 3);
    assertThat(members(layout)).isEqualTo("012 21 21");
    assertThat(layout.memberOffset(3 * CHUNK + 5)).isEqualTo(CHUNK + 5);
    assertThat(layout.memberOffset(6 * CHUNK)).isEqualTo(2 * CHUNK);
    assertThat(layout.isLayoutSeen()).isTrue();
  }

  @Test
  void theAlternateLayoutCountsFromTheStartOfTheZone() {
    ZonesLayout layout = zones(2, 1, 3, 3);
    assertThat(members(layout)).isEqualTo("012 12 12");
    assertThat(layout.memberOffset(3 * CHUNK + 5)).isEqualTo(CHUNK + 5);
  }

  @Test
  void theLayoutsAgreeWhereTheZoneBeginsAtARoundNumber() {
    assertThat(members(zones(1, 2, 5, 5))).isEqualTo(members(zones(2, 2, 5, 5)));
    assertThat(zones(1, 2, 5, 5).isLayoutSeen()).isFalse();
    assertThat(zones(1, 2, 5, 5).isLayoutNeeded()).isTrue();
  }

  @Test
  void anUnknownLayoutIsNotGuessed() {
    assertThatThrownBy(() -> zones(0, 1, 3, 3))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("differ in size")
        .hasMessageContaining("original")
        .hasMessageContaining("alternate");
    // A second zone of one member is the same in both.
    assertThat(members(zones(0, 1, 1, 3))).isEqualTo("012 2 2");
  }

  @Test
  void sizesAreWholeChunks() {
    ZonesLayout layout =
        new ZonesLayout(new long[] {CHUNK * 2 + 4095, CHUNK * 2 + 1, CHUNK * 2}, CHUNK, 0);
    assertThat(layout.zones()).isEqualTo(1);
    assertThat(layout.arrayBytes()).isEqualTo(6 * CHUNK);
    assertThat(layout.runBytes(CHUNK + 100)).isEqualTo(CHUNK - 100);
    ZonesLayout odd = new ZonesLayout(new long[] {3 * 1536, 2 * 1536}, 1536, 0);
    assertThat(odd.member(1536)).isEqualTo(1);
    assertThat(odd.memberOffset(4 * 1536 + 7)).isEqualTo(2 * 1536 + 7);
  }

  @Test
  void everyChunkHasOnePlaceAndEveryPlaceItsChunk() {
    Random random = new Random(3);
    for (int round = 0; round < 300; round++) {
      long[] sizes = new long[1 + random.nextInt(6)];
      long chunks = 0;
      for (int member = 0; member < sizes.length; member++) {
        int size = 1 + random.nextInt(9);
        sizes[member] = (long) size * CHUNK;
        chunks += size;
      }
      ZonesLayout layout = new ZonesLayout(sizes, CHUNK, 1 + round % 2);
      assertThat(layout.arrayBytes()).isEqualTo(chunks * CHUNK);
      Set<Long> places = new HashSet<>();
      for (long at = 99; at < layout.arrayBytes(); at += CHUNK) {
        int member = layout.member(at);
        long offset = layout.memberOffset(at);
        assertThat(offset).isLessThan(sizes[member]);
        assertThat(places.add(offset * sizes.length + member)).isTrue();
        assertThat(layout.arrayOffset(member, offset)).isEqualTo(at);
        assertThat(layout.arrayOffset(member, sizes[member])).isEqualTo(-1);
      }
    }
  }

  @Test
  void wordsAndNumbersAgree() {
    assertThat(ZonesLayout.number("original")).isEqualTo(1);
    assertThat(ZonesLayout.number("alternate")).isEqualTo(2);
    assertThat(ZonesLayout.number("2")).isEqualTo(2);
    assertThat(ZonesLayout.word(1)).isEqualTo("original");
    assertThatThrownBy(() -> ZonesLayout.number("n2"))
        .hasMessage("'n2' is no layout of raid0; it has: original, alternate.");
    assertThatThrownBy(() -> zones(3, 1, 1)).hasMessageContaining("no layout 3");
    assertThatThrownBy(() -> zones(1, 0, 1)).hasMessageContaining("less than a chunk");
  }

  private static ZonesLayout zones(int number, int... chunks) {
    long[] sizes = new long[chunks.length];
    for (int member = 0; member < chunks.length; member++) {
      sizes[member] = (long) chunks[member] * CHUNK;
    }
    return new ZonesLayout(sizes, CHUNK, number);
  }

  /** The member of each chunk of the array, a row after the other. */
  private static String members(ZonesLayout layout) {
    List<String> rows = new ArrayList<>();
    StringBuilder row = new StringBuilder();
    long last = 0;
    for (long at = 0; at < layout.arrayBytes(); at += CHUNK) {
      if (layout.memberOffset(at) != last) {
        rows.add(row.toString());
        row.setLength(0);
        last = layout.memberOffset(at);
      }
      row.append(layout.member(at));
    }
    rows.add(row.toString());
    return String.join(" ", rows);
  }
}
