// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import dev.belay.Bio;
import dev.belay.BioEnd;
import dev.belay.CancelFlag;
import dev.belay.Errno;
import dev.belay.Held;
import dev.belay.IoError;
import dev.belay.Op;
import dev.belay.md.Part.Kind;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A window at the same offset of every member, with a buffer for each member. One round at a time
 * works on it: of writes, of reads that are made good, or of a step of a walk; the rest waits in
 * order. Since every change of the stripe goes through a round, what a round reads stands still
 * until the round ends, and what is left in the buffers stays true.
 *
 * <p>Buffers have places: the columns first, then P, then Q. Of each buffer one range is known to
 * hold what the member holds. The loop's thread.
 */
final class Slice {
  final StripeCache cache;
  final Array array;
  final ParityLayout layout;
  final int columns;
  final int places;
  final int lengthBytes;

  /** In every member, where the array's part of it begins at 0. */
  long startBytes;

  long row;
  final int[] qIndexes;

  private final MemorySegment memory;
  private final long address;
  private final int[] knownFrom;
  private final int[] knownTo;
  private final Transfer[] transfers;
  private long index = -1;

  final PartQueue waiting = new PartQueue();

  /** How many bytes the writes that wait have, to see when the slice may be covered whole. */
  private long waitingBytes;

  private boolean willBegin;
  private @Nullable Round round;
  private @Nullable WriteRound writes;
  private @Nullable RecoverRound recovers;
  private @Nullable StepRound steps;

  // The requests of the round to members.
  int pending;
  private final boolean[] isBad;
  private int viewFrom;
  private int viewTo;
  private @Nullable IoError firstError;

  // In the cache.
  boolean isResting;
  boolean isHot;
  @Nullable Slice nextInTable;
  @Nullable Slice colder;
  @Nullable Slice hotter;

  /** What is done in a slice while nothing else is. */
  interface Round {
    /** What it asked members for has ended, all of it. */
    void goOn();

    /** One write of a buffer to a member ended. */
    void written(int place, Member member, Bio bio);

    /** A part, whose flag is up, is no more of it. */
    void leave(Part part);
  }

  Slice(StripeCache cache) {
    this.cache = cache;
    array = cache.array;
    layout = cache.layout;
    columns = layout.columns();
    places = layout.members();
    lengthBytes = cache.sliceBytes();
    qIndexes = new int[columns];
    memory = cache.newMemory();
    address = memory.address();
    knownFrom = new int[places];
    knownTo = new int[places];
    isBad = new boolean[places];
    transfers = new Transfer[places];
    for (int place = 0; place < places; place++) {
      transfers[place] = new Transfer(place);
    }
  }

  void showHeld(Held held) {
    waiting.showHeld(held, "waits for its stripe");
    if (writes != null) {
      writes.parts.showHeld(held, "is in its stripe");
    }
    if (recovers != null) {
      recovers.showHeld(held);
    }
  }

  /** A request of the array's own to one member, from or into its buffer. */
  private final class Transfer implements BioEnd {
    final int place;
    final Bio bio = new Bio(array.loop(), this);
    @Nullable Member member;
    int from;
    int to;

    Transfer(int place) {
      this.place = place;
    }

    void send(Op op, int from, int to, CancelFlag flag, boolean isFua) {
      Member whose = Objects.requireNonNull(member(place));
      member = whose;
      this.from = from;
      this.to = to;
      long at = whose.startBytes() + startBytes + from;
      pending++;
      bio.prepare(op, whose.device(), at, to - from, memory, inMemory(place, from), flag);
      bio.setFua(isFua);
      array.loop().enter(bio);
    }

    @Override
    public void ended(Bio same) {
      IoError why = bio.error();
      if (bio.op() == Op.WRITE_ZEROES && why != null && why.errno() == Errno.EOPNOTSUPP) {
        send(Op.WRITE, from, to, CancelFlag.NEVER, bio.isFua()); // the buffer has them too
        goOn();
        return;
      }
      if (bio.op() == Op.READ) {
        readEnded(this);
      } else {
        round().written(place, Objects.requireNonNull(member), bio);
      }
      bio.release();
      goOn();
    }
  }

  // --- Where it is ---

  long index() {
    return index;
  }

