// SPDX-License-Identifier: Apache-2.0
package dev.belay.target;

import dev.belay.Bio;
import dev.belay.BioEnd;
import dev.belay.CancelFlag;
import dev.belay.Cutter;
import dev.belay.Device;
import dev.belay.Extents.State;
import dev.belay.Held;
import dev.belay.IoError;
import dev.belay.Limits;
import dev.belay.Loop;
import dev.belay.Op;
import dev.belay.Verdict;
import dev.belay.md.Array;
import dev.belay.md.ArrayOptions;
import dev.belay.md.Level;
import dev.belay.md.LevelWork;
import dev.belay.md.Member;
import dev.belay.md.ParityLayout;
import dev.belay.md.StripeCache;
import dev.belay.md.SyncMode;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.IntPredicate;
import org.jspecify.annotations.Nullable;

/**
 * RAID 4, 5 and 6: stripes over members of which one, or two for RAID 6, may be missing, since
 * every row of chunks has a parity chunk, or two.
 *
 * <p>A read goes straight to the member that has it. If that member is missing or fails the read,
 * the others are read and the bytes computed; what could not be read is written anew. A write is
 * cut into windows of at most 64 KiB, the slices of {@link StripeCache}, where writes of many
 * callers share the work on parity. A discard zeroes whole rows, parity and all, if all members can
 * do that without writing; else it does nothing, since what members make of one would tear parity.
 *
 * <p>The flag: until its slice commits, a write ends clean, window by window; so a long one may end
 * half done, half clean. Then data and parity are written whatever flags go up. A read that failed
 * is not made good once its flag is up.
 *
 * <pre>raid4(LOWER, LOWER, ... [, chunk=SIZE])
 * raid5(LOWER, LOWER, ... [, chunk=SIZE] [, layout=WORD])
 * raid6(LOWER, LOWER, ... [, chunk=SIZE] [, layout=WORD])</pre>
 */
public final class Parity extends Device implements LevelWork {
  private static final int STEP_SLICES = 4;

  /** How many rows of a discard are under way together. */
  private static final int ROWS_TOGETHER = 8;

  private final Array array;
  private final ParityLayout layout;
  private final long memberBytes;
  private final StripeCache cache;
  private final long chunkMask;
  private final int sliceBytes;
  private final Windows windows;
  private final WholeRows wholeRows;
  private final Cutter chunks = this::cutAtChunks;
  private final Cutter slices = this::cutAtSlices;
  private final Cutter rows = this::cutAtRows;
  private final BioEnd readEnd = this::readEnded;
  private final BioEnd rowEnd = this::zeroesEnded;

  /**
   * @param memberBytes how much of each member the array uses, in whole chunks
   * @throws IllegalArgumentException with a sentence, if the chunk does not suit the members
   */
  public Parity(Array array, ParityLayout layout, long memberBytes) {
    super(array.loop(), layout.level().word(), limits(array, layout, memberBytes), devices(array));
    this.array = array;
    this.layout = layout;
    this.memberBytes = memberBytes - memberBytes % layout.chunkBytes();
    chunkMask = layout.chunkBytes() - 1;
    cache = new StripeCache(array, layout, limits().logicalBlockBytes());
    sliceBytes = cache.sliceBytes();
    windows = new Windows();
    wholeRows = new WholeRows();
    array.attach(this);
  }

  /**
   * An array that is described by hand: no superblocks, and parity taken to be right.
   *
   * @param members by place; null for one that is missing
   * @throws IllegalArgumentException with a sentence, if these are no such array
   */
  public static Parity byHand(
      Loop loop,
      Level level,
      List<? extends @Nullable Device> members,
      long chunkBytes,
      int layout) {
    ParityLayout where = new ParityLayout(level, layout, members.size(), chunkBytes);
    long smallestBytes = Long.MAX_VALUE;
    for (Device member : members) {
      if (member != null) {
        smallestBytes = Math.min(smallestBytes, member.limits().sizeBytes());
      }
    }
    if (smallestBytes == Long.MAX_VALUE) {
      throw new IllegalArgumentException(level.word() + " needs members, and got none");
    }
    Array array = Array.byHand(loop, level, ArrayOptions.DEFAULT, members);
    return new Parity(array, where, smallestBytes);
  }

