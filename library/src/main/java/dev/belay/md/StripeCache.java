// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import dev.belay.Bio;
import dev.belay.CancelFlag;
import dev.belay.Held;
import dev.belay.Loop;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.Timers;
import dev.belay.md.Part.Kind;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The slices of an array with parity that are in use, or were lately. A {@link Slice} is a window
 * of at most 64 KiB at the same offset of every member. All that reads a stripe to change it or to
 * make a member good goes through its slice, one round after the other.
 *
 * <p>There is memory for a fixed number of slices. What finds none waits here, where its flag still
 * reaches it. Slices that are at rest keep what is in their buffers, and the one that is longest at
 * rest is taken for another place; one whose stripe was written whole is taken first, since nobody
 * reads its parity soon.
 *
 * <p>Parts that come in one turn of the loop begin together at its end, so that many callers share
 * the reads and the parity; a slice that is covered whole begins at once. The loop's thread.
 */
public final class StripeCache {
  private static final int SLICE_BYTES = 64 << 10;
  private static final long MEMORY_BYTES = 64L << 20;
  private static final int FEWEST_SLICES = 16;
  private static final int MOST_SLICES = 1024;

  final Loop loop;
  final Array array;
  final ParityLayout layout;

  /** How long a slice is; chunks are whole slices. */
  final int sliceBytes;

  /** Where partial parity is logged; null where it is not. */
  final @Nullable PartialParityWriter log;

  private final Arena arena = Arena.ofShared();
  private final int alignmentBytes;
  private final int mostSlices;
  private final List<Slice> slices = new ArrayList<>();

  /** By the slice's index; a power of two. */
  private final @Nullable Slice[] table;

  // Slices at rest: the first is taken first.
  private @Nullable Slice coldest;
  private @Nullable Slice hottest;

  private final PartQueue waiting = new PartQueue();
  private boolean isServing;
  private final ArrayDeque<Part> spareParts = new ArrayDeque<>();
  private ArrayDeque<Slice> toBegin = new ArrayDeque<>();
  private ArrayDeque<Slice> beginning = new ArrayDeque<>();
  private final Timers.Timer beginTimer;
  private long lookedNanos;

  /** A slice's worth, for parity that is only compared. */
  final MemorySegment scratch;

  // Rounds of writes, by how they came by parity.
  long fullStripes;
  long readModifyWrites;
  long reconstructWrites;
  long recoveries;
  long partsInUse;

  /**
   * @param blockBytes what requests to members are multiples of, and their memory is aligned to; a
   *     divisor of the chunk
   */
  public StripeCache(Array array, ParityLayout layout, int blockBytes) {
    this.array = array;
    this.layout = layout;
    loop = array.loop();
    sliceBytes = sliceBytes(layout.chunkBytes(), blockBytes);
    alignmentBytes = Math.max(4096, blockBytes);
    long each = (long) sliceBytes * layout.members();
    mostSlices = Math.clamp(MEMORY_BYTES / each, FEWEST_SLICES, MOST_SLICES);
    table = new @Nullable Slice[Integer.highestOneBit(mostSlices) * 4];
    scratch = arena.allocate(sliceBytes, alignmentBytes);
    lookedNanos = loop.clock().nanos();
    beginTimer = loop.timers().newTimer(this::beginAll);
    log = PartialParityWriter.of(array, layout, sliceBytes, blockBytes);
  }

  /** How long slices are, with chunks and blocks of these sizes. */
  static int sliceBytes(long chunkBytes, int blockBytes) {
    return (int) Math.min(chunkBytes, Math.max(SLICE_BYTES, blockBytes));
  }

  public int sliceBytes() {
    return sliceBytes;
  }

  MemorySegment newMemory() {
    return arena.allocate((long) sliceBytes * layout.members(), alignmentBytes);
  }

  // --- What comes ---

  /** Takes a write, or a write of zeroes, inside one slice and one column. */
  public void write(Bio bio) {
    take(newPart(Kind.WRITE, bio));
  }

