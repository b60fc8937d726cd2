// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import static dev.belay.sim.ArrayShape.GRANULE;

import dev.belay.md.Assembly;
import dev.belay.md.CopiesLayout;
import dev.belay.md.MadeArrays;
import dev.belay.md.ParityLayout;
import dev.belay.testing.SimMedium;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.function.IntPredicate;
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

  /** One whose members are all there: the first media. */
  ArrayImage(ArrayShape shape, List<SimMedium> media) {
    this.shape = shape;
    slots = new @Nullable SimMedium[shape.members()];
    rightBytes = new long[slots.length];
    for (int slot = 0; slot < slots.length; slot++) {
      slots[slot] = media.get(slot);
      rightBytes[slot] = Long.MAX_VALUE;
    }
    startGranule = (int) (MadeArrays.startBytes(shape.minor()) / GRANULE);
    parity = shape.hasParity() ? shape.parity() : null;
    copies = shape.hasParity() ? null : shape.copies();
    blockGranules = shape.blockGranules();
    chunkBlocks = (int) (Math.max(shape.chunkBytes(), 4096) / shape.blockBytes());
  }

  /** One whose members are those that an assembly takes. */
  ArrayImage(ArrayShape shape, List<SimMedium> candidates, Assembly assembly) {
    this(shape, candidates.size() < shape.members() ? grown(candidates, shape) : candidates);
    for (int slot = 0; slot < slots.length; slot++) {
      Assembly.Seat seat = assembly.seats().get(slot);
      slots[slot] = seat.member().isPresent() ? candidates.get(seat.member().getAsInt()) : null;
      rightBytes[slot] =
          switch (seat.state()) {
            case IN_SYNC -> Long.MAX_VALUE;
            case RECOVERING -> seat.recoveryBytes();
            case MISSING -> 0;
          };
    }
  }

  private static List<SimMedium> grown(List<SimMedium> some, ArrayShape shape) {
    SimMedium[] all = new SimMedium[shape.members()];
    Arrays.fill(all, some.get(0));
    return Arrays.asList(all);
  }

  private boolean isThere(int slot, long memberBytes) {
    return slots[slot] != null && memberBytes + shape.blockBytes() <= rightBytes[slot];
  }

  private long at(int slot, long memberBytes, int granule) {
    SimMedium medium = slots[slot];
    assert medium != null;
    return medium.at(startGranule + (int) (memberBytes / GRANULE) + granule);
  }

  private void put(int slot, long memberBytes, int granule, long value) {
    SimMedium medium = slots[slot];
    assert medium != null;
    medium.put(startGranule + (int) (memberBytes / GRANULE) + granule, value);
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

  // --- First contents ---

  /** Gives a block a value, on all copies, or without parity. */
  void put(int block, long value) {
    long offset = (long) block * shape.blockBytes();
    for (int i = 0; i < blockGranules; i++) {
      long granule = ArrayShape.granuleOf(value, i);
      if (parity != null) {
        long row = parity.row(offset);
        long memberBytes = row * shape.chunkBytes() + offset % shape.chunkBytes();
        put(parity.member(row, parity.column(offset)), memberBytes, i, granule);
      } else {
        for (int copy = 0; copy < copies().copies(); copy++) {
          put(copies().member(offset, copy), copies().memberOffset(offset, copy), i, granule);
        }
      }
    }
  }

  /** Makes all parity right. */
  void computeParity() {
    if (parity == null) {
      return;
    }
    for (int row = 0; row < rows(); row++) {
      for (long at = 0; at < shape.chunkBytes(); at += GRANULE) {
        long memberBytes = row * shape.chunkBytes() + at;
        put(parity.parityMember(row), memberBytes, 0, sumOfColumns(row, memberBytes, -1, -1));
        if (parity.qMember(row) >= 0) {
          put(parity.qMember(row), memberBytes, 0, sumForQ(row, memberBytes, -1, -1));
        }
      }
    }
  }

  private long sumOfColumns(long row, long memberBytes, int without, int orWithout) {
    long sum = 0;
    for (int column = 0; column < parity().columns(); column++) {
      if (column != without && column != orWithout) {
        sum ^= at(parity().member(row, column), memberBytes, 0);
      }
    }
    return sum;
  }

  private long sumForQ(long row, long memberBytes, int without, int orWithout) {
    long sum = 0;
    for (int column = 0; column < parity().columns(); column++) {
      if (column != without && column != orWithout) {
        int factor = power(parity().qIndex(row, column));
        sum ^= times(at(parity().member(row, column), memberBytes, 0), factor);
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
   * @return a sentence; null if all is well
   */
  @Nullable String disagreement(java.util.function.LongPredicate mayDisagree, BitSet without) {
    return parity == null ? copiesDisagree(mayDisagree) : parityDisagrees(mayDisagree, without);
  }

  private @Nullable String copiesDisagree(java.util.function.LongPredicate mayDisagree) {
    for (int block = 0; block < shape.blocks(); block++) {
      long offset = (long) block * shape.blockBytes();
      int first = -1;
      for (int copy = 0; copy < copies().copies(); copy++) {
        int slot = copies().member(offset, copy);
        long memberBytes = copies().memberOffset(offset, copy);
        if (!isThere(slot, memberBytes)) {
          continue;
        }
        if (first < 0) {
          first = copy;
          continue;
        }
        int firstSlot = copies().member(offset, first);
        long firstBytes = copies().memberOffset(offset, first);
        for (int i = 0; i < blockGranules; i++) {
          if (at(slot, memberBytes, i) != at(firstSlot, firstBytes, i)
              && !mayDisagree.test(offset)) {
            return "members %d and %d differ in block %d: %#x and %#x"
                .formatted(
                    firstSlot, slot, block, at(firstSlot, firstBytes, i), at(slot, memberBytes, i));
          }
        }
      }
    }
    return null;
  }

  private @Nullable String parityDisagrees(
      java.util.function.LongPredicate mayDisagree, BitSet without) {
    for (int row = 0; row < rows(); row++) {
      if (without.get(row)) {
        continue;
      }
      for (long at = 0; at < shape.chunkBytes(); at += GRANULE) {
        long memberBytes = row * shape.chunkBytes() + at;
        String wrong = lineDisagrees(row, memberBytes);
        if (wrong != null && !mayDisagree.test(memberBytes)) {
          return wrong;
        }
      }
    }
    return null;
  }

  private @Nullable String lineDisagrees(int row, long memberBytes) {
    long block = memberBytes - memberBytes % shape.blockBytes();
    int lost = -1;
    for (int column = 0; column < parity().columns(); column++) {
      if (!isThere(parity().member(row, column), block)) {
        if (lost >= 0) {
          return null;
        }
        lost = column;
      }
    }
    int pSlot = parity().parityMember(row);
    int qSlot = parity().qMember(row);
    boolean hasP = isThere(pSlot, block);
    boolean hasQ = qSlot >= 0 && isThere(qSlot, block);
    if (lost >= 0) {
      if (!hasP || !hasQ) {
        return null;
      }
      long byP = at(pSlot, memberBytes, 0) ^ sumOfColumns(row, memberBytes, lost, -1);
      long byQ = at(qSlot, memberBytes, 0) ^ sumForQ(row, memberBytes, lost, -1);
      return times(byP, power(parity().qIndex(row, lost))) == byQ
          ? null
          : "P and Q of row %d disagree at byte %d".formatted(row, memberBytes);
    }
    if (hasP && at(pSlot, memberBytes, 0) != sumOfColumns(row, memberBytes, -1, -1)) {
      return "P of row %d, on member %d, is wrong at byte %d".formatted(row, pSlot, memberBytes);
    }
    if (hasQ && at(qSlot, memberBytes, 0) != sumForQ(row, memberBytes, -1, -1)) {
      return "Q of row %d, on member %d, is wrong at byte %d".formatted(row, qSlot, memberBytes);
    }
    return null;
  }

  // --- What it holds ---

  /** Whether all can be read without some of those that are there. */
  boolean canRunWithout(IntPredicate missing) {
    return shape.canRunWithout(
        slot -> missing.test(slot) || slots[slot] == null || rightBytes[slot] != Long.MAX_VALUE);
  }

  /** The value of a block, with some members taken away; {@link #TORN} if it has none. */
  long valueOf(int block, IntPredicate missing) {
    long first = granule(block, 0, missing);
    for (int i = 1; i < blockGranules; i++) {
      if (granule(block, i, missing) != ArrayShape.granuleOf(first, i)) {
        return TORN;
      }
    }
    return first;
  }

  private long granule(int block, int index, IntPredicate missing) {
    long offset = (long) block * shape.blockBytes();
    if (parity == null) {
      for (int copy = 0; copy < copies().copies(); copy++) {
        int slot = copies().member(offset, copy);
        long memberBytes = copies().memberOffset(offset, copy);
        if (!missing.test(slot) && isThere(slot, memberBytes)) {
          return at(slot, memberBytes, index);
        }
      }
      return TORN;
    }
    long row = parity.row(offset);
    long memberBytes = row * shape.chunkBytes() + offset % shape.chunkBytes() + (long) index * 8;
    return recovered(row, parity.column(offset), memberBytes, missing);
  }

  private long recovered(long row, int wanted, long memberBytes, IntPredicate missing) {
    long block = memberBytes - memberBytes % shape.blockBytes();
    IntPredicate isGone = slot -> missing.test(slot) || !isThere(slot, block);
    if (!isGone.test(parity().member(row, wanted))) {
      return at(parity().member(row, wanted), memberBytes, 0);
    }
    int other = -1;
    for (int column = 0; column < parity().columns(); column++) {
      if (column != wanted && isGone.test(parity().member(row, column))) {
        other = column;
      }
    }
    int pSlot = parity().parityMember(row);
    int qSlot = parity().qMember(row);
    if (other < 0 && !isGone.test(pSlot)) {
      return at(pSlot, memberBytes, 0) ^ sumOfColumns(row, memberBytes, wanted, -1);
    }
    int factor = power(parity().qIndex(row, wanted));
    long q = at(qSlot, memberBytes, 0) ^ sumForQ(row, memberBytes, wanted, other);
    if (other < 0) {
      return times(q, inverse(factor));
    }
    int otherFactor = power(parity().qIndex(row, other));
    long p = at(pSlot, memberBytes, 0) ^ sumOfColumns(row, memberBytes, wanted, other);
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
