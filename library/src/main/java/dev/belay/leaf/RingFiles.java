// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import dev.belay.Bio;
import dev.belay.Held;
import dev.belay.Loop;
import dev.belay.Timers;
import dev.belay.Waiting;
import dev.belay.uring.Ring;
import java.util.Arrays;

/**
 * The bios of a loop's {@link UringFile}s that wait to be sent or are with the kernel: the files'
 * side of a {@link UringPoller}, as {@link UringSockets} is the sockets'.
 *
 * <p>What the files want sent waits in one row, in order, and becomes entries of the ring only
 * right before the system call that sends them: each bio's flag is looked at there.
 *
 * <p>Nothing is allocated for a bio, and none is watched while the device answers quickly. What the
 * kernel has for longer is watched, and the kernel is asked to cancel it when its flag goes up. It
 * can stop what waits for a worker thread; it cannot stop what the device has. Either way a bio
 * completes when the kernel answers for it.
 */
final class RingFiles implements Waiting {
  private static final long GENERATION = 1L << 20;

  /** A token's part that says which slot; the last two numbers are not slots. */
  static final int SLOT_MASK = (int) GENERATION - 1;

  private static final int MOST_SLOTS = 1 << 16;

  /**
   * So many in the row are sent at once, and not at the end of the turn: else the device is idle
   * while the loop prepares, and the loop while the device works.
   */
  private static final int EARLY = 2;

  /** Every so many looks, and no sooner than after this time, what did not change is watched. */
  private static final int LOOKS_A_SWEEP = 16;

  private static final long SWEEP_NANOS = 5_000_000;

  /** How long a bio rests that the kernel does not take, but wants to be asked for again. */
  private static final long REST_NANOS = 2_000_000;

  private final Loop loop;
  private final UringPoller poller;
  private final Ring ring;
  private RingSlot[] slots = new RingSlot[0];
  private int[] free = new int[0];
  private int freeCount;

  /** The row of slots to be sent, a ring by itself. */
  private int[] row = new int[1];

  private int rowHead;
  private int rowTail;

  private boolean isSendingEarly;
  private int unwatched;
  private boolean mustAbort;
  private int looks;
  private long sweptNanos;
  private final Timers.Timer rest;
  private long aborted;
  private long abortsRefused;

  RingFiles(Loop loop, UringPoller poller, Ring ring) {
    this.loop = loop;
    this.poller = poller;
    this.ring = ring;
    rest = loop.timers().newTimer(this::rested);
  }

  /** Makes room for {@code depth} more bios. */
  void addSlots(int depth) {
    int had = slots.length;
    int count = had + depth;
    if (count > MOST_SLOTS) {
      throw new IllegalArgumentException(
          "the files of one loop can have " + MOST_SLOTS + " requests in flight, not " + count);
    }
    slots = Arrays.copyOf(slots, count);
    free = Arrays.copyOf(free, count);
    for (int index = count - 1; index >= had; index--) {
      slots[index] = new RingSlot(index);
      free[freeCount++] = index;
    }
    int[] wider = new int[Integer.highestOneBit(count) << 1];
    int waiting = 0;
    for (; rowHead != rowTail; rowHead++) {
      wider[waiting++] = row[rowHead & (row.length - 1)];
    }
    row = wider;
    rowHead = 0;
    rowTail = waiting;
  }

  // --- Down ---

  /** Puts a bio at the end of the row; its device is the file, which has a slot left for it. */
  void send(Bio bio) {
    RingSlot slot = slots[free[--freeCount]];
    slot.bio = bio;
    slot.doneBytes = 0;
    slot.mode = UringFile.FRESH;
    slot.repeats = 0;
    putIntoRow(slot);
    if (rowTail - rowHead >= EARLY && !isSendingEarly && poller.mayAskEarly()) {
      isSendingEarly = true;
      try {
        prepare();
        poller.submit();
      } finally {
        isSendingEarly = false;
      }
    }
  }

  private void putIntoRow(RingSlot slot) {
    slot.state = RingSlot.QUEUED;
    row[rowTail++ & (row.length - 1)] = slot.index;
  }

  /** Whether bios wait that have no entry yet, or flags are up of what the kernel has. */
  boolean hasMore() {
    return rowHead != rowTail || mustAbort;
  }

