// SPDX-License-Identifier: Apache-2.0
package dev.belay.target;

import dev.belay.Bio;
import dev.belay.BioEnd;
import dev.belay.CancelFlag;
import dev.belay.IoError;
import dev.belay.Op;
import dev.belay.md.Array;
import dev.belay.md.CopiesLayout;
import dev.belay.md.LevelWork.StepEnd;
import dev.belay.md.Member;
import dev.belay.md.RangeLocks;
import dev.belay.md.SyncMode;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * One step of a walk over a mirror, in runs: each takes the lock of its range, reads, and writes
 * where that is due. A resync and a rebuild read one leg; a check and a repair read all and compare
 * them with the first. Reads carry the walk's flag; what is written is shielded.
 *
 * <p>It belongs to its mirror, which uses it again.
 */
final class MirrorStep {
  private static final long RUN_BYTES = 128L << 10;
  private static final long SECTOR_BYTES = 512;

  private final Mirror mirror;
  private final Array array;
  private final CopiesLayout layout;
  private final RangeLocks.Lock lock = new RangeLocks.Lock(this::locked);
  private final List<Copy> copies = new ArrayList<>(2);

  // The step.
  private SyncMode mode = SyncMode.CHECK;
  private CancelFlag flag = CancelFlag.NEVER;
  private @Nullable StepEnd end;
  private long startBytes;
  private long atBytes;
  private long endBytes;
  private List<Member> targets = List.of();
  private int target;
  private long mismatchedBytes;
  private @Nullable IoError error;
  private boolean isStopped;

  // The run.
  private long arrayBytes;
  private long lengthBytes;
  private int pending;
  private boolean isWriting;

  /** Shorter for a while where no leg can be read all along, for known bad blocks. */
  private long mostBytes = RUN_BYTES;

  MirrorStep(Mirror mirror) {
    this.mirror = mirror;
    array = mirror.array;
    layout = mirror.layout;
  }

  /** One copy of the run. Its memory stays with it. */
  private final class Copy implements BioEnd {
    private final Bio bio = new Bio(mirror.loop(), this);
    private final MemorySegment memory = mirror.allocate(RUN_BYTES);
    private @Nullable Member member;
    private long memberBytes;
    private boolean isRead;
    private boolean isBad;
    private boolean isDue;

    void place(int number) {
      member = array.member(layout.member(arrayBytes, number));
      memberBytes = layout.memberOffset(arrayBytes, number);
      isRead = false;
      isBad = false;
      isDue = false;
    }

    Member member() {
      return Objects.requireNonNull(member);
    }

    /** Whether it can be read, and was not found bad. */
    boolean isReadable() {
      return member != null
          && !isBad
          && member != currentTarget()
          && member.isReadable(memberBytes, lengthBytes);
    }

    void submit(Op op, MemorySegment buffer) {
      pending++;
      Member of = member();
      of.began();
      CancelFlag under = op == Op.WRITE ? CancelFlag.NEVER : flag;
      long at = of.startBytes() + memberBytes;
      bio.prepare(op, of.device(), at, lengthBytes, buffer, 0, under);
      mirror.loop().enter(bio);
    }

    @Override
    public void ended(Bio same) {
      Member of = member();
      of.ended(memberBytes + lengthBytes);
      IoError why = bio.error();
      if (bio.isCancelled()) {
        isStopped = true;
      } else if (bio.isDone()) {
        isRead |= !isWriting;
      } else if (why != null && !isWriting) {
        isBad = true;
        array.readFailed(of, why);
        error = why;
      } else if (why != null && !array.writeFailed(of, why)) {
        error = why;
      }
      oneEnded();
    }
  }

  void begin(SyncMode mode, long startBytes, long lengthBytes, CancelFlag flag, StepEnd end) {
    this.mode = mode;
    this.flag = flag;
    this.end = end;
    this.startBytes = startBytes;
    atBytes = startBytes;
    endBytes = startBytes + lengthBytes;
    mismatchedBytes = 0;
    error = null;
    isStopped = false;
    target = 0;
    targets = List.of();
    mostBytes = RUN_BYTES;
    if (mode == SyncMode.REBUILD) {
      targets = new ArrayList<>(array.writable());
      targets.removeIf(member -> member.state() != Member.State.REBUILDING);
    }
    while (copies.size() < layout.copies()) {
      copies.add(new Copy());
    }
    nextRun();
  }

  /** The member that is filled in this run; null where none is in particular. */
  private @Nullable Member currentTarget() {
    return target < targets.size() ? targets.get(target) : null;
  }

  /** Finds the next range that stands together, and asks for its lock. */
  private void nextRun() {
    while (error == null) {
      if (atBytes >= endBytes) {
        if (++target >= targets.size()) {
          break;
        }
        atBytes = startBytes;
      }
      if (flag.isRaised() || isStopped) {
        isStopped = true;
        break;
      }
      boolean isThere = mode == SyncMode.REBUILD ? placeByMember() : placeByArray();
      if (isThere) {
        if (mirror.locks.take(lock, arrayBytes, lengthBytes)) {
          locked();
        }
        return;
      }
      atBytes += lengthBytes;
    }
    leave();
  }

