// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * What a round of writes has for the log of partial parity: pieces of the slice, one behind the
 * other, in each of which the same columns are written, and these are neighbours, as an entry of
 * the log has it. So what an entry calls written is written, and what it does not is not: a member
 * that is lost together with the power takes only that with it which was being written there. The
 * loop's thread.
 */
final class RoundEntries {
  private final @Nullable Part[] cursors;
  private int[] bounds = new int[16];
  private int boundCount;

  int count;
  int[] from = new int[4];
  int[] to = new int[4];
  int[] firstColumn = new int[4];
  int[] lastColumn = new int[4];

  RoundEntries(int columns) {
    cursors = new @Nullable Part[columns];
  }

  /**
   * Divides the round into entries. If one would have columns that are not neighbours, answers a
   * write that has to go for that, and is to be asked again.
   */
  @Nullable Part measure(RoundParts parts) {
    count = 0;
    gatherBounds(parts);
    for (int column = 0; column < cursors.length; column++) {
      cursors[column] = parts.first(column);
    }
    for (int i = 0; i + 1 < boundCount; i++) {
      Part stray = measure(bounds[i], bounds[i + 1]);
      if (stray != null) {
        return stray;
      }
    }
    return null;
  }

  private void gatherBounds(RoundParts parts) {
    boundCount = 0;
    if (bounds.length < 2 * parts.count) {
      bounds = new int[4 * parts.count];
    }
    for (int column = 0; column < cursors.length; column++) {
      for (Part part = parts.first(column); part != null; part = part.nextInColumn) {
        bounds[boundCount++] = part.from;
        bounds[boundCount++] = part.to;
      }
    }
    Arrays.sort(bounds, 0, boundCount);
    int different = 0;
    for (int i = 0; i < boundCount; i++) {
      if (different == 0 || bounds[different - 1] != bounds[i]) {
        bounds[different++] = bounds[i];
      }
    }
    boundCount = different;
  }

  /** A piece in which no write begins or ends. */
  private @Nullable Part measure(int begin, int end) {
    int first = -1;
    int last = -1;
    for (int column = 0; column < cursors.length; column++) {
      Part part = cursors[column];
      while (part != null && part.to <= begin) {
        part = part.nextInColumn;
      }
      cursors[column] = part;
      if (part == null || part.from >= end) {
        continue;
      }
      if (last >= 0 && last + 1 < column) {
        return part;
      }
      first = first < 0 ? column : first;
      last = column;
    }
    if (first >= 0) {
      put(begin, end, first, last);
    }
    return null;
  }

  private void put(int begin, int end, int first, int last) {
    int before = count - 1;
    if (before >= 0
        && to[before] == begin
        && firstColumn[before] == first
        && lastColumn[before] == last) {
      to[before] = end;
      return;
    }
    if (count == from.length) {
      from = Arrays.copyOf(from, 2 * count);
      to = Arrays.copyOf(to, 2 * count);
      firstColumn = Arrays.copyOf(firstColumn, 2 * count);
      lastColumn = Arrays.copyOf(lastColumn, 2 * count);
    }
    from[count] = begin;
    to[count] = end;
    firstColumn[count] = first;
    lastColumn[count] = last;
    count++;
  }

  /** How long the partial parity of an entry is: there is none where all columns are written. */
  int parityBytes(int entry) {
    boolean isAll = firstColumn[entry] == 0 && lastColumn[entry] == cursors.length - 1;
    return isAll ? 0 : to[entry] - from[entry];
  }

  /** How long all the partial parity is. */
  int parityBytes() {
    int sum = 0;
    for (int entry = 0; entry < count; entry++) {
      sum += parityBytes(entry);
    }
    return sum;
  }

  /**
   * Computes the sum of the columns that an entry does not write.
   *
   * @param byParity whether from the old parity and the old contents of those that it does
   */
  void compute(int entry, Slice slice, boolean byParity, long target) {
    int at = from[entry];
    long[] sources = new long[slice.columns + 1];
    int used = 0;
    for (int column = 0; column < slice.columns; column++) {
      boolean isWritten = firstColumn[entry] <= column && column <= lastColumn[entry];
      if (isWritten == byParity) {
        sources[used++] = slice.address(column, at);
      }
    }
    if (byParity) {
      sources[used++] = slice.address(slice.columns, at);
    }
    Syndromes.xorAll(target, sources, used, to[entry] - at);
  }
}
