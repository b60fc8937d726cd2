// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import dev.belay.Bio;
import dev.belay.CancelFlag;
import dev.belay.Errno;
import dev.belay.Extents.State;
import dev.belay.IoError;
import java.util.Arrays;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A round of writes to one slice: those that waited for it, none over another.
 *
 * <ol>
 *   <li>The array admits it.
 *   <li>It is decided how to come by the new parity, and what that needs is read: what is written
 *       over, and the old parity (read-modify-write); or what is not written over
 *       (reconstruct-write), whichever is less; or, where members are missing that this needs,
 *       everything, so that they can be computed first. A slice that is written whole needs
 *       nothing.
 *   <li>Until here any write whose flag goes up leaves, clean, and what remains is decided anew.
 *       The reads are stopped only if all have left.
 *   <li>The commit point: all flags are looked at once more, and what remains is taken into parity.
 *       From here every write is sent to the members whatever flags go up, the callers' bytes
 *       straight from their buffers.
 *   <li>When all have been answered, and every failure of a member is recorded, the writes end.
 * </ol>
 *
 * <p>A write whose member fails it counts if the array can do without the member: the parity that
 * was written with it holds the bytes. The loop's thread.
 */
final class WriteRound implements Slice.Round {
  private enum Phase {
    ADMITTING,
    READING,
    WRITING
  }

  /** How it comes by the new parity. */
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
  private final Runnable admitted = this::admitted;
  private final Runnable recorded = this::end;

  // The writes, by column and then by offset.
  private final @Nullable Part[] firsts;
  private final @Nullable Part[] lasts;
  private int parts;

  private Phase phase = Phase.ADMITTING;
  private Way way = Way.NONE;

  /** From the first byte that any column gets to the last: so much of the parity changes. */
  private int from;

  private int to;

  // By column: what no write covers of that.
  private final int[] gapFrom;
  private final int[] gapTo;

  private final long[] sources;
  private @Nullable CancelFlag readFlag;
  private boolean isOwnFlag;
  private boolean isWhole;
  private boolean hasFailed;
  private @Nullable IoError parityError;

  WriteRound(Slice slice) {
    this.slice = slice;
    array = slice.array;
    firsts = new @Nullable Part[slice.columns];
    lasts = new @Nullable Part[slice.columns];
    gapFrom = new int[slice.columns];
    gapTo = new int[slice.columns];
    sources = new long[slice.columns];
  }

  // --- Who is in it ---

