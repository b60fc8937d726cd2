// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import dev.belay.Bio;
import dev.belay.CancelFlag;
import dev.belay.Extents.State;
import dev.belay.Held;
import dev.belay.IoError;
import java.util.Arrays;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A round of reads from one slice that their members cannot answer: the other members are read, the
 * missing columns computed, and the bytes copied to the callers. What a member could not read is
 * then written there anew.
 *
 * <p>A read whose flag goes up leaves; what the others need goes on. The reads of the members are
 * stopped only if all have left. The loop's thread.
 */
final class RecoverRound implements Slice.Round {
  private final Slice slice;
  private final Array array;
  private final boolean[] isWanted;
  private @Nullable Part first;
  private int parts;
  private boolean isWriting;
  private boolean isRecovery;
  private int from;
  private int to;
  private @Nullable CancelFlag readFlag;
  private boolean isOwnFlag;

  RecoverRound(Slice slice) {
    this.slice = slice;
    array = slice.array;
    isWanted = new boolean[slice.columns];
  }

  void add(Part part) {
    part.nextInColumn = first;
    first = part;
    parts++;
  }

  void showHeld(Held held) {
    for (Part part = first; part != null; part = part.nextInColumn) {
      part.showHeld(held, "is read from the others");
    }
  }

  @Override
  public void leave(Part part) {
    Part before = null;
    for (Part p = first; p != null && p != part; p = p.nextInColumn) {
      before = p;
    }
    if (before == null) {
      first = part.nextInColumn;
    } else {
      before.nextInColumn = part.nextInColumn;
    }
    if (--parts == 0 && isOwnFlag) {
      Objects.requireNonNull(readFlag).raise();
    }
  }

  void begin() {
    isWriting = false;
    readFlag = null;
    isOwnFlag = false;
    slice.cache.recoveries++;
    for (Part part = first; part != null; part = part.nextInColumn) {
      if (part.failure != null) {
        slice.setBad(part.column);
        slice.noteError(Objects.requireNonNull(part.failure.error()));
        slice.forget(part.column);
      }
    }
    goOn();
  }

  @Override
  public void goOn() {
    if (isWriting) {
      end();
      return;
    }
    do {
      dropStopped();
      if (parts > 0) {
        measure();
        failWhatIsLost();
      }
      if (parts == 0) {
        end();
        return;
      }
      if (measure() > 0) {
        int before = parts;
        watchAll();
        if (parts == before) {
          slice.pending = 1;
          read(flag());
          slice.goOn();
          return;
        }
      }
    } while (dropStopped() || parts == 0 || measure() > 0);
    deliver();
  }

  private CancelFlag flag() {
    CancelFlag found = readFlag;
    if (found == null) {
      isOwnFlag = parts > 1;
      found = isOwnFlag ? new CancelFlag() : Objects.requireNonNull(first).flag();
      readFlag = found;
    }
    return found;
  }

  /** Ends those whose bytes nobody can give. */
  private void failWhatIsLost() {
    if (slice.lostColumns() <= slice.readableParities()) {
      return;
    }
    for (Part part = first; part != null; ) {
      Part next = part.nextInColumn;
      if (!slice.isReadable(part.column)) {
        leave(part);
        if (part.failure == null) {
          part.bio().recordFailed(slice.firstError(), State.CLEAN);
        }
        part.complete(part.failure != null);
      }
      part = next;
    }
  }

  /** Measures what is wanted; answers how many bytes must be read for it. */
  private long measure() {
    from = slice.lengthBytes;
    to = 0;
    isRecovery = false;
    Arrays.fill(isWanted, false);
    for (Part part = first; part != null; part = part.nextInColumn) {
      from = Math.min(from, part.from);
      to = Math.max(to, part.to);
      isWanted[part.column] = true;
    }
    slice.lookAt(from, to);
    for (int column = 0; column < isWanted.length; column++) {
      isRecovery |= isWanted[column] && !slice.isReadable(column);
    }
    if (isRecovery) {
      return slice.unknownForRecovery(from, to);
    }
    long unknown = 0;
    for (int column = 0; column < isWanted.length; column++) {
      unknown += isWanted[column] ? slice.unknownBytes(column, from, to) : 0;
    }
    return unknown;
  }

  private void read(CancelFlag flag) {
    if (isRecovery) {
      slice.readForRecovery(from, to, flag);
      return;
    }
    for (int column = 0; column < isWanted.length; column++) {
      if (isWanted[column]) {
        slice.read(column, from, to, flag);
      }
    }
  }

  private void watchAll() {
    for (Part part = first; part != null; ) {
      Part next = part.nextInColumn;
      part.watch();
      part = next;
    }
  }

  private boolean dropStopped() {
    int before = parts;
    for (Part part = first; part != null; ) {
      Part next = part.nextInColumn;
      if (part.flag().isRaised()) {
        leave(part);
        part.complete(true);
      }
      part = next;
    }
    return parts < before;
  }

  private void deliver() {
    if (isRecovery) {
      slice.recoverLost(from, to);
    }
    for (Part part = first; part != null; ) {
      Part next = part.nextInColumn;
      copyOut(part);
      part.complete(false);
      part = next;
    }
    first = null;
    parts = 0;
    isWriting = true;
    slice.pending = 1;
    if (isRecovery && array.writeRefusal() == null) {
      rewrite();
    }
    slice.goOn();
  }

  private void copyOut(Part part) {
    Bio bio = part.bio();
    long at = slice.inMemory(part.column, part.from);
    IoError why = bio.copyToBuffer(0, slice.memory(), at, part.lengthBytes());
    if (why != null) {
      part.failure = null;
      bio.recordFailed(why, State.UNKNOWN);
    }
  }

  /** Puts back what could not be read. */
  private void rewrite() {
    for (int place = 0; place < slice.places; place++) {
      if (!slice.isBad(place)) {
        continue;
      }
      if (place >= slice.columns) {
        slice.computeParity(place, from, to, slice.address(place, from));
      }
      slice.write(place, from, to, false);
    }
  }

  @Override
  public void written(int place, Member member, Bio bio) {
    if (bio.isDone()) {
      array.readCorrected(member);
      return;
    }
    IoError error = bio.error();
    array.writeFailed(member, error != null ? error : slice.firstError());
    slice.forgetAll();
  }

  private void end() {
    slice.roundEnded(true);
  }
}