  /**
   * Takes a read inside one slice and one column whose member cannot answer it.
   *
   * @param failure how it ended where it was tried; null for a member that is not there
   */
  public void recover(Bio bio, @Nullable Outcome failure) {
    Part part = newPart(Kind.RECOVER, bio);
    part.failure = failure;
    take(part);
  }

  private Part newPart(Kind kind, Bio bio) {
    Part part = sparePart(kind);
    long inArray = bio.offsetBytes();
    long inChunk = inArray & (layout.chunkBytes() - 1);
    long inMember = layout.row(inArray) * layout.chunkBytes() + inChunk;
    part.bio = bio;
    part.index = inMember / sliceBytes;
    part.column = layout.column(inArray);
    part.from = (int) (inMember - part.index * sliceBytes);
    part.to = part.from + (int) bio.lengthBytes();
    return part;
  }

  private Part sparePart(Kind kind) {
    Part part = spareParts.isEmpty() ? new Part(this) : spareParts.removeLast();
    part.kind = kind;
    partsInUse++;
    return part;
  }

  void giveBack(Part part) {
    part.bio = null;
    part.step = null;
    part.failure = null;
    part.slice = null;
    part.member = null;
    part.isInRound = false;
    part.nextInColumn = null;
    partsInUse--;
    spareParts.add(part);
  }

  /** Does one slice of a walk's step. */
  void step(long index, SliceStep step) {
    Part part = sparePart(Kind.STEP);
    part.index = index;
    part.step = step;
    take(part);
  }

  /** Begins a step of a walk: every slice of the range, which is told to {@code end} once. */
  public void step(
      SyncMode mode, long startBytes, long lengthBytes, CancelFlag flag, LevelWork.StepEnd end) {
    SliceStep step = new SliceStep(mode, flag, end);
    long last = (startBytes + lengthBytes - 1) / sliceBytes;
    for (long index = startBytes / sliceBytes; index <= last; index++) {
      step.pending++;
      step(index, step);
    }
    step.oneEnded();
  }

  private void take(Part part) {
    Slice slice = find(part.index);
    if (slice == null && waiting.isEmpty()) {
      slice = free(part.index);
    }
    if (slice == null) {
      waiting.add(part);
      part.watch();
    } else {
      slice.add(part);
    }
  }

  /** It waited for a slice, and does not any more. */
  void forget(Part part) {
    waiting.remove(part);
  }

  // --- When slices begin ---

  /** The slice begins at the end of this turn of the loop. */
  void beginSoon(Slice slice) {
    toBegin.add(slice);
    if (!beginTimer.isSet()) {
      beginTimer.set(nowNanos());
    }
  }

  /** Of a clock that throws, what it said last: the slice begins in the next turn all the same. */
  private long nowNanos() {
    try {
      lookedNanos = loop.clock().nanos();
    } catch (RuntimeException e) {
      return lookedNanos;
    }
    return lookedNanos;
  }

  private void beginAll() {
    ArrayDeque<Slice> now = toBegin;
    toBegin = beginning;
    beginning = now;
    beginAll(now);
  }

  /** All of them, whatever one of them throws. */
  private static void beginAll(ArrayDeque<Slice> now) {
    for (Slice slice = now.poll(); slice != null; slice = now.poll()) {
      try {
        slice.begin();
      } catch (RuntimeException | Error defect) {
        beginAll(now);
        throw defect;
      }
    }
  }

  // --- Slices ---

  private int placeOf(long index) {
    return (int) (index ^ index >>> 20) & (table.length - 1);
  }

  private @Nullable Slice find(long index) {
    Slice slice = table[placeOf(index)];
    while (slice != null && slice.index() != index) {
      slice = slice.nextInTable;
    }
    return slice;
  }

  /** A slice at rest, for another place; null if all are in use. */
  private @Nullable Slice free(long index) {
    Slice slice = coldest;
    if (slice == null || (slice.isHot && slices.size() < mostSlices)) {
      if (slices.size() < mostSlices) {
        slice = new Slice(this);
        slices.add(slice);
      } else if (slice == null) {
        return null;
      }
    }
    if (slice.isResting) {
      unlinkResting(slice);
      removeFromTable(slice);
    }
    slice.place(index);
    int place = placeOf(index);
    slice.nextInTable = table[place];
    table[place] = slice;
    linkResting(slice, true);
    return slice;
  }

