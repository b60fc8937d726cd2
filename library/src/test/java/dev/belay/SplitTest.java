// SPDX-License-Identifier: Apache-2.0
package dev.belay;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.Extents.Extent;
import dev.belay.Extents.State;
import dev.belay.Outcome.Kind;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** A bio that is cut into pieces, and what stops the cutting. */
final class SplitTest {
  private static final Limits LIMITS = new Limits(1L << 20, 1, 1, 1L << 20);

  private final Loop loop = Loop.driven();
  private final CancelFlag flag = new CancelFlag();
  private final List<Outcome> ended = new ArrayList<>();
  private final List<String> seen = new ArrayList<>();
  private final List<Throwable> defects = new ArrayList<>();
  private int raiseAt = -1;
  private int failAt = -1;
  private int throwAt = -1;
  private int maps;
  private int cuts;

  private final Device leaf =
      new Device(loop, "leaf", LIMITS, List.of()) {
        @Override
        public Verdict map(Bio bio) {
          int mine = maps++;
          if (mine == raiseAt) {
            flag.raise();
          }
          if (mine == failAt) {
            bio.fail(Errno.EIO, "planted", State.UNKNOWN);
          } else {
            bio.complete();
          }
          return Verdict.TAKEN;
        }
      };
  private final Device splitter =
      new Device(loop, "splitter", LIMITS, List.of(leaf)) {
        @Override
        public Verdict map(Bio bio) {
          bio.split(
              piece -> {
                seen.add(piece.offsetBytes() + "+" + piece.lengthBytes());
                if (cuts++ == throwAt) {
                  throw new IllegalStateException("planted");
                }
                piece.remap(leaf, piece.offsetBytes());
                return Math.min(3, piece.lengthBytes());
              },
              1);
          return Verdict.TAKEN;
        }
      };

  SplitTest() {
    loop.setDefects(defects::add);
  }

  @AfterEach
  void close() {
    assertThat(loop.close(Long.MAX_VALUE)).isZero();
  }

  private Outcome outcome() {
    Bio bio = new Bio(loop, done -> ended.add(done.outcome()));
    bio.prepare(Op.WRITE_ZEROES, splitter, 100, 10, MemorySegment.NULL, 0, flag);
    loop.enter(bio);
    assertThat(ended).hasSize(1);
    return ended.getFirst();
  }

  @Test
  void aCutterSeesAllThatIsLeft() {
    assertThat(outcome()).isEqualTo(Outcome.done(10));
    assertThat(seen).containsExactly("100+10", "103+7", "106+4", "109+1");
    assertThat(maps).isEqualTo(4);
  }

  /** The pieces that were under way are done all the same: only the rest makes it cancelled. */
  @Test
  void aFlagThatGoesUpBetweenTwoPiecesLeavesTheRestUncutAndClean() {
    raiseAt = 1;
    Outcome outcome = outcome();
    assertThat(outcome.kind()).isEqualTo(Kind.CANCELLED);
    assertThat(outcome.extents().list())
        .containsExactly(new Extent(0, 6, State.DONE), new Extent(6, 4, State.CLEAN));
    assertThat(maps).isEqualTo(2);
  }

  @Test
  void aFlagThatGoesUpWithTheLastPieceChangesNothing() {
    raiseAt = 3;
    assertThat(outcome().kind()).isEqualTo(Kind.DONE);
    assertThat(ended.getFirst().doneBytes()).isEqualTo(10);
  }

  @Test
  void aPieceThatFailsLeavesTheRestUncutAndClean() {
    failAt = 1;
    Outcome outcome = outcome();
    assertThat(outcome.kind()).isEqualTo(Kind.FAILED);
    assertThat(outcome.error()).isEqualTo(new IoError(Errno.EIO, "planted"));
    assertThat(outcome.extents().list())
        .containsExactly(
            new Extent(0, 3, State.DONE),
            new Extent(3, 3, State.UNKNOWN),
            new Extent(6, 4, State.CLEAN));
    assertThat(maps).isEqualTo(2);
  }

  @Test
  void aCutterThatThrowsFailsTheBioAndLeavesTheRestClean() {
    for (int at : new int[] {0, 2}) {
      throwAt = at;
      cuts = 0;
      ended.clear();
      Outcome outcome = outcome();
      assertThat(outcome.kind()).isEqualTo(Kind.FAILED);
      assertThat(outcome.doneBytes()).isEqualTo(3L * at);
      assertThat(outcome.cleanBytes()).isEqualTo(10 - 3L * at);
    }
    assertThat(defects).hasSize(2);
  }
}