  /**
   * Makes entries of what is in the row, and submits when the ring is full; stops when the kernel
   * takes nothing.
   *
   * @return false if a bio was completed, which its owner may be waiting for
   */
  boolean prepare() {
    boolean isQuiet = true;
    while (rowHead != rowTail && poller.makeRoom()) {
      RingSlot slot = slots[row[rowHead & (row.length - 1)]];
      Bio bio = slot.bio();
      rowHead++;
      if (bio.flag().isRaised()) {
        stop(slot, bio);
        isQuiet = false;
        continue;
      }
      slot.token += GENERATION;
      try {
        ((UringFile) bio.device()).prepare(ring, slot, bio);
      } catch (RuntimeException | Error defect) {
        // Whoever records what is sent threw: there is no entry.
        release(slot);
        ((UringFile) bio.device()).dropped(bio, slot.doneBytes, slot.mode, defect);
        throw defect;
      }
      slot.state = RingSlot.SENT;
      unwatched++;
      poller.prepared(slot.index);
    }
    return isQuiet;
  }

  private void stop(RingSlot slot, Bio bio) {
    bio.unwatch(); // one that rests is watched, and may not have been told yet
    release(slot);
    ((UringFile) bio.device()).stopped(bio, slot.doneBytes, slot.mode);
  }

  /** The kernel did not take this entry: its bio is looked at once more before the next try. */
  void withdrawn(int index) {
    RingSlot slot = slots[index];
    if (slot.state < RingSlot.WATCHED) {
      unwatched--;
    } else {
      slot.bio().unwatch();
    }
    slot.state = RingSlot.QUEUED;
    row[--rowHead & (row.length - 1)] = index;
  }

  /** The kernel was not asked to stop this one after all. */
  void abortWithdrawn(int index) {
    slots[index].state = RingSlot.WATCHED;
    mustAbort = true;
  }

  /**
   * While the kernel takes nothing: ends those in the row whose flags are up.
   *
   * @return false if there were any
   */
  boolean stopRaised() {
    boolean isQuiet = true;
    for (int left = rowTail - rowHead; left > 0; left--) {
      RingSlot slot = slots[row[rowHead++ & (row.length - 1)]];
      Bio bio = slot.bio();
      if (bio.flag().isRaised()) {
        stop(slot, bio);
        isQuiet = false;
      } else {
        row[rowTail++ & (row.length - 1)] = slot.index;
      }
    }
    return isQuiet;
  }

  /**
   * The kernel will never take what is in the row.
   *
   * @return false if there was anything
   */
  boolean failRow(int result) {
    boolean isQuiet = rowHead == rowTail;
    for (int left = rowTail - rowHead; left > 0; left--) {
      RingSlot slot = slots[row[rowHead++ & (row.length - 1)]];
      Bio bio = slot.bio();
      release(slot);
      ((UringFile) bio.device()).refused(bio, slot.doneBytes, slot.mode, result);
    }
    return isQuiet;
  }

  // --- Up ---

  /** Whether a token's slot is one of a file's. */
  boolean isSlot(int index) {
    return index < slots.length;
  }

  /** The kernel answered an entry. */
  void answered(long token, int result) {
    RingSlot slot = slots[(int) token & SLOT_MASK];
    if (slot.token != token || slot.bio == null || slot.state == RingSlot.QUEUED) {
      throw new IllegalStateException("a completion came twice, for the slot " + slot.index);
    }
    Bio bio = slot.bio;
    UringFile file = (UringFile) bio.device();
    if (slot.state < RingSlot.WATCHED) {
      unwatched--;
    } else {
      bio.unwatch();
    }
    int done = slot.doneBytes;
    if (result == bio.lengthBytes() - done && file.isWholeTransfer(bio)) {
      release(slot);
      file.ended(bio);
      return;
    }
    byte mode = slot.mode;
    byte next = file.next(slot, bio, result);
    if (next == UringFile.ENDED) {
      release(slot);
      file.conclude(bio, done, mode, result);
      return;
    }
    slot.doneBytes = done + Math.max(0, result);
    slot.mode = next;
    slot.repeats = UringFile.isToRepeat(result) ? slot.repeats + 1 : 0;
    if (slot.repeats > 1) {
      rest(slot, bio);
    } else {
      putIntoRow(slot);
    }
  }