  private void removeFromTable(Slice slice) {
    int place = placeOf(slice.index());
    Slice other = table[place];
    if (other == slice) {
      table[place] = slice.nextInTable;
      return;
    }
    while (other != null && other.nextInTable != slice) {
      other = other.nextInTable;
    }
    if (other != null) {
      other.nextInTable = slice.nextInTable;
    }
  }

  /** The slice has something to do. */
  void use(Slice slice) {
    if (slice.isResting) {
      unlinkResting(slice);
    }
  }

  /** The slice has nothing to do: who waits for one gets it, or it keeps what it has. */
  void rest(Slice slice, boolean isHot) {
    slice.isHot = isHot;
    linkResting(slice, isHot);
    if (isServing) {
      return;
    }
    isServing = true;
    try {
      serve();
    } finally {
      isServing = false;
    }
  }

  private void serve() {
    for (Part part = waiting.first(); part != null; part = waiting.first()) {
      Slice found = find(part.index);
      if (found == null) {
        found = free(part.index);
      }
      if (found == null) {
        return;
      }
      waiting.remove(part);
      found.add(part);
    }
  }

  private void linkResting(Slice slice, boolean isHot) {
    slice.isResting = true;
    Slice neighbour = isHot ? hottest : coldest;
    slice.colder = isHot ? neighbour : null;
    slice.hotter = isHot ? null : neighbour;
    if (neighbour == null) {
      coldest = slice;
      hottest = slice;
    } else if (isHot) {
      neighbour.hotter = slice;
      hottest = slice;
    } else {
      neighbour.colder = slice;
      coldest = slice;
    }
  }

  private void unlinkResting(Slice slice) {
    slice.isResting = false;
    if (slice.colder == null) {
      coldest = slice.hotter;
    } else {
      slice.colder.hotter = slice.hotter;
    }
    if (slice.hotter == null) {
      hottest = slice.colder;
    } else {
      slice.hotter.colder = slice.colder;
    }
    slice.colder = null;
    slice.hotter = null;
  }

  // --- Status and the end ---

  /** Shows what waits for a slice or in one, and what a slice works on. */
  public void showHeld(Held held) {
    waiting.showHeld(held, "waits for a slice");
    for (Slice slice : slices) {
      slice.showHeld(held);
    }
  }

  /** How many slices have something to do. */
  public int slicesInUse() {
    int count = 0;
    for (Slice slice : slices) {
      count += slice.isResting ? 0 : 1;
    }
    return count;
  }

  /** How many rounds wrote whole stripes, without a read. */
  public long fullStripes() {
    return fullStripes;
  }

  /** How many rounds read what they wrote over, and parity. */
  public long readModifyWrites() {
    return readModifyWrites;
  }

  /** How many rounds read what they did not write over. */
  public long reconstructWrites() {
    return reconstructWrites;
  }

  /** How many rounds made good what a member could not give. */
  public long recoveries() {
    return recoveries;
  }

  /** What is wanted of slices and has not ended. */
  public long partsInUse() {
    return partsInUse;
  }

  /** One line. */
  public String status() {
    return "%d of %d slices of %d bytes in use, %d requests wait for one; written: %d full stripes,"
            .formatted(slicesInUse(), mostSlices, sliceBytes, waiting.size(), fullStripes)
        + " %d read-modify-write, %d reconstruct-write"
            .formatted(readModifyWrites, reconstructWrites)
        + "; %d recovered".formatted(recoveries)
        + (log == null ? "" : "; " + log.status());
  }

  /** Gives the memory back. Nothing is under way. */
  public void close() {
    arena.close();
  }

  /** Whether an operation goes through {@link #write}. */
  public static boolean isWrite(Op op) {
    return op == Op.WRITE || op == Op.WRITE_ZEROES;
  }
}
