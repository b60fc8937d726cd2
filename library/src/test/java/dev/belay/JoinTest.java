// SPDX-License-Identifier: Apache-2.0
package dev.belay;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.Extents.Extent;
import dev.belay.Extents.State;
import dev.belay.Outcome.Kind;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What becomes of a bio when its clones come back: laws 4 and 5. */
final class JoinTest {
  private static final Limits LIMITS = new Limits(1L << 40, 1, 1, Long.MAX_VALUE);

  private final Loop loop = Loop.driven();
  private final Fan fan = new Fan();
  private final List<Outcome> ended = new ArrayList<>();

  @AfterEach
  void close() {
    assertThat(loop.close(Long.MAX_VALUE)).isZero();
  }

  /** How a clone ends, and which part of the request it stands for. */
  private record Piece(Kind kind, State bytes, long start, long length, int errno) {}

  /** Makes a clone of each piece, and a leaf below ends it as the piece says. */
  private final class Fan extends Device {
    List<Piece> pieces = List.of();
    private final Device leaf =
        new Device(loop, "leaf", LIMITS, List.of()) {
          @Override
          public Verdict map(Bio bio) {
            Piece piece = pieces.get((int) bio.note());
            switch (piece.kind) {
              case DONE -> bio.complete();
              case CANCELLED -> {
                bio.recordCancelled(piece.bytes);
                bio.complete();
              }
              case FAILED -> bio.fail(piece.errno, "planted " + piece.errno, piece.bytes);
            }
            return Verdict.TAKEN;
          }
        };

    Fan() {
      super(loop, "fan", LIMITS, List.of());
    }

    @Override
    public Verdict map(Bio bio) {
      bio.beginChain();
      for (int i = 0; i < pieces.size(); i++) {
        Piece piece = pieces.get(i);
        Bio clone = bio.chain();
        clone.remap(leaf, 0).resize(piece.length).setStartInParent(piece.start);
        clone.setNote(i);
        clone.submit();
      }
      bio.endChain();
      return Verdict.TAKEN;
    }
  }

  private Outcome outcomeOf(long length, Piece... pieces) {
    fan.pieces = List.of(pieces);
    ended.clear();
    Bio bio = new Bio(loop, done -> ended.add(done.outcome()));
    bio.prepare(Op.WRITE_ZEROES, fan, 0, length, MemorySegment.NULL, 0, new CancelFlag());
    loop.enter(bio);
    assertThat(ended).hasSize(1);
    return ended.getFirst();
  }

  private static Piece done(long start, long length) {
    return new Piece(Kind.DONE, State.DONE, start, length, 0);
  }

  private static Piece cancelled(State bytes, long start, long length) {
    return new Piece(Kind.CANCELLED, bytes, start, length, 0);
  }

  private static Piece failed(State bytes, long start, long length, int errno) {
    return new Piece(Kind.FAILED, bytes, start, length, errno);
  }

  /** Two legs of a mirror: one was never sent, one has not answered. */
  @Test
  void ofTheSameBytesUnknownWinsOverCleanWhicheverComesFirst() {
    for (State[] order :
        new State[][] {
          {State.UNKNOWN, State.CLEAN}, {State.CLEAN, State.UNKNOWN},
        }) {
      Outcome outcome =
          outcomeOf(8, cancelled(order[0], 0, 8), cancelled(order[1], 0, 8), done(0, 8));
      assertThat(outcome.kind()).isEqualTo(Kind.CANCELLED);
      assertThat(outcome.extents()).isEqualTo(Extents.whole(8, State.UNKNOWN));
    }
  }

  @Test
  void anyFailureFailsTheWholeWithTheFirstErrorAndAnyCancelCancelsIt() {
    Outcome outcome =
        outcomeOf(
            8,
            cancelled(State.CLEAN, 0, 2),
            failed(State.UNKNOWN, 2, 2, Errno.EIO),
            failed(State.UNKNOWN, 4, 2, Errno.ENOSPC),
            cancelled(State.CLEAN, 6, 2));
    assertThat(outcome.kind()).isEqualTo(Kind.FAILED);
    assertThat(outcome.error()).isEqualTo(new IoError(Errno.EIO, "planted 5"));
    assertThat(outcome.extents().list())
        .containsExactly(
            new Extent(0, 2, State.CLEAN),
            new Extent(2, 4, State.UNKNOWN),
            new Extent(6, 2, State.CLEAN));
    assertThat(outcomeOf(8, done(0, 4), cancelled(State.DONE, 4, 4)).kind())
        .isEqualTo(Kind.CANCELLED);
    assertThat(outcomeOf(8, done(0, 4), done(4, 4))).isEqualTo(Outcome.done(8));
  }

