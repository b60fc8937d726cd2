// SPDX-License-Identifier: Apache-2.0
package dev.belay.target;

import dev.belay.Bio;
import dev.belay.BioEnd;
import dev.belay.CancelFlag;
import dev.belay.Extents;
import dev.belay.Extents.Extent;
import dev.belay.Extents.State;
import dev.belay.IoError;
import dev.belay.Op;
import dev.belay.Timers;
import dev.belay.md.Array;
import dev.belay.md.RangeLocks;
import java.lang.foreign.MemorySegment;
import java.util.BitSet;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * One piece of a read that may be asked of two legs: of the second one when the first takes long.
 * The first DONE counts; then the flag of the other goes up, which is a child of the request's, and
 * whenever that ends its memory is given back. The reads are requests of the mirror's own, because
 * the loser may end after the request.
 *
 * <p>It belongs to its mirror, which uses it again when no read of it is under way.
 */
final class HedgedRead {
  private final Mirror mirror;
  private final Hedging hedging;
  private final Try first;
  private final Try second;
  private final Timers.Timer timer;
  private final BitSet failedSlots = new BitSet();

  /** Null once it has completed. */
  private @Nullable Bio bio;

  private long arrayBytes;
  private long lengthBytes;
  private long beganNanos;
  private long delayNanos;
  private boolean wasRefused;
  private boolean isTouched;
  private @Nullable IoError error;

  HedgedRead(Mirror mirror, Hedging hedging) {
    this.mirror = mirror;
    this.hedging = hedging;
    first = new Try();
    second = new Try();
    timer = mirror.loop().timers().newTimer(this::tooLong);
  }

  /** What one leg is asked. */
  private final class Try implements BioEnd {
    private final Bio read = new Bio(mirror.loop(), this);
    private CancelFlag flag = CancelFlag.NEVER;
    private @Nullable MirrorLeg leg;
    private @Nullable MemorySegment block;
    private boolean isOut;

    void send(MirrorLeg to, long memberOffsetBytes, MemorySegment into) {
      leg = to;
      block = into;
      isOut = true;
      flag = Objects.requireNonNull(bio).flag().child();
      long at = to.member.startBytes() + memberOffsetBytes;
      read.prepare(Op.READ, to.member.device(), at, lengthBytes, into, 0, flag);
      to.begins(memberOffsetBytes, lengthBytes);
      mirror.loop().enter(read);
    }

    MirrorLeg leg() {
      return Objects.requireNonNull(leg);
    }

    MemorySegment block() {
      return Objects.requireNonNull(block);
    }

    @Override
    public void ended(Bio same) {
      isOut = false;
      leg().cameBack();
      tryEnded(this);
      hedging.giveBack(block());
      block = null;
      flag = CancelFlag.NEVER;
      read.release();
      if (bio == null && !first.isOut && !second.isOut) {
        hedging.giveBack(HedgedRead.this);
      }
    }
  }

  void begin(Bio piece, MirrorLeg leg, long memberOffsetBytes, MemorySegment block) {
    bio = piece;
    arrayBytes = piece.offsetBytes();
    lengthBytes = piece.lengthBytes();
    beganNanos = now();
    wasRefused = false;
    isTouched = false;
    error = null;
    failedSlots.clear();
    delayNanos = hedging.delayNanos();
    if (delayNanos > 0) {
      timer.set(beganNanos + delayNanos);
    }
    first.send(leg, memberOffsetBytes, block);
  }

  private long now() {
    return mirror.loop().clock().nanos();
  }

  /** The first leg has not answered for long: the second is asked, if that may be. */
  private void tooLong() {
    Bio piece = Objects.requireNonNull(bio);
    if (piece.flag().isRaised() || mirror.array.mayDisagree(arrayBytes, lengthBytes)) {
      return; // where legs may disagree, all reads are answered by the same one
    }
    BitSet without = new BitSet();
    without.set(first.leg().member.slot());
    MirrorLeg leg = mirror.choose(arrayBytes, lengthBytes, without);
    if (leg == null) {
      return;
    }
    long memberOffsetBytes = mirror.chosenOffsetBytes();
    MemorySegment block = hedging.take(lengthBytes, true);
    if (block != null && hedging.maySend(wasRefused)) {
      second.send(leg, memberOffsetBytes, block);
      return;
    }
    if (block != null) {
      hedging.giveBack(block);
    }
    wasRefused = true;
    delayNanos *= 2;
    timer.set(now() + delayNanos);
  }

  private void tryEnded(Try one) {
    Bio piece = bio;
    Bio read = one.read;
    IoError why = read.error();
    boolean isFailed = read.isFailed() && why != null && Array.isMembersFault(read, why);
    if (isFailed && why != null) {
      mirror.array.readFailed(one.leg().member, why);
      failedSlots.set(one.leg().member.slot());
    }
    if (piece == null) {
      rewriteFailed();
      return;
    }
    Try other = one == first ? second : first;
    if (read.isDone()) {
      won(one, other, piece);
      return;
    }
    timer.cancel();
    error = error == null ? why : error;
    isTouched |= read.extents().bytes(State.CLEAN) < lengthBytes;
    if (other.isOut) {
      return;
    }
    bio = null;
    boolean isStopped = read.isCancelled() || piece.flag().isRaised();
    if (isFailed && !isStopped) {
      State state = isTouched ? State.UNKNOWN : State.CLEAN;
      BitSet failed = (BitSet) failedSlots.clone();
      mirror.retry(piece, Extents.whole(lengthBytes, state), firstError(), failed);
      return;
    }
    if (copyOut(one, piece)) {
      if (isStopped) {
        piece.recordCancelled(State.DONE);
      } else {
        piece.recordFailed(firstError(), State.DONE);
      }
      for (Extent each : read.extents().list()) {
        if (each.state() != State.DONE) {
          State state = isTouched ? State.UNKNOWN : State.CLEAN;
          piece.mark(each.offsetBytes(), each.lengthBytes(), state);
        }
      }
    }
    piece.complete();
  }

  private IoError firstError() {
    return Objects.requireNonNull(error);
  }

  private void won(Try one, Try other, Bio piece) {
    timer.cancel();
    hedging.note(now() - beganNanos);
    if (one == second) {
      hedging.wonBySecond();
    }
    copyOut(one, piece);
    bio = null;
    if (other.isOut) {
      other.flag.raise();
    }
    rewriteFailed();
    piece.complete();
  }

  /** A leg failed what another one could read. */
  private void rewriteFailed() {
    for (int slot = failedSlots.nextSetBit(0); slot >= 0; slot = failedSlots.nextSetBit(slot + 1)) {
      for (long at = 0; at < lengthBytes; ) {
        long offsetBytes = arrayBytes + at;
        long part = Math.min(MirrorRetry.PART_BYTES, RangeLocks.mostBytes(offsetBytes));
        part = Math.min(part, lengthBytes - at);
        mirror.rewrites.add(slot, offsetBytes, part, part == lengthBytes);
        at += part;
      }
    }
    failedSlots.clear();
  }

  private boolean copyOut(Try one, Bio piece) {
    for (Extent each : one.read.extents().list()) {
      if (each.state() == State.DONE) {
        long at = each.offsetBytes();
        IoError why = piece.copyToBuffer(at, one.block(), at, each.lengthBytes());
        if (why != null) {
          piece.recordFailed(why, State.UNKNOWN);
          return false;
        }
      }
    }
    return true;
  }
}
