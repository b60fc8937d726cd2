// SPDX-License-Identifier: Apache-2.0
package dev.belay.contract;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.Bio;
import dev.belay.CancelFlag;
import dev.belay.Device;
import dev.belay.Extents;
import dev.belay.Loop;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.contract.HeldLeaf.Piece;
import dev.belay.contract.MatrixRows.Target;
import dev.belay.testing.SimClock;
import dev.belay.testing.SimPoller;
import dev.belay.testing.Steps;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** One stack of targets over recording leaves, on virtual time, and requests to it. */
final class Stage implements AutoCloseable {
  /** A request, and how it ended. */
  final class Request {
    final Bio bio;
    final MemorySegment buffer;
    final CancelFlag flag;
    final Op op;
    final long offsetBytes;
    final long lengthBytes;
    private final List<Outcome> outcomes = new ArrayList<>();

    Request(Op op, long offsetBytes, long lengthBytes, CancelFlag flag) {
      this.op = op;
      this.offsetBytes = offsetBytes;
      this.lengthBytes = lengthBytes;
      this.flag = flag;
      buffer =
          op.hasBuffer()
              ? arena.allocate(Math.max(HeldLeaf.BLOCK_BYTES, lengthBytes), 4096)
              : MemorySegment.NULL;
      bio = new Bio(loop, done -> outcomes.add(done.outcome()));
      bio.prepare(op, top, offsetBytes, lengthBytes, buffer, 0, flag);
      loop.enter(bio);
    }

    boolean hasEnded() {
      return !outcomes.isEmpty();
    }

    /** How it ended, once. */
    Outcome outcome() {
      assertThat(outcomes).as("it ends exactly once").hasSize(1);
      return outcomes.getFirst();
    }

    /** What the pieces that were sent make of each byte. */
    Extents.State stateAt(long at) {
      for (Piece piece : log.all) {
        long start = piece.address - buffer.address();
        if (at >= start && at < start + piece.lengthBytes) {
          return piece.answer == Outcome.Kind.DONE ? Extents.State.DONE : Extents.State.UNKNOWN;
        }
      }
      return Extents.State.CLEAN;
    }

    /** Law 4, block by block, for one with a buffer. */
    void isTruthful() {
      Extents extents = outcome().extents();
      for (long at = 0; at < lengthBytes; at += HeldLeaf.BLOCK_BYTES) {
        assertThat(extents.at(at)).as("byte %d of %s", at, outcome()).isEqualTo(stateAt(at));
      }
    }
  }

  final HeldLeaf.Log log = new HeldLeaf.Log();
  final Loop loop;
  final Device top;
  private final Arena arena = Arena.ofConfined();
  private final List<Throwable> defects = new ArrayList<>();

  /**
   * @param lower what stands between {@code upper} and the leaves; null for nothing
   * @param depth how many pieces a leaf takes at a time
   */
  Stage(Target upper, @Nullable Target lower, int depth) {
    SimClock clock = new SimClock(new Steps());
    loop = Loop.driven(clock);
    loop.setPoller(new SimPoller(clock, new Steps()));
    loop.setDefects(defects::add);
    top = upper.make(loop, () -> lower == null ? leaf(depth) : lower.make(loop, () -> leaf(depth)));
  }

  private Device leaf(int depth) {
    return new HeldLeaf(loop, log, depth);
  }

  long sizeBytes() {
    return top.limits().sizeBytes();
  }

  Request request(Op op, CancelFlag flag) {
    return op == Op.FLUSH ? new Request(op, 0, 0, flag) : new Request(op, 0, sizeBytes(), flag);
  }

  /** Time passes, until nothing more happens by itself. */
  void settle() {
    for (int quiet = 0; quiet < 3; ) {
      quiet = loop.turn(10_000_000) ? 0 : quiet + 1;
    }
    assertThat(defects).isEmpty();
    assertThat(log.lateSends).as("law 3: sent after the flag was up").isZero();
  }

  /** The devices do whatever they are sent, until they are sent no more. */
  void answerAll() {
    settle();
    while (!log.inFlight().isEmpty()) {
      log.inFlight().getFirst().answer(Outcome.Kind.DONE, "");
      settle();
    }
  }

  /** Closes it; then nothing is open. */
  @Override
  public void close() {
    log.inFlight().forEach(piece -> piece.answer(Outcome.Kind.DONE, ""));
    assertThat(loop.close(Long.MAX_VALUE)).isZero();
    assertThat(log.closed).as("closed leaves").isEqualTo(log.leaves.size());
    assertThat(defects).isEmpty();
    arena.close();
  }
}
