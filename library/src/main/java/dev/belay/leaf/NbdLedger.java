// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import dev.belay.Bio;
import dev.belay.Held;
import dev.belay.Op;
import dev.belay.Parked;

/**
 * Which acknowledged writes a server may have forgotten. Writes are counted as they are
 * acknowledged; a number stands for all writes up to it.
 *
 * <p>A server acknowledges a write when it has it in a volatile cache, and a flush makes that
 * durable. When a connection is lost, it may be because the server died, and its cache with it:
 * nobody can tell. As after a power failure of a disk, what was acknowledged and not flushed is in
 * doubt then, and the flush that would have covered it must not say that all is well. It fails, and
 * so do all that are about those writes and came before it had failed, whether they were sent or
 * wait; later ones are about what comes later.
 */
final class NbdLedger {
  /** The note of a flush that waits, and will not be believed. */
  private static final long DOOMED = -1;

  private final boolean isKept;
  private long acknowledged;

  /** Up to here a flush was answered, with yes or no. */
  private long settled;

  /** Up to here writes are in doubt, from {@link #settled} on. */
  private long inDoubt;

  /**
   * @param isKept whether anything is to be noted at all; not where the server has no cache that
   *     needs flushing, or is trusted to keep it
   */
  NbdLedger(boolean isKept) {
    this.isKept = isKept;
  }

  /** A write was acknowledged that did not have to be durable. */
  void acknowledge() {
    acknowledged++;
  }

  /** What a flush that is sent now is about. */
  long acknowledged() {
    return acknowledged;
  }

  /** A connection was lost. */
  void lost() {
    if (isKept) {
      inDoubt = acknowledged;
    }
  }

  /** Whether a flush about writes up to {@code covered} is about some that are in doubt. */
  boolean isInDoubt(long covered) {
    return settled < Math.min(covered, inDoubt);
  }

  /**
   * Flushes about writes up to {@code covered} fail now, as those are in doubt. So will all flushes
   * that wait already: nobody who has not heard of the loss is told that all is well.
   */
  void settleInDoubt(long covered, Parked... waiting) {
    Held doom =
        (bio, how) -> {
          if (bio.op() == Op.FLUSH) {
            bio.setNote(DOOMED);
          }
        };
    for (Parked row : waiting) {
      row.showHeld(doom, "");
    }
    settle(covered);
  }

  /** A bio that may wait is none that {@link #settleInDoubt} has seen. */
  static void arrived(Bio bio) {
    bio.setNote(0);
  }

  /** Whether a flush that waited will not be believed. */
  static boolean isDoomed(Bio bio) {
    return bio.note() == DOOMED;
  }

  /** A flush about writes up to {@code covered} was answered; its asker knows now. */
  void settle(long covered) {
    settled = Math.max(settled, covered);
  }
}
