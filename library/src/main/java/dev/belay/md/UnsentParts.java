// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import dev.belay.Bio;
import dev.belay.CancelFlag;
import dev.belay.Errno;
import dev.belay.Extents.State;
import dev.belay.IoError;
import dev.belay.Op;
import java.util.Arrays;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Writes of a round, behind its commit point, whose bytes a member was not given through no fault
 * of its own: the caller's memory is gone, or the member knows no operation for zeroes. Parity has
 * them in it already, so member and parity must be made to agree, or a bystander's bytes in the
 * same stripe could not be computed any more.
 *
 * <p>Where the slice has the bytes, or can still copy them, it sends its own copy. Where it has
 * not, it reads back what the member holds and computes parity anew. The loop's thread.
 */
final class UnsentParts {
  private enum Stage {
    NONE,
    READING,
    WRITING
  }

  private final Slice slice;
  private final RoundParts parts;
  private final @Nullable Part[] underWay;
  private final boolean[] isGone;
  private Stage stage = Stage.NONE;
  private boolean isParityDue;
  private int count;

  /** Whether member and parity could not be made to agree somewhere. */
  boolean isTorn;

  UnsentParts(Slice slice, RoundParts parts) {
    this.slice = slice;
    this.parts = parts;
    underWay = new @Nullable Part[slice.columns];
    isGone = new boolean[slice.columns];
  }

  void begin() {
    stage = Stage.NONE;
    count = 0;
    isTorn = false;
  }

  /** A member was not given what a part writes. */
  void add(Part part, IoError why) {
    part.unsent = why;
    count++;
  }

  /**
   * Goes on, when all that the slice has asked members for has ended.
   *
   * @param isReconstructed whether parity was computed from all columns
   * @return false if there is nothing to do, or not any more
   */
  boolean goOn(boolean isReconstructed) {
    if (count == 0) {
      return false;
    }
    slice.pending = 1;
    if (stage == Stage.NONE) {
      stage = Stage.READING;
      gather(isReconstructed);
      if (isAsking()) {
        return true;
      }
    }
    if (stage == Stage.READING) {
      stage = Stage.WRITING;
      if (isParityDue) {
        writeParity();
      }
    }
    writeNext();
    if (isAsking()) {
      return true;
    }
    conclude();
    return false;
  }

  /** Whether members were asked for something: then it goes on when they have answered. */
  private boolean isAsking() {
    if (slice.pending == 1) {
      return false;
    }
    slice.goOn();
    return true;
  }

  /** Has the columns in the slice's buffers that are needed there. */
  private void gather(boolean isReconstructed) {
    Arrays.fill(isGone, false);
    isParityDue = false;
    for (int column = 0; column < slice.columns; column++) {
      for (Part part = parts.first(column); part != null; part = part.nextInColumn) {
        if (part.unsent == null) {
          continue;
        }
        if (part.bio().op() != Op.WRITE) {
          slice.copyIn(part);
        } else if (!slice.knows(column, part.from, part.to)) {
          isGone[column] = !isCopied(part);
          isParityDue |= isReconstructed; // the bytes may be others than those that were summed up
        }
      }
    }
    if (isParityDue) {
      gatherAll();
    }
  }

  private void gatherAll() {
    for (int column = 0; column < slice.columns; column++) {
      Part only = parts.first(column);
      if (slice.knows(column, parts.from, parts.to) || only == null) {
        continue;
      }
      if (isGone[column] || !isCopied(only)) {
        isGone[column] = true;
        if (slice.isReadable(column)) {
          slice.read(column, parts.from, parts.to, CancelFlag.NEVER);
        }
      } else {
        slice.know(column, only.from, only.to);
      }
    }
  }

  private boolean isCopied(Part part) {
    if (part.bio().op() != Op.WRITE) {
      slice.copyIn(part);
      return true;
    }
    long at = (long) part.column * slice.lengthBytes + part.from;
    return part.bio().copyFromBuffer(0, slice.memory(), at, part.lengthBytes()) == null;
  }

  private void writeParity() {
    for (int column = 0; column < slice.columns; column++) {
      if (!slice.knows(column, parts.from, parts.to)) {
        // Nobody has it, or its member cannot be read: parity stands for something from now on.
        slice.zero(column, parts.from, parts.to);
        Member member = slice.member(column);
        if (member != null && member.isWritable()) {
          member.tore(slice.startBytes + parts.from, parts.to - parts.from);
          isTorn = true;
        }
      }
    }
    for (int place = slice.columns; place < slice.places; place++) {
      if (slice.isWritable(place)) {
        slice.computeParity(place, parts.from, parts.to, slice.address(place, parts.from));
        slice.write(place, parts.from, parts.to, false);
      }
    }
  }

  /** Sends one part of each column that has one left. */
  private void writeNext() {
    for (int column = 0; column < slice.columns; column++) {
      Part part = underWay[column];
      part = part == null ? parts.first(column) : part.nextInColumn;
      while (part != null && part.unsent == null) {
        part = part.nextInColumn;
      }
      if (part != null && !isGone[column] && slice.isWritable(column)) {
        underWay[column] = part;
        slice.write(column, part.from, part.to, part.bio().isFua());
      }
    }
  }

  /** Whether a write of the slice's own to a column is of these. */
  boolean isOwn(int place) {
    return stage == Stage.WRITING && place < slice.columns && underWay[place] != null;
  }

  /** One of them ended. */
  void written(int column, Member member, Bio bio) {
    Part part = Objects.requireNonNull(underWay[column]);
    long at = slice.startBytes + part.from;
    if (bio.isDone()) {
      member.wrote(at, part.lengthBytes());
      return;
    }
    IoError error = WriteRound.errorOf(bio);
    if (!slice.array.writeFailed(member, error)) {
      isTorn = true;
      member.tore(at, part.lengthBytes());
      part.bio().recordFailed(error, State.UNKNOWN);
    }
  }

  /** The callers whose memory it was are told; zeroes that were written are. */
  private void conclude() {
    for (int column = 0; column < slice.columns; column++) {
      for (Part part = parts.first(column); part != null; part = part.nextInColumn) {
        IoError why = part.unsent;
        part.unsent = null;
        if (isGone[column]) {
          IoError error =
              why != null
                  ? why
                  : new IoError(Errno.EFAULT, "the buffer of a write is not usable any more");
          part.bio().recordFailed(error, State.UNKNOWN);
        } else if (why != null && part.bio().op() == Op.WRITE) {
          part.bio().recordFailed(why, State.DONE);
        }
      }
    }
    Arrays.fill(underWay, null);
    count = 0;
    stage = Stage.NONE;
  }
}
