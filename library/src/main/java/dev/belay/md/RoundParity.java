// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import dev.belay.CancelFlag;
import dev.belay.IoError;
import dev.belay.Op;
import java.util.Arrays;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;

/**
 * How a round of writes comes by the new parity of its slice: chooses the way that reads least,
 * reads what that needs, takes the callers' bytes into the slice's buffers, and computes.
 *
 * <p>The callers' bytes are read once. Parity is computed from the copy, and the copy is what the
 * members get: so parity is right whatever a caller does to its buffer meanwhile. Wrong parity
 * would cost the bytes of whoever has the other columns, once a member is lost. The loop's thread.
 */
final class RoundParity {
  private enum Way {
    /** There is no parity to write. */
    BARE,
    READ_MODIFY_WRITE,
    RECONSTRUCT_WRITE,
    /** Reconstruct-write, after columns that cannot be read have been computed. */
    RECOVER_FIRST,
    /** Too many members are missing. */
    NONE
  }

  private final Slice slice;
  private final Array array;
  private final RoundParts parts;
  private final long[] sources;
  private Way way = Way.NONE;

  RoundParity(Slice slice, RoundParts parts) {
    this.slice = slice;
    this.parts = parts;
    array = slice.array;
    sources = new long[slice.columns];
  }

  // --- What has to be read ---

  /** Chooses the way that reads least; answers how many bytes that is. */
  long choose() {
    parts.measure();
    slice.lookAt(parts.from, parts.to);
    int parities = 0;
    boolean canModify = true;
    boolean canReconstruct = true;
    long modifyBytes = 0;
    long reconstructBytes = 0;
    for (int place = slice.columns; place < slice.places; place++) {
      if (slice.isWritable(place)) {
        parities++;
        canModify &= slice.isReadable(place);
        modifyBytes += slice.unknownBytes(place, parts.from, parts.to);
      }
    }
    for (int column = 0; column < slice.columns; column++) {
      boolean isReadable = slice.isReadable(column);
      Part first = parts.first(column);
      if (first != null) {
        canModify &= isReadable;
        modifyBytes += slice.unknownBytes(column, first.from, parts.last(column).to);
      }
      if (parts.gapFrom[column] < parts.gapTo[column]) {
        canReconstruct &= isReadable;
        reconstructBytes += slice.unknownBytes(column, parts.gapFrom[column], parts.gapTo[column]);
      }
    }
    if (parities == 0) {
      way = Way.BARE;
      return 0;
    }
    // Where parity may be wrong, adding a difference to it would keep it so.
    if (canReconstruct
        && (!canModify
            || reconstructBytes <= modifyBytes
            || array.mayDisagree(slice.startBytes, slice.lengthBytes))) {
      way = Way.RECONSTRUCT_WRITE;
      return reconstructBytes;
    }
    if (canModify && (canReconstruct || !slice.isParityInDoubt())) {
      way = Way.READ_MODIFY_WRITE;
      return modifyBytes;
    }
    boolean canRecover = slice.lostColumns() <= slice.readableParities();
    way = canRecover ? Way.RECOVER_FIRST : Way.NONE;
    return canRecover ? slice.unknownForRecovery(parts.from, parts.to) : 0;
  }

  /** Whether the chosen way exists: if not, too many members are missing. */
  boolean isPossible() {
    return way != Way.NONE;
  }

  /** Whether parity is going to be written. */
  boolean hasParity() {
    return way != Way.BARE;
  }

  /** Whether the old contents of what is written over, and the old parity, have been read. */
  boolean isByDifference() {
    return way == Way.READ_MODIFY_WRITE;
  }

  /** Whether columns that could not be read have been computed, and are to be written anew. */
  boolean isRecovery() {
    return way == Way.RECOVER_FIRST;
  }

  /** Whether a whole stripe was written, of which nobody reads the parity soon. */
  boolean isFullStripe() {
    return way == Way.RECONSTRUCT_WRITE && parts.isFull();
  }

  /** Begins to read what the chosen way needs. */
  void read(CancelFlag flag) {
    if (way == Way.RECOVER_FIRST) {
      slice.readForRecovery(parts.from, parts.to, flag);
      return;
    }
    boolean modifies = way == Way.READ_MODIFY_WRITE;
    for (int column = 0; column < slice.columns; column++) {
      Part first = parts.first(column);
      if (modifies && first != null) {
        slice.read(column, first.from, parts.last(column).to, flag);
      } else if (!modifies) {
        slice.read(column, parts.gapFrom[column], parts.gapTo[column], flag);
      }
    }
    for (int place = slice.columns; modifies && place < slice.places; place++) {
      if (slice.isWritable(place)) {
        slice.read(place, parts.from, parts.to, flag);
      }
    }
  }