  /** Makes it the slice of another place. */
  void place(long newIndex) {
    index = newIndex;
    startBytes = newIndex * lengthBytes;
    row = startBytes / layout.chunkBytes();
    for (int column = 0; column < columns; column++) {
      qIndexes[column] = layout.qIndex(row, column);
    }
    forgetAll();
  }

  int slot(int place) {
    if (place < columns) {
      return layout.member(row, place);
    }
    return place == columns ? layout.parityMember(row) : layout.qMember(row);
  }

  @Nullable Member member(int place) {
    return array.member(slot(place));
  }

  /** The part of the slice that the round is about: what is bad elsewhere does not matter. */
  void lookAt(int from, int to) {
    viewFrom = from;
    viewTo = to;
  }

  /** Whether the member has what it should where the round looks, and could be read so far. */
  boolean isReadable(int place) {
    Member member = member(place);
    return member != null
        && !isBad[place]
        && member.isReadable(startBytes + viewFrom, viewTo - viewFrom);
  }

  boolean isWritable(int place) {
    Member member = member(place);
    return member != null && member.isWritable();
  }

  /** Whether the member is there and should be readable here, and a read failed. */
  boolean isBad(int place) {
    return isBad[place] && isWritable(place);
  }

  void setBad(int place) {
    isBad[place] = true;
  }

  /** The first error that a member gave in this round; else what cannot be read, and why. */
  IoError firstError() {
    IoError seen = firstError;
    if (seen != null) {
      return seen;
    }
    long from = startBytes + viewFrom;
    List<String> reasons = new ArrayList<>();
    for (int place = 0; place < places; place++) {
      if (!isReadable(place)) {
        reasons.add(array.whyUnreadable(slot(place), from, viewTo - viewFrom));
      }
    }
    return new IoError(
        Errno.EIO,
        "%s cannot compute bytes %d to %d of its members: %s"
            .formatted(
                array.level().word(),
                from,
                startBytes + viewTo - 1,
                String.join(", and ", reasons)));
  }

  // --- Buffers ---

  /** Where the byte of a buffer is. */
  long address(int place, int at) {
    return address + inMemory(place, at);
  }

  MemorySegment memory() {
    return memory;
  }

  /** Where the byte of a buffer is in {@link #memory}. */
  long inMemory(int place, int at) {
    return (long) place * lengthBytes + at;
  }

  boolean knows(int place, int from, int to) {
    return from >= to || (knownFrom[place] <= from && to <= knownTo[place]);
  }

  /** How much would have to be read. */
  int unknownBytes(int place, int from, int to) {
    return knows(place, from, to) ? 0 : to - from;
  }

  void know(int place, int from, int to) {
    if (from <= knownTo[place] && knownFrom[place] <= to && knownTo[place] > 0) {
      knownFrom[place] = Math.min(knownFrom[place], from);
      knownTo[place] = Math.max(knownTo[place], to);
    } else {
      knownFrom[place] = from;
      knownTo[place] = to;
    }
  }

  /** The buffer has no longer what the member has. */
  void forget(int place) {
    knownFrom[place] = 0;
    knownTo[place] = 0;
  }

  void forgetAll() {
    Arrays.fill(knownFrom, 0);
    Arrays.fill(knownTo, 0);
  }

  /**
   * Computes the columns that cannot be read into their buffers, over a range in which all others
   * and enough parity are known.
   */
  void recoverLost(int from, int to) {
    int first = -1;
    int second = -1;
    long[] sources = new long[columns];
    for (int column = 0; column < columns; column++) {
      sources[column] = address(column, from);
      if (!isReadable(column)) {
        second = first >= 0 ? column : second;
        first = first < 0 ? column : first;
      }
    }
    int length = to - from;
    long p = address(columns, from);
    if (second >= 0) {
      long q = address(columns + 1, from);
      Syndromes.recoverTwo(sources, qIndexes, columns, first, second, p, q, length);
    } else if (first >= 0 && isReadable(columns)) {
      Syndromes.recoverFromP(sources, columns, first, p, length);
    } else if (first >= 0) {
      long q = address(columns + 1, from);
      Syndromes.recoverFromQ(sources, qIndexes, columns, first, 0, q, length);
    }
  }

