// SPDX-License-Identifier: Apache-2.0
package dev.belay.target;

import dev.belay.Bio;
import dev.belay.BioEnd;
import dev.belay.CancelFlag;
import dev.belay.Cutter;
import dev.belay.Device;
import dev.belay.Errno;
import dev.belay.Extents;
import dev.belay.Extents.State;
import dev.belay.Held;
import dev.belay.IoError;
import dev.belay.Limits;
import dev.belay.Loop;
import dev.belay.Op;
import dev.belay.Verdict;
import dev.belay.md.Array;
import dev.belay.md.ArrayOptions;
import dev.belay.md.CopiesLayout;
import dev.belay.md.Level;
import dev.belay.md.LevelWork;
import dev.belay.md.Member;
import dev.belay.md.RangeLocks;
import dev.belay.md.SyncMode;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.function.IntPredicate;
import org.jspecify.annotations.Nullable;

/**
 * RAID 1 and RAID 10: everything is on several members, and each of them can answer a read.
 *
 * <p><b>A read</b> goes to the leg with the fewest requests under way, a sequential one to the leg
 * where the last one ended, else to the nearest. A read that fails is served by another leg, and
 * the place is rewritten from there. With a {@link Hedge} a second leg is asked for what takes
 * long; the first answer counts, and the flag of the other read goes up.
 *
 * <p><b>A write</b> goes to all legs. It is cut into pieces, each of which has its range for itself
 * from before the first leg is sent until the last one has answered, so that overlapping writes
 * reach all legs in one order. A leg that fails a write is out of the array, if there is another.
 *
 * <p><b>The flag:</b> what waits, for its range or for leave to write, completes clean at once. The
 * commit point of a write is the first leg: from there on it is shielded, and all legs finish, so
 * that mirrors never differ. A read whose flag is up is not tried on another leg.
 *
 * <p>A discard goes to all legs as well; what it covered reads as anything afterwards, and may read
 * as something else from each leg.
 *
 * <pre>
 * raid1(LOWER, LOWER, ... [, hedge=DURATION|pNN])
 * raid10(LOWER, LOWER, ... [, layout=n2] [, chunk=64k] [, hedge=DURATION|pNN])
 * </pre>
 */
public final class Mirror extends Device implements LevelWork {
  private static final long STEP_BYTES = 512L << 10;

  /** How many more requests the leg of a sequential read may have under way than another. */
  private static final int SEQUENTIAL_CREDIT = 4;

  final Array array;
  final CopiesLayout layout;
  final RangeLocks locks = new RangeLocks();
  final MirrorRewrites rewrites;
  private final Arena arena = Arena.ofShared();
  private @Nullable MemorySegment zeroes;
  private final @Nullable MirrorLeg[] legs;
  private final @Nullable Hedging hedging;
  private final Pieces pieces;
  private final Cutter cutter = this::cut;
  private final Cutter halver = this::halve;

  /** Writes that wait for their range or for the array's records. */
  final Set<MirrorWrite> waiting = new LinkedHashSet<>();

  private final ArrayDeque<MirrorWrite> spareWrites = new ArrayDeque<>();
  private final ArrayDeque<MirrorStep> spareSteps = new ArrayDeque<>();

  // What the last choice of a leg says besides.
  private long chosenOffsetBytes;
  private int choices;

  /**
   * @param array its members' devices must have room for {@link CopiesLayout#usedBytes} behind
   *     their start
   * @param layout of level raid1 or raid10, with as many members as the array has places
   * @throws IllegalArgumentException if the members do not fit the layout
   */
  public Mirror(Loop loop, Array array, CopiesLayout layout, Hedge hedge) {
    super(loop, layout.level().word(), limits(array, layout), devices(array));
    this.array = array;
    this.layout = layout;
    legs = new @Nullable MirrorLeg[array.slotCount()];
    rewrites = new MirrorRewrites(this);
    pieces = new Pieces();
    hedging = hedge.isOn() ? new Hedging(this, hedge) : null;
    array.attach(this);
  }

