// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import dev.belay.Bio;
import dev.belay.CancelFlag;
import dev.belay.Errno;
import dev.belay.Extents.State;
import dev.belay.IoError;
import dev.belay.Op;
import java.util.Objects;
import java.util.function.BiConsumer;
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
 *   <li>The commit point: every write commits, or leaves, clean. If one left, what remains is
 *       decided anew, but those that have committed stay. Then the callers' bytes are taken in,
 *       parity is computed, and both are sent to the members whatever flags go up. Where a log of
 *       partial parity is kept, the round waits for room in it, which is still before that point,
 *       and then for the log to be on its medium, which is behind it.
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

  private final Slice slice;
  private final Array array;
  private final Runnable admitted = this::admitted;
  private final Runnable recorded = this::end;

  final RoundParts parts;
  private final @Nullable PartialParityWriter log;
  private final RoundEntries entries;
  private boolean isLogged;

  private final RoundParity parity;
  private final BiConsumer<Part, IoError> failForBuffer = this::failForBuffer;
  private Phase phase = Phase.ADMITTING;
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
    parity = new RoundParity(slice, parts);
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

  /** Those whose flag is up end, clean. */
  private boolean dropStopped() {
    int before = parts.count;
    for (int column = 0; column < parts.columns(); column++) {
      for (Part part = parts.first(column); part != null; ) {
        Part next = part.nextInColumn;
        if (part.flag().isRaised()) {
          leave(part);
          part.complete(true);
        }
        part = next;
      }
    }
    return parts.count < before;
  }

  /** All others commit: true if none has left. */
  private boolean commitParts() {
    int before = parts.count;
    for (int column = 0; column < parts.columns(); column++) {
      for (Part part = parts.first(column); part != null; ) {
        Part next = part.nextInColumn;
        if (!part.bio().commit()) {
          leave(part);
          part.complete(true);
        }
        part = next;
      }
    }
    return parts.count == before;
  }

  /** Its buffer cannot be read, and nothing of it was sent. */
  private void failForBuffer(Part part, IoError why) {
    leave(part);
    part.bio().recordFailed(why, State.CLEAN);
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
      long unknown = refusal == null ? parity.choose() : 0;
      if (refusal != null || !parity.isPossible()) {
        failAll(refusal != null ? refusal : slice.firstError());
        return false;
      }
      if (unknown > 0) {
        int before = parts.count;
        watchAll();
        if (parts.count == before) {
          slice.pending = 1;
          parity.read(flag());
          slice.goOn();
          return false;
        }
      }
    } while (dropStopped() || parts.count != seen || !isAllKnown());
    return true;
  }

  private boolean isAllKnown() {
    return parts.count > 0 && parity.choose() == 0 && parity.isPossible();
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
    return log != null && parity.hasParity() && log.isNeeded(slice);
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

  /**
   * The commit point, with a log: it is going to be in the log, whatever flags go up. Right after
   * it said that it is ready.
   *
   * @return false if some of it has left: then it reads anew, or comes again, or has ended
   */
  boolean enterLog() {
    if (!commitParts() || !parity.takeIn(failForBuffer)) {
      phase = Phase.READING;
      decide();
      return false;
    }
    phase = Phase.LOGGED;
    return true;
  }

  /** Computes the partial parity of an entry, into memory. */
  void partialParity(int entry, long target) {
    entries.compute(entry, slice, parity.isByDifference(), target);
  }

  /** The log is on the medium, or can do without it. */
  void logged() {
    isLogged = true;
    IoError refusal = array.writeRefusal();
    if (refusal != null) {
      slice.forgetAll();
      failAll(refusal);
    } else {
      write();
    }
  }

  // --- The commit point, and behind it ---

  private void commit() {
    if (commitParts() && parity.takeIn(failForBuffer)) {
      write();
    } else {
      decide();
    }
  }

  /** Sends data and parity. */
  private void write() {
    phase = Phase.WRITING;
    parity.compute(failForBuffer);
    boolean isFua = isFua();
    slice.pending = 1;
    for (int column = 0; column < slice.columns; column++) {
      send(column, isFua);
    }
    for (int place = slice.columns; place < slice.places; place++) {
      if (slice.isWritable(place)) {
        slice.writeParity(place, parts, isFua);
      }
    }
    slice.goOn();
  }

  private boolean isFua() {
    boolean isFua = false;
    for (int column = 0; column < parts.columns(); column++) {
      for (Part part = parts.first(column); part != null; part = part.nextInColumn) {
        isFua |= part.bio().isFua();
      }
    }
    return isFua;
  }

  /** Sends what was taken in of a column, and the whole of it if it could not be read. */
  private void send(int column, boolean isFua) {
    Member member = slice.member(column);
    if (member == null || !member.isWritable()) {
      return; // parity has it
    }
    for (Part part = parts.first(column); part != null; part = part.nextInColumn) {
      slice.pending++;
      part.member = member;
      Bio clone = part.bio().newClone(part);
      if (clone.op() == Op.WRITE) {
        clone.setBuffer(slice.memory(), slice.inMemory(column, part.from));
      }
      clone.remap(member.device(), member.startBytes() + slice.startBytes + part.from).submit();
    }
    if (parity.isRecovery() && slice.isBad(column)) {
      slice.write(column, parts.from, parts.to, isFua);
    }
  }

  // --- When members answer ---

  /** The callers' bytes of a part have come to a member, or not. */
  void partEnded(Part part, Bio clone) {
    if (clone.isFailed() && clone.op() == Op.WRITE_ZEROES && hasNoZeroes(part, clone)) {
      writeZeroes(part);
    } else if (!clone.isDone()) {
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

  private static boolean hasNoZeroes(Part part, Bio clone) {
    return !Array.isMembersFault(part.bio(), Objects.requireNonNull(clone.error()));
  }

  /** Parity counts on the zeroes: a member that has no operation for them gets them as bytes. */
  private void writeZeroes(Part part) {
    Member member = Objects.requireNonNull(part.member);
    slice.fillWithZeroes(part);
    slice.pending++;
    part.bio()
        .newClone(part)
        .setOp(Op.WRITE)
        .setBuffer(slice.memory(), slice.inMemory(part.column, part.from))
        .remap(member.device(), member.startBytes() + slice.startBytes + part.from)
        .submit();
  }

  @Override
  public void written(int place, Member member, Bio bio) {
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

  private static IoError errorOf(Bio bio) {
    IoError error = bio.error();
    return error != null
        ? error
        : new IoError(Errno.EIO, "a member stopped a write that nobody could stop");
  }

  private void allWritten() {
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
    boolean isHot = phase != Phase.WRITING || !parity.isFullStripe();
    for (int column = 0; column < parts.columns(); column++) {
      Part part = parts.take(column);
      while (part != null) {
        Part next = part.nextInColumn;
        part.complete(false);
        part = next;
      }
    }
    if (isLogged) {
      Objects.requireNonNull(log).roundEnded(slice.slot(slice.columns));
    }
    slice.roundEnded(isHot);
  }
}
