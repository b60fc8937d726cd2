// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import dev.belay.Bio;
import dev.belay.Errno;
import dev.belay.IoError;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * One slice of a step of a walk. All members that can be read are, under the walk's flag; what is
 * missing is computed; then parity is compared and, but for a check, made right, and members that
 * are being rebuilt get their part. What is written is written whatever flags go up.
 *
 * <p>What a member could not read is written there anew, in every kind of walk. Where so many
 * members are missing that parity says nothing beyond what they had, there is nothing to compare.
 * The loop's thread.
 */
final class StepRound implements Slice.Round {
  private enum Phase {
    READING,
    ADMITTING,
    WRITING
  }

  private final Slice slice;
  private final Array array;
  private final Runnable admitted = this::write;
  private final boolean[] isTarget;
  private @Nullable Part part;
  private Phase phase = Phase.READING;
  private boolean isAdmitted;

  StepRound(Slice slice) {
    this.slice = slice;
    array = slice.array;
    isTarget = new boolean[slice.places];
  }

  private SliceStep step() {
    return Objects.requireNonNull(Objects.requireNonNull(part).step);
  }

  void begin(Part part) {
    this.part = part;
    phase = Phase.READING;
    isAdmitted = false;
    slice.forgetAll();
    boolean isRebuild = step().mode() == SyncMode.REBUILD;
    boolean hasTarget = false;
    for (int place = 0; place < slice.places; place++) {
      isTarget[place] = isRebuild && slice.isWritable(place) && !slice.isReadable(place);
      hasTarget |= isTarget[place];
    }
    if (isRebuild && !hasTarget) {
      end();
    } else {
      goOn();
    }
  }

  @Override
  public void leave(Part part) {
    throw new AssertionError("a step of a walk has no bio");
  }

  @Override
  public void goOn() {
    if (phase == Phase.WRITING) {
      end();
      return;
    }
    SliceStep step = step();
    if (step.flag().isRaised()) {
      step.isDone = false;
      end();
      return;
    }
    if (slice.lostColumns() > slice.readableParities()) {
      if (step.mode() == SyncMode.REBUILD) {
        step.failed(slice.firstError());
      }
      end();
      return;
    }
    boolean isKnown = true;
    slice.pending = 1;
    for (int place = 0; place < slice.places; place++) {
      if (slice.isReadable(place)) {
        isKnown &= slice.knows(place, 0, slice.lengthBytes);
        slice.read(place, 0, slice.lengthBytes, step.flag());
      }
    }
    if (!isKnown) {
      slice.goOn();
      return;
    }
    slice.recoverLost(0, slice.lengthBytes);
    compare();
  }

  /** Finds out what is to be written. */
  private void compare() {
    SliceStep step = step();
    int length = slice.lengthBytes;
    boolean repairs = step.mode() == SyncMode.RESYNC || step.mode() == SyncMode.REPAIR;
    boolean differs = false;
    boolean writes = false;
    long computed = slice.cache.scratch.address();
    for (int place = 0; place < slice.places; place++) {
      boolean isParity = place >= slice.columns;
      isTarget[place] |= slice.isBad(place) && array.writeRefusal() == null;
      if (isParity && isTarget[place]) {
        slice.computeParity(place, 0, length, slice.address(place, 0));
      } else if (isParity && slice.isReadable(place) && step.mode() != SyncMode.REBUILD) {
        slice.computeParity(place, 0, length, computed);
        if (!Syndromes.isSame(computed, slice.address(place, 0), length)) {
          differs = true;
          isTarget[place] = repairs;
          slice.copyFromScratch(place);
        }
      }
      writes |= isTarget[place];
    }
    step.mismatchedBytes += differs ? length : 0;
    if (!writes) {
      end();
    } else if (step.mode() == SyncMode.REBUILD) {
      write();
    } else {
      phase = Phase.ADMITTING;
      isAdmitted = true;
      if (array.admit(slice.startBytes, length, admitted)) {
        write();
      }
    }
  }

  private void write() {
    phase = Phase.WRITING;
    slice.pending = 1;
    for (int place = 0; place < slice.places; place++) {
      if (isTarget[place] && slice.isWritable(place)) {
        slice.write(place, 0, slice.lengthBytes, false);
      }
    }
    slice.goOn();
  }

  @Override
  public void written(int place, Member member, Bio bio) {
    if (bio.isDone()) {
      member.wrote(slice.startBytes, slice.lengthBytes);
      if (slice.isBad(place)) {
        array.readCorrected(member);
      }
      return;
    }
    IoError error = bio.error();
    IoError why = error != null ? error : new IoError(Errno.EIO, "a member stopped a write");
    slice.forgetAll();
    step().isDone = false;
    if (!array.writeFailed(member, why)) {
      step().failed(why);
    }
  }

  private void end() {
    SliceStep step = step();
    if (isAdmitted) {
      array.finished(slice.startBytes, slice.lengthBytes, true);
    }
    slice.cache.giveBack(Objects.requireNonNull(part));
    part = null;
    slice.forgetAll();
    slice.roundEnded(false);
    step.oneEnded();
  }
}
