// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class CopiesLayoutTest {
  private static final int CHUNK = 4096;

  /** A row of chunks after the other: what each member has, a chunk by its letter. */
  @ParameterizedTest
  @CsvSource({
    "n2,      4, 3, AABB CCDD EEFF",
    "n2,      3, 4, AAB BCC DDE EFF",
    "n2,      3, 3, AAB BCC DD.",
    "n3,      4, 3, AAAB BBCC CDDD",
    "f2,      4, 4, ABCD EFGH DABC HEFG",
    "f2,      3, 5, ABC DEF CAB FDE ...",
    "f3,      4, 3, ABCD DABC CDAB",
    "o2,      4, 4, ABCD DABC EFGH HEFG",
    "o2,      3, 5, ABC CAB DEF FDE ...",
    "o3,      5, 3, ABCDE EABCD DEABC",
    "0x202,   4, 2, AABB BBAA",
    "0x202,   5, 4, AABBC CDDEE BCAAB EECDD",
    "0x10202, 4, 4, AABB BBAA CCDD DDCC",
    "0x20201, 4, 2, ABCD BADC",
    "0x40201, 5, 2, ABCDE BAECD",
    "0x50201, 4, 2, ABCD BADC",
  })
  void copiesStandAsInLinux(String word, int members, int memberChunks, String rows) {
    int number = CopiesLayout.number(word);
    CopiesLayout layout = CopiesLayout.raid10(number, members, CHUNK, (long) memberChunks * CHUNK);
    assertThat(rows(layout, memberChunks)).isEqualTo(rows);
  }

  @Test
  void everyChunkHasItsPlacesAndEveryPlaceItsChunk() {
    int tried = 0;
    for (int number : numbers()) {
      for (int members = 2; members <= 9; members++) {
        for (int memberChunks = 1; memberChunks <= 13; memberChunks++) {
          CopiesLayout layout;
          try {
            layout = CopiesLayout.raid10(number, members, CHUNK, (long) memberChunks * CHUNK + 512);
          } catch (IllegalArgumentException refused) {
            continue;
          }
          tried++;
          checkPlaces(layout, members, memberChunks);
        }
      }
    }
    assertThat(tried).isGreaterThan(500);
  }

  private static void checkPlaces(CopiesLayout layout, int members, int memberChunks) {
    Set<Long> places = new HashSet<>();
    for (long at = 777; at < layout.arrayBytes(); at += CHUNK) {
      for (int copy = 0; copy < layout.copies(); copy++) {
        int member = layout.member(at, copy);
        long offset = layout.memberOffset(at, copy);
        assertThat(places.add(offset * members + member)).as("%s at %s", layout, at).isTrue();
        assertThat(offset).isLessThan(layout.usedBytes());
        assertThat(layout.usedBytes()).isLessThanOrEqualTo((long) memberChunks * CHUNK);
        assertThat(layout.arrayOffset(member, offset)).isEqualTo(at);
      }
    }
    for (int member = 0; member < members; member++) {
      for (long offset = 777; offset < (memberChunks + 2L) * CHUNK; offset += CHUNK) {
        assertThat(layout.arrayOffset(member, offset) >= 0)
            .as("%s member %s at %s", layout, member, offset)
            .isEqualTo(places.contains(offset * members + member));
      }
    }
  }

  @Test
  void sizesAreThoseOfTheKernel() {
    assertThat(CopiesLayout.raid10(0x102, 3, 65536, 7 * 65536L).arrayBytes())
        .isEqualTo(10 * 65536L);
    assertThat(CopiesLayout.raid10(0x201, 3, 65536, 7 * 65536L).arrayBytes()).isEqualTo(9 * 65536L);
    assertThat(CopiesLayout.raid10(0x10201, 4, 65536, 7 * 65536L + 9).arrayBytes())
        .isEqualTo(12 * 65536L);
    assertThat(CopiesLayout.raid1(3, 12345 * 512L).arrayBytes()).isEqualTo(12345 * 512L);
  }

  @Test
  void raid1IsTheSameEverywhereAndNeverSplit() {
    CopiesLayout layout = CopiesLayout.raid1(3, 100_352);
    assertThat(layout.copies()).isEqualTo(3);
    assertThat(layout.runBytes(512)).isEqualTo(100_352 - 512);
    for (int copy = 0; copy < 3; copy++) {
      assertThat(layout.member(99_999, copy)).isEqualTo(copy);
      assertThat(layout.memberOffset(99_999, copy)).isEqualTo(99_999);
      assertThat(layout.arrayOffset(copy, 99_999)).isEqualTo(99_999);
    }
    assertThat(layout.arrayOffset(0, 100_352)).isEqualTo(-1);
    assertThat(layout.canRunWithout(member -> member != 1)).isTrue();
    assertThat(layout.canRunWithout(member -> true)).isFalse();
  }

  @Test
  void whatMayBeMissingIsFoundBySearch() {
    CopiesLayout near = CopiesLayout.raid10(0x102, 4, CHUNK, 40 * CHUNK);
    assertThat(near.canRunWithout(set(0, 2)::get)).isTrue();
    assertThat(near.canRunWithout(set(0, 1)::get)).isFalse();
    assertThat(near.canRunWithout(set(1, 2)::get)).isTrue();
    CopiesLayout odd = CopiesLayout.raid10(0x102, 3, CHUNK, 40 * CHUNK);
    assertThat(odd.canRunWithout(set(2)::get)).isTrue();
    assertThat(odd.canRunWithout(set(0, 2)::get)).isFalse();
    CopiesLayout far = CopiesLayout.raid10(0x201, 4, CHUNK, 40 * CHUNK);
    assertThat(far.canRunWithout(set(0, 2)::get)).isTrue();
    assertThat(far.canRunWithout(set(3, 0)::get)).isFalse();
    CopiesLayout sets = CopiesLayout.raid10(0x40201, 4, CHUNK, 40 * CHUNK);
    assertThat(sets.canRunWithout(set(3, 0)::get)).isTrue();
    assertThat(sets.canRunWithout(set(2, 3)::get)).isFalse();
  }

  @Test
  void runsEndWithTheChunk() {
    CopiesLayout layout = CopiesLayout.raid10(0x102, 4, CHUNK, 40 * CHUNK);
    assertThat(layout.runBytes(0)).isEqualTo(CHUNK);
    assertThat(layout.runBytes(3 * CHUNK + 512)).isEqualTo(CHUNK - 512);
    assertThat(layout.memberRunBytes(3 * CHUNK + 512)).isEqualTo(CHUNK - 512);
    CopiesLayout all = CopiesLayout.raid10(0x104, 4, CHUNK, 40 * CHUNK);
    assertThat(all.runBytes(512)).isEqualTo(40 * CHUNK - 512);
  }

  @Test
  void wordsAndNumbersAgree() {
    assertThat(CopiesLayout.number("n2")).isEqualTo(0x102);
    assertThat(CopiesLayout.number("near=3")).isEqualTo(0x103);
    assertThat(CopiesLayout.number("f2")).isEqualTo(0x201);
    assertThat(CopiesLayout.number("far=2")).isEqualTo(0x201);
    assertThat(CopiesLayout.number("o2")).isEqualTo(0x10201);
    assertThat(CopiesLayout.number("offset=3")).isEqualTo(0x10301);
    for (int number : numbers()) {
      assertThat(CopiesLayout.number(CopiesLayout.word(number))).isEqualTo(number);
    }
    for (String wrong : List.of("", "n", "n0", "n201", "x2", "2", "n2 ", "0xq", "n2f2")) {
      assertThatThrownBy(() -> CopiesLayout.number(wrong))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("is no layout of raid10");
    }
  }

  @Test
  void whatCannotBeIsRefusedInASentence() {
    assertThatThrownBy(() -> CopiesLayout.raid10(0x101, 4, CHUNK, 40 * CHUNK))
        .hasMessageContaining("at least 2 copies");
    assertThatThrownBy(() -> CopiesLayout.raid10(0x203, 5, CHUNK, 40 * CHUNK))
        .hasMessageContaining("needs at least 6 members; there are 5");
    assertThatThrownBy(() -> CopiesLayout.raid10(0x2, 5, CHUNK, 40 * CHUNK))
        .hasMessage("raid10 has no layout 0x2.");
    assertThatThrownBy(() -> CopiesLayout.raid10(0x60201, 5, CHUNK, 40 * CHUNK))
        .hasMessage("raid10 has no layout 0x60201.");
    assertThatThrownBy(() -> CopiesLayout.raid10(0x201, 5, CHUNK, CHUNK))
        .hasMessageContaining("too small");
    assertThatThrownBy(() -> CopiesLayout.raid10(0x10202, 5, CHUNK, 40 * CHUNK))
        .hasMessageContaining("two chunks into one place");
    assertThatThrownBy(() -> CopiesLayout.raid10(0x40202, 9, CHUNK, 40 * CHUNK))
        .hasMessageContaining("two chunks into one place");
  }

  private static List<Integer> numbers() {
    List<Integer> numbers = new ArrayList<>();
    for (int bits = 0; bits < 6; bits++) {
      for (int near = 1; near <= 4; near++) {
        for (int far = 1; far <= 4; far++) {
          numbers.add(bits << 16 | far << 8 | near);
        }
      }
    }
    return numbers;
  }

  private static BitSet set(int... members) {
    BitSet set = new BitSet();
    for (int member : members) {
      set.set(member);
    }
    return set;
  }

  private static String rows(CopiesLayout layout, int memberChunks) {
    char[][] rows = new char[memberChunks][layout.members()];
    for (char[] row : rows) {
      Arrays.fill(row, '.');
    }
    for (long chunk = 0; chunk * CHUNK < layout.arrayBytes(); chunk++) {
      for (int copy = 0; copy < layout.copies(); copy++) {
        long row = layout.memberOffset(chunk * CHUNK, copy) / CHUNK;
        rows[(int) row][layout.member(chunk * CHUNK, copy)] = (char) ('A' + chunk);
      }
    }
    List<String> lines = new ArrayList<>();
    for (char[] row : rows) {
      lines.add(new String(row));
    }
    return String.join(" ", lines);
  }
}
