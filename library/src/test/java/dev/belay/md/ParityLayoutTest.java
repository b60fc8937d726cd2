// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class ParityLayoutTest {
  private static final List<String> WORDS5 =
      List.of(
          "left-asymmetric",
          "right-asymmetric",
          "left-symmetric",
          "right-symmetric",
          "parity-first",
          "parity-last");
  private static final List<String> WORDS6 =
      List.of(
          "left-asymmetric",
          "right-asymmetric",
          "left-symmetric",
          "right-symmetric",
          "parity-first",
          "parity-last",
          "ddf-zero-restart",
          "ddf-N-restart",
          "ddf-N-continue",
          "left-asymmetric-6",
          "right-asymmetric-6",
          "left-symmetric-6",
          "right-symmetric-6",
          "parity-first-6");

  /** A row after the other: what each member has, a column by its number. */
  @ParameterizedTest
  @CsvSource({
    "left-asymmetric,  012P 01P2 0P12 P012 012P",
    "right-asymmetric, P012 0P12 01P2 012P P012",
    "left-symmetric,   012P 12P0 2P01 P012 012P",
    "right-symmetric,  P012 2P01 12P0 012P P012",
    "parity-first,     P012 P012 P012 P012 P012",
    "parity-last,      012P 012P 012P 012P 012P",
    "ddf-zero-restart, P012 0P12 01P2 012P P012",
    "ddf-N-restart,    012P 01P2 0P12 P012 012P",
    "ddf-N-continue,   012P 12P0 2P01 P012 012P",
    "default,          012P 12P0 2P01 P012 012P",
  })
  void raid5OfFourIsAsInLinux(String word, String rows) {
    int number = ParityLayout.number(Level.RAID5, word);
    assertThat(rows(new ParityLayout(Level.RAID5, number, 4, 4096), 5)).isEqualTo(rows);
  }

  @ParameterizedTest
  @CsvSource({
    "left-asymmetric,    Q012P 012PQ 01PQ2 0PQ12 PQ012 Q012P",
    "right-asymmetric,   PQ012 0PQ12 01PQ2 012PQ Q012P PQ012",
    "left-symmetric,     Q012P 012PQ 12PQ0 2PQ01 PQ012 Q012P",
    "right-symmetric,    PQ012 2PQ01 12PQ0 012PQ Q012P PQ012",
    "parity-first,       PQ012 PQ012 PQ012 PQ012 PQ012 PQ012",
    "parity-last,        012PQ 012PQ 012PQ 012PQ 012PQ 012PQ",
    "ddf-zero-restart,   PQ012 0PQ12 01PQ2 012PQ Q012P PQ012",
    "ddf-N-restart,      012PQ 01PQ2 0PQ12 PQ012 Q012P 012PQ",
    "ddf-N-continue,     012QP 12QP0 2QP01 QP012 P012Q 012QP",
    "left-asymmetric-6,  012PQ 01P2Q 0P12Q P012Q 012PQ 01P2Q",
    "right-asymmetric-6, P012Q 0P12Q 01P2Q 012PQ P012Q 0P12Q",
    "left-symmetric-6,   012PQ 12P0Q 2P01Q P012Q 012PQ 12P0Q",
    "right-symmetric-6,  P012Q 2P01Q 12P0Q 012PQ P012Q 2P01Q",
    "parity-first-6,     P012Q P012Q P012Q P012Q P012Q P012Q",
  })
  void raid6OfFiveIsAsInLinux(String word, String rows) {
    int number = ParityLayout.number(Level.RAID6, word);
    assertThat(rows(new ParityLayout(Level.RAID6, number, 5, 4096), 6)).isEqualTo(rows);
  }

  /** A row after the other: the exponent of each column in Q. */
  @ParameterizedTest
  @CsvSource({
    "left-asymmetric,    012 012 120 201 012",
    "right-asymmetric,   012 201 120 012 012",
    "left-symmetric,     012 012 012 012 012",
    "right-symmetric,    012 012 012 012 012",
    "parity-first,       012 012 012 012 012",
    "parity-last,        012 012 012 012 012",
    "ddf-zero-restart,   234 034 014 012 123",
    "ddf-N-restart,      012 014 034 234 123",
    "ddf-N-continue,     012 401 340 234 123",
    "left-asymmetric-6,  012 012 012 012 012",
    "right-asymmetric-6, 012 012 012 012 012",
    "left-symmetric-6,   012 201 120 012 012",
    "right-symmetric-6,  012 120 201 012 012",
    "parity-first-6,     012 012 012 012 012",
  })
  void columnsEnterQAsInLinux(String word, String rows) {
    int number = ParityLayout.number(Level.RAID6, word);
    ParityLayout layout = new ParityLayout(Level.RAID6, number, 5, 4096);
    List<String> found = new ArrayList<>();
    for (long row = 0; row < 5; row++) {
      found.add("" + layout.qIndex(row, 0) + layout.qIndex(row, 1) + layout.qIndex(row, 2));
    }
    assertThat(String.join(" ", found)).isEqualTo(rows);
  }

  @Test
  void raid4HasParityLastWhateverItsNumberSays() {
    for (int number : new int[] {0, 2, 5}) {
      assertThat(rows(new ParityLayout(Level.RAID4, number, 4, 4096), 3))
          .isEqualTo("012P 012P 012P");
    }
  }

  @Test
  void everyMemberHasOnePartOfEveryRowAndTheInverseAgrees() {
    for (ParityLayout layout : all()) {
      for (long row = 0; row < 2L * layout.members() + 1; row++) {
        boolean[] taken = new boolean[layout.members()];
        boolean[] factors = new boolean[256];
        take(taken, layout.parityMember(row));
        assertThat(layout.columnOf(row, layout.parityMember(row))).isEqualTo(-1);
        if (layout.level() == Level.RAID6) {
          take(taken, layout.qMember(row));
          assertThat(layout.columnOf(row, layout.qMember(row))).isEqualTo(-1);
        } else {
          assertThat(layout.qMember(row)).isEqualTo(-1);
        }
        for (int column = 0; column < layout.columns(); column++) {
          int member = layout.member(row, column);
          take(taken, member);
          assertThat(layout.columnOf(row, member)).isEqualTo(column);
          if (layout.level() == Level.RAID6) {
            take(factors, layout.qIndex(row, column));
          }
        }
        assertThat(taken).doesNotContain(false);
      }
    }
  }

  @Test
  void offsetsOfTheArrayAreRowsAndColumns() {
    ParityLayout layout = new ParityLayout(Level.RAID6, 2, 5, 4096);
    assertThat(layout.rowBytes()).isEqualTo(3 * 4096);
    assertThat(layout.row(7 * 4096 + 5)).isEqualTo(2);
    assertThat(layout.column(7 * 4096 + 5)).isEqualTo(1);
    assertThat(layout.arrayOffset(2, 1)).isEqualTo(7 * 4096);
    assertThat(layout.arrayBytes(10 * 4096 + 4095)).isEqualTo(30 * 4096);
    assertThat(layout.row(1L << 60)).isEqualTo((1L << 60) / (3 * 4096));
  }

  @Test
  void wordsAndNumbersAgree() {
    for (String word : WORDS6) {
      int number = ParityLayout.number(Level.RAID6, word);
      assertThat(ParityLayout.word(Level.RAID6, number)).isEqualTo(word);
    }
    for (String word : WORDS5) {
      int number = ParityLayout.number(Level.RAID5, word);
      assertThat(ParityLayout.word(Level.RAID5, number)).isEqualTo(word);
    }
    assertThat(ParityLayout.number(Level.RAID6, "ls")).isEqualTo(2);
    assertThat(ParityLayout.number(Level.RAID6, "ddf-N-continue")).isEqualTo(10);
    assertThat(ParityLayout.number(Level.RAID6, "parity-first-6")).isEqualTo(20);
    assertThat(ParityLayout.defaultNumber(Level.RAID5)).isEqualTo(2);
  }

  @Test
  void whatLinuxHasNotIsRefusedInASentence() {
    assertThatThrownBy(() -> ParityLayout.number(Level.RAID5, "sideways"))
        .hasMessageContaining("raid5 has no layout 'sideways'; it has: left-asymmetric, ");
    assertThatThrownBy(() -> new ParityLayout(Level.RAID5, 8, 4, 4096))
        .hasMessage("raid5 has no layout 8.");
    assertThatThrownBy(() -> new ParityLayout(Level.RAID6, 21, 4, 4096))
        .hasMessage("raid6 has no layout 21.");
    assertThatThrownBy(() -> new ParityLayout(Level.RAID6, 2, 3, 4096))
        .hasMessage("raid6 takes 4 to 255 members, not 3.");
    assertThatThrownBy(() -> new ParityLayout(Level.RAID5, 2, 3, 3000))
        .hasMessageContaining("power of two");
    assertThatThrownBy(() -> new ParityLayout(Level.RAID1, 0, 3, 4096))
        .hasMessageContaining("raid1 has no parity");
  }

  private static List<ParityLayout> all() {
    List<ParityLayout> layouts = new ArrayList<>();
    for (int members = 2; members <= 9; members++) {
      layouts.add(new ParityLayout(Level.RAID4, 0, members, 4096));
      for (String word : WORDS5) {
        int number = ParityLayout.number(Level.RAID5, word);
        layouts.add(new ParityLayout(Level.RAID5, number, members, 4096));
      }
      if (members >= 4) {
        for (String word : WORDS6) {
          int number = ParityLayout.number(Level.RAID6, word);
          layouts.add(new ParityLayout(Level.RAID6, number, members, 4096));
        }
      }
    }
    return layouts;
  }

  private static void take(boolean[] taken, int index) {
    assertThat(taken[index]).isFalse();
    taken[index] = true;
  }

  private static String rows(ParityLayout layout, int count) {
    List<String> rows = new ArrayList<>();
    for (long row = 0; row < count; row++) {
      char[] parts = new char[layout.members()];
      for (int column = 0; column < layout.columns(); column++) {
        parts[layout.member(row, column)] = (char) ('0' + column);
      }
      parts[layout.parityMember(row)] = 'P';
      if (layout.qMember(row) >= 0) {
        parts[layout.qMember(row)] = 'Q';
      }
      rows.add(new String(parts));
    }
    return String.join(" ", rows);
  }
}
