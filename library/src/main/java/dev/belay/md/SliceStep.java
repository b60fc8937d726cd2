// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import dev.belay.CancelFlag;
import dev.belay.IoError;
import org.jspecify.annotations.Nullable;

/** A step of a walk over some slices: told when the last of them has ended. The loop's thread. */
final class SliceStep {
  private final SyncMode mode;
  private final CancelFlag flag;
  private final LevelWork.StepEnd end;

  int pending = 1;
  boolean isDone = true;
  long mismatchedBytes;
  @Nullable IoError error;

  SliceStep(SyncMode mode, CancelFlag flag, LevelWork.StepEnd end) {
    this.mode = mode;
    this.flag = flag;
    this.end = end;
  }

  SyncMode mode() {
    return mode;
  }

  CancelFlag flag() {
    return flag;
  }

  /** One slice could not be done. */
  void failed(IoError why) {
    isDone = false;
    if (error == null) {
      error = why;
    }
  }

  void oneEnded() {
    if (--pending == 0) {
      end.ended(isDone, mismatchedBytes, error);
    }
  }
}
