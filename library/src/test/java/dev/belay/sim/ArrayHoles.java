// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import java.util.BitSet;
import java.util.function.IntPredicate;

/**
 * The write hole, as it must be expected of parity without a journal: a row that was being written
 * when the power went, or when a write failed, has parity that may be wrong. While all members are
 * there that costs nothing. What a member holds there that is not readable is lost.
 */
final class ArrayHoles {
  private final ArrayShape shape;
  private final ArrayImage geometry;
  private final Model model;
  private final int[] underWay;
  private final int[] lastEnd;

  /** Rows that were written since the last flush. */
  private final BitSet dirty = new BitSet();

  /** Rows whose parity may be wrong. */
  private final BitSet holes = new BitSet();

  /** Holes that were there while a member was not: no resync mends them. */
  private final BitSet torn = new BitSet();

  /** Rows of which a member failed a write that the level could not do without. */
  private final BitSet failed = new BitSet();

  private final BitSet told = new BitSet();

  ArrayHoles(ArrayShape shape, ArrayImage geometry, Model model) {
    this.shape = shape;
    this.geometry = geometry;
    this.model = model;
    int rows = shape.hasParity() ? geometry.rows() : 0;
    underWay = new int[rows];
    lastEnd = new int[rows];
  }

  /** The same knowledge, which goes on by itself, about what another model knows. */
  ArrayHoles copy(Model of) {
    ArrayHoles same = new ArrayHoles(shape, geometry, of);
    System.arraycopy(underWay, 0, same.underWay, 0, underWay.length);
    System.arraycopy(lastEnd, 0, same.lastEnd, 0, lastEnd.length);
    same.dirty.or(dirty);
    same.holes.or(holes);
    same.torn.or(torn);
    same.failed.or(failed);
    same.told.or(told);
    return same;
  }

  /** What tells the rows that would be holes after a power loss from others. */
  int hashOfLosses() {
    BitSet after = (BitSet) holes.clone();
    after.or(dirty);
    return 31 * (31 * after.hashCode() + torn.hashCode()) + failed.hashCode();
  }

  void writeBegins(int block, int count) {
    if (shape.hasParity()) {
      int last = geometry.row(block + count - 1);
      for (int row = geometry.row(block); row <= last; row++) {
        underWay[row]++;
        dirty.set(row);
      }
    }
  }

  /**
   * @param hasFailed whether parity may be wrong
   */
  void writeEnds(int block, int count, int now, boolean hasFailed) {
    if (shape.hasParity()) {
      int last = geometry.row(block + count - 1);
      for (int row = geometry.row(block); row <= last; row++) {
        underWay[row]--;
        lastEnd[row] = now;
        if (hasFailed) {
          holes.set(row);
          failed.set(row);
          told.clear(row * shape.members(), (row + 1) * shape.members());
        }
      }
    }
  }

  void flushEnds(int began) {
    for (int row = dirty.nextSetBit(0); row >= 0; row = dirty.nextSetBit(row + 1)) {
      if (underWay[row] == 0 && lastEnd[row] < began) {
        dirty.clear(row);
      }
    }
  }

  void losePower() {
    holes.or(dirty);
    dirty.clear();
    told.clear();
    java.util.Arrays.fill(underWay, 0);
  }

  /** A resync has come by, with all members there. */
  void mended() {
    holes.clear();
  }

  /** Some members are not readable: what they hold in a hole may be anything. */
  void membersAreGone(IntPredicate isGone) {
    for (int row = holes.nextSetBit(0); row >= 0; row = holes.nextSetBit(row + 1)) {
      for (int slot = 0; slot < shape.members(); slot++) {
        if (!isGone.test(slot)) {
          continue;
        }
        torn.set(row);
        int first = geometry.firstBlock(row, slot);
        if (first < 0 || told.get(row * shape.members() + slot)) {
          continue;
        }
        told.set(row * shape.members() + slot);
        for (int block = first; block < first + geometry.chunkBlocks(); block++) {
          model.anything(block);
        }
      }
    }
  }

  /** Whether there are any. */
  boolean isEmpty() {
    return holes.isEmpty();
  }

  /** Rows of which nothing is known but what the model says. */
  BitSet torn() {
    return torn;
  }

  /** Whether a write failed that the level could not do without. */
  boolean hasFailed() {
    return !failed.isEmpty();
  }

  /** Whether there is a row among these blocks of which not everything may be made up. */
  boolean mayLack(int block, int count) {
    if (!shape.hasParity() || count == 0 || (torn.isEmpty() && failed.isEmpty())) {
      return false;
    }
    int last = geometry.row(block + count - 1);
    for (int row = geometry.row(block); row <= last; row++) {
      if (torn.get(row) || failed.get(row)) {
        return true;
      }
    }
    return false;
  }
}