  // --- The callers' bytes, and what becomes of parity ---

  /**
   * Takes the callers' bytes in, except where the old contents are needed still: {@link #compute}
   * does that then.
   *
   * @param dropped told of a write whose buffer cannot be read, and takes it out of the round
   * @return false if some of them have gone: what remains has to be decided anew
   */
  boolean takeIn(BiConsumer<Part, IoError> dropped) {
    if (way == Way.RECOVER_FIRST) {
      slice.recoverLost(parts.from, parts.to);
    }
    if (way == Way.READ_MODIFY_WRITE) {
      return true;
    }
    boolean isWhole = true;
    for (int column = 0; column < slice.columns; column++) {
      Part first = parts.first(column);
      sources[column] = slice.address(column, parts.from);
      if (first != null) {
        slice.forget(column);
        isWhole &= takeIn(first, dropped);
      }
    }
    return isWhole;
  }

  private boolean takeIn(Part first, BiConsumer<Part, IoError> dropped) {
    if (first.bio().op() == Op.WRITE_ZEROES && isAll(first)) {
      sources[first.column] = 0;
      return true;
    }
    boolean isWhole = true;
    for (Part part = first; part != null; ) {
      Part next = part.nextInColumn;
      IoError why = slice.copyIn(part);
      if (why != null) {
        dropped.accept(part, why);
        isWhole = false;
      }
      part = next;
    }
    return isWhole;
  }

  /** Whether a write is all that a column gets, and all that the round is about. */
  private boolean isAll(Part part) {
    return part.from == parts.from && part.to == parts.to && !slice.isBad(part.column);
  }

  /** Computes the new parity into its buffers, of what {@link #takeIn} has taken. */
  void compute(BiConsumer<Part, IoError> dropped) {
    switch (way) {
      case READ_MODIFY_WRITE -> {
        slice.cache.readModifyWrites++;
        modify(dropped);
      }
      case RECONSTRUCT_WRITE, RECOVER_FIRST -> {
        if (isFullStripe()) {
          slice.cache.fullStripes++;
        } else {
          slice.cache.reconstructWrites++;
        }
        reconstruct();
      }
      case BARE, NONE -> slice.forgetAll();
    }
    for (int place = slice.columns; place < slice.places; place++) {
      if (!slice.isWritable(place)) {
        slice.forget(place);
      }
    }
  }

  /** Adds the difference between old and new to parity. */
  private void modify(BiConsumer<Part, IoError> dropped) {
    for (int column = 0; column < slice.columns; column++) {
      for (Part part = parts.first(column); part != null; ) {
        Part next = part.nextInColumn;
        IoError why = modify(part);
        if (why != null) {
          dropped.accept(part, why);
        }
        part = next;
      }
    }
  }

  private @Nullable IoError modify(Part part) {
    int length = part.lengthBytes();
    long column = slice.address(part.column, part.from);
    long taken = slice.cache.scratch.address();
    boolean isZero = part.bio().op() == Op.WRITE_ZEROES;
    if (!isZero) {
      IoError why = slice.copyToScratch(part);
      if (why != null) {
        return why;
      }
      Syndromes.xor(column, taken, length);
    }
    if (slice.isWritable(slice.columns)) {
      Syndromes.xor(slice.address(slice.columns, part.from), column, length);
    }
    if (slice.places > slice.columns + 1 && slice.isWritable(slice.columns + 1)) {
      long q = slice.address(slice.columns + 1, part.from);
      Syndromes.addToQ(q, column, slice.qIndexes[part.column], length);
    }
    slice.copyFromScratch(part);
    return null;
  }

  /** Computes parity anew from all columns. */
  private void reconstruct() {
    for (int column = 0; column < slice.columns; column++) {
      if (sources[column] != 0) {
        slice.know(column, parts.from, parts.to);
      }
    }
    int length = parts.to - parts.from;
    long p = slice.isWritable(slice.columns) ? slice.address(slice.columns, parts.from) : 0;
    boolean hasQ = slice.places > slice.columns + 1 && slice.isWritable(slice.columns + 1);
    long q = hasQ ? slice.address(slice.columns + 1, parts.from) : 0;
    Syndromes.generate(sources, slice.qIndexes, slice.columns, p, q, length);
    for (int place = slice.columns; place < slice.places; place++) {
      slice.know(place, parts.from, parts.to);
    }
    Arrays.fill(sources, 0);
  }
}
