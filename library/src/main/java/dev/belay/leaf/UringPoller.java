// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import dev.belay.Loop;
import dev.belay.Poller;
import dev.belay.uring.Abi;
import dev.belay.uring.Errno;
import dev.belay.uring.Kernel;
import dev.belay.uring.Ring;
import dev.belay.uring.RingCalls;
import dev.belay.uring.RingSetupException;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * The ring of one loop: what it turns and sleeps on, shared by all its {@link UringFile}s ({@link
 * RingFiles}) and its sockets ({@link UringSockets}), which have a bit of their own in the token.
 *
 * <p>Entries are made right before the system call that sends them: in {@link #enter}, where one
 * call submits, waits and lets the kernel post what has completed. Another thread ends the sleep
 * through an eventfd that the ring polls.
 *
 * <p>What the kernel does not take is not lost: it is looked at again, and sent with the next call.
 * While it takes nothing at all, the loop tries again ever more slowly, flags are honoured, and
 * where there is no hope left, what waits fails: see {@link RingRefusals}.
 *
 * <p>Everything but {@link #wake} is for the loop's thread, or for any before the loop starts.
 */
public final class UringPoller implements Poller {
  private static final int SQ_ENTRIES = 256;
  private static final int CQ_ENTRIES = 4096;
  private static final int FILE_SLOTS = 64;

  /** How long the device may stay silent before it is worthwhile to watch what it has. */
  private static final long PATIENCE_NANOS = 1_000_000;

  /** So many are watched at once. */
  private static final int FEW = 4;

  /** The tokens of what is not a file's bio: above all slots. */
  private static final int WAKE = RingFiles.SLOT_MASK;

  static final int CANCEL = RingFiles.SLOT_MASK - 1;

  /** Marks what was prepared for a socket; above all slots. */
  private static final int SOCKET = 1 << 30;

  private final Loop loop;
  private final RingCalls calls;
  private final Ring ring;
  private final WakeSignal signal;
  private final PinnedMemory pinned;
  private final RingFiles files;
  private final RingRefusals refusals = new RingRefusals();
  private final boolean hasFileTable;
  private final boolean[] fileSlots = new boolean[FILE_SLOTS];
  private @Nullable UringSockets sockets;
  private boolean isStarted;
  private boolean isArmed;

  /**
   * The slots of the entries prepared since the last submit; a cancel's turned over: ~slot; or
   * SOCKET and what the sockets call it.
   */
  private final int[] prepared;

  private int preparedCount;
  private int lost;
  private String trouble = "";

  private UringPoller(Loop loop, RingCalls calls) throws RingSetupException {
    this.loop = loop;
    this.calls = calls;
    signal = new WakeSignal(calls);
    try {
      ring = Ring.open(calls, SQ_ENTRIES, CQ_ENTRIES, Ring.DEFAULT_FLAGS);
    } catch (RingSetupException | RuntimeException e) {
      signal.close();
      throw e;
    }
    pinned = new PinnedMemory(ring.registry());
    files = new RingFiles(loop, this, ring);
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
    return of(loop, RingCalls.LINUX);
  }

  /** The same; where it has to be made, over these calls. */
  static UringPoller of(Loop loop, RingCalls calls) throws RingSetupException {
    if (loop.poller() instanceof UringPoller found) {
      return found;
    }
    UringPoller made = new UringPoller(loop, calls);
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

  // --- What the files and the sockets ask for ---

  /** The sockets of the loop whose poller this is; made if there are none yet. */
  synchronized UringSockets sockets() {
    UringSockets found = sockets;
    if (found == null) {
      found = new UringSockets(loop, this, ring, calls);
      sockets = found;
    }
    return found;
  }

  RingFiles files() {
    return files;
  }

  /** An entry was prepared, of a file's slot, or ~slot for one that cancels it. */
  void prepared(int slot) {
    prepared[preparedCount++] = slot;
  }

  /** An entry was prepared that the sockets know by this number, from 0 and below 2^30. */
  void preparedForSocket(int code) {
    prepared(SOCKET | code);
  }

  @Override
  public void gather() {
    if (sockets != null) {
      sockets.gather();
    }
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

  /** The slot of the registered memory that holds the range; -1 if there is none. */
  int bufferSlot(long address, long lengthBytes) {
    return pinned.slotOf(address, lengthBytes);
  }

  // --- Down ---

  @Override
  public void enter(long waitNanos) {
    start();
    files.look();
    boolean isQuiet = files.prepare();
    if (sockets != null) {
      isQuiet &= sockets.prepare();
    }
    if (files.mustAbort()) {
      isQuiet &= files.prepareAborts();
    }
    boolean mayWait = waitNanos > 0 && isQuiet;
    if (mayWait && !files.hasMore() && (sockets == null || !sockets.hasMore())) {
      sleep(waitNanos);
    } else if (ring.sqPending() > 0 || ring.wantsPoll()) {
      submitted(ring.submitAndPoll());
    }
    if (refusals.isRefusing()) {
      endure(mayWait ? waitNanos : 0);
    }
  }

  private void start() {
    if (!isStarted) {
      isStarted = true;
      int result = ring.start();
      if (result < 0) {
        trouble = "the ring cannot be enabled: " + Errno.sentence(result);
      }
    }
    if (!isArmed && makeRoom()) {
      ring.pollAdd(signal.fd, Abi.POLLIN, Abi.POLL_ADD_MULTI, 0, WAKE);
      prepared(WAKE);
      isArmed = true;
    }
  }

  /** Whether what a file sends may be submitted before the loop goes to the kernel anyway. */
  boolean mayAskEarly() {
    return isStarted && !refusals.isRefusing();
  }

  /** Makes room for an entry, if need be by submitting; false if the kernel takes none now. */
  boolean makeRoom() {
    return preparedCount < prepared.length || submit();
  }

  /** Submits what was prepared. False if the kernel took none of it. */
  boolean submit() {
    return submitted(ring.submit());
  }

  private void sleep(long waitNanos) {
    if (files.unwatched() <= FEW) {
      // To watch a few costs less than the kernel's timer for a short sleep.
      files.watchAll();
      if (files.mustAbort()) {
        // A flag went up since it was looked at: nothing that was not sent by then is sent now.
        takeBack();
        return;
      }
    }
    if (files.unwatched() == 0) {
      submitted(ring.submitAndWait(1, waitNanos == Long.MAX_VALUE ? Ring.FOREVER : waitNanos));
      return;
    }
    submitted(ring.submitAndWait(1, Math.min(waitNanos, PATIENCE_NANOS)));
    if (ring.ready() == 0 && waitNanos > PATIENCE_NANOS) {
      // Then back to the loop, which takes new deadlines into account before it sleeps again.
      files.watchAll();
    }
  }

  /**
   * Takes in what a submit answered.
   *
   * @return false if the kernel took nothing
   */
  private boolean submitted(int result) {
    int count = preparedCount;
    int left = takeBack();
    if (result == -Errno.EBADR) {
      countLost();
    } else if (left < count || (count == 0 && !isRefusal(result))) {
      if (refusals.isRefusing()) {
        refusals.taken();
      }
    } else {
      refusals.refused(result < 0 ? result : -Errno.EAGAIN, loop.clock().nanos());
      return false;
    }
    return true;
  }

  private static boolean isRefusal(int result) {
    return result < 0 && result != -Errno.ETIME && result != -Errno.EINTR;
  }

  /**
   * What was prepared and not taken comes back into the rows, to be looked at; answers how many.
   */
  private int takeBack() {
    int left = ring.withdraw();
    for (int i = left; i > 0; i--) {
      int code = prepared[--preparedCount];
      if (code == WAKE) {
        isArmed = false;
      } else if (code >= SOCKET && sockets != null) {
        sockets.withdrawn(code & ~SOCKET);
      } else if (code < 0) {
        files.abortWithdrawn(~code);
      } else {
        files.withdrawn(code);
      }
    }
    preparedCount = 0;
    return left;
  }

  /**
   * The kernel takes nothing: whatever waits is looked at, since no call does it; then the loop
   * waits a little, as the next call would be in vain.
   */
  private void endure(long waitNanos) {
    boolean isQuiet = files.stopRaised();
    if (refusals.isForGood()) {
      isQuiet &= files.failRow(refusals.result());
      if (sockets != null) {
        isQuiet &= sockets.failRow(refusals.result());
      }
    }
    long pauseNanos = Math.min(waitNanos, refusals.pauseNanos());
    if (isQuiet && pauseNanos > 0 && ring.ready() == 0) {
      signal.await(pauseNanos);
    }
  }

  private void countLost() {
    int now = ring.lostCompletions();
    if (now != lost) {
      trouble = now + " completions were lost by the kernel: as many requests will not end";
      System.getLogger("dev.belay").log(System.Logger.Level.ERROR, trouble);
      lost = now;
    }
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
        int slot = (int) token & RingFiles.SLOT_MASK;
        if (token < 0 && sockets != null) {
          found++;
          sockets.answered(token, result, flags);
        } else if (files.isSlot(slot)) {
          found++;
          files.answered(token, result);
        } else if (slot == WAKE) {
          isArmed = (flags & Abi.CQE_F_MORE) != 0;
        } else {
          files.abortAnswered(result);
        }
      }
    } finally {
      // Where one end threw, the completions behind it are still there, for the next time.
      ring.advance(seen);
    }
    return found;
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
    text.append(files.status());
    for (String each : new String[] {pinned.trouble(), trouble, refusals.status()}) {
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