  private boolean placeByArray() {
    arrayBytes = atBytes;
    lengthBytes = Math.min(Math.min(endBytes - atBytes, mostBytes), layout.runBytes(atBytes));
    lengthBytes = Math.min(lengthBytes, RangeLocks.mostBytes(atBytes));
    return true;
  }

  private boolean placeByMember() {
    Member filled = currentTarget();
    if (filled == null) {
      lengthBytes = endBytes - atBytes;
      return false;
    }
    lengthBytes = Math.min(Math.min(endBytes - atBytes, mostBytes), layout.memberRunBytes(atBytes));
    arrayBytes = layout.arrayOffset(filled.slot(), atBytes);
    if (arrayBytes >= 0) {
      lengthBytes = Math.min(lengthBytes, RangeLocks.mostBytes(arrayBytes));
      return true;
    }
    return false;
  }

  private void locked() {
    for (int i = 0; i < copies.size(); i++) {
      copies.get(i).place(i);
    }
    isWriting = false;
    Member filled = currentTarget();
    if (flag.isRaised()) {
      isStopped = true;
      runEnded();
    } else if (filled != null && !filled.isWritable()) {
      runEnded(); // it failed meanwhile, and there is nothing to fill
    } else {
      read();
    }
  }

  /** Reads one leg or all, and if they fail, another. */
  private void read() {
    boolean readsAll = mode == SyncMode.CHECK || mode == SyncMode.REPAIR;
    pending = 1;
    int asked = 0;
    for (Copy copy : copies) {
      if (copy.isReadable() && (readsAll || asked == 0)) {
        asked++;
        copy.submit(Op.READ, copy.memory);
      }
    }
    if (asked == 0) {
      noneCanBeRead();
    } else {
      oneEnded();
    }
  }

  /** Each leg failed, or knows of bad blocks in the run. */
  private void noneCanBeRead() {
    long block = mirror.limits().logicalBlockBytes();
    if (error == null && lengthBytes > block) {
      mostBytes = Math.max(block, lengthBytes / 2 / block * block);
      mirror.locks.release(lock);
      nextRun();
      return;
    }
    if (error == null && mode == SyncMode.REBUILD) {
      error =
          mirror.lost(arrayBytes); // who is filled would have something there, and call it right
    }
    runEnded(); // what all legs know to be lost cannot be compared, and reads fail there
  }

  private void oneEnded() {
    if (--pending > 0) {
      return;
    }
    Copy good = firstRead();
    if (isWriting || isStopped) {
      runEnded();
    } else if (good != null) {
      error = null;
      compare(good);
      write(good);
    } else {
      read();
    }
  }

  private @Nullable Copy firstRead() {
    for (Copy copy : copies) {
      if (copy.isRead) {
        return copy;
      }
    }
    return null;
  }

  /** Finds which copies are to be written. */
  private void compare(Copy good) {
    MemorySegment right = good.memory.asSlice(0, lengthBytes);
    for (Copy copy : copies) {
      Member member = copy.member;
      if (copy == good || member == null) {
        continue;
      }
      boolean differs = copy.isRead && right.mismatch(copy.memory.asSlice(0, lengthBytes)) >= 0;
      if (differs) {
        mismatchedBytes += mismatched(right, copy.memory);
      }
      copy.isDue =
          switch (mode) {
            case RESYNC -> member.isWritable();
            case REBUILD -> member == currentTarget();
            case REPAIR -> differs || copy.isBad;
            case CHECK -> false;
          };
    }
  }

  private long mismatched(MemorySegment right, MemorySegment other) {
    long bytes = 0;
    for (long at = 0; at < lengthBytes; at += SECTOR_BYTES) {
      long end = Math.min(lengthBytes, at + SECTOR_BYTES);
      bytes += MemorySegment.mismatch(right, at, end, other, at, end) < 0 ? 0 : end - at;
    }
    return bytes;
  }

  private void write(Copy good) {
    if (flag.isRaised()) {
      isStopped = true;
      runEnded();
      return;
    }
    isWriting = true;
    pending = 1;
    for (Copy copy : copies) {
      if (copy.isDue && copy.member().isWritable()) {
        copy.submit(Op.WRITE, good.memory);
      }
    }
    oneEnded();
  }

  private void runEnded() {
    boolean wasRead = firstRead() != null;
    mirror.locks.release(lock);
    if (wasRead && mode == SyncMode.CHECK) {
      rewriteBad();
    }
    if (!isStopped) {
      atBytes += lengthBytes;
      mostBytes = Math.min(RUN_BYTES, 2 * mostBytes);
    }
    nextRun();
  }

  /** A check changes nothing but what cannot be read. */
  private void rewriteBad() {
    for (Copy copy : copies) {
      if (copy.isBad && copy.member().slot() >= 0) {
        for (long at = 0; at < lengthBytes; at += MirrorRetry.PART_BYTES) {
          long part = Math.min(lengthBytes - at, MirrorRetry.PART_BYTES);
          mirror.rewrites.add(copy.member().slot(), arrayBytes + at, part, false);
        }
      }
    }
  }

  private void leave() {
    StepEnd told = Objects.requireNonNull(end);
    boolean isDone = !isStopped && error == null;
    IoError why = error;
    long mismatched = mismatchedBytes;
    end = null;
    targets = List.of();
    mirror.giveBack(this);
    told.ended(isDone, mismatched, isStopped ? null : why);
  }
}
