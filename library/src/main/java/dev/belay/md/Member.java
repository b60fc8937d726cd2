// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import dev.belay.Device;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** One member of an open array: a device, and what the array thinks of it. The loop's thread. */
public final class Member {
  /** What a member is to its array. */
  public enum State {
    /** It holds all that it should. */
    IN_SYNC("in sync"),
    /** It gets every write, and is filled from the others; what lies below a mark can be read. */
    REBUILDING("rebuilding"),
    /** It waits to take the place of another. */
    SPARE("spare"),
    /** It failed, or was left out as stale: nothing goes there any more. */
    FAULTY("faulty");

    private final String words;

    State(String words) {
      this.words = words;
    }

    /** As a report has it. */
    public String words() {
      return words;
    }
  }

  private final String name;
  private final Device device;
  private final long startBytes;
  int slot;
  State state;
  long rebuiltBytes;
  int readErrors;
  long correctedReads;
  boolean isWriteMostly;

  /** Whether only what the bitmap says is to be filled: it was a member before. */
  boolean catchesUp;

  private @Nullable BadBlocks badBlocks;

  /** Where a write failed and the array could not do without the member; null for nowhere. */
  private @Nullable TreeMap<Long, Long> torn;

  /** For {@link #flushedBytes}: all that there is. */
  static final long ALL_BYTES = Long.MAX_VALUE;

  /** How much was in sync when the last flush before a superblock began. */
  long flushedBytes = ALL_BYTES;

  /** Requests of the level that are in the device now, and where the last one ended. */
  private int underWay;

  private long headBytes;

  /**
   * @param name what reports call it
   * @param startBytes where in the device the array's part of it begins
   * @param slot its place in the array, from 0; below 0 for a spare
   * @param rebuiltBytes how much of a rebuilding member is in sync, from its start
   */
  public Member(
      String name, Device device, long startBytes, int slot, State state, long rebuiltBytes) {
    this.name = name;
    this.device = device;
    this.startBytes = startBytes;
    this.slot = slot;
    this.state = state;
    this.rebuiltBytes = rebuiltBytes;
  }

  /** Ranges that are known to be unreadable, counted from the device's first byte. */
  public Member withBadBlocks(BadBlocks badBlocks) {
    this.badBlocks = badBlocks.isEmpty() ? null : badBlocks;
    return this;
  }

  /** Whether reads should go elsewhere while there is another to ask. */
  public Member withWriteMostly(boolean isWriteMostly) {
    this.isWriteMostly = isWriteMostly;
    return this;
  }

  /** Whether only what the bitmap says is to be filled: it was a member before. */
  public Member withCatchingUp(boolean catchesUp) {
    this.catchesUp = catchesUp;
    return this;
  }

  public String name() {
    return name;
  }

  public Device device() {
    return device;
  }

  /** Where in the device the array's part begins; a level adds it to every offset. */
  public long startBytes() {
    return startBytes;
  }

  /** Its place in the array, from 0; below 0 for a spare. */
  public int slot() {
    return slot;
  }

  public State state() {
    return state;
  }

  /** How much of a rebuilding member is in sync, from its start. */
  public long rebuiltBytes() {
    return rebuiltBytes;
  }

  /** How many reads of it failed and were put right by rewriting. */
  public long correctedReads() {
    return correctedReads;
  }

  /** Whether reads should go elsewhere while there is another to ask. */
  public boolean isWriteMostly() {
    return isWriteMostly;
  }

  /** Whether the range, as the array counts on members, holds what it should. */
  public boolean isReadable(long offsetBytes, long lengthBytes) {
    boolean isFilled =
        state == State.IN_SYNC
            || (state == State.REBUILDING && offsetBytes + lengthBytes <= rebuiltBytes);
    return isFilled
        && (badBlocks == null || !badBlocks.hits(startBytes + offsetBytes, lengthBytes))
        && !isTorn(offsetBytes, lengthBytes);
  }

  /** Why a range that is not {@linkplain #isReadable readable} is not, for a sentence. */
  public String whyUnreadable(long offsetBytes, long lengthBytes) {
    if (badBlocks != null && badBlocks.hits(startBytes + offsetBytes, lengthBytes)) {
      List<String> ranges = new ArrayList<>();
      for (BadBlocks.Range bad : badBlocks.within(startBytes + offsetBytes, lengthBytes)) {
        long last = bad.offsetBytes() + bad.lengthBytes() - 1;
        ranges.add("%d to %d".formatted(bad.offsetBytes(), last));
      }
      return "%s has known bad blocks at its bytes %s".formatted(name, String.join(", ", ranges));
    }
    if (isTorn(offsetBytes, lengthBytes)) {
      return "a write to " + name + " has failed there";
    }
    return state == State.REBUILDING
        ? "%s is being rebuilt, and is right up to byte %d only".formatted(name, rebuiltBytes)
        : name + " could not be read there";
  }

  private boolean isTorn(long offsetBytes, long lengthBytes) {
    TreeMap<Long, Long> ranges = torn;
    if (ranges == null) {
      return false;
    }
    Map.Entry<Long, Long> last = ranges.lowerEntry(offsetBytes + lengthBytes);
    return last != null && last.getValue() > offsetBytes;
  }

  /** A write of the range failed, and the member stays: nobody can tell what is there now. */
  void tore(long offsetBytes, long lengthBytes) {
    wrote(offsetBytes, lengthBytes);
    torn = torn == null ? new TreeMap<>() : torn;
    torn.put(offsetBytes, offsetBytes + lengthBytes);
  }

  /** A write of the range is done: it holds what it should. */
  void wrote(long offsetBytes, long lengthBytes) {
    TreeMap<Long, Long> ranges = torn;
    if (ranges == null) {
      return;
    }
    long endBytes = offsetBytes + lengthBytes;
    Map.Entry<Long, Long> hit = ranges.lowerEntry(endBytes);
    while (hit != null && hit.getValue() > offsetBytes) {
      ranges.remove(hit.getKey());
      if (hit.getKey() < offsetBytes) {
        ranges.put(hit.getKey(), offsetBytes);
      }
      if (hit.getValue() > endBytes) {
        ranges.put(endBytes, hit.getValue());
      }
      hit = ranges.lowerEntry(Math.min(endBytes, hit.getKey()));
    }
    torn = ranges.isEmpty() ? null : ranges;
  }

  /** Whether writes go to it: in sync, or being rebuilt. */
  public boolean isWritable() {
    return state == State.IN_SYNC || state == State.REBUILDING;
  }

  /** A flush begins: what is in sync now, a superblock may tell of after it. */
  void noteFlush() {
    flushedBytes = state == State.REBUILDING ? rebuiltBytes : ALL_BYTES;
  }

  /** A request of the level goes into it. */
  public void began() {
    underWay++;
  }

  /** A request of the level came back, which ended at {@code endBytes}. */
  public void ended(long endBytes) {
    underWay--;
    headBytes = endBytes;
  }

  /** How many requests of the level are in it. */
  public int underWay() {
    return underWay;
  }

  /** Where the last request that came back had ended. */
  public long headBytes() {
    return headBytes;
  }

  @Override
  public String toString() {
    return name + " (" + (slot < 0 ? "spare" : "slot " + slot) + ", " + state.words() + ")";
  }
}
