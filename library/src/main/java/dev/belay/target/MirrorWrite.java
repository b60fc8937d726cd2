// SPDX-License-Identifier: Apache-2.0
package dev.belay.target;

import dev.belay.Bio;
import dev.belay.BioEnd;
import dev.belay.Errno;
import dev.belay.Extents.State;
import dev.belay.Held;
import dev.belay.IoError;
import dev.belay.Op;
import dev.belay.Waiting;
import dev.belay.md.Array;
import dev.belay.md.CopiesLayout;
import dev.belay.md.Member;
import dev.belay.md.RangeLocks;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * One piece of a write, a write of zeroes or a discard on its way to all legs: waits for its range,
 * waits for leave, is sent to all, waits until failures are recorded. It belongs to its mirror,
 * which uses it again.
 */
final class MirrorWrite implements Waiting {
  private final Mirror mirror;
  private final Array array;
  private final RangeLocks.Lock lock = new RangeLocks.Lock(this::locked);
  private final Runnable admitted = this::admitted;
  private final Runnable recorded = this::finish;
  private final List<Copy> copies = new ArrayList<>(2);

  /** Null once it has completed, though leave to write may still come. */
  private @Nullable Bio bio;

  private long startBytes;
  private long lengthBytes;
  private boolean isAdmitting;
  private boolean isRecording;
  private int copiesSent;
  private int pending;
  private int done;
  private boolean isAllClean;
  private boolean wasStopped;
  private @Nullable IoError error;

  MirrorWrite(Mirror mirror) {
    this.mirror = mirror;
    array = mirror.array;
  }

  /** The end of what one leg gets. */
  private final class Copy implements BioEnd {
    private @Nullable Member member;
    private long memberBytes;

    /** Why the leg has no operation for zeroes; null if it has. */
    private @Nullable IoError lacksZeroes;

    @Override
    public void ended(Bio clone) {
      copyEnded(this, clone);
    }

    Member member() {
      return Objects.requireNonNull(member);
    }

    void send(Bio clone) {
      Member of = member();
      pending++;
      of.began();
      clone.remap(of.device(), of.startBytes() + memberBytes).submit();
    }
  }

  private Bio bio() {
    return Objects.requireNonNull(bio);
  }

  void begin(Bio piece) {
    bio = piece;
    startBytes = piece.offsetBytes();
    lengthBytes = piece.lengthBytes();
    done = 0;
    isAllClean = true;
    wasStopped = false;
    error = null;
    if (mirror.locks.take(lock, startBytes, lengthBytes)) {
      locked();
    } else {
      mirror.waiting.add(this);
      piece.watch(this);
    }
  }

  /** The range is not this one's yet, or the array is not ready for it, or for its end. */
  void showHeld(Held held) {
    boolean forRecords = isAdmitting || isRecording;
    held.show(bio(), forRecords ? "waits for the array's records" : "waits for its range");
  }

  private void waitsNoLonger() {
    if (!mirror.waiting.isEmpty()) {
      mirror.waiting.remove(this);
    }
  }

  private void locked() {
    bio().unwatch();
    waitsNoLonger();
    IoError refusal = array.writeRefusal();
    if (refusal != null) {
      bio().recordFailed(refusal, State.CLEAN);
      mirror.locks.release(lock);
      leave();
    } else if (array.admit(startBytes, lengthBytes, admitted)) {
      send();
    } else {
      isAdmitting = true;
      mirror.waiting.add(this);
      bio().watch(this);
    }
  }

  private void admitted() {
    isAdmitting = false;
    waitsNoLonger();
    if (bio == null) {
      array.finished(startBytes, lengthBytes, true);
      mirror.giveBack(this);
      return;
    }
    IoError refusal = array.writeRefusal();
    if (refusal == null) {
      send();
      return;
    }
    bio().unwatch();
    bio().recordFailed(refusal, State.CLEAN);
    unlockAndLeave(true);
  }

