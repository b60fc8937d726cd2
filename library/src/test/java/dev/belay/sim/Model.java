// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import dev.belay.Extents;
import dev.belay.Holes;
import dev.belay.Op;
import java.util.Arrays;

/**
 * What a volume may hold: for each granule, the values that a read may find now, and those that may
 * be there after a power loss, according to nothing but what its requests were told.
 *
 * <p>A write counts from its submission on. When it is done, everything that had ended before it
 * began is gone; what ran beside it may still be there. A clean one never was. An unknown one may
 * or may not have been. A flush that is done settles the same for the durable values. What a read
 * found was there, so that what ended before that read is gone, if it was something else.
 *
 * <p>Times are counts of events. Entries are kept in flat arrays, chained by granule, because ten
 * million requests pass through here.
 */
final class Model {
  /** What a discarded granule reads as. */
  static final long ANYTHING = 0x4141_4141_4141_4141L;

  private static final long MIX = 0x9E37_79B9_7F4A_7C15L;
  private static final long UNMIX = 0xF1DE_83E1_9937_733DL;

  private static final int NONE = -1;
  private static final int OPEN = Integer.MAX_VALUE;

  private static final byte VISIBLE = 1;
  private static final byte MAY_SURVIVE = 2;
  private static final byte DONE = 4;
  private static final byte FLUSHED = 8;
  private static final byte SEEN = 16;

  private final boolean losesPower;
  private final boolean narrows;
  private final int[] head;
  private long[] value = new long[256];
  private int[] owner = new int[256];
  private int[] start = new int[256];
  private int[] end = new int[256];
  private int[] hidden = new int[256];
  private byte[] state = new byte[256];
  private int[] next = new int[256];
  private int free = NONE;
  private int used;
  private int now = 1;

  /**
   * @param losesPower whether a power loss can come; otherwise nothing durable is kept
   */
  Model(int granules, boolean losesPower) {
    this(granules, losesPower, true);
  }

  /**
   * @param narrows whether what a read found stays, where it could have been something else: not so
   *     of several copies that may differ
   */
  Model(int granules, boolean losesPower, boolean narrows) {
    this.losesPower = losesPower;
    this.narrows = narrows;
    head = new int[granules];
    Arrays.fill(head, NONE);
  }

  /** The same knowledge, which goes on by itself. */
  Model copy() {
    return new Model(this);
  }

  private Model(Model of) {
    losesPower = of.losesPower;
    narrows = of.narrows;
    head = of.head.clone();
    value = of.value.clone();
    owner = of.owner.clone();
    start = of.start.clone();
    end = of.end.clone();
    hidden = of.hidden.clone();
    state = of.state.clone();
    next = of.next.clone();
    free = of.free;
    used = of.used;
    now = of.now;
  }

  int granules() {
    return head.length;
  }

  /** Changes whenever something becomes known. */
  int now() {
    return now;
  }

  /** A number that tells what may survive a power loss from other such knowledge. */
  long hashOfLosses(long seed) {
    long hash = seed;
    for (int granule = 0; granule < head.length; granule++) {
      long sum = 0; // in any order
      for (int entry = head[granule]; entry != NONE; entry = next[entry]) {
        sum += (state[entry] & MAY_SURVIVE) != 0 ? mixed(value[entry] + 1) : 0;
      }
      hash = mixed(hash ^ sum) + granule;
    }
    return hash;
  }

  /** The next moment. */
  int tick() {
    return ++now;
  }

  /** Says for certain what a granule holds, for good: nothing is in flight. */
  void settle(int granule, long holds) {
    while (head[granule] != NONE) {
      removeAfter(granule, NONE);
    }
    int entry = add(granule, holds, NONE, 0);
    end[entry] = 0;
    state[entry] |= DONE | FLUSHED;
  }

  /** A granule may hold anything from now on, until something is written there. */
  void anything(int granule) {
    int entry = add(granule, ANYTHING, NONE, tick());
    end[entry] = now;
  }

