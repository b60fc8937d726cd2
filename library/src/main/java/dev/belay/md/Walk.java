// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import dev.belay.CancelFlag;
import dev.belay.IoError;
import dev.belay.Timers;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A walk over an array, step by step: a resync, a rebuild, a check or a repair. One at a time; a
 * few steps are under way together. It slows down to the slowest rate while normal requests come,
 * and never goes faster than the fastest. How far it has come is recorded now and then, so that it
 * goes on from there after a restart.
 *
 * <p>A walk is stopped by its own flag, as any request: the steps under way end, whole or clean.
 * The loop's thread.
 */
public final class Walk {
  private static final int STEPS_TOGETHER = 4;
  private static final long RECORD_NANOS = 500_000_000;

  private final Array array;
  private final Timers.Timer timer;
  private SyncMode mode = SyncMode.CHECK;
  private CancelFlag flag = new CancelFlag();
  private boolean isRunning;
  private boolean isRestarting;
  private long startBytes;
  private long positionBytes;
  private long walkBytes;
  private long mismatchedBytes;
  private @Nullable IoError error;
  private boolean wasStopped;

  /** Members came to disagree while a resync ran, perhaps where it had been: it comes by again. */
  private boolean mustRepeat;

  // The steps under way.
  private int pending;
  private long nextBytes;
  private boolean areDone;

  // The rate.
  private long beganNanos;
  private long paceNanos;
  private long recordedNanos;
  private long walkedBytes;
  private long requestsSeen;

  Walk(Array array, ArrayOptions options) {
    this.array = array;
    timer = array.loop().timers().newTimer(this::goOn);
    assert options.fastestSyncBytesPerSecond() > 0;
  }

  // --- What is due ---

  /** Begins what is due: a rebuild, or else a resync; nothing, if nothing is. */
  void beginByItself() {
    if (isRunning || !array.options().syncsByItself() || wasStopped) {
      return;
    }
    beginDue();
  }

  /**
   * Begins what is due, also where the array does not do so by itself.
   *
   * @return whether anything is
   */
  public boolean beginDue() {
    if (isRunning || array.loop().isClosing() || array.writeRefusal() != null) {
      return isRunning;
    }
    takeSpares();
    Records records = array.records();
    IntentBitmap bitmap = array.bitmap();
    if (rebuilding() != null) {
      begin(SyncMode.REBUILD, rebuiltBytes());
    } else if (bitmap != null && !bitmap.isAllAgreed()) {
      begin(SyncMode.RESYNC, 0);
    } else if (records != null && records.resyncBytes() != Superblock.CLEAN) {
      begin(SyncMode.RESYNC, bitmap == null ? records.resyncBytes() : 0);
    }
    return isRunning;
  }

  private void takeSpares() {
    for (int slot = 0; slot < array.slotCount() && !array.spares().isEmpty(); slot++) {
      if (array.member(slot) == null) {
        array.activate(array.spares().getFirst(), slot);
      }
    }
  }

  private @Nullable Member rebuilding() {
    for (Member member : array.writable()) {
      if (member.state() == Member.State.REBUILDING) {
        return member;
      }
    }
    return null;
  }

  private long rebuiltBytes() {
    long least = Long.MAX_VALUE;
    for (Member member : array.writable()) {
      if (member.state() == Member.State.REBUILDING) {
        least = Math.min(least, member.rebuiltBytes());
      }
    }
    return least;
  }

  /** A member came or went: a rebuild begins anew where it must, or what is due begins. */
  void membersChanged() {
    if (isRunning && (mode == SyncMode.REBUILD || !array.spares().isEmpty())) {
      isRestarting = true;
      flag.raise();
      timer.set(array.loop().clock().nanos());
    } else {
      beginByItself();
    }
  }

  // --- Running ---

  /**
   * Begins a walk from the start: a check, a repair, or a resync that nobody asked for.
   *
   * @return false if another one runs, or nothing can be written, and it is no check
   */
  public boolean begin(SyncMode mode) {
    if (isRunning || (mode != SyncMode.CHECK && array.writeRefusal() != null)) {
      return false;
    }
    wasStopped = false;
    begin(mode, 0);
    return true;
  }

  private void begin(SyncMode mode, long startBytes) {
    this.mode = mode;
    this.startBytes = startBytes - startBytes % array.work().stepBytes();
    flag = new CancelFlag();
    mustRepeat = false;
    isRunning = true;
    isRestarting = false;
    error = null;
    mismatchedBytes = 0;
    positionBytes = this.startBytes;
    walkBytes = array.work().walkBytes(mode);
    beganNanos = array.loop().clock().nanos();
    paceNanos = beganNanos;
    recordedNanos = beganNanos;
    walkedBytes = 0;
    requestsSeen = array.requests();
    goOn();
  }

  private void goOn() {
    if (!isRunning || pending > 0) {
      return;
    }
    if (flag.isRaised() || error != null || array.loop().isClosing()) {
      end(false);
      return;
    }
    skip();
    if (positionBytes >= walkBytes) {
      end(true);
      return;
    }
    pending = 1;
    areDone = true;
    nextBytes = positionBytes;
    long stepBytes = array.work().stepBytes();
    for (int i = 0; i < STEPS_TOGETHER && nextBytes < walkBytes && !isSkipped(nextBytes); i++) {
      long length = Math.min(stepBytes, walkBytes - nextBytes);
      pending++;
      long at = nextBytes;
      nextBytes += length;
      array.work().step(mode, at, length, flag, this::stepEnded);
    }
    oneEnded();
  }

  private void stepEnded(boolean isDone, long mismatched, @Nullable IoError why) {
    areDone &= isDone;
    mismatchedBytes += mismatched;
    if (error == null) {
      error = why;
    }
    oneEnded();
  }