  /** The commit point: from here on all legs finish. */
  private void send() {
    if (!bio().commit()) {
      bio().unwatch();
      bio().recordCancelled(State.CLEAN);
      unlockAndLeave(true);
      return;
    }
    CopiesLayout layout = mirror.layout;
    pending = 1;
    int sent = 0;
    for (int copy = 0; copy < layout.copies(); copy++) {
      Member member = array.member(layout.member(startBytes, copy));
      if (member == null || !member.isWritable()) {
        continue;
      }
      if (copies.size() == sent) {
        copies.add(new Copy());
      }
      Copy end = copies.get(sent++);
      end.member = member;
      end.memberBytes = layout.memberOffset(startBytes, copy);
      end.lacksZeroes = null;
      end.send(bio().newClone(end));
    }
    copiesSent = sent;
    oneEnded();
  }

  private void copyEnded(Copy copy, Bio clone) {
    Member member = copy.member();
    member.ended(startBytes + lengthBytes);
    IoError why = clone.error();
    if (clone.isDone()) {
      done++;
      isAllClean = false;
    } else {
      isAllClean &= clone.extents().bytes(State.CLEAN) == lengthBytes;
      if (clone.isCancelled()) {
        wasStopped = true;
      } else if (clone.op() == Op.WRITE_ZEROES && isLack(why)) {
        copy.lacksZeroes = why;
      } else {
        failed(member, Objects.requireNonNull(why));
      }
    }
    oneEnded();
  }

  private static boolean isLack(@Nullable IoError why) {
    return why != null && why.errno() == Errno.EOPNOTSUPP;
  }

  /**
   * Legs without an operation for zeroes get them as bytes, if others have done it: else the
   * caller's is the choice, since nothing has happened.
   */
  private void zeroByWriting() {
    pending = 1;
    for (Copy copy : copies.subList(0, copiesSent)) {
      IoError lack = copy.lacksZeroes;
      copy.lacksZeroes = null;
      if (lack != null && isAllClean) {
        error = error == null ? lack : error;
      } else if (lack != null && copy.member().isWritable()) {
        copy.send(bio().newClone(copy).setOp(Op.WRITE).setBuffer(mirror.zeroes(), 0));
      }
    }
    pending--;
  }

  /** The others count, if the member is out now; else the error is the caller's. */
  private void failed(Member member, IoError why) {
    boolean isOut = Array.isMembersFault(bio(), why) && array.writeFailed(member, why);
    if (!isOut && error == null) {
      error = why;
    }
  }

  private void oneEnded() {
    if (--pending > 0) {
      return;
    }
    if (bio().op() == Op.WRITE_ZEROES) {
      zeroByWriting();
      if (pending > 0) {
        return;
      }
    }
    if (error == null && !wasStopped && done == 0) {
      error = mirror.lost(startBytes);
    }
    State bytes = isAllClean ? State.CLEAN : State.UNKNOWN;
    if (error != null) {
      bio().recordFailed(error, bytes);
    } else if (wasStopped) {
      bio().recordCancelled(bytes);
    }
    if (array.isRecorded()) {
      finish();
    } else {
      isRecording = true;
      mirror.waiting.add(this);
      array.whenRecorded(recorded);
    }
  }

  private void finish() {
    isRecording = false;
    waitsNoLonger();
    // After a discard legs may differ in any case.
    unlockAndLeave(bio().isDone() || isAllClean || bio().op() == Op.DISCARD);
  }

  private void unlockAndLeave(boolean isWhole) {
    array.finished(startBytes, lengthBytes, isWhole);
    mirror.locks.release(lock);
    leave();
  }

  private void leave() {
    Bio piece = bio();
    bio = null;
    mirror.giveBack(this);
    piece.complete();
  }

  /** The flag went up while it waited: nothing was sent. Leave that was asked for still comes. */
  @Override
  public void flagRaised(Bio same) {
    waitsNoLonger();
    mirror.locks.release(lock);
    bio = null;
    if (!isAdmitting) {
      mirror.giveBack(this);
    }
    same.cancelClean();
  }
}
