// SPDX-License-Identifier: Apache-2.0
package dev.belay.target;

import dev.belay.Bio;
import dev.belay.BioEnd;
import dev.belay.CancelFlag;
import dev.belay.IoError;
import dev.belay.Op;
import dev.belay.md.CopiesLayout;
import dev.belay.md.Member;
import dev.belay.md.RangeLocks;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.BitSet;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Puts right what a leg could not read: reads it from another leg, writes it, and reads it back;
 * under the lock of its range, so that nothing newer is overwritten. One place at a time, beside
 * normal requests; what is found while too many wait will be found again.
 */
final class MirrorRewrites implements BioEnd {
  private static final int MOST_WAITING = 64;

  /** A place that a leg could not read; not surely, if it is a part of a longer one. */
  private record Place(Member member, long offsetBytes, long lengthBytes, boolean isSure) {}

  private enum Stage {
    /** The failed leg is read once more, since the place may be all right. */
    LOOK,
    READ,
    WRITE,
    READ_BACK
  }

  private final Mirror mirror;
  private final ArrayDeque<Place> waiting = new ArrayDeque<>();
  private final RangeLocks.Lock lock = new RangeLocks.Lock(this::locked);
  private final Bio bio;
  private final BitSet without = new BitSet();
  private CancelFlag flag = new CancelFlag();
  private @Nullable MemorySegment good;
  private @Nullable MemorySegment back;
  private @Nullable Place place;
  private @Nullable Member source;
  private long atBytes;
  private Stage stage = Stage.LOOK;

  MirrorRewrites(Mirror mirror) {
    this.mirror = mirror;
    bio = new Bio(mirror.loop(), this);
  }

  /** A leg failed to read a place that another one could. */
  void add(int slot, long offsetBytes, long lengthBytes, boolean isSure) {
    Member member = mirror.array.member(slot);
    if (member == null
        || mirror.array.options().isReadOnly()
        || waiting.size() == MOST_WAITING
        || mirror.loop().isClosing()) {
      return;
    }
    waiting.add(new Place(member, offsetBytes, lengthBytes, isSure));
    next();
  }

  private void next() {
    if (place != null) {
      return;
    }
    place = mirror.loop().isClosing() ? null : waiting.poll();
    Place now = place;
    if (now != null && mirror.locks.take(lock, now.offsetBytes, now.lengthBytes)) {
      locked();
    }
  }

  private void locked() {
    Place now = Objects.requireNonNull(place);
    flag = new CancelFlag();
    without.clear();
    without.set(now.member.slot());
    atBytes = memberOffset(now);
    if (atBytes < 0 || !now.member.isReadable(atBytes, now.lengthBytes)) {
      finish();
    } else if (now.isSure) {
      readGood();
    } else {
      submit(Stage.LOOK, now.member, atBytes);
    }
  }

  /** Where the place is on its member; below 0 if the member is not in the array any more. */
  private long memberOffset(Place of) {
    CopiesLayout layout = mirror.layout;
    for (int copy = 0; copy < layout.copies(); copy++) {
      if (mirror.array.member(layout.member(of.offsetBytes, copy)) == of.member) {
        return layout.memberOffset(of.offsetBytes, copy);
      }
    }
    return -1;
  }

  private void readGood() {
    Place now = Objects.requireNonNull(place);
    MirrorLeg leg = mirror.choose(now.offsetBytes, now.lengthBytes, without);
    if (leg == null) {
      finish();
    } else {
      submit(Stage.READ, leg.member, mirror.chosenOffsetBytes());
    }
  }

  private void submit(Stage next, Member member, long offsetBytes) {
    stage = next;
    source = member;
    MemorySegment buffer = next == Stage.READ_BACK ? back : good;
    if (buffer == null) {
      buffer = mirror.allocate(MirrorRetry.PART_BYTES);
      good = next == Stage.READ_BACK ? good : buffer;
      back = next == Stage.READ_BACK ? buffer : back;
    }
    bio.prepare(
        next == Stage.WRITE ? Op.WRITE : Op.READ,
        member.device(),
        member.startBytes() + offsetBytes,
        Objects.requireNonNull(place).lengthBytes,
        buffer,
        0,
        next == Stage.WRITE ? CancelFlag.NEVER : flag);
    member.began();
    mirror.loop().enter(bio);
  }

  @Override
  public void ended(Bio same) {
    Place now = Objects.requireNonNull(place);
    Member member = Objects.requireNonNull(source);
    member.ended(0);
    IoError error = bio.error();
    if (bio.isCancelled()) {
      finish();
    } else if (bio.isDone()) {
      goOn(now);
    } else if (error != null) {
      failed(member, error);
    }
  }

  private void goOn(Place now) {
    switch (stage) {
      case LOOK -> finish();
      case READ -> submit(Stage.WRITE, now.member, atBytes);
      case WRITE -> submit(Stage.READ_BACK, now.member, atBytes);
      case READ_BACK -> {
        if (good().mismatch(back()) < 0) {
          mirror.array.readCorrected(now.member);
        } else {
          mirror.array.fail(now.member, "a place that was rewritten reads as something else");
        }
        finish();
      }
    }
  }

  private MemorySegment good() {
    return Objects.requireNonNull(good).asSlice(0, Objects.requireNonNull(place).lengthBytes);
  }

  private MemorySegment back() {
    return Objects.requireNonNull(back).asSlice(0, Objects.requireNonNull(place).lengthBytes);
  }

  private void failed(Member member, IoError error) {
    switch (stage) {
      case LOOK -> readGood();
      case READ -> {
        mirror.array.readFailed(member, error);
        without.set(member.slot());
        readGood();
      }
      case WRITE -> {
        mirror.array.writeFailed(member, error);
        finish();
      }
      case READ_BACK -> {
        mirror.array.fail(
            member, "a place cannot be read, not even after it was written: " + error);
        finish();
      }
    }
  }

  private void finish() {
    place = null;
    mirror.locks.release(lock);
    next();
  }
}