  /** A raid1 that is described by hand: no superblocks, and its members are taken to be in sync. */
  public static Mirror raid1(Loop loop, List<? extends Device> lowers, Hedge hedge) {
    Array array = Array.byHand(loop, Level.RAID1, ArrayOptions.DEFAULT, lowers);
    return new Mirror(loop, array, CopiesLayout.raid1(lowers.size(), leastBytes(lowers)), hedge);
  }

  /**
   * A raid10 that is described by hand.
   *
   * @param number of the layout, as {@link CopiesLayout#number(String)} gives it
   */
  public static Mirror raid10(
      Loop loop, List<? extends Device> lowers, int number, long chunkBytes, Hedge hedge) {
    long least = leastBytes(lowers);
    CopiesLayout layout = CopiesLayout.raid10(number, lowers.size(), chunkBytes, least);
    Array array = Array.byHand(loop, Level.RAID10, ArrayOptions.DEFAULT, lowers);
    return new Mirror(loop, array, layout, hedge);
  }

  private static long leastBytes(List<? extends Device> lowers) {
    return lowers.stream().mapToLong(lower -> lower.limits().sizeBytes()).min().orElse(0);
  }

  private static List<Member> all(Array array) {
    List<Member> all = new ArrayList<>(array.writable());
    all.addAll(array.spares());
    return all;
  }

  private static List<Device> devices(Array array) {
    return all(array).stream().map(Member::device).toList();
  }

  private static Limits limits(Array array, CopiesLayout layout) {
    String word = layout.level().word();
    List<Member> all = all(array);
    if (all.isEmpty() || array.slotCount() != layout.members()) {
      throw new IllegalArgumentException(
          "%s is laid out over %d members, and the array has %d places and %d members"
              .formatted(word, layout.members(), array.slotCount(), all.size()));
    }
    Limits coarsest = all.getFirst().device().limits();
    for (Member member : all) {
      coarsest = coarsest.stackedOn(member.device().limits());
    }
    for (Member member : all) {
      long roomBytes = member.device().limits().sizeBytes() - member.startBytes();
      if (roomBytes < layout.usedBytes()) {
        throw new IllegalArgumentException(
            "%s needs %d bytes of each member, and %s has %d"
                .formatted(word, layout.usedBytes(), member.name(), roomBytes));
      }
      if (member.startBytes() % coarsest.logicalBlockBytes() != 0) {
        throw new IllegalArgumentException(
            "%s begins at byte %d of its device, which is no multiple of the members' block, %d"
                .formatted(member.name(), member.startBytes(), coarsest.logicalBlockBytes()));
      }
    }
    if (!layout.isPlain() && layout.chunkBytes() % coarsest.logicalBlockBytes() != 0) {
      throw new IllegalArgumentException(
          "a chunk of raid10 is a multiple of its members' block, %d bytes, and %d is not"
              .formatted(coarsest.logicalBlockBytes(), layout.chunkBytes()));
    }
    return coarsest.withSize(layout.arrayBytes());
  }

  // --- Requests ---

  @Override
  public Verdict map(Bio bio) {
    array.noteRequest();
    if (bio.op() == Op.FLUSH) {
      array.flush(bio);
    } else if (bio.lengthBytes() == 0) {
      bio.complete();
    } else if (pieceBytes(bio) == bio.lengthBytes()) {
      return mapPiece(bio);
    } else {
      bio.split(cutter);
    }
    return Verdict.TAKEN;
  }

  private long cut(Bio piece) {
    piece.remap(pieces, piece.offsetBytes());
    return pieceBytes(piece);
  }

  private long halve(Bio piece) {
    piece.remap(pieces, piece.offsetBytes());
    long block = limits().logicalBlockBytes();
    return Math.max(block, piece.lengthBytes() / 2 / block * block);
  }

  /** What stands together on every copy, and can be locked together or read twice. */
  private long pieceBytes(Bio bio) {
    long most = Long.MAX_VALUE;
    if (bio.op() == Op.FIND_HOLES) {
      most = Long.MAX_VALUE;
    } else if (bio.op() != Op.READ) {
      most = RangeLocks.mostBytes(bio.offsetBytes());
    } else if (hedging != null) {
      most = Hedging.LARGE_BYTES;
    }
    return Math.min(Math.min(bio.lengthBytes(), most), layout.runBytes(bio.offsetBytes()));
  }