  private static List<Device> devices(Array array) {
    List<Device> devices = new ArrayList<>();
    array.writable().forEach(member -> devices.add(member.device()));
    array.spares().forEach(member -> devices.add(member.device()));
    return devices;
  }

  private static Limits limits(Array array, ParityLayout layout, long memberBytes) {
    List<Device> devices = devices(array);
    if (devices.isEmpty()) {
      throw new IllegalArgumentException(layout.level().word() + " needs members, and got none");
    }
    Limits coarsest = devices.getFirst().limits();
    for (Device device : devices) {
      coarsest = coarsest.stackedOn(device.limits());
    }
    // Its own buffers hold windows of the members: a block begins where memory may begin.
    int block = Math.max(coarsest.logicalBlockBytes(), coarsest.memoryAlignmentBytes());
    if (layout.chunkBytes() % block != 0) {
      throw new IllegalArgumentException(
          "a chunk of %s is a multiple of its members' block, %d bytes, and %d is not"
              .formatted(layout.level().word(), block, layout.chunkBytes()));
    }
    return new Limits(
        layout.arrayBytes(memberBytes),
        block,
        coarsest.memoryAlignmentBytes(),
        Math.max(block, coarsest.largestTransferBytes()));
  }

  // --- Requests ---

  @Override
  public Verdict map(Bio bio) {
    array.noteRequest();
    return begin(bio);
  }

  private Verdict begin(Bio bio) {
    Op op = bio.op();
    IoError refusal = op.changesMedium() ? array.writeRefusal() : array.broken();
    if (op == Op.FLUSH) {
      array.flush(bio);
    } else if (refusal != null) {
      bio.fail(refusal.errno(), refusal.sentence(), State.CLEAN);
    } else if (op == Op.READ) {
      read(bio);
    } else if (op == Op.FIND_HOLES) {
      findHoles(bio);
    } else if (bio.lengthBytes() == 0) {
      bio.complete();
    } else if (op == Op.DISCARD) {
      discard(bio);
    } else if (inSlice(bio.offsetBytes()) + bio.lengthBytes() <= sliceBytes) {
      cache.write(bio);
    } else {
      bio.split(slices);
    }
    return Verdict.TAKEN;
  }

  private void read(Bio bio) {
    long offset = bio.offsetBytes();
    long length = bio.lengthBytes();
    if ((offset & chunkMask) + length > layout.chunkBytes()) {
      bio.split(chunks);
      return;
    }
    long row = layout.row(offset);
    Member member = array.member(layout.member(row, layout.column(offset)));
    long inMember = row * layout.chunkBytes() + (offset & chunkMask);
    if (member != null && member.isReadable(inMember, length)) {
      bio.newClone(readEnd).remap(member.device(), member.startBytes() + inMember).submit();
    } else if (inSlice(offset) + length <= sliceBytes) {
      cache.recover(bio, null);
    } else {
      bio.split(slices);
    }
  }

  /** A member that can be read knows of its own chunks; of lost ones nothing is said. */
  private void findHoles(Bio bio) {
    long offset = bio.offsetBytes();
    long length = bio.lengthBytes();
    if ((offset & chunkMask) + length > layout.chunkBytes()) {
      bio.split(chunks);
      return;
    }
    long row = layout.row(offset);
    Member member = array.member(layout.member(row, layout.column(offset)));
    long inMember = row * layout.chunkBytes() + (offset & chunkMask);
    if (length > 0 && member != null && member.isReadable(inMember, length)) {
      Mirror.passSearch(bio, member, inMember);
    } else {
      bio.complete();
    }
  }

  private long inSlice(long offsetBytes) {
    return offsetBytes & (sliceBytes - 1);
  }

  private long cutAtChunks(Bio piece) {
    long offset = piece.offsetBytes();
    piece.remap(windows, offset);
    return Math.min(piece.lengthBytes(), layout.chunkBytes() - (offset & chunkMask));
  }

  private long cutAtSlices(Bio piece) {
    long offset = piece.offsetBytes();
    piece.remap(windows, offset);
    return Math.min(piece.lengthBytes(), sliceBytes - inSlice(offset));
  }

  /** Where the pieces begin: a device, so that they get to it as bios do. */
  private final class Windows extends Device {
    Windows() {
      super(array.loop(), layout.level().word(), Parity.this.limits(), List.of());
    }