  /** Computes P or Q of all columns, whose buffers hold the range, to a place in memory. */
  void computeParity(int place, int from, int to, long target) {
    long[] sources = new long[columns];
    for (int column = 0; column < columns; column++) {
      sources[column] = address(column, from);
    }
    long p = place == columns ? target : 0;
    long q = place == columns ? 0 : target;
    Syndromes.generate(sources, qIndexes, columns, p, q, to - from);
  }

  /** Puts what a part writes into its column; answers why not, if its buffer cannot be read. */
  @Nullable IoError copyIn(Part part) {
    if (part.bio().op() != Op.WRITE) {
      fillWithZeroes(part);
      return null;
    }
    long at = inMemory(part.column, part.from);
    return part.bio().copyFromBuffer(0, memory, at, part.lengthBytes());
  }

  /** The same into the cache's scratch memory, from its beginning. */
  @Nullable IoError copyToScratch(Part part) {
    return part.bio().copyFromBuffer(0, cache.scratch, 0, part.lengthBytes());
  }

  /** Puts what a part writes into its column, of a part that is in the scratch memory. */
  void copyFromScratch(Part part) {
    if (part.bio().op() == Op.WRITE) {
      long at = inMemory(part.column, part.from);
      MemorySegment.copy(cache.scratch, 0, memory, at, part.lengthBytes());
    } else {
      fillWithZeroes(part);
    }
  }

  void fillWithZeroes(Part part) {
    memory.asSlice(inMemory(part.column, part.from), part.lengthBytes()).fill((byte) 0);
  }

  /** Fills a buffer from the cache's scratch memory. */
  void copyFromScratch(int place) {
    MemorySegment.copy(cache.scratch, 0, memory, inMemory(place, 0), lengthBytes);
  }

  /** How many columns cannot be read. */
  int lostColumns() {
    int lost = 0;
    for (int column = 0; column < columns; column++) {
      lost += isReadable(column) ? 0 : 1;
    }
    return lost;
  }

  /** How many parities can be read. */
  int readableParities() {
    int readable = 0;
    for (int place = columns; place < places; place++) {
      readable += isReadable(place) ? 1 : 0;
    }
    return readable;
  }

  /**
   * Whether P and Q may contradict each other about what cannot be read. Where both are needed to
   * compute it they cannot; where one is enough, a write can make true in both what that one says.
   */
  boolean isParityInDoubt() {
    return lostColumns() < readableParities() && array.mayDisagree(startBytes, lengthBytes);
  }

  /** How much has to be read before {@link #recoverLost}; no parity that it does not need. */
  long unknownForRecovery(int from, int to) {
    int parities = lostColumns();
    long unknown = 0;
    for (int place = 0; place < places; place++) {
      if (isReadable(place) && (place < columns || parities-- > 0)) {
        unknown += unknownBytes(place, from, to);
      }
    }
    return unknown;
  }

  /** Reads what {@link #recoverLost} needs and is not known. */
  void readForRecovery(int from, int to, CancelFlag flag) {
    int parities = lostColumns();
    for (int place = 0; place < places; place++) {
      if (isReadable(place) && (place < columns || parities-- > 0)) {
        read(place, from, to, flag);
      }
    }
  }

  // --- Requests to members ---

  /** Begins to read what is not known of a range. */
  void read(int place, int from, int to, CancelFlag flag) {
    if (!knows(place, from, to)) {
      transfers[place].send(Op.READ, from, to, flag, false);
    }
  }

  /** Writes a buffer, whatever flags go up. */
  void write(int place, int from, int to, boolean isFua) {
    transfers[place].send(Op.WRITE, from, to, CancelFlag.NEVER, isFua);
  }

  /** Writes what parity has become, as the members do zeroes if it is nothing else. */
  void writeParity(int place, RoundParts parts, boolean isFua) {
    Op op = parts.isZeroes() ? Op.WRITE_ZEROES : Op.WRITE;
    transfers[place].send(op, parts.from, parts.to, CancelFlag.NEVER, isFua);
  }

