// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import static dev.belay.sim.ArrayShape.GRANULE;

import dev.belay.md.Array;
import dev.belay.md.Assembly;
import dev.belay.md.CopiesLayout;
import dev.belay.md.MadeArrays;
import dev.belay.md.ParityLayout;
import dev.belay.testing.SimMedium;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.function.IntPredicate;
import java.util.function.LongPredicate;
import org.jspecify.annotations.Nullable;

/**
 * What the members of an array hold, read from their media beside all that is under test, with an
 * arithmetic of its own: plain shifts in GF(2^8), eight bytes at a time.
 */
final class ArrayImage {
  /** No value of a block: its granules do not belong together. */
  static final long TORN = 0x7070_7070_7070_7070L;

  private static final int[] POWERS = powers();
  private static final int[] INVERSES = inverses();

  private final ArrayShape shape;
  private final @Nullable SimMedium[] slots;
  private final long[] rightBytes;
  private final int startGranule;
  private final @Nullable ParityLayout parity;
  private final @Nullable CopiesLayout copies;
  private final int blockGranules;
  private final int chunkBlocks;

  /** Whether all members are there, and have all that they should. */
  private final boolean isWhole;

  // The row that was looked at last: the members of its columns, P and Q, and the columns of Q.
  private int rowSeen = -1;
  private final int[] columnSlots;
  private final int[] columnsByIndex;
  private int pSlot;
  private int qSlot;

  /** One whose members are all there: the first media. */
  ArrayImage(ArrayShape shape, List<SimMedium> media) {
    this(
        shape,
        shape.hasParity() ? shape.parity() : null,
        shape.hasParity() ? null : shape.copies(),
        media.subList(0, shape.members()).toArray(new @Nullable SimMedium[0]),
        inSync(shape.members()));
  }

  private ArrayImage(
      ArrayShape shape,
      @Nullable ParityLayout parity,
      @Nullable CopiesLayout copies,
      @Nullable SimMedium[] slots,
      long[] rightBytes) {
    this.shape = shape;
    this.parity = parity;
    this.copies = copies;
    this.slots = slots;
    this.rightBytes = rightBytes;
    isWhole = Arrays.stream(rightBytes).allMatch(right -> right == Long.MAX_VALUE);
    startGranule = (int) (MadeArrays.startBytes(shape.minor()) / GRANULE);
    blockGranules = shape.blockGranules();
    chunkBlocks = (int) (Math.max(shape.chunkBytes(), 4096) / shape.blockBytes());
    columnSlots = new int[parity == null ? 0 : parity.columns()];
    columnsByIndex = new int[parity == null ? 0 : parity.members()];
  }

  private static long[] inSync(int members) {
    long[] rightBytes = new long[members];
    Arrays.fill(rightBytes, Long.MAX_VALUE);
    return rightBytes;
  }

  /** The same array, whose members are those that an assembly takes. */
  ArrayImage with(List<SimMedium> candidates, Assembly assembly) {
    @Nullable SimMedium[] taken = new @Nullable SimMedium[slots.length];
    long[] right = new long[slots.length];
    for (int slot = 0; slot < slots.length; slot++) {
      Assembly.Seat seat = assembly.seats().get(slot);
      taken[slot] = seat.member().isPresent() ? candidates.get(seat.member().getAsInt()) : null;
      right[slot] =
          switch (seat.state()) {
            case IN_SYNC -> Long.MAX_VALUE;
            case RECOVERING -> seat.recoveryBytes();
            case MISSING -> 0;
          };
    }
    return new ArrayImage(shape, parity, copies, taken, right);
  }

  /** The same array without metadata, whose members are those that are still in it. */
  ArrayImage with(List<SimMedium> media, Array array) {
    @Nullable SimMedium[] taken = new @Nullable SimMedium[slots.length];
    long[] right = new long[slots.length];
    for (int slot = 0; slot < slots.length; slot++) {
      boolean isThere = array.member(slot) != null;
      taken[slot] = isThere ? media.get(slot) : null;
      right[slot] = isThere ? Long.MAX_VALUE : 0;
    }
    return new ArrayImage(shape, parity, copies, taken, right);
  }

