// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import dev.belay.Bio;
import dev.belay.Held;
import dev.belay.Loop;
import dev.belay.Poller;
import dev.belay.Waiting;
import dev.belay.uring.Abi;
import dev.belay.uring.Errno;
import dev.belay.uring.Kernel;
import dev.belay.uring.Ring;
import dev.belay.uring.RingCalls;
import dev.belay.uring.RingSetupException;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The ring of one loop: what it turns and sleeps on, shared by all its {@link UringFile}s.
 *
 * <p>What the files want sent waits in one row, in order, and becomes entries of the ring only
 * right before the system call that sends them: each bio's flag is looked at there. A row of a few
 * is sent at once, the rest in {@link #enter}, where one call submits, waits and lets the kernel
 * post what has completed. Another thread ends the sleep through an eventfd that the ring polls.
 *
 * <p>A bio in the row or in the kernel has a slot. The token of an entry is the slot and a
 * generation, so that neither a late completion nor a late cancel can mean a later bio.
 *
 * <p>Nothing is allocated for a bio, and none is watched while the device answers quickly. Where
 * {@link #PATIENCE_NANOS} passed without an answer, the bios in the kernel are watched, and the
 * kernel is asked to cancel those whose flag goes up. It can stop what waits for a worker thread;
 * it cannot stop what the device has. Either way a bio completes when the kernel answers for it.
 *
 * <p>The sockets of the loop ({@link UringSockets}) put their entries into the same ring, with a
 * bit of their own in the token.
 *
 * <p>Everything but {@link #wake} is for the loop's thread, or for any before the loop starts.
 */
public final class UringPoller implements Poller, Waiting {
  private static final int SQ_ENTRIES = 256;
  private static final int CQ_ENTRIES = 4096;
  private static final int FILE_SLOTS = 64;

  /** How long the device may stay silent before it is worthwhile to watch what it has. */
  private static final long PATIENCE_NANOS = 1_000_000;

  /**
   * So many in the row are sent at once, and not at the end of the turn: else the device is idle
   * while the loop prepares, and the loop while the device works.
   */
  private static final int EARLY = 2;

  /** So many are watched at once. */
  private static final int FEW = 4;

  private static final long GENERATION = 1L << 20;
  private static final int SLOT_MASK = (int) GENERATION - 1;
  private static final int WAKE = SLOT_MASK;
  private static final int CANCEL = SLOT_MASK - 1;
  private static final int MOST_SLOTS = 1 << 16;

  /** Marks what was prepared for a socket; above all slots. */
  private static final int SOCKET = 1 << 30;

  // What becomes of a slot.
  private static final byte QUEUED = 0;
  private static final byte SENT = 1;
  private static final byte LOOKED_AT = 2;
  private static final byte ABORTING = 3;

  private final Ring ring;
  private final WakeSignal signal;
  private final PinnedMemory pinned;
  private final boolean hasFileTable;
  private final boolean[] fileSlots = new boolean[FILE_SLOTS];
  private @Nullable UringSockets sockets;
  private boolean isStarted;
  private boolean isArmed;
  private boolean isSendingEarly;

  private int slots;
  private @Nullable Bio[] bios = new @Nullable Bio[0];
  private long[] tokens = new long[0];

  /** How much of a bio the kernel has done so far, where it needed more than one entry. */
  private int[] doneBytes = new int[0];

  /** How it is sent: what {@link UringFile} calls FRESH and so on. */
  private byte[] modes = new byte[0];

  private byte[] states = new byte[0];
  private int[] free = new int[0];
  private int freeCount;

  /** The row of slots to be sent, a ring by itself. */
  private int[] row = new int[1];

  private int rowHead;
  private int rowTail;

  /**
   * The slots of the entries prepared since the last submit; a cancel's turned over: ~slot; or
   * SOCKET and what the sockets call it.
   */
  private final int[] prepared;

  private int preparedCount;

  private int notLookedAt;
  private boolean mustAbort;
  private long aborted;
  private long abortsRefused;
  private String trouble = "";

  private UringPoller() throws RingSetupException {
    signal = new WakeSignal(RingCalls.LINUX);
    try {
      ring = Ring.open(SQ_ENTRIES, CQ_ENTRIES);
    } catch (RingSetupException | RuntimeException e) {
      signal.close();
      throw e;
    }
    pinned = new PinnedMemory(ring.registry());
    int result = ring.registry().registerFiles(FILE_SLOTS);
    hasFileTable = result >= 0;
    if (!hasFileTable) {
      trouble = "no files can be registered: " + Errno.sentence(result);
    }
    prepared = new int[ring.sqEntries()];
  }

  /**
   * The loop's ring, which is made if there is none yet. Before the loop starts.
   *
   * @throws RingSetupException if there is no ring to be had; the message says why
   */
  static UringPoller of(Loop loop) throws RingSetupException {
    if (loop.poller() instanceof UringPoller found) {
      return found;
    }
    UringPoller made = new UringPoller();
    loop.setPoller(made);
    return made;
  }

  /** Makes the loop's ring, if it has none; answers why there is none to be had, or nothing. */
  static String tryOn(Loop loop) {
    if (!Kernel.available()) {
      return Kernel.unavailableReason();
    }
    try {
      of(loop);
      return "";
    } catch (RingSetupException | IllegalStateException e) {
      return String.valueOf(e.getMessage());
    }
  }

  // --- What the sockets ask for ---

  /** The sockets of the loop whose poller this is; made if there are none yet. */
  synchronized UringSockets sockets(Loop loop) {
    UringSockets found = sockets;
    if (found == null) {
      found = new UringSockets(loop, this, ring);
      sockets = found;
    }
    return found;
  }

  /** An entry was prepared that the sockets know by this number, from 0 and below 2^30. */
  void prepared(int code) {
    prepared[preparedCount++] = SOCKET | code;
  }

  @Override
  public void gather() {
    if (sockets != null) {
      sockets.gather();
    }
  }

  // --- What the files ask for ---

  /** Makes room for {@code depth} more bios. */
  void addSlots(int depth) {
    int count = slots + depth;
    if (count > MOST_SLOTS) {
      throw new IllegalArgumentException(
          "the files of one loop can have " + MOST_SLOTS + " requests in flight, not " + count);
    }
    bios = Arrays.copyOf(bios, count);
    tokens = Arrays.copyOf(tokens, count);
    doneBytes = Arrays.copyOf(doneBytes, count);
    modes = Arrays.copyOf(modes, count);
    states = Arrays.copyOf(states, count);
    free = Arrays.copyOf(free, count);
    for (int slot = count - 1; slot >= slots; slot--) {
      tokens[slot] = slot;
      free[freeCount++] = slot;
    }
    slots = count;
    int[] wider = new int[Integer.highestOneBit(count) << 1];
    int waiting = 0;
    for (; rowHead != rowTail; rowHead++) {
      wider[waiting++] = row[rowHead & (row.length - 1)];
    }
    row = wider;
    rowHead = 0;
    rowTail = waiting;
  }

  /** Registers a file; answers its slot, or -1 where it is used by its descriptor. */
  int registerFile(int fd) {
    for (int slot = 0; hasFileTable && slot < FILE_SLOTS; slot++) {
      if (!fileSlots[slot]) {
        int result = ring.registry().setFile(slot, fd);
        if (result < 0) {
          trouble = "the file is not registered: " + Errno.sentence(result);
          return -1;
        }
        fileSlots[slot] = true;
        return slot;
      }
    }
    return -1;
  }

  void unregisterFile(int slot) {
    ring.registry().setFile(slot, -1);
    fileSlots[slot] = false;
  }

  /** Puts a bio at the end of the row; its device is the file, which has a slot left for it. */
  void send(Bio bio) {
    int slot = free[--freeCount];
    bios[slot] = bio;
    doneBytes[slot] = 0;
    modes[slot] = UringFile.FRESH;
    putIntoRow(slot);
    if (rowTail - rowHead >= EARLY && isStarted && !isSendingEarly) {
      isSendingEarly = true;
      prepareRow();
      submitted(ring.submit());
      isSendingEarly = false;
    }
  }

  private void putIntoRow(int slot) {
    states[slot] = QUEUED;
    row[rowTail++ & (row.length - 1)] = slot;
  }

  /** The slot of the registered memory that holds the range; -1 if there is none. */
  int bufferSlot(long address, long lengthBytes) {
    return pinned.slotOf(address, lengthBytes);
  }

  // --- Down ---

  @Override
  public void enter(long waitNanos) {
    start();
    boolean isQuiet = prepareRow();
    if (sockets != null) {
      isQuiet &= sockets.prepare();
    }
    if (mustAbort) {
      prepareAborts();
    }
    if (waitNanos > 0 && isQuiet) {
      sleep(waitNanos);
    } else if (ring.sqPending() > 0 || ring.wantsPoll()) {
      submitted(ring.submitAndPoll());
    }
  }

  private void start() {
    if (!isStarted) {
      ring.start();
      isStarted = true;
    }
    if (!isArmed && makeRoom()) {
      ring.pollAdd(signal.fd, Abi.POLLIN, Abi.POLL_ADD_MULTI, 0, WAKE);
      prepared[preparedCount++] = WAKE;
      isArmed = true;
    }
  }

  /**
   * Makes entries of what is in the row, and submits when the ring is full.
   *
   * @return false if a bio was completed, which its owner may be waiting for
   */
  private boolean prepareRow() {
    boolean isQuiet = true;
    while (rowHead != rowTail && makeRoom()) {
      int slot = row[rowHead & (row.length - 1)];
      Bio bio = at(slot);
      UringFile file = (UringFile) bio.device();
      rowHead++;
      if (bio.flag().isRaised()) {
        release(slot);
        file.stopped(bio, doneBytes[slot], modes[slot]);
        isQuiet = false;
        continue;
      }
      long token = tokens[slot] + GENERATION;
      tokens[slot] = token;
      states[slot] = SENT;
      notLookedAt++;
      prepared[preparedCount++] = slot;
      file.prepare(ring, bio, doneBytes[slot], modes[slot], token);
    }
    return isQuiet && rowHead == rowTail;
  }

  /** Makes room for an entry, if need be by submitting; false if the kernel takes none now. */
  boolean makeRoom() {
    if (preparedCount < prepared.length) {
      return true;
    }
    submitted(ring.submit());
    return preparedCount < prepared.length;
  }

  private void sleep(long waitNanos) {
    if (notLookedAt <= FEW) {
      // To watch a few costs less than the kernel's timer for a short sleep.
      watchAll();
      if (mustAbort) {
        prepareAborts();
      }
    }
    if (notLookedAt == 0) {
      submitted(ring.submitAndWait(1, waitNanos == Long.MAX_VALUE ? Ring.FOREVER : waitNanos));
      return;
    }
    submitted(ring.submitAndWait(1, Math.min(waitNanos, PATIENCE_NANOS)));
    if (ring.ready() == 0 && waitNanos > PATIENCE_NANOS) {
      // Then back to the loop, which takes new deadlines into account before it sleeps again.
      watchAll();
    }
  }

  /** Takes in what a submit answered. What it left comes back into the row, to be looked at. */
  private void submitted(int result) {
    int left = ring.withdraw();
    while (left-- > 0) {
      int slot = prepared[--preparedCount];
      if (slot == WAKE) {
        isArmed = false;
      } else if (slot >= SOCKET && sockets != null) {
        sockets.withdrawn(slot & ~SOCKET);
      } else if (slot < 0) {
        states[~slot] = LOOKED_AT;
        mustAbort = true;
      } else {
        states[slot] = QUEUED;
        notLookedAt--;
        row[--rowHead & (row.length - 1)] = slot;
      }
    }
    preparedCount = 0;
    if (result < 0
        && result != -Errno.ETIME
        && result != -Errno.EAGAIN
        && result != -Errno.EBUSY
        && result != -Errno.EINTR) {
      trouble = "the ring answered a submit with: " + Errno.sentence(result);
      System.getLogger("dev.belay").log(System.Logger.Level.ERROR, trouble);
    }
  }

  private Bio at(int slot) {
    Bio bio = bios[slot];
    if (bio == null) {
      throw new IllegalStateException("the slot " + slot + " has no bio");
    }
    return bio;
  }

  // --- Up ---

  @Override
  public int reap() {
    if (!isStarted) {
      return 0;
    }
    int count = ring.ready();
    int found = 0;
    int seen = 0;
    try {
      while (seen < count) {
        long token = ring.cqeToken(seen);
        int result = ring.cqeResult(seen);
        int flags = ring.cqeFlags(seen++);
        int slot = (int) token & SLOT_MASK;
        if (token < 0 && sockets != null) {
          sockets.answered(token, result, flags);
          found++;
        } else if (slot < slots) {
          if (tokens[slot] != token) {
            throw new IllegalStateException("a completion came twice, for the slot " + slot);
          }
          answered(slot, result);
          found++;
        } else if (slot == WAKE) {
          isArmed = (flags & Abi.CQE_F_MORE) != 0;
        } else {
          aborted += result == 0 ? 1 : 0;
          abortsRefused += result == 0 ? 0 : 1;
        }
      }
    } finally {
      ring.advance(seen);
    }
    return found;
  }

  private void answered(int slot, int result) {
    Bio bio = at(slot);
    UringFile file = (UringFile) bio.device();
    if (states[slot] == SENT) {
      notLookedAt--;
    } else {
      bio.unwatch();
    }
    int done = doneBytes[slot];
    if (result == bio.lengthBytes() - done && file.isWholeTransfer(bio)) {
      release(slot);
      file.left(bio);
      bio.complete();
      return;
    }
    byte mode = modes[slot];
    byte next = file.next(bio, done, mode, result);
    if (next == UringFile.ENDED) {
      release(slot);
      file.conclude(bio, done, mode, result);
    } else {
      doneBytes[slot] = done + Math.max(0, result);
      modes[slot] = next;
      putIntoRow(slot);
    }
  }

  private void release(int slot) {
    bios[slot] = null;
    free[freeCount++] = slot;
  }

  /** Shows what of a file's is in the row or with the kernel. */
  void showHeld(UringFile file, Held held) {
    for (int slot = 0; slot < slots; slot++) {
      Bio bio = bios[slot];
      if (bio != null && bio.device() == file) {
        held.show(bio, states[slot] == QUEUED ? "is about to be sent" : "is with the kernel");
      }
    }
  }

  // --- The flags of what the kernel has ---

  private void watchAll() {
    for (int slot = 0; slot < slots && notLookedAt > 0; slot++) {
      if (states[slot] == SENT && bios[slot] != null) {
        states[slot] = LOOKED_AT;
        notLookedAt--;
        at(slot).watch(this);
      }
    }
  }

  @Override
  public void flagRaised(Bio bio) {
    mustAbort = true;
  }

  private void prepareAborts() {
    mustAbort = false;
    for (int slot = 0; slot < slots; slot++) {
      Bio bio = bios[slot];
      if (bio != null && states[slot] == LOOKED_AT && bio.flag().isRaised()) {
        if (!makeRoom()) {
          mustAbort = true;
          return;
        }
        states[slot] = ABORTING;
        ring.cancel(tokens[slot], 0, CANCEL);
        prepared[preparedCount++] = ~slot;
      }
    }
  }

  // --- The rest ---

  @Override
  public void wake() {
    signal.send();
  }

  @Override
  public void pin(MemorySegment memory) {
    pinned.pin(memory);
  }

  @Override
  public void unpin(MemorySegment memory) {
    pinned.unpin(memory);
  }

  /** What there is to say about the ring: one line, perhaps empty. */
  String status() {
    StringBuilder text = new StringBuilder();
    if (pinned.bytes() > 0) {
      text.append(", ").append(pinned.bytes() >> 10).append(" KiB of memory registered");
    }
    if (aborted + abortsRefused > 0) {
      text.append(", the kernel stopped ").append(aborted).append(" requests in flight of ");
      text.append(aborted + abortsRefused).append(" that it was asked to");
    }
    for (String each : new String[] {pinned.trouble(), trouble}) {
      text.append(each.isEmpty() ? "" : "; ").append(each);
    }
    return text.toString();
  }

  @Override
  public void close() {
    ring.close();
    signal.close();
  }
}
