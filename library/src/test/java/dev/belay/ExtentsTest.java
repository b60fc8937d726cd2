// SPDX-License-Identifier: Apache-2.0
package dev.belay;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.belay.Extents.Extent;
import dev.belay.Extents.State;
import java.util.Random;
import org.junit.jupiter.api.Test;

final class ExtentsTest {
  @Test
  void wholeRangesAndTheirSums() {
    Extents clean = Extents.whole(10, State.CLEAN);
    assertThat(clean.bytes(State.CLEAN)).isEqualTo(10);
    assertThat(clean.bytes(State.DONE)).isZero();
    assertThat(clean.at(9)).isEqualTo(State.CLEAN);
    assertThatThrownBy(() -> clean.at(10)).isInstanceOf(IndexOutOfBoundsException.class);
    assertThat(Extents.whole(0, State.DONE).list()).isEmpty();
  }

  @Test
  void unknownWinsWhereNotesOverlap() {
    Extents.Log log = new Extents.Log();
    log.add(0, 10, State.CLEAN);
    log.add(5, 6, State.UNKNOWN);
    assertThat(log.toExtents(12).list())
        .containsExactly(
            new Extent(0, 5, State.CLEAN),
            new Extent(5, 1, State.UNKNOWN),
            new Extent(6, 4, State.CLEAN),
            new Extent(10, 2, State.DONE));
  }

  @Test
  void anyOrderOfNotesGivesWhatAByteMapGives() {
    Random random = new Random(7);
    for (int round = 0; round < 2000; round++) {
      int length = 1 + random.nextInt(40);
      State[] map = new State[length];
      java.util.Arrays.fill(map, State.DONE);
      Extents.Log log = new Extents.Log();
      for (int i = random.nextInt(12); i > 0; i--) {
        int start = random.nextInt(length);
        int end = start + random.nextInt(length - start + 1);
        State state = State.values()[random.nextInt(3)];
        log.add(start, end, state);
        for (int b = start; b < end; b++) {
          map[b] = map[b] == State.UNKNOWN || state == State.DONE ? map[b] : state;
        }
      }
      Extents extents = log.toExtents(length);
      long sum = 0;
      for (int b = 0; b < length; b++) {
        assertThat(extents.at(b)).as("byte %s of round %s", b, round).isEqualTo(map[b]);
      }
      for (State state : State.values()) {
        sum += extents.bytes(state);
      }
      assertThat(sum).isEqualTo(length);
      for (int i = 1; i < extents.list().size(); i++) {
        assertThat(extents.list().get(i).state()).isNotEqualTo(extents.list().get(i - 1).state());
      }
    }
  }
}