  /** Where the pieces of a bio that is cut go: a device, so that they get there as bios do. */
  private final class Pieces extends Device {
    Pieces() {
      super(Mirror.this.loop(), Mirror.this.kind(), Mirror.this.limits(), Mirror.this.lowers());
    }

    @Override
    public Verdict map(Bio bio) {
      return mapPiece(bio);
    }
  }

  private Verdict mapPiece(Bio bio) {
    if (bio.op() == Op.FIND_HOLES) {
      findHoles(bio);
      return Verdict.TAKEN;
    }
    if (bio.op() != Op.READ) {
      MirrorWrite write = spareWrites.isEmpty() ? new MirrorWrite(this) : spareWrites.removeLast();
      write.begin(bio);
      return Verdict.TAKEN;
    }
    MirrorLeg leg = choose(bio.offsetBytes(), bio.lengthBytes(), null);
    if (leg == null && array.broken() == null && bio.lengthBytes() > limits().logicalBlockBytes()) {
      bio.split(halver); // a member may have known bad blocks in one half, another in the other
    } else if (leg == null || array.broken() != null) {
      IoError why = lost(bio.offsetBytes());
      bio.fail(why.errno(), why.sentence(), State.CLEAN);
    } else if (choices == 1) {
      bio.remap(leg.member.device(), leg.member.startBytes() + chosenOffsetBytes);
      return Verdict.REMAPPED;
    } else if (hedging == null || !hedging.read(bio, leg, chosenOffsetBytes)) {
      leg.read(bio, chosenOffsetBytes);
    }
    return Verdict.TAKEN;
  }

  /** Asks the leg that a read would go to. */
  private void findHoles(Bio bio) {
    MirrorLeg leg = choose(bio.offsetBytes(), bio.lengthBytes(), null);
    if (leg == null) {
      bio.complete();
    } else {
      passSearch(bio, leg.member, chosenOffsetBytes);
    }
  }

  /** Has a member look for holes; where it fails, nothing is said of them, or of the member. */
  static void passSearch(Bio bio, Member member, long memberOffsetBytes) {
    bio.newClone(SEARCH_END)
        .remap(member.device(), member.startBytes() + memberOffsetBytes)
        .submit();
  }

  private static final BioEnd SEARCH_END =
      clone -> {
        Bio bio = clone.parent();
        if (!clone.isFailed()) {
          bio.join(clone);
        }
        bio.complete();
      };

  /** Why nothing can be read there. */
  IoError lost(long arrayOffsetBytes) {
    IoError broken = array.broken();
    if (broken != null) {
      return broken;
    }
    List<String> reasons = new ArrayList<>();
    for (int copy = 0; copy < layout.copies(); copy++) {
      long at = layout.memberOffset(arrayOffsetBytes, copy);
      int slot = layout.member(arrayOffsetBytes, copy);
      reasons.add(array.whyUnreadable(slot, at, limits().logicalBlockBytes()));
    }
    return new IoError(
        Errno.EIO,
        "%s cannot read byte %d from any member: %s"
            .formatted(kind(), arrayOffsetBytes, String.join(", and ", reasons)));
  }

  // --- Legs ---

  /** The leg for a member that has a place. */
  MirrorLeg leg(Member member) {
    MirrorLeg leg = legs[member.slot()];
    if (leg == null || leg.member != member) {
      leg = new MirrorLeg(this, member);
      legs[member.slot()] = leg;
    }
    return leg;
  }