  /** Which members do not have a block, as bits by slot: those that are missing, and others. */
  private int gone(long blockBytes, int missing) {
    int gone = missing;
    for (int slot = 0; slot < rightBytes.length && !isWhole; slot++) {
      gone |= blockBytes + shape.blockBytes() <= rightBytes[slot] ? 0 : 1 << slot;
    }
    return gone;
  }

  private static boolean isIn(int slots, int slot) {
    return (slots >> slot & 1) != 0;
  }

  private SimMedium medium(int slot) {
    SimMedium medium = slots[slot];
    assert medium != null;
    return medium;
  }

  private int granule(long memberBytes) {
    return startGranule + (int) (memberBytes / GRANULE);
  }

  // --- Where things are ---

  private ParityLayout parity() {
    ParityLayout layout = parity;
    assert layout != null;
    return layout;
  }

  private CopiesLayout copies() {
    CopiesLayout layout = copies;
    assert layout != null;
    return layout;
  }

  int rows() {
    return (int) (shape.usedBytes() / shape.chunkBytes());
  }

  /** The row of a block, with parity. */
  int row(int block) {
    return (int) parity().row((long) block * shape.blockBytes());
  }

  /** The first block of the array that a member holds in a row; -1 where that is parity. */
  int firstBlock(int row, int slot) {
    int column = parity().columnOf(row, slot);
    return column < 0 ? -1 : (int) (parity().arrayOffset(row, column) / shape.blockBytes());
  }

  int chunkBlocks() {
    return chunkBlocks;
  }

  /** Points columns, P and Q at the members that have them in a row. */
  private void lookAt(int row) {
    if (row == rowSeen) {
      return;
    }
    rowSeen = row;
    ParityLayout layout = parity();
    Arrays.fill(columnsByIndex, -1);
    for (int column = 0; column < layout.columns(); column++) {
      columnSlots[column] = layout.member(row, column);
      columnsByIndex[layout.qIndex(row, column)] = column;
    }
    pSlot = layout.parityMember(row);
    qSlot = layout.qMember(row);
  }

  // --- First contents ---

  /** Gives a block a value, on all copies, or without parity. */
  void put(int block, long value) {
    long offset = (long) block * shape.blockBytes();
    if (parity != null) {
      long row = parity.row(offset);
      long memberBytes = row * shape.chunkBytes() + offset % shape.chunkBytes();
      put(medium(parity.member(row, parity.column(offset))), memberBytes, value);
    } else {
      for (int copy = 0; copy < copies().copies(); copy++) {
        put(medium(copies().member(offset, copy)), copies().memberOffset(offset, copy), value);
      }
    }
  }

  private void put(SimMedium medium, long memberBytes, long value) {
    int at = granule(memberBytes);
    for (int i = 0; i < blockGranules; i++) {
      medium.put(at + i, ArrayShape.granuleOf(value, i));
    }
  }

  /** Makes all parity right. */
  void computeParity() {
    for (int row = 0; parity != null && row < rows(); row++) {
      lookAt(row);
      int end = granule((row + 1) * shape.chunkBytes());
      for (int at = granule(row * shape.chunkBytes()); at < end; at++) {
        medium(pSlot).put(at, sumOfColumns(at, -1, -1));
        if (qSlot >= 0) {
          medium(qSlot).put(at, sumForQ(at, -1, -1));
        }
      }
    }
  }

  private long sumOfColumns(int at, int without, int orWithout) {
    long sum = 0;
    for (int column = 0; column < columnSlots.length; column++) {
      if (column != without && column != orWithout) {
        sum ^= medium(columnSlots[column]).at(at);
      }
    }
    return sum;
  }

  private long sumForQ(int at, int without, int orWithout) {
    long sum = 0;
    for (int index = columnsByIndex.length - 1; index >= 0; index--) {
      int column = columnsByIndex[index];
      sum = twice(sum);
      if (column >= 0 && column != without && column != orWithout) {
        sum ^= medium(columnSlots[column]).at(at);
      }
    }
    return sum;
  }

  // --- Whether all agree ---