  /** Whether it may be so that nobody knows what a granule holds. */
  boolean mayBeAnything(int granule) {
    for (int entry = head[granule]; entry != NONE; entry = next[entry]) {
      if (value[entry] == ANYTHING && (state[entry] & (VISIBLE | MAY_SURVIVE)) != 0) {
        return true;
      }
    }
    return false;
  }

  private int add(int granule, long holds, int by, int at) {
    int entry = free;
    if (entry == NONE) {
      if (used == value.length) {
        grow();
      }
      entry = used++;
    } else {
      free = next[entry];
    }
    value[entry] = holds;
    owner[entry] = by;
    start[entry] = at;
    end[entry] = OPEN;
    hidden[entry] = OPEN;
    state[entry] = losesPower ? (byte) (VISIBLE | MAY_SURVIVE) : VISIBLE;
    next[entry] = head[granule];
    head[granule] = entry;
    return entry;
  }

  private void grow() {
    int size = 2 * used;
    value = Arrays.copyOf(value, size);
    owner = Arrays.copyOf(owner, size);
    start = Arrays.copyOf(start, size);
    end = Arrays.copyOf(end, size);
    hidden = Arrays.copyOf(hidden, size);
    state = Arrays.copyOf(state, size);
    next = Arrays.copyOf(next, size);
  }

  private int removeAfter(int granule, int before) {
    int entry = before == NONE ? head[granule] : next[before];
    int after = next[entry];
    if (before == NONE) {
      head[granule] = after;
    } else {
      next[before] = after;
    }
    next[entry] = free;
    free = entry;
    return after;
  }

  /** What request {@code by} writes into a granule of the volume. */
  static long valueOf(Op op, int by, int granule) {
    return switch (op) {
      case WRITE -> mixed((long) (by + 1) << 24 | granule);
      case DISCARD -> ANYTHING;
      default -> 0;
    };
  }

  /**
   * A value that no other number has, and no sum of such: parity that is wrong gives sums of what
   * was written, and these must not look as if somebody had written them.
   */
  static long mixed(long number) {
    long product = number * MIX;
    return (product ^ product >>> 32) * MIX;
  }

  private static long unmixed(long value) {
    long product = value * UNMIX;
    return (product ^ product >>> 32) * UNMIX;
  }

  /** A request that changes the range was submitted. */
  void changeBegins(Op op, int by, int granule, int count) {
    int at = tick();
    for (int i = granule; i < granule + count; i++) {
      add(i, valueOf(op, by, i), by, at);
    }
  }

  /**
   * It ended so for a part of its range.
   *
   * @param oldest when the oldest request that is still open began
   */
  void changeEnds(
      int by, int granule, int count, Extents.State how, boolean fua, int began, int oldest) {
    for (int i = granule; i < granule + count; i++) {
      int before = NONE;
      int entry = head[i];
      while (owner[entry] != by) {
        before = entry;
        entry = next[entry];
      }
      switch (how) {
        case CLEAN -> {
          if ((state[entry] & SEEN) != 0) {
            throw new Violation(
                "granule " + i + " is said to be clean, but a read had found what was written");
          }
          removeAfter(i, before);
        }
        case UNKNOWN -> end[entry] = now;
        case DONE -> {
          end[entry] = now;
          state[entry] |= fua ? DONE | FLUSHED : DONE;
          outdate(i, began, fua, oldest);
        }
      }
    }
  }

  /** What had ended before {@code began} is gone: to the eye, and also for good if so. */
  private void outdate(int granule, int began, boolean forGood, int oldest) {
    int before = NONE;
    for (int entry = head[granule]; entry != NONE; ) {
      if (end[entry] < began) {
        if ((state[entry] & VISIBLE) != 0) {
          state[entry] &= ~VISIBLE;
          hidden[entry] = now;
        }
        if (forGood) {
          state[entry] &= ~MAY_SURVIVE;
        }
      }
      if ((state[entry] & (VISIBLE | MAY_SURVIVE)) == 0 && hidden[entry] < oldest) {
        entry = removeAfter(granule, before);
      } else {
        before = entry;
        entry = next[entry];
      }
    }
  }