    @Override
    public Verdict map(Bio bio) {
      return begin(bio);
    }
  }

  // --- Discards ---

  /**
   * A member may read as anything where it was told to discard, and parity would be wrong; zeroes,
   * though, are what all members and parity agree about.
   */
  private void discard(Bio bio) {
    boolean areZeroesFast = true;
    for (Member member : array.writable()) {
      areZeroesFast &= member.device().zeroesFast();
    }
    if (areZeroesFast) {
      bio.split(rows, ROWS_TOGETHER);
    } else {
      bio.complete();
    }
  }

  private long cutAtRows(Bio piece) {
    long offset = piece.offsetBytes();
    piece.remap(wholeRows, offset);
    return Math.min(piece.lengthBytes(), layout.rowBytes() - offset % layout.rowBytes());
  }

  /** Where the rows of a discard begin. */
  private final class WholeRows extends Device {
    WholeRows() {
      super(array.loop(), layout.level().word(), Parity.this.limits(), List.of());
    }

    @Override
    public Verdict map(Bio bio) {
      if (bio.lengthBytes() == layout.rowBytes()) {
        zeroRow(bio);
      } else {
        bio.complete(); // there would be something to read, and nothing to gain
      }
      return Verdict.TAKEN;
    }
  }

  /** Zeroes a row slice by slice, so that each is covered whole at once and nothing is read. */
  private void zeroRow(Bio bio) {
    long chunkBytes = layout.chunkBytes();
    bio.setNote(layout.rowBytes() / sliceBytes);
    for (long inChunk = 0; inChunk < chunkBytes; inChunk += sliceBytes) {
      for (int column = 0; column < layout.columns(); column++) {
        Bio clone = bio.newClone(rowEnd, column * chunkBytes + inChunk, sliceBytes);
        clone.setOp(Op.WRITE_ZEROES).remap(windows, clone.offsetBytes()).submit();
      }
    }
  }

  private void zeroesEnded(Bio clone) {
    Bio bio = clone.parent();
    bio.join(clone);
    bio.setNote(bio.note() - 1);
    if (bio.note() == 0) {
      bio.complete();
    }
  }

  // --- Reads that come back ---

  private void readEnded(Bio clone) {
    Bio bio = clone.parent();
    if (!clone.isFailed()) {
      bio.join(clone);
      bio.complete();
      return;
    }
    IoError error = Objects.requireNonNull(clone.error());
    if (!Array.isMembersFault(bio, error)) {
      bio.join(clone);
      bio.complete();
      return;
    }
    long row = layout.row(bio.offsetBytes());
    Member member = array.member(layout.member(row, layout.column(bio.offsetBytes())));
    if (member != null) {
      array.readFailed(member, error);
    }
    if (bio.flag().isRaised() || array.broken() != null) {
      bio.join(clone);
      bio.complete();
    } else if (inSlice(bio.offsetBytes()) + bio.lengthBytes() <= sliceBytes) {
      cache.recover(bio, clone.outcome());
    } else {
      bio.split(slices);
    }
  }

  // --- Walks ---

  @Override
  public boolean canRunWithout(IntPredicate missingSlots) {
    int missing = 0;
    for (int slot = 0; slot < layout.members(); slot++) {
      missing += missingSlots.test(slot) ? 1 : 0;
    }
    return missing <= layout.parities();
  }

  @Override
  public long walkBytes(SyncMode mode) {
    return memberBytes;
  }

  @Override
  public long stepBytes() {
    return (long) STEP_SLICES * sliceBytes;
  }

  @Override
  public void step(SyncMode mode, long startBytes, long lengthBytes, CancelFlag flag, StepEnd end) {
    cache.step(mode, startBytes, lengthBytes, flag, end);
  }

  // --- Status and the end ---

  /** The array that it is the device of. */
  public Array array() {
    return array;
  }

  /** Its slices: what is under way, and how writes came by their parity. */
  public StripeCache cache() {
    return cache;
  }

  @Override
  public boolean zeroesFast() {
    return false;
  }

  @Override
  public void showHeld(Held held) {
    cache.showHeld(held);
  }

  @Override
  public String status() {
    return array.status() + "; " + cache.status();
  }

  @Override
  public void settle() {
    array.settle();
  }

  @Override
  public void close() {
    cache.close();
  }
}