  /** Takes a write in, before the round begins; false if it lies over another. */
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
    parts++;
    return true;
  }

  @Override
  public void leave(Part part) {
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
    if (--parts == 0 && isOwnFlag) {
      Objects.requireNonNull(readFlag).raise();
    }
  }

  private void watchAll() {
    for (int column = 0; column < firsts.length; column++) {
      for (Part part = firsts[column]; part != null; ) {
        Part next = part.nextInColumn;
        part.watch();
        part = next;
      }
    }
  }

  /** Those whose flag is up end, clean; and those whose bytes are gone. */
  private boolean dropStopped() {
    int before = parts;
    for (int column = 0; column < firsts.length; column++) {
      for (Part part = firsts[column]; part != null; ) {
        Part next = part.nextInColumn;
        if (part.flag().isRaised()) {
          leave(part);
          part.complete(true);
        } else if (!part.bio().buffer().scope().isAlive()) {
          leave(part);
          failForBuffer(part);
        }
        part = next;
      }
    }
    return parts < before;
  }

  /** Its owner closed the memory too early: what is summed up by address must be there. */
  private static void failForBuffer(Part part) {
    String sentence = "a write of " + part.lengthBytes() + " bytes has no buffer any more";
    part.bio().recordFailed(new IoError(Errno.EFAULT, sentence), State.CLEAN);
    part.complete(false);
  }

  // --- Before the commit point ---

  void begin() {
    phase = Phase.ADMITTING;
    readFlag = null;
    isOwnFlag = false;
    isWhole = true;
    hasFailed = false;
    parityError = null;
    if (array.admit(slice.startBytes, slice.lengthBytes, admitted)) {
      admitted();
    } else {
      watchAll();
    }
  }

  private void admitted() {
    phase = Phase.READING;
    decide();
  }

  @Override
  public void goOn() {
    if (phase == Phase.WRITING) {
      allWritten();
    } else {
      decide();
    }
  }

  /** Decides what is to be read, until nothing is; and then commits. */
  private void decide() {
    do {
      dropStopped();
      if (parts == 0) {
        end();
        return;
      }
      IoError refusal = array.writeRefusal();
      long unknown = refusal == null ? choose() : 0;
      if (refusal != null || way == Way.NONE) {
        failAll(refusal != null ? refusal : slice.firstError());
        return;
      }
      if (unknown > 0) {
        int before = parts;
        watchAll();
        if (parts == before) {
          slice.pending = 1;
          read(flag());
          slice.goOn();
          return;
        }
      }
    } while (dropStopped() || !isAllKnown());
    // A log of partial parity would be written here, before the first byte of a member changes:
    // the sum of what is not written over, for each stripe that is not written whole.
    commit();
  }

  private boolean isAllKnown() {
    return parts > 0 && choose() == 0 && way != Way.NONE;
  }

  /** One write is stopped by its own flag, several only together. */
  private CancelFlag flag() {
    CancelFlag found = readFlag;
    if (found != null) {
      return found;
    }
    isOwnFlag = parts > 1;
    found = isOwnFlag ? new CancelFlag() : only().flag();
    readFlag = found;
    return found;
  }

  private Part only() {
    for (Part part : firsts) {
      if (part != null) {
        return part;
      }
    }
    throw new AssertionError("a round without parts");
  }

  /** Chooses the way that reads least; answers how many bytes that is. */
  private long choose() {
    measure();
    slice.lookAt(from, to);
    int parities = 0;
    boolean canModify = true;
    boolean canReconstruct = true;
    long modifyBytes = 0;
    long reconstructBytes = 0;
    for (int place = slice.columns; place < slice.places; place++) {
      if (slice.isWritable(place)) {
        parities++;
        canModify &= slice.isReadable(place);
        modifyBytes += slice.unknownBytes(place, from, to);
      }
    }
    for (int column = 0; column < slice.columns; column++) {
      boolean isReadable = slice.isReadable(column);
      Part first = firsts[column];
      if (first != null) {
        canModify &= isReadable;
        modifyBytes += slice.unknownBytes(column, first.from, last(column).to);
      }
      if (gapFrom[column] < gapTo[column]) {
        canReconstruct &= isReadable;
        reconstructBytes += slice.unknownBytes(column, gapFrom[column], gapTo[column]);
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
    if (canModify) {
      way = Way.READ_MODIFY_WRITE;
      return modifyBytes;
    }
    boolean canRecover = slice.lostColumns() <= slice.readableParities();
    way = canRecover ? Way.RECOVER_FIRST : Way.NONE;
    return canRecover ? slice.unknownForRecovery(from, to) : 0;
  }

  private Part last(int column) {
    return Objects.requireNonNull(lasts[column]);
  }

  /** Measures the range, and what no write covers of it. */
  private void measure() {
    from = slice.lengthBytes;
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

  private void read(CancelFlag flag) {
    if (way == Way.RECOVER_FIRST) {
      slice.readForRecovery(from, to, flag);
      return;
    }
    boolean modifies = way == Way.READ_MODIFY_WRITE;
    for (int column = 0; column < slice.columns; column++) {
      Part first = firsts[column];
      if (modifies && first != null) {
        slice.read(column, first.from, last(column).to, flag);
      } else if (!modifies) {
        slice.read(column, gapFrom[column], gapTo[column], flag);
      }
    }
    for (int place = slice.columns; modifies && place < slice.places; place++) {
      if (slice.isWritable(place)) {
        slice.read(place, from, to, flag);
      }
    }
  }

  private void failAll(IoError error) {
    for (Part first : firsts) {
      for (Part part = first; part != null; part = part.nextInColumn) {
        part.bio().recordFailed(error, State.CLEAN);
      }
    }
    end();
  }

  // --- The commit point, and behind it ---

  private void commit() {
    phase = Phase.WRITING;
    boolean isFua = false;
    for (Part first : firsts) {
      for (Part part = first; part != null; part = part.nextInColumn) {
        part.unwatch();
        isFua |= part.bio().isFua();
      }
    }
    switch (way) {
      case READ_MODIFY_WRITE -> {
        slice.cache.readModifyWrites++;
        modify();
      }
      case RECONSTRUCT_WRITE -> {
        if (isFullStripe()) {
          slice.cache.fullStripes++;
        } else {
          slice.cache.reconstructWrites++;
        }
        reconstruct();
      }
      case RECOVER_FIRST -> {
        slice.cache.reconstructWrites++;
        slice.recoverLost(from, to);
        reconstruct();
      }
      case BARE, NONE -> slice.forgetAll();
    }
    slice.pending = 1;
    for (int column = 0; column < slice.columns; column++) {
      send(column, isFua);
    }
    for (int place = slice.columns; place < slice.places; place++) {
      if (slice.isWritable(place)) {
        slice.write(place, from, to, isFua);
      }
    }
    slice.goOn();
  }

  private boolean isFullStripe() {
    boolean isFull = from == 0 && to == slice.lengthBytes;
    for (int column = 0; column < slice.columns; column++) {
      isFull &= gapFrom[column] >= gapTo[column];
    }
    return isFull;
  }

  /** Sends the callers' bytes of a column, and the whole of it if it could not be read. */
  private void send(int column, boolean isFua) {
    Member member = slice.member(column);
    if (member == null || !member.isWritable()) {
      return; // parity has it
    }
    for (Part part = firsts[column]; part != null; part = part.nextInColumn) {
      slice.pending++;
      part.member = member;
      part.bio()
          .newClone(part)
          .shield()
          .remap(member.device(), member.startBytes() + slice.startBytes + part.from)
          .submit();
    }
    if (way == Way.RECOVER_FIRST && slice.isBad(column)) {
      slice.write(column, from, to, isFua);
    }
  }

  /** Adds the difference between old and new to parity. */
  private void modify() {
    for (int column = 0; column < slice.columns; column++) {
      for (Part part = firsts[column]; part != null; part = part.nextInColumn) {
        int length = part.lengthBytes();
        long old = slice.address(column, part.from);
        long source = part.sourceAddress();
        if (source != 0) {
          Syndromes.xor(old, source, length);
        }
        if (slice.isWritable(slice.columns)) {
          Syndromes.xor(slice.address(slice.columns, part.from), old, length);
        }
        if (slice.places > slice.columns + 1 && slice.isWritable(slice.columns + 1)) {
          long q = slice.address(slice.columns + 1, part.from);
          Syndromes.addToQ(q, old, slice.qIndexes[column], length);
        }
        slice.copyIn(part);
      }
    }
    forgetUnwrittenParity();
  }

  /** Computes parity anew from all columns. */
  private void reconstruct() {
    for (int column = 0; column < slice.columns; column++) {
      Part first = firsts[column];
      boolean isOne = first != null && first.from == from && first.to == to;
      if (first != null && isOne && !slice.isBad(column)) {
        sources[column] = first.sourceAddress();
        slice.forget(column);
        continue;
      }
      for (Part part = first; part != null; part = part.nextInColumn) {
        slice.copyIn(part);
      }
      sources[column] = slice.address(column, from);
      slice.know(column, from, to);
    }
    int length = to - from;
    long p = slice.isWritable(slice.columns) ? slice.address(slice.columns, from) : 0;
    boolean hasQ = slice.places > slice.columns + 1 && slice.isWritable(slice.columns + 1);
    long q = hasQ ? slice.address(slice.columns + 1, from) : 0;
    Syndromes.generate(sources, slice.qIndexes, slice.columns, p, q, length);
    for (int place = slice.columns; place < slice.places; place++) {
      slice.know(place, from, to);
    }
    forgetUnwrittenParity();
  }

  private void forgetUnwrittenParity() {
    for (int place = slice.columns; place < slice.places; place++) {
      if (!slice.isWritable(place)) {
        slice.forget(place);
      }
    }
  }

  // --- When members answer ---

  /** The callers' bytes of a part have come to a member, or not. */
  void partEnded(Part part, Bio clone) {
    if (!clone.isDone()) {
      IoError error = errorOf(clone);
      hasFailed = true;
      Member member = Objects.requireNonNull(part.member);
      if (!array.writeFailed(member, error)) {
        isWhole = false;
        part.bio().join(clone);
        member.tore(slice.startBytes + part.from, part.lengthBytes());
      }
    } else {
      Objects.requireNonNull(part.member).wrote(slice.startBytes + part.from, part.lengthBytes());
    }
    slice.goOn();
  }

  @Override
  public void written(int place, Member member, Bio bio) {
    if (bio.isDone()) {
      member.wrote(slice.startBytes + from, to - from);
      if (slice.isBad(place)) {
        array.readCorrected(member);
      }
      return;
    }
    hasFailed = true;
    IoError error = errorOf(bio);
    if (!array.writeFailed(member, error)) {
      isWhole = false;
      parityError = error;
      member.tore(slice.startBytes + from, to - from);
    }
  }

  private static IoError errorOf(Bio bio) {
    IoError error = bio.error();
    return error != null
        ? error
        : new IoError(Errno.EIO, "a member stopped a write that nobody could stop");
  }

  private void allWritten() {
    IoError error = parityError;
    if (error != null) {
      for (Part first : firsts) {
        for (Part part = first; part != null; part = part.nextInColumn) {
          // Bytes that only parity would hold are lost; the others are where they belong.
          Member member = part.member;
          boolean isThere = member != null && member.isWritable();
          if (!isThere) {
            part.bio().recordFailed(error, State.UNKNOWN);
          } else if (!part.bio().isFailed()) {
            part.bio().recordFailed(error, State.DONE);
          }
        }
      }
    }
    if (hasFailed) {
      slice.forgetAll();
    }
    array.whenRecorded(recorded);
  }

  /** The round is over for all that are still in it, and nothing of it is under way. */
  private void end() {
    array.finished(slice.startBytes, slice.lengthBytes, isWhole);
    boolean isHot = phase != Phase.WRITING || way != Way.RECONSTRUCT_WRITE || !isFullStripe();
    for (int column = 0; column < firsts.length; column++) {
      Part part = firsts[column];
      firsts[column] = null;
      lasts[column] = null;
      while (part != null) {
        Part next = part.nextInColumn;
        part.complete(false);
        part = next;
      }
    }
    parts = 0;
    Arrays.fill(sources, 0);
    slice.roundEnded(isHot);
  }
}