  /** A read that began then found this. */
  void readFound(int granule, long found, int began) {
    int first = head[granule];
    if (next[first] == NONE && value[first] == found) {
      state[first] |= SEEN;
      return;
    }
    boolean isAllowed = false;
    for (int entry = first; entry != NONE; entry = next[entry]) {
      boolean visible = (state[entry] & VISIBLE) != 0 || hidden[entry] >= began;
      if (visible && (value[entry] == found || value[entry] == ANYTHING)) {
        isAllowed = true;
        if (value[entry] == found && found != 0) {
          state[entry] |= SEEN;
        }
      }
    }
    if (!isAllowed) {
      throw new Violation(
          "a read found " + show(found) + " in granule " + granule + ", allowed: " + show(granule));
    }
    for (int entry = first; entry != NONE && narrows; entry = next[entry]) {
      if (end[entry] < began && value[entry] != found && value[entry] != ANYTHING) {
        if ((state[entry] & VISIBLE) != 0) {
          state[entry] &= ~VISIBLE;
          hidden[entry] = now;
        }
      }
    }
  }

  /** A search from a granule on that began then found these: as if zeroes had been read there. */
  void holesFound(Holes holes, int granule, int granuleBytes, int began) {
    for (int i = 0; i < holes.size(); i++) {
      int end = (int) (holes.endBytes(i) / granuleBytes);
      for (int j = (int) Math.ceilDiv(holes.startBytes(i), granuleBytes); j < end; j++) {
        readFound(granule + j, 0, began);
      }
    }
  }

  /** A flush that began then is done. */
  void flushEnds(int began) {
    if (!losesPower) {
      return;
    }
    for (int granule = 0; granule < head.length; granule++) {
      int first = head[granule];
      if (next[first] == NONE) {
        continue;
      }
      for (int entry = first; entry != NONE; entry = next[entry]) {
        if ((state[entry] & (DONE | FLUSHED)) == DONE && end[entry] < began) {
          state[entry] |= FLUSHED;
          for (int older = first; older != NONE; older = next[older]) {
            if (end[older] < start[entry]) {
              state[older] &= ~MAY_SURVIVE;
            }
          }
        }
      }
    }
  }

  /** The power is gone; what was in flight may be there or not. */
  void losePower() {
    int at = tick();
    for (int granule = 0; granule < head.length; granule++) {
      int before = NONE;
      for (int entry = head[granule]; entry != NONE; ) {
        if ((state[entry] & MAY_SURVIVE) == 0) {
          entry = removeAfter(granule, before);
          continue;
        }
        state[entry] = VISIBLE | MAY_SURVIVE;
        end[entry] = Math.min(end[entry], at);
        hidden[entry] = OPEN;
        before = entry;
        entry = next[entry];
      }
    }
  }

  private static String show(long holds) {
    if (holds == 0) {
      return "zeroes";
    }
    if (holds == ANYTHING) {
      return "anything";
    }
    long number = unmixed(holds);
    if (number >>> 48 == 0) {
      return "what request " + ((number >> 24) - 1) + " wrote into " + (number & 0xFF_FFFF);
    }
    return (number ^ 1L << 62) >>> 24 == 0
        ? "what stood in " + (number & 0xFF_FFFF) + " at first"
        : String.format("%#x", holds);
  }

  private String show(int granule) {
    StringBuilder text = new StringBuilder();
    for (int entry = head[granule]; entry != NONE; entry = next[entry]) {
      text.append(text.isEmpty() ? "" : "; ").append(show(value[entry]));
      text.append((state[entry] & VISIBLE) != 0 ? "" : " (overwritten)");
    }
    return text.toString();
  }
}
