// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import dev.belay.Timers;
import dev.belay.md.PartialParityLog.Entry;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * Keeps the partial parity logs of a RAID 5, so that a crash and a lost member together cost
 * nothing that was not being written: the write hole is closed. The format and what it promises are
 * those of {@code raid5-ppl.c} of Linux.
 *
 * <p>Each member has a log, for the rows whose parity it holds. What waits for a log goes into it
 * together, as one unit: a header with entries and their partial parity, written durably. Behind
 * that the rounds of the unit write data and parity. The next unit makes this one forgotten, so it
 * is written when they have all ended, and all members have been flushed since. Units stand one
 * behind the other as long as there is room, and each has a higher generation than the one before.
 *
 * <p>A round that waits here can still be cancelled. Its commit point is when its unit is sent: it
 * is asked once more then. The loop's thread.
 */
final class PartialParityWriter {
  /** No unit is longer than this. */
  private static final int MOST_BYTES = 256 << 10;

  private final Array array;
  private final Records records;
  private final List<MemberLog> logs = new ArrayList<>();

  // Flushes of all members, which logs share.
  private List<Runnable> forNextFlush = new ArrayList<>();
  private boolean isFlushing;

  private long units;
  private long rounds;

  private PartialParityWriter(Array array, Records records, ParityLayout layout) {
    this.array = array;
    this.records = records;
    for (int slot = 0; slot < layout.members(); slot++) {
      logs.add(new MemberLog(slot));
    }
  }

  /**
   * The writer of an array; null for one that has no such log, or too small ones.
   *
   * @param blockBytes what requests are multiples of
   */
  static @Nullable PartialParityWriter of(
      Array array, ParityLayout layout, int sliceBytes, int blockBytes) {
    Records records = array.records();
    if (records == null
        || layout.level() != Level.RAID5
        || blockBytes % Superblock.SECTOR != 0
        || blockBytes > PartialParityLog.BYTES
        || sliceBytes / blockBytes > PartialParityLog.MOST_ENTRIES) {
      return null;
    }
    List<Member> members = array.writable();
    boolean hasRoom = !members.isEmpty();
    for (Member member : members) {
      hasRoom &= records.logBytes(member) >= leastLogBytes(sliceBytes);
    }
    if (!hasRoom) {
      return null;
    }
    records.keepLogs();
    return new PartialParityWriter(array, records, layout);
  }

  /** How long a log has to be at least, so that any round fits into it. */
  static long leastLogBytes(long sliceBytes) {
    return PartialParityLog.BYTES + sliceBytes;
  }

  /** Whether a round must be logged that writes the parity of a slice. */
  boolean isNeeded(Slice slice) {
    Member member = slice.member(slice.columns);
    return member != null
        && member.isReadable(slice.startBytes, slice.lengthBytes)
        && records.isLogged(member);
  }

  /** A round that knows all it needs waits for the log of its parity's member. */
  void add(WriteRound round) {
    logs.get(round.parityMember()).add(round);
  }

  /** A round that was logged has ended, with data and parity written. */
  void roundEnded(int slot) {
    logs.get(slot).roundEnded();
  }

  /** Flushes all members, once for all who ask meanwhile. */
  private void flush(Runnable then) {
    forNextFlush.add(then);
    if (!isFlushing) {
      flushNow();
    }
  }

  private void flushNow() {
    isFlushing = true;
    List<Runnable> served = forNextFlush;
    forNextFlush = new ArrayList<>();
    OwnRequests.flush(
        array,
        array.writable(),
        () -> {
          isFlushing = false;
          if (!forNextFlush.isEmpty()) {
            flushNow();
          }
          OwnRequests.runAll(array, served);
        });
  }

  /** For a line of status. */
  String status() {
    return "%d rounds logged in %d units of partial parity".formatted(rounds, units);
  }

  /** The log of a place in the array. */
  private final class MemberLog {
    private final int slot;
    private final ArrayDeque<WriteRound> waiting = new ArrayDeque<>();
    private final Timers.Timer timer = array.loop().timers().newTimer(this::begin);
    private @Nullable PinnedBlock block;

    /** Whose log it was, and how often logs had been emptied, when the last unit was written. */
    private @Nullable Member member;

    private long emptied;
    private long generation;
    private long nextAtBytes;