  private void readEnded(Transfer transfer) {
    Bio bio = transfer.bio;
    if (bio.isDone()) {
      know(transfer.place, transfer.from, transfer.to);
      return;
    }
    forget(transfer.place); // whatever stands there now
    if (bio.isFailed()) {
      IoError error = Objects.requireNonNull(bio.error());
      array.readFailed(Objects.requireNonNull(transfer.member), error);
      noteError(error);
      setBad(transfer.place);
    } else if (!bio.flag().isRaised()) {
      noteError(new IoError(Errno.EIO, "a member stopped a read that nobody stopped"));
      setBad(transfer.place);
    }
  }

  void noteError(IoError error) {
    if (firstError == null) {
      firstError = error;
    }
  }

  /** One of the round's requests has ended, or the round has sent its last. */
  void goOn() {
    if (--pending == 0) {
      round().goOn();
    }
  }

  // --- Rounds ---

  private Round round() {
    return Objects.requireNonNull(round);
  }

  WriteRound writes() {
    WriteRound found = writes;
    if (found == null) {
      found = new WriteRound(this);
      writes = found;
    }
    return found;
  }

  private RecoverRound recovers() {
    RecoverRound found = recovers;
    if (found == null) {
      found = new RecoverRound(this);
      recovers = found;
    }
    return found;
  }

  private StepRound steps() {
    StepRound found = steps;
    if (found == null) {
      found = new StepRound(this);
      steps = found;
    }
    return found;
  }

  /** Something more is wanted of the slice. */
  void add(Part part) {
    cache.use(this);
    part.slice = this;
    waiting.add(part);
    if (round != null) {
      part.watch();
      return;
    }
    waitingBytes += part.kind == Kind.WRITE ? part.lengthBytes() : 0;
    if (waitingBytes >= (long) columns * lengthBytes) {
      begin();
    } else if (!willBegin) {
      willBegin = true;
      cache.beginSoon(this);
    }
  }

  /** Begins the round of what waits longest, unless there is one. */
  void begin() {
    willBegin = false;
    if (round != null || isResting) {
      return;
    }
    waitingBytes = 0;
    Part first = waiting.first();
    if (first == null) {
      cache.rest(this, isHot);
    } else {
      begin(first);
    }
  }

  private void begin(Part first) {
    pending = 0;
    firstError = null;
    Arrays.fill(isBad, false);
    lookAt(0, lengthBytes);
    switch (first.kind) {
      case WRITE -> {
        gatherWrites(first);
        round = writes();
        watchWaiting();
        writes().begin();
      }
      case RECOVER -> {
        gatherReads(first);
        round = recovers();
        watchWaiting();
        recovers().begin();
      }
      case STEP -> {
        waiting.remove(first);
        round = steps();
        watchWaiting();
        steps().begin(first);
      }
    }
  }

  /** All writes that wait, up to the first that lies over one before it. */
  private void gatherWrites(Part first) {
    Part part = first;
    while (part != null) {
      Part next = part.next;
      if (part.kind == Kind.WRITE) {
        if (!writes().add(part)) {
          return;
        }
        enterRound(part);
      }
      part = next;
    }
  }

  /** Those that came in time and are not in the round wait as long as those that come later. */
  private void watchWaiting() {
    for (Part part = waiting.first(); part != null; ) {
      Part next = part.next;
      part.watch();
      part = next;
    }
  }

  /** All reads that wait; one by one, where what is bad for one may be all right for another. */
  private void gatherReads(Part first) {
    boolean isOneByOne = lostColumns() > readableParities();
    Part part = first;
    while (part != null) {
      Part next = part.next;
      if (part.kind == Kind.RECOVER) {
        recovers().add(part);
        enterRound(part);
        if (isOneByOne) {
          return;
        }
      }
      part = next;
    }
  }

  private void enterRound(Part part) {
    waiting.remove(part);
    part.unwatch();
    part.isInRound = true;
  }

  /** The round cannot have it: it waits for the next, before all others. */
  void waitAgain(Part part) {
    part.isInRound = false;
    part.nextInColumn = null;
    waiting.addFirst(part);
    part.watch();
  }

  void leaveRound(Part part) {
    round().leave(part);
  }

  /**
   * The round has ended.
   *
   * @param isHot whether the buffers will be of use soon
   */
  void roundEnded(boolean isHot) {
    round = null;
    this.isHot = isHot;
    if (waiting.isEmpty()) {
      cache.rest(this, isHot);
    } else if (!willBegin) {
      willBegin = true;
      cache.beginSoon(this);
    }
  }
}