  /**
   * The best leg to read a range from, which lies in one piece; null if there is none. {@link
   * #chosenOffsetBytes} says where on it. While legs may disagree it is always the first one that
   * can be read, which is also the one that a resync copies from.
   *
   * @param without slots that are left out
   */
  @Nullable MirrorLeg choose(long offsetBytes, long lengthBytes, @Nullable BitSet without) {
    boolean isFirstBest = array.mayDisagree(offsetBytes, lengthBytes);
    MirrorLeg best = null;
    long bestLoad = 0;
    long bestWay = 0;
    choices = 0;
    for (int copy = 0; copy < layout.copies(); copy++) {
      Member member = array.member(layout.member(offsetBytes, copy));
      if (member == null || (without != null && without.get(member.slot()))) {
        continue;
      }
      long at = layout.memberOffset(offsetBytes, copy);
      if (!member.isReadable(at, lengthBytes)) {
        continue;
      }
      choices++;
      if (isFirstBest && best != null) {
        continue;
      }
      MirrorLeg leg = leg(member);
      long way = Math.abs(leg.aheadBytes - at);
      long load = member.underWay() - (way == 0 ? SEQUENTIAL_CREDIT : 0);
      load += member.isWriteMostly() ? Integer.MAX_VALUE : 0;
      if (best == null || load < bestLoad || (load == bestLoad && way < bestWay)) {
        best = leg;
        bestLoad = load;
        bestWay = way;
        chosenOffsetBytes = at;
      }
    }
    return best;
  }

  /** Where on its member the range is that was chosen last. */
  long chosenOffsetBytes() {
    return chosenOffsetBytes;
  }

  /** A leg's read of a whole piece ended otherwise than DONE. */
  void readEnded(MirrorLeg leg, Bio bio, Bio clone) {
    if (!clone.isFailed() || !Array.isMembersFault(bio, Objects.requireNonNull(clone.error()))) {
      bio.join(clone);
      bio.complete();
      return;
    }
    IoError error = Objects.requireNonNull(clone.error());
    array.readFailed(leg.member, error);
    BitSet failed = new BitSet();
    failed.set(leg.member.slot());
    retry(bio, clone.extents(), error, failed);
  }

  /** Reads what is not done of a piece from other legs, and completes it. */
  void retry(Bio bio, Extents soFar, IoError error, BitSet failedSlots) {
    new MirrorRetry(this, bio, soFar, error, failedSlots).begin();
  }

  void giveBack(MirrorWrite write) {
    spareWrites.add(write);
  }

  void giveBack(MirrorStep step) {
    spareSteps.add(step);
  }

  /** Memory of this device's own, which stays until it is closed. */
  MemorySegment allocate(long bytes) {
    return arena.allocate(bytes, Math.max(4096, limits().memoryAlignmentBytes()));
  }

  /** Zeroes to be written, as many as a piece of a write has at most. */
  MemorySegment zeroes() {
    MemorySegment found = zeroes;
    if (found == null) {
      found = allocate(RangeLocks.mostBytes(0));
      zeroes = found;
    }
    return found;
  }

  // --- Walks ---

  @Override
  public boolean canRunWithout(IntPredicate missingSlots) {
    return layout.canRunWithout(missingSlots);
  }

  @Override
  public long walkBytes(SyncMode mode) {
    return mode == SyncMode.REBUILD && !layout.isPlain()
        ? layout.usedBytes()
        : limits().sizeBytes();
  }

  @Override
  public long stepBytes() {
    return STEP_BYTES;
  }

  @Override
  public void step(SyncMode mode, long startBytes, long lengthBytes, CancelFlag flag, StepEnd end) {
    MirrorStep step = spareSteps.isEmpty() ? new MirrorStep(this) : spareSteps.removeLast();
    step.begin(mode, startBytes, lengthBytes, flag, end);
  }

  // --- Status and the end ---

  /** How many blocks of memory hedged reads hold, won or lost. For tests. */
  int hedgeBlocksInUse() {
    return hedging == null ? 0 : hedging.blocksInUse();
  }

  @Override
  public void showHeld(Held held) {
    waiting.forEach(write -> write.showHeld(held));
  }

  @Override
  public String status() {
    return hedging == null ? array.status() : array.status() + ", " + hedging.status();
  }

  @Override
  public void settle() {
    array.settle();
  }

  @Override
  public void close() {
    arena.close();
  }
}