  /** Wider than the request, as a read ahead or a whole block is: what lies outside is nobody's. */
  @Test
  void ofAWiderCloneOnlyThePartInsideCounts() {
    Outcome outcome = outcomeOf(8, cancelled(State.CLEAN, -4, 6), cancelled(State.UNKNOWN, 5, 90));
    assertThat(outcome.extents().list())
        .containsExactly(
            new Extent(0, 2, State.CLEAN),
            new Extent(2, 3, State.DONE),
            new Extent(5, 3, State.UNKNOWN));
    assertThat(outcomeOf(8, cancelled(State.CLEAN, 0, 9)).cleanBytes()).isEqualTo(8);
    assertThat(outcomeOf(8, cancelled(State.CLEAN, 8, 8)).doneBytes()).isEqualTo(8);
    assertThat(outcomeOf(8, cancelled(State.CLEAN, 3, 8)).cleanBytes()).isEqualTo(5);
  }

  /** A layer that knows no better cannot make clean what a clone of its has left unknown. */
  @Test
  void whatTheParentSaysOfItselfMakesNothingBetter() {
    for (State said : State.values()) {
      Bio parent = new Bio(loop, done -> ended.add(done.outcome()));
      Device device =
          new Device(loop, "late", LIMITS, List.of()) {
            @Override
            public Verdict map(Bio bio) {
              Bio clone =
                  bio.newClone(
                      child -> {
                        bio.join(child);
                        bio.recordFailed(new IoError(Errno.EIO, "late"), said);
                        bio.complete();
                      });
              clone.remap(fan.leaf, 0);
              clone.submit();
              return Verdict.TAKEN;
            }
          };
      fan.pieces = List.of(cancelled(State.UNKNOWN, 0, 8));
      ended.clear();
      parent.prepare(Op.WRITE_ZEROES, device, 0, 8, MemorySegment.NULL, 0, new CancelFlag());
      loop.enter(parent);
      assertThat(ended.getFirst().kind()).isEqualTo(Kind.FAILED);
      assertThat(ended.getFirst().extents()).isEqualTo(Extents.whole(8, State.UNKNOWN));
    }
  }

  /** Against a map of bytes: the worst that any clone says of a byte is what became of it. */
  @Test
  void anyClonesInAnyOrderGiveWhatAMapOfBytesGives() {
    Random random = new Random(11);
    for (int round = 0; round < 3000; round++) {
      int length = 1 + random.nextInt(12);
      State[] expected = new State[length];
      java.util.Arrays.fill(expected, State.DONE);
      Piece[] pieces = new Piece[1 + random.nextInt(5)];
      Kind kind = Kind.DONE;
      for (int i = 0; i < pieces.length; i++) {
        boolean isWhole = random.nextInt(3) == 0;
        int start = isWhole ? 0 : random.nextInt(length + 6) - 3;
        int size = isWhole ? length : 1 + random.nextInt(length + 3);
        Kind mine = Kind.values()[random.nextInt(3)];
        State bytes = mine == Kind.DONE ? State.DONE : State.values()[random.nextInt(3)];
        pieces[i] = new Piece(mine, bytes, start, size, i + 1);
        kind = mine.compareTo(kind) > 0 ? mine : kind;
        for (int b = Math.max(0, start); b < Math.min(length, start + size); b++) {
          expected[b] = expected[b].compareTo(bytes) > 0 ? expected[b] : bytes;
        }
      }
      Outcome outcome = outcomeOf(length, pieces);
      assertThat(outcome.kind()).as("round %d", round).isEqualTo(kind);
      for (int b = 0; b < length; b++) {
        assertThat(outcome.extents().at(b))
            .as("byte %d of round %d, %s", b, round, List.of(pieces))
            .isEqualTo(expected[b]);
      }
    }
  }
}