  /** The kernel does not take it now, and would say so as often as it is asked. */
  private void rest(RingSlot slot, Bio bio) {
    slot.state = RingSlot.RESTING;
    if (!rest.isSet()) {
      rest.set(loop.clock().after(REST_NANOS));
    }
    bio.watch(this);
  }

  private void rested() {
    for (RingSlot slot : slots) {
      if (slot.bio != null && slot.state == RingSlot.RESTING) {
        slot.bio.unwatch();
        putIntoRow(slot);
      }
    }
  }

  private void release(RingSlot slot) {
    slot.bio = null;
    slot.state = RingSlot.QUEUED;
    free[freeCount++] = slot.index;
  }

  // --- The flags of what the kernel has ---

  /** How many bios are with the kernel, or about to be, whose flags nobody watches. */
  int unwatched() {
    return unwatched;
  }

  /** Watches all that the kernel has, or is about to have. */
  void watchAll() {
    for (int i = 0; i < slots.length && unwatched > 0; i++) {
      RingSlot slot = slots[i];
      if (slot.state == RingSlot.SENT || slot.state == RingSlot.OLD) {
        watch(slot);
      }
    }
  }

  private void watch(RingSlot slot) {
    slot.state = RingSlot.WATCHED;
    unwatched--;
    slot.bio().watch(this);
  }

  /**
   * Once for each call to the kernel: what it has for long is watched even if answers for others
   * keep coming, so that the loop never waits in vain and {@link #watchAll} is never called.
   */
  void look() {
    if (unwatched > 0 && ++looks >= LOOKS_A_SWEEP) {
      looks = 0;
      sweep(loop.clock().nanos());
    }
  }

  private void sweep(long nowNanos) {
    if (nowNanos - sweptNanos < SWEEP_NANOS) {
      return;
    }
    sweptNanos = nowNanos;
    for (RingSlot slot : slots) {
      if (slot.state == RingSlot.OLD) {
        watch(slot);
      } else if (slot.state == RingSlot.SENT) {
        slot.state = RingSlot.OLD;
      }
    }
  }

  @Override
  public void flagRaised(Bio bio) {
    mustAbort = true;
  }

  /** Whether the flag of something that is watched went up. */
  boolean mustAbort() {
    return mustAbort;
  }

  /**
   * Has the kernel stop what flags are up of.
   *
   * @return false if a bio was completed, which its owner may be waiting for
   */
  boolean prepareAborts() {
    mustAbort = false;
    boolean isQuiet = true;
    for (RingSlot slot : slots) {
      Bio bio = slot.bio;
      if (bio == null || slot.state < RingSlot.WATCHED || !bio.flag().isRaised()) {
        continue;
      }
      if (slot.state == RingSlot.RESTING) {
        stop(slot, bio);
        isQuiet = false;
      } else if (slot.state == RingSlot.WATCHED) {
        if (!poller.makeRoom()) {
          mustAbort = true;
          return isQuiet;
        }
        slot.state = RingSlot.ABORTING;
        ring.cancel(slot.token, 0, UringPoller.CANCEL);
        poller.prepared(~slot.index);
      }
    }
    return isQuiet;
  }

  /** The kernel answered an entry that was to stop another. */
  void abortAnswered(int result) {
    aborted += result == 0 ? 1 : 0;
    abortsRefused += result == 0 ? 0 : 1;
  }

  // --- What there is to say ---

  /** Shows what of a file's is in the row or with the kernel. */
  void showHeld(UringFile file, Held held) {
    for (RingSlot slot : slots) {
      Bio bio = slot.bio;
      if (bio != null && bio.device() == file) {
        held.show(
            bio,
            switch (slot.state) {
              case RingSlot.QUEUED -> "is about to be sent";
              case RingSlot.RESTING -> "is sent again, as the kernel asked for";
              default -> "is with the kernel";
            });
      }
    }
  }

  /** What the kernel made of being asked to stop; empty where it was not asked. */
  String status() {
    return aborted + abortsRefused == 0
        ? ""
        : ", the kernel stopped %d requests in flight of %d that it was asked to"
            .formatted(aborted, aborted + abortsRefused);
  }
}