  private void oneEnded() {
    if (--pending > 0) {
      return;
    }
    if (areDone) {
      walkedBytes += nextBytes - positionBytes;
      moveTo(nextBytes);
    }
    long now = array.loop().clock().nanos();
    timer.set(Math.max(now, pace(now)));
  }

  /** When the next steps may begin. */
  private long pace(long now) {
    boolean isBusy = array.requests() != requestsSeen;
    requestsSeen = array.requests();
    ArrayOptions options = array.options();
    long rate = isBusy ? options.slowestSyncBytesPerSecond() : options.fastestSyncBytesPerSecond();
    double nanos = 1e9 * STEPS_TOGETHER * array.work().stepBytes() / rate;
    paceNanos = Math.max(paceNanos, now - 10_000_000) + (long) nanos;
    return paceNanos;
  }

  /** What the bitmap says agrees is not walked over. */
  private void skip() {
    IntentBitmap bitmap = array.bitmap();
    if (bitmap == null || positionBytes >= walkBytes || !isSkipped(positionBytes)) {
      return;
    }
    // At once, since a large array has more steps than the loop's other requests can wait for.
    long next =
        mode == SyncMode.RESYNC
            ? bitmap.nextNeededBytes(positionBytes)
            : bitmap.nextSetBytes(positionBytes);
    moveTo(Math.min(walkBytes, next - next % array.work().stepBytes()));
  }

  private boolean isSkipped(long atBytes) {
    IntentBitmap bitmap = array.bitmap();
    if (bitmap == null) {
      return false;
    }
    long length = Math.min(array.work().stepBytes(), walkBytes - atBytes);
    if (mode == SyncMode.RESYNC) {
      return !bitmap.isNeeded(atBytes, length);
    }
    return mode == SyncMode.REBUILD && onlyCatchesUp() && !bitmap.isSet(atBytes, length);
  }

  private boolean onlyCatchesUp() {
    for (Member member : array.writable()) {
      if (member.state() == Member.State.REBUILDING && !member.catchesUp) {
        return false;
      }
    }
    return true;
  }

  private void moveTo(long bytes) {
    positionBytes = bytes;
    Records records = array.records();
    if (mode == SyncMode.REBUILD) {
      for (Member member : array.writable()) {
        if (member.state() == Member.State.REBUILDING) {
          member.rebuiltBytes = Math.max(member.rebuiltBytes, positionBytes);
        }
      }
    } else if (mode == SyncMode.RESYNC && records != null && !mustRepeat) {
      records.setResyncBytes(positionBytes);
    }
    long now = array.loop().clock().nanos();
    if (records != null
        && (mode == SyncMode.REBUILD || mode == SyncMode.RESYNC)
        && now - recordedNanos >= RECORD_NANOS) {
      recordedNanos = now;
      records.update(false);
    }
  }

  private void end(boolean isWhole) {
    isRunning = false;
    timer.cancel();
    Records records = array.records();
    IntentBitmap bitmap = array.bitmap();
    if (isWhole && mode == SyncMode.REBUILD) {
      for (Member member : array.writable()) {
        if (member.state() == Member.State.REBUILDING) {
          member.state = Member.State.IN_SYNC;
          member.catchesUp = false;
        }
      }
      if (bitmap != null && !array.isDegraded()) {
        bitmap.nobodyMissed();
      }
    }
    if (isWhole && mode == SyncMode.RESYNC && !mustRepeat) {
      if (records != null) {
        records.setResyncBytes(Superblock.CLEAN);
      }
      if (bitmap != null) {
        bitmap.agreed(startBytes, Long.MAX_VALUE);
      }
    }
    if (records != null && mode != SyncMode.CHECK && mode != SyncMode.REPAIR) {
      records.update(false);
    }
    if (isRestarting) {
      isRestarting = false;
      beginByItself();
    } else if (isWhole) {
      beginByItself();
    }
  }

  /** Members disagree somewhere from now on. */
  void disagreed() {
    mustRepeat = true;
  }

  // --- Stopping and status ---

  /** Stops it; it ends soon, and does not begin again by itself. */
  public void stop() {
    wasStopped = true;
    flag.raise();
    if (isRunning && pending == 0) {
      goOn();
    }
  }

  /** The array closes: no step is under way any more. */
  void settle() {
    wasStopped = true;
    flag.raise();
    if (isRunning) {
      end(false);
    }
  }

  public boolean isRunning() {
    return isRunning;
  }

  /** Whether a resync has come by a range, and nothing was torn since it began. */
  boolean hasResynced(long endBytes) {
    return !mustRepeat && endBytes <= positionBytes;
  }

  public SyncMode mode() {
    return mode;
  }

  /** How far it has come, of {@link #walkBytes()}. */
  public long positionBytes() {
    return positionBytes;
  }

  public long walkBytes() {
    return walkBytes;
  }

  /** How much was found not to agree. */
  public long mismatchedBytes() {
    return mismatchedBytes;
  }

  /** Why it ended before its time; null if it did not, or was stopped. */
  public @Nullable IoError error() {
    return error;
  }

  /** How fast it goes. */
  public long bytesPerSecond() {
    long nanos = Math.max(1, array.loop().clock().nanos() - beganNanos);
    return (long) (walkedBytes * 1e9 / nanos);
  }

  /** As /proc/mdstat has it. */
  public String status() {
    double percent = walkBytes == 0 ? 100 : 100.0 * positionBytes / walkBytes;
    return "%s = %.1f%% (%d/%d) %d K/s"
        .formatted(
            Objects.requireNonNull(mode).word(),
            percent,
            positionBytes >> 10,
            walkBytes >> 10,
            bytesPerSecond() >> 10);
  }
}
