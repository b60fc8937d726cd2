// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import dev.belay.CancelFlag;
import dev.belay.IoError;
import java.util.function.IntPredicate;
import org.jspecify.annotations.Nullable;

/**
 * What an {@link Array} asks of the device of its level: to know what it can lose, and to do one
 * step of a walk. The loop's thread.
 */
public interface LevelWork {
  /** Whether every byte of the array is still there without these members; by slot. */
  boolean canRunWithout(IntPredicate missingSlots);

  /**
   * How far a walk goes: bytes of a member, but for a resync, check and repair of RAID 10, which
   * walk over the bytes of the array.
   */
  long walkBytes(SyncMode mode);

  /** Steps begin at multiples of it and are at most so long. */
  long stepBytes();

  /**
   * Does one step, beside normal requests, which it keeps out of the range where it must. Nothing
   * is written with the flag up, but what began is finished.
   *
   * @param startBytes as {@link #walkBytes} counts
   * @param flag the walk's own
   * @param end is told once, when nothing of the step is under way any more
   */
  void step(SyncMode mode, long startBytes, long lengthBytes, CancelFlag flag, StepEnd end);

  /** Is told how a step ended. */
  @FunctionalInterface
  interface StepEnd {
    /**
     * @param isDone whether all of the step was done; else it was stopped, or failed
     * @param mismatchedBytes how much did not agree
     * @param error why it failed; null where it did not
     */
    void ended(boolean isDone, long mismatchedBytes, @Nullable IoError error);
  }
}