  /**
   * The first place where members disagree although they must not.
   *
   * @param mayDisagree by the byte that a bitmap counts: of a member, or of a RAID 10
   * @param without rows, with parity, of which nothing is known
   * @param isAnything blocks whose copies may differ, since they were discarded
   * @return a sentence; null if all is well
   */
  @Nullable String disagreement(
      LongPredicate mayDisagree, BitSet without, IntPredicate isAnything) {
    return parity == null
        ? copiesDisagree(mayDisagree, isAnything)
        : parityDisagrees(mayDisagree, without);
  }

  private @Nullable String copiesDisagree(LongPredicate mayDisagree, IntPredicate isAnything) {
    for (int block = 0; block < shape.blocks(); block++) {
      long offset = (long) block * shape.blockBytes();
      int firstSlot = -1;
      int firstAt = 0;
      for (int copy = 0; copy < copies().copies(); copy++) {
        int slot = copies().member(offset, copy);
        long memberBytes = copies().memberOffset(offset, copy);
        int at = granule(memberBytes);
        if (isIn(gone(memberBytes, 0), slot)) {
          continue;
        }
        if (firstSlot < 0) {
          firstSlot = slot;
          firstAt = at;
          continue;
        }
        for (int i = 0; i < blockGranules; i++) {
          long first = medium(firstSlot).at(firstAt + i);
          long other = medium(slot).at(at + i);
          if (first != other && !mayDisagree.test(offset) && !isAnything.test(block)) {
            return "members %d and %d differ in block %d: %#x and %#x"
                .formatted(firstSlot, slot, block, first, other);
          }
        }
      }
    }
    return null;
  }

  private @Nullable String parityDisagrees(LongPredicate mayDisagree, BitSet without) {
    for (int row = 0; row < rows(); row++) {
      if (without.get(row)) {
        continue;
      }
      lookAt(row);
      long rowEnd = (row + 1) * shape.chunkBytes();
      boolean isRowSure = !mayDisagree.test(rowEnd - 1);
      for (long at = rowEnd - shape.chunkBytes(); at < rowEnd; at += shape.blockBytes()) {
        int wrong = firstWrongByte(at);
        if (wrong >= 0 && (isRowSure || !mayDisagree.test(at + wrong))) {
          return "parity of row %d is wrong at byte %d".formatted(row, at + wrong);
        }
      }
    }
    return null;
  }

  /** Where in a block of the row parity is wrong first, as far as that can be seen; or -1. */
  private int firstWrongByte(long memberBytes) {
    int gone = gone(memberBytes, 0);
    int lost = -1;
    for (int column = 0; column < columnSlots.length; column++) {
      if (isIn(gone, columnSlots[column])) {
        if (lost >= 0) {
          return -1;
        }
        lost = column;
      }
    }
    boolean hasP = !isIn(gone, pSlot);
    boolean hasQ = qSlot >= 0 && !isIn(gone, qSlot);
    if (lost >= 0 && !(hasP && hasQ)) {
      return -1;
    }
    int factor = lost < 0 ? 0 : power(parity().qIndex(rowSeen, lost));
    int start = granule(memberBytes);
    for (int at = start; at < start + blockGranules; at++) {
      long p = hasP ? medium(pSlot).at(at) ^ sumOfColumns(at, lost, -1) : 0;
      long q = hasQ ? medium(qSlot).at(at) ^ sumForQ(at, lost, -1) : 0;
      // Of a column that is not there, P tells what Q must tell as well.
      if (lost < 0 ? (p | q) != 0 : times(p, factor) != q) {
        return (at - start) * GRANULE;
      }
    }
    return -1;
  }

  // --- What it holds ---

  /** Whether all can be read without some of those that are there, as bits by slot. */
  boolean canRunWithout(int missing) {
    int lost = missing;
    for (int slot = 0; slot < rightBytes.length; slot++) {
      lost |= rightBytes[slot] == Long.MAX_VALUE ? 0 : 1 << slot;
    }
    int gone = lost;
    return copies == null
        ? Integer.bitCount(gone) <= shape.level().parities()
        : copies.canRunWithout(slot -> isIn(gone, slot));
  }