    // The unit that is under way.
    private boolean isUnderWay;
    private boolean mustFlush;
    private int open;
    private final List<WriteRound> unit = new ArrayList<>();
    private final List<Entry> entries = new ArrayList<>();
    private int usedBytes;

    MemberLog(int slot) {
      this.slot = slot;
    }

    /** Those that come in one turn of the loop go together. */
    void add(WriteRound round) {
      waiting.add(round);
      if (!isUnderWay && !timer.isSet()) {
        timer.set(array.loop().clock().nanos());
      }
    }

    private void begin() {
      if (isUnderWay || waiting.isEmpty()) {
        return;
      }
      isUnderWay = true;
      if (mustFlush) {
        flush(this::fill);
      } else {
        fill();
      }
    }

    /** Takes in who waits and still wants to. */
    private void fill() {
      mustFlush = false;
      int roomBytes = roomBytes();
      entries.clear();
      unit.clear();
      usedBytes = PartialParityLog.BYTES;
      for (WriteRound round = waiting.poll(); round != null; round = waiting.poll()) {
        if (!round.isReadyForLog()) {
          continue;
        }
        RoundEntries of = round.entries();
        if (entries.size() + of.count > PartialParityLog.MOST_ENTRIES
            || usedBytes + of.parityBytes() > roomBytes) {
          waiting.addFirst(round);
          break;
        }
        if (round.enterLog()) {
          put(round);
        }
      }
      open = unit.size();
      if (open == 0) {
        isUnderWay = false;
      } else {
        send();
      }
    }

    private int roomBytes() {
      Member now = array.member(slot);
      return now == null ? MOST_BYTES : Math.min(MOST_BYTES, records.logBytes(now));
    }

    private void put(WriteRound round) {
      PinnedBlock into = block;
      if (into == null) {
        into = new PinnedBlock(MOST_BYTES);
        block = into;
      }
      RoundEntries of = round.entries();
      for (int i = 0; i < of.count; i++) {
        int bytes = of.parityBytes(i);
        int length = of.to[i] - of.from[i];
        int columns = of.lastColumn[i] - of.firstColumn[i] + 1;
        MemorySegment parity = into.segment().asSlice(usedBytes, bytes);
        if (bytes > 0) {
          round.partialParity(i, parity.address());
        }
        CRC32C crc = new CRC32C();
        crc.update(parity.asByteBuffer());
        long at = round.arrayOffsetBytes(of.firstColumn[i], of.from[i]);
        entries.add(new Entry(at, bytes, columns * length, slot, (int) crc.getValue()));
        usedBytes += bytes;
      }
      unit.add(round);
    }

    private void send() {
      Member now = array.member(slot);
      if (now == null || !records.isLogged(now)) {
        // It went just now, and its parity goes nowhere.
        sent();
        return;
      }
      if (now != member || emptied != records.emptied()) {
        member = now;
        emptied = records.emptied();
        nextAtBytes = 0;
      }
      // Who knows only one log looks for it at the beginning.
      boolean isFull = nextAtBytes + usedBytes > records.logBytes(now);
      if (isFull || !records.of(now).has(Feature.MULTIPLE_PPLS)) {
        nextAtBytes = 0;
      }
      PartialParityLog header =
          new PartialParityLog(
              PartialParityLog.signature(records.of(now).uuid()), ++generation, entries);
      MemorySegment bytes = Objects.requireNonNull(block).segment().asSlice(0, usedBytes);
      MemorySegment.copy(
          MemorySegment.ofArray(header.encode()), 0, bytes, 0, PartialParityLog.BYTES);
      long at = records.of(now).pplAtBytes().orElseThrow() + nextAtBytes;
      nextAtBytes += usedBytes;
      units++;
      rounds += open;
      OwnRequests.write(array, List.of(new OwnRequests.Piece(now, at, bytes)), this::sent);
    }

    private void sent() {
      for (WriteRound round : List.copyOf(unit)) {
        round.logged();
      }
    }

    void roundEnded() {
      if (--open == 0) {
        mustFlush = true;
        isUnderWay = false;
        if (!waiting.isEmpty() && !timer.isSet()) {
          timer.set(array.loop().clock().nanos());
        }
      }
    }
  }
}
