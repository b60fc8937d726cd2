// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import dev.belay.Held;
import dev.belay.Op;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The writes of a round to one slice, by column and then by offset, none over another; and the
 * range that they span. The loop's thread.
 */
final class RoundParts {
  private final int lengthBytes;
  private final @Nullable Part[] firsts;
  private final @Nullable Part[] lasts;

  /** How many there are. */
  int count;

  // As it was measured: from the first byte that any column gets to the last.
  int from;
  int to;

  // By column: the hull of what no write covers of that.
  final int[] gapFrom;
  final int[] gapTo;

  RoundParts(int columns, int lengthBytes) {
    this.lengthBytes = lengthBytes;
    firsts = new @Nullable Part[columns];
    lasts = new @Nullable Part[columns];
    gapFrom = new int[columns];
    gapTo = new int[columns];
  }

  int columns() {
    return firsts.length;
  }

  /** The first of a column; the others follow by {@link Part#nextInColumn}. */
  @Nullable Part first(int column) {
    return firsts[column];
  }

  /** The last of a column that has one. */
  Part last(int column) {
    return Objects.requireNonNull(lasts[column]);
  }

  /** The one that is there, or one of them. */
  Part any() {
    for (Part part : firsts) {
      if (part != null) {
        return part;
      }
    }
    throw new AssertionError("a round without parts");
  }

  /** Takes a write in; false if it lies over another. */
  boolean add(Part part) {
    int column = part.column;
    Part before = lasts[column];
    if (before != null && before.from >= part.to) {
      before = null;
      for (Part p = firsts[column]; p != null && p.from < part.from; p = p.nextInColumn) {
        before = p;
      }
    }
    if (before != null && before.to > part.from) {
      return false;
    }
    Part after = before == null ? firsts[column] : before.nextInColumn;
    if (after != null && after.from < part.to) {
      return false;
    }
    part.nextInColumn = after;
    if (before == null) {
      firsts[column] = part;
    } else {
      before.nextInColumn = part;
    }
    if (after == null) {
      lasts[column] = part;
    }
    count++;
    return true;
  }

  void remove(Part part) {
    int column = part.column;
    Part before = null;
    for (Part p = firsts[column]; p != null && p != part; p = p.nextInColumn) {
      before = p;
    }
    if (before == null) {
      firsts[column] = part.nextInColumn;
    } else {
      before.nextInColumn = part.nextInColumn;
    }
    if (lasts[column] == part) {
      lasts[column] = before;
    }
    count--;
  }

  /** Takes all of a column out, and answers the first of them. */
  @Nullable Part take(int column) {
    Part first = firsts[column];
    for (Part part = first; part != null; part = part.nextInColumn) {
      count--;
    }
    firsts[column] = null;
    lasts[column] = null;
    return first;
  }

  void showHeld(Held held, String how) {
    for (Part first : firsts) {
      for (Part part = first; part != null; part = part.nextInColumn) {
        part.showHeld(held, how);
      }
    }
  }

  /** Measures the range, and what no write covers of it. */
  void measure() {
    from = lengthBytes;
    to = 0;
    for (int column = 0; column < firsts.length; column++) {
      Part first = firsts[column];
      if (first != null) {
        from = Math.min(from, first.from);
        to = Math.max(to, last(column).to);
      }
    }
    for (int column = 0; column < firsts.length; column++) {
      int at = from;
      int gap = to;
      int gapEnd = from;
      for (Part part = firsts[column]; part != null; part = part.nextInColumn) {
        if (part.from > at) {
          gap = Math.min(gap, at);
          gapEnd = part.from;
        }
        at = part.to;
      }
      if (at < to) {
        gap = Math.min(gap, at);
        gapEnd = to;
      }
      gapFrom[column] = gap;
      gapTo[column] = gapEnd;
    }
  }

  /** Whether they write all of the slice. */
  boolean isFull() {
    boolean isFull = from == 0 && to == lengthBytes;
    for (int column = 0; column < firsts.length; column++) {
      isFull &= gapFrom[column] >= gapTo[column];
    }
    return isFull;
  }

  /** Whether they zero all of the slice. */
  boolean isZeroes() {
    boolean isZeroes = isFull();
    for (int column = 0; isZeroes && column < firsts.length; column++) {
      for (Part part = firsts[column]; part != null; part = part.nextInColumn) {
        isZeroes &= part.bio().op() == Op.WRITE_ZEROES;
      }
    }
    return isZeroes;
  }
}