  /** How many copies of a block there are; 1 with parity. */
  int copiesOfEach() {
    return parity == null ? copies().copies() : 1;
  }

  /** The members that have the copies of a block before the one of that number, as bits by slot. */
  int slotsBefore(int block, int copy) {
    int slotsBefore = 0;
    for (int i = 0; i < copy; i++) {
      slotsBefore |= 1 << copies().member((long) block * shape.blockBytes(), i);
    }
    return slotsBefore;
  }

  /**
   * The value of a block; {@link #TORN} if it has none.
   *
   * @param missing members that are taken away, as bits by slot
   */
  long valueOf(int block, int missing) {
    long offset = (long) block * shape.blockBytes();
    if (parity == null) {
      for (int copy = 0; copy < copies().copies(); copy++) {
        int slot = copies().member(offset, copy);
        long memberBytes = copies().memberOffset(offset, copy);
        if (!isIn(gone(memberBytes, missing), slot)) {
          return stored(medium(slot), granule(memberBytes));
        }
      }
      return TORN;
    }
    int row = row(block);
    int column = parity.column(offset);
    long memberBytes = row * shape.chunkBytes() + offset % shape.chunkBytes();
    int gone = gone(memberBytes, missing);
    lookAt(row);
    return isIn(gone, columnSlots[column])
        ? recovered(column, granule(memberBytes), gone)
        : stored(medium(columnSlots[column]), granule(memberBytes));
  }

  private long stored(SimMedium medium, int at) {
    long first = medium.at(at);
    for (int i = 1; i < blockGranules; i++) {
      if (medium.at(at + i) != ArrayShape.granuleOf(first, i)) {
        return TORN;
      }
    }
    return first;
  }

  private long recovered(int wanted, int at, int gone) {
    int other = -1;
    for (int column = 0; column < columnSlots.length; column++) {
      if (column != wanted && isIn(gone, columnSlots[column])) {
        other = column;
      }
    }
    boolean hasP = !isIn(gone, pSlot);
    long first = recovered(wanted, other, at, hasP);
    for (int i = 1; i < blockGranules; i++) {
      if (recovered(wanted, other, at + i, hasP) != ArrayShape.granuleOf(first, i)) {
        return TORN;
      }
    }
    return first;
  }

  private long recovered(int wanted, int other, int at, boolean hasP) {
    if (other < 0 && hasP) {
      return medium(pSlot).at(at) ^ sumOfColumns(at, wanted, -1);
    }
    int factor = power(parity().qIndex(rowSeen, wanted));
    long q = medium(qSlot).at(at) ^ sumForQ(at, wanted, other);
    if (other < 0) {
      return times(q, inverse(factor));
    }
    int otherFactor = power(parity().qIndex(rowSeen, other));
    long p = medium(pSlot).at(at) ^ sumOfColumns(at, wanted, other);
    return times(q ^ times(p, otherFactor), inverse(factor ^ otherFactor));
  }

  // --- GF(2^8) ---

  private static long twice(long bytes) {
    long carries = bytes >>> 7 & 0x0101_0101_0101_0101L;
    return (bytes << 1 & 0xfefe_fefe_fefe_fefeL) ^ carries * 0x1d;
  }

  private static long times(long bytes, int factor) {
    long sum = 0;
    long doubled = bytes;
    for (int rest = factor; rest != 0; rest >>= 1) {
      sum ^= (rest & 1) != 0 ? doubled : 0;
      doubled = twice(doubled);
    }
    return sum;
  }

  private static int power(int exponent) {
    return POWERS[exponent];
  }

  private static int inverse(int factor) {
    return INVERSES[factor];
  }

  private static int[] powers() {
    int[] powers = new int[255];
    long value = 1;
    for (int i = 0; i < powers.length; i++) {
      powers[i] = (int) value;
      value = twice(value);
    }
    return powers;
  }

  private static int[] inverses() {
    int[] inverses = new int[256];
    for (int i = 0; i < 255; i++) {
      inverses[POWERS[i]] = POWERS[(255 - i) % 255];
    }
    return inverses;
  }
}
