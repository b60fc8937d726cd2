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
 *       straight from their buffers. Where a log of partial parity is kept, the round waits for
 *       room in it, which is still before that point, and then for the log to be on its medium,
 *       which is behind it.
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
    /** It waits for the log of partial parity. */
    LOGGING,
    /** It is in the log, or on its way there. */
    LOGGED,
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

  final RoundParts parts;
  private final @Nullable PartialParityWriter log;
  private final RoundEntries entries;
  private final UnsentParts unsent;
  private boolean isLogged;

  private Phase phase = Phase.ADMITTING;
  private Way way = Way.NONE;

  private final long[] sources;
  private @Nullable CancelFlag readFlag;
  private boolean isOwnFlag;
  private boolean isWhole;
  private boolean hasFailed;
  private @Nullable IoError parityError;

  WriteRound(Slice slice) {
    this.slice = slice;
    array = slice.array;
    log = slice.cache.log;
    entries = new RoundEntries(slice.columns);
    parts = new RoundParts(slice.columns, slice.lengthBytes);
    unsent = new UnsentParts(slice, parts);
    sources = new long[slice.columns];
  }

  // --- Who is in it ---

  /** Takes a write in, before the round begins; false if it lies over another. */
  boolean add(Part part) {
    return parts.add(part);
  }

  @Override
  public void leave(Part part) {
    parts.remove(part);
    if (parts.count == 0 && isOwnFlag) {
      Objects.requireNonNull(readFlag).raise();
    }
  }

  private void watchAll() {
    for (int column = 0; column < parts.columns(); column++) {
      for (Part part = parts.first(column); part != null; ) {
        Part next = part.nextInColumn;
        part.watch();
        part = next;
      }
    }
  }

  /** Those whose flag is up end, clean; and those whose bytes are gone. */
  private boolean dropStopped() {
    int before = parts.count;
    for (int column = 0; column < parts.columns(); column++) {
      for (Part part = parts.first(column); part != null; ) {
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
    return parts.count < before;
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
    isLogged = false;
    unsent.begin();
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

  /** Goes on as far as it can: to its reads, to the log, or over the commit point. */
  private void decide() {
    if (!isDecided()) {
      return;
    }
    if (isLogNeeded()) {
      phase = Phase.LOGGING;
      watchAll();
      Objects.requireNonNull(log).add(this);
    } else {
      commit();
    }
  }

  /** Decides what is to be read, until nothing is; false if it is under way, or the round ended. */
  private boolean isDecided() {
    int seen;
    do {
      dropStopped();
      sendStraysBack();
      seen = parts.count;
      if (parts.count == 0) {
        end();
        return false;
      }
      IoError refusal = array.writeRefusal();
      long unknown = refusal == null ? choose() : 0;
      if (refusal != null || way == Way.NONE) {
        failAll(refusal != null ? refusal : slice.firstError());
        return false;
      }
      if (unknown > 0) {
        int before = parts.count;
        watchAll();
        if (parts.count == before) {
          slice.pending = 1;
          read(flag());
          slice.goOn();
          return false;
        }
      }
    } while (dropStopped() || parts.count != seen || !isAllKnown());
    return true;
  }

  private boolean isAllKnown() {
    return parts.count > 0 && choose() == 0 && way != Way.NONE;
  }

  /** One write is stopped by its own flag, several only together. */
  private CancelFlag flag() {
    CancelFlag found = readFlag;
    if (found != null) {
      return found;
    }
    isOwnFlag = parts.count > 1;
    found = isOwnFlag ? new CancelFlag() : parts.any().flag();
    readFlag = found;
    return found;
  }

  /** Chooses the way that reads least; answers how many bytes that is. */
  private long choose() {
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

  private void read(CancelFlag flag) {
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

  private void failAll(IoError error) {
    for (int column = 0; column < parts.columns(); column++) {
      for (Part part = parts.first(column); part != null; part = part.nextInColumn) {
        part.bio().recordFailed(error, State.CLEAN);
      }
    }
    end();
  }

  // --- The log of partial parity ---

  private boolean isLogNeeded() {
    return log != null && way != Way.BARE && log.isNeeded(slice);
  }

  /** An entry of the log describes neighbouring columns: what is not among them waits. */
  private void sendStraysBack() {
    if (log == null) {
      return;
    }
    for (Part stray = entries.measure(parts); stray != null; stray = entries.measure(parts)) {
      leave(stray);
      slice.waitAgain(stray);
    }
  }

  /**
   * Whether the log, which has come to it, can have it now; if not, it has ended, or reads anew, or
   * needs no log any more.
   */
  boolean isReadyForLog() {
    phase = Phase.READING;
    if (!isDecided()) {
      return false;
    }
    if (!isLogNeeded()) {
      commit();
      return false;
    }
    phase = Phase.LOGGING;
    return true;
  }

  /** What it has for the log; right after it said that it is ready. */
  RoundEntries entries() {
    return entries;
  }

  /** Where in the array a byte of the slice is. */
  long arrayOffsetBytes(int column, int at) {
    long inChunk = slice.startBytes - slice.row * slice.layout.chunkBytes();
    return slice.layout.arrayOffset(slice.row, column) + inChunk + at;
  }

  int parityMember() {
    return slice.slot(slice.columns);
  }

  /** The commit point, with a log: it is going to be in the log, whatever flags go up. */
  void enterLog() {
    phase = Phase.LOGGED;
    for (int column = 0; column < parts.columns(); column++) {
      for (Part part = parts.first(column); part != null; part = part.nextInColumn) {
        part.unwatch();
      }
    }
    if (way == Way.RECOVER_FIRST) {
      slice.recoverLost(parts.from, parts.to);
    }
  }

  /** Computes the partial parity of an entry, into memory. */
  void partialParity(int entry, long target) {
    entries.compute(entry, slice, way == Way.READ_MODIFY_WRITE, target);
  }

  /** The log is on the medium, or can do without it. */
  void logged() {
    isLogged = true;
    IoError refusal = array.writeRefusal();
    if (refusal != null) {
      failAll(refusal);
    } else {
      commit();
    }
  }

  // --- The commit point, and behind it ---

  private void commit() {
    phase = Phase.WRITING;
    boolean isFua = false;
    for (int column = 0; column < parts.columns(); column++) {
      for (Part part = parts.first(column); part != null; part = part.nextInColumn) {
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
        if (parts.isFull()) {
          slice.cache.fullStripes++;
        } else {
          slice.cache.reconstructWrites++;
        }
        reconstruct();
      }
      case RECOVER_FIRST -> {
        slice.cache.reconstructWrites++;
        if (!isLogged) {
          slice.recoverLost(parts.from, parts.to);
        }
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
        slice.write(place, parts.from, parts.to, isFua);
      }
    }
    slice.goOn();
  }

  /** Sends the callers' bytes of a column, and the whole of it if it could not be read. */
  private void send(int column, boolean isFua) {
    Member member = slice.member(column);
    if (member == null || !member.isWritable()) {
      return; // parity has it
    }
    for (Part part = parts.first(column); part != null; part = part.nextInColumn) {
      slice.pending++;
      part.member = member;
      part.bio()
          .newClone(part)
          .shield()
          .remap(member.device(), member.startBytes() + slice.startBytes + part.from)
          .submit();
    }
    if (way == Way.RECOVER_FIRST && slice.isBad(column)) {
      slice.write(column, parts.from, parts.to, isFua);
    }
  }

  /** Adds the difference between old and new to parity. */
  private void modify() {
    for (int column = 0; column < slice.columns; column++) {
      for (Part part = parts.first(column); part != null; part = part.nextInColumn) {
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
      Part first = parts.first(column);
      boolean isOne = first != null && first.from == parts.from && first.to == parts.to;
      if (first != null && isOne && !slice.isBad(column)) {
        sources[column] = first.sourceAddress();
        slice.forget(column);
        continue;
      }
      for (Part part = parts.first(column); part != null; part = part.nextInColumn) {
        slice.copyIn(part);
      }
      sources[column] = slice.address(column, parts.from);
      slice.know(column, parts.from, parts.to);
    }
    int length = parts.to - parts.from;
    long p = slice.isWritable(slice.columns) ? slice.address(slice.columns, parts.from) : 0;
    boolean hasQ = slice.places > slice.columns + 1 && slice.isWritable(slice.columns + 1);
    long q = hasQ ? slice.address(slice.columns + 1, parts.from) : 0;
    Syndromes.generate(sources, slice.qIndexes, slice.columns, p, q, length);
    for (int place = slice.columns; place < slice.places; place++) {
      slice.know(place, parts.from, parts.to);
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
      if (clone.isFailed() && !Array.isMembersFault(part.bio(), error)) {
        unsent.add(part, error);
      } else if (!array.writeFailed(member, error)) {
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
    if (unsent.isOwn(place)) {
      unsent.written(place, member, bio);
      return;
    }
    if (bio.isDone()) {
      member.wrote(slice.startBytes + parts.from, parts.to - parts.from);
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
      member.tore(slice.startBytes + parts.from, parts.to - parts.from);
    }
  }

  static IoError errorOf(Bio bio) {
    IoError error = bio.error();
    return error != null
        ? error
        : new IoError(Errno.EIO, "a member stopped a write that nobody could stop");
  }

  private void allWritten() {
    if (unsent.goOn(way == Way.RECONSTRUCT_WRITE || way == Way.RECOVER_FIRST)) {
      return;
    }
    isWhole &= !unsent.isTorn;
    IoError error = parityError;
    if (error != null) {
      for (int column = 0; column < parts.columns(); column++) {
        for (Part part = parts.first(column); part != null; part = part.nextInColumn) {
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
    boolean isHot = phase != Phase.WRITING || way != Way.RECONSTRUCT_WRITE || !parts.isFull();
    for (int column = 0; column < parts.columns(); column++) {
      Part part = parts.take(column);
      while (part != null) {
        Part next = part.nextInColumn;
        part.complete(false);
        part = next;
      }
    }
    Arrays.fill(sources, 0);
    if (isLogged) {
      Objects.requireNonNull(log).roundEnded(slice.slot(slice.columns));
    }
    slice.roundEnded(isHot);
  }
}
