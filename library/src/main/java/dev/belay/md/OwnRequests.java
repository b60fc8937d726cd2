// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import dev.belay.Bio;
import dev.belay.CancelFlag;
import dev.belay.IoError;
import dev.belay.Loop;
import dev.belay.Op;
import java.lang.foreign.MemorySegment;
import java.util.Collection;
import java.util.List;
import java.util.Objects;

/**
 * Requests that an array makes by itself, to several members at once. They carry no flag, since
 * nobody may stop them half way, and they count as open, so that closing waits for them. A member
 * that fails one is out of the array, if the array can do without it.
 *
 * <p>What throws here or in what comes next, for want of memory perhaps, leaves an array that takes
 * no more writes: nobody waits for records that are never written.
 */
final class OwnRequests {
  private final Array array;
  private final Runnable then;
  private int pending = 1;

  private OwnRequests(Array array, Runnable then) {
    this.array = array;
    this.then = then;
  }

  /** What one member gets. */
  record Piece(Member member, long offsetBytes, MemorySegment bytes) {}

  /** Flushes the members; {@code then} runs when all have answered. */
  static void flush(Array array, List<Member> members, Runnable then) {
    OwnRequests all = new OwnRequests(array, then);
    for (Member member : members) {
      all.submit(Op.FLUSH, member, 0, MemorySegment.NULL);
    }
    all.oneEnded();
  }

  /** Writes the pieces, durably; {@code then} runs when all have been answered. */
  static void write(Array array, List<Piece> pieces, Runnable then) {
    OwnRequests all = new OwnRequests(array, then);
    for (Piece piece : pieces) {
      all.submit(Op.WRITE, piece.member(), piece.offsetBytes(), piece.bytes());
    }
    all.oneEnded();
  }

  private void submit(Op op, Member member, long offsetBytes, MemorySegment bytes) {
    Loop loop = array.loop();
    Bio bio;
    try {
      bio = new Bio(loop, done -> ended(member, done));
      bio.prepare(op, member.device(), offsetBytes, bytes.byteSize(), bytes, 0, CancelFlag.NEVER);
    } catch (RuntimeException | Error defect) {
      array.recordingThrew(defect);
      return;
    }
    bio.setFua(op == Op.WRITE);
    pending++;
    loop.enter(bio);
  }

  private void ended(Member member, Bio done) {
    try {
      if (!done.isDone()) {
        IoError error = done.error();
        array.ownRequestFailed(
            member, error != null ? error : new IoError(5, done.op() + " of an array was stopped"));
      }
      done.release();
    } catch (RuntimeException | Error defect) {
      array.recordingThrew(defect);
    }
    oneEnded();
  }

  private void oneEnded() {
    if (--pending == 0) {
      try {
        Objects.requireNonNull(then).run();
      } catch (RuntimeException | Error defect) {
        array.recordingThrew(defect);
      }
    }
  }

  /** Runs what waited, each for itself: what one of them throws is reported, and the others run. */
  static void runAll(Array array, Collection<Runnable> waited) {
    for (Runnable each : waited) {
      try {
        each.run();
      } catch (RuntimeException | Error defect) {
        array.report(defect);
      }
    }
  }
}
