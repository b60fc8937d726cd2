// SPDX-License-Identifier: Apache-2.0
package dev.belay.target;

import dev.belay.Bio;
import dev.belay.BioEnd;
import dev.belay.Extents;
import dev.belay.Extents.Extent;
import dev.belay.Extents.State;
import dev.belay.IoError;
import dev.belay.md.Array;
import dev.belay.md.RangeLocks;
import java.util.BitSet;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A read that failed on a leg: what is not done of it is read from other legs, a part after the
 * other. A part that no leg can read whole is cut into units, so that legs with bad places need
 * only not have the same ones. Places that another leg could read are {@linkplain MirrorRewrites
 * rewritten}.
 */
final class MirrorRetry implements BioEnd {
  static final long PART_BYTES = 64L << 10;
  private static final long UNIT_BYTES = 4096;

  private final Mirror mirror;
  private final Bio bio;
  private final Extents soFar;
  private final IoError firstError;
  private final BitSet failedSlots;
  private final BitSet tried = new BitSet();

  /** Legs that failed the part that is read in units now. */
  private final BitSet failedPart = new BitSet();

  private final long arrayBytes;
  private final long blockBytes;

  // The part, relative to the bio, and whether anything of it was asked of another leg.
  private int extent = -1;
  private long extentEnd;
  private long start;
  private long length;
  private long unitsEnd;
  private boolean isTouched;
  private @Nullable MirrorLeg leg;

  /**
   * @param soFar what the failed read made of the bio's bytes; only what is not DONE is read
   * @param failedSlots legs that failed all of it
   */
  MirrorRetry(Mirror mirror, Bio bio, Extents soFar, IoError error, BitSet failedSlots) {
    this.mirror = mirror;
    this.bio = bio;
    this.soFar = soFar;
    this.failedSlots = failedSlots;
    firstError = error;
    arrayBytes = bio.offsetBytes();
    blockBytes = mirror.limits().logicalBlockBytes();
  }

  void begin() {
    nextPart();
  }

  private void nextPart() {
    start += length;
    length = 0;
    isTouched = false;
    while (start >= extentEnd) {
      if (++extent == soFar.list().size()) {
        bio.complete();
        return;
      }
      Extent next = soFar.list().get(extent);
      if (next.state() != State.DONE) {
        // Whole blocks of all legs, also where one leg told finer ones apart.
        start = Math.max(start, next.offsetBytes() / blockBytes * blockBytes);
        long end = Math.ceilDiv(next.endBytes(), blockBytes) * blockBytes;
        extentEnd = Math.min(end, bio.lengthBytes());
      }
    }
    boolean inUnits = start < unitsEnd;
    long most = inUnits ? Math.max(UNIT_BYTES, blockBytes) : PART_BYTES;
    most = Math.min(most, RangeLocks.mostBytes(arrayBytes + start));
    length = Math.min(extentEnd - start, most);
    tried.clear();
    if (!inUnits) {
      tried.or(failedSlots);
    }
    tryNext();
  }

  private void tryNext() {
    if (bio.flag().isRaised()) {
      bio.recordCancelled(State.DONE);
      leaveRest();
      return;
    }
    MirrorLeg next = mirror.choose(arrayBytes + start, length, tried);
    if (next != null) {
      leg = next;
      isTouched = true;
      next.send(bio.newClone(this, start, length), mirror.chosenOffsetBytes());
    } else if (start >= unitsEnd && length > Math.max(UNIT_BYTES, blockBytes)) {
      unitsEnd = start + length;
      failedPart.clear();
      failedPart.or(tried);
      length = 0;
      nextPart();
    } else {
      bio.recordFailed(firstError, State.DONE);
      leaveRest();
    }
  }

  /** The rest stays as the failed read left it; the part may have been overwritten since. */
  private void leaveRest() {
    long touchedEnd = isTouched ? start + length : start;
    bio.mark(start, touchedEnd - start, State.UNKNOWN);
    for (Extent each : soFar.list()) {
      long from = Math.max(each.offsetBytes(), touchedEnd);
      if (from < each.endBytes() && each.state() != State.DONE) {
        bio.mark(from, each.endBytes() - from, each.state());
      }
    }
    bio.complete();
  }

  @Override
  public void ended(Bio clone) {
    MirrorLeg from = Objects.requireNonNull(leg);
    from.cameBack();
    if (clone.isDone()) {
      rewrite(from.member.slot());
      nextPart();
    } else if (clone.isCancelled()) {
      bio.recordCancelled(State.DONE);
      leaveRest();
    } else {
      IoError error = Objects.requireNonNull(clone.error());
      if (Array.isMembersFault(bio, error)) {
        mirror.array.readFailed(from.member, error);
      }
      tried.set(from.member.slot());
      tryNext();
    }
  }

  /** Those that failed it, whatever part of a longer read they had failed at. */
  private void rewrite(int readFrom) {
    boolean inUnits = start < unitsEnd;
    boolean isSure = length == bio.lengthBytes() || inUnits;
    rewrite(tried, isSure);
    if (inUnits) {
      boolean failed = failedPart.get(readFrom);
      failedPart.clear(readFrom);
      rewrite(failedPart, false);
      failedPart.set(readFrom, failed);
    }
  }

  private void rewrite(BitSet slots, boolean isSure) {
    for (int slot = slots.nextSetBit(0); slot >= 0; slot = slots.nextSetBit(slot + 1)) {
      mirror.rewrites.add(slot, arrayBytes + start, length, isSure);
    }
  }
}
