// SPDX-License-Identifier: Apache-2.0
package dev.belay;

import org.jspecify.annotations.Nullable;

/** What tests outside this package want to see of its inside. */
public final class Inside {
  private Inside() {}

  /** The bio that {@code bio} is a clone of; null for a front's own. */
  public static @Nullable Bio parentOf(Bio bio) {
    return bio.parent;
  }

  /** The flag that the bio came with: its commit point takes it away until the end. */
  public static CancelFlag ownFlag(Bio bio) {
    CancelFlag before = bio.flagBeforeCommit;
    return before == null ? bio.flag() : before;
  }

  /** Whether the bio is beyond a commit point, and had a flag before. */
  public static boolean isCommitted(Bio bio) {
    return bio.flagBeforeCommit != null;
  }

  /** Whether {@code loop} still has an interest in the flag, which nothing that ended has. */
  public static boolean isWatched(CancelFlag flag, Loop loop) {
    return flag.watchOf(loop) != null;
  }

  /**
   * Closes the devices of a driven loop that will never turn again, whatever it has open, and lets
   * the loop be forgotten. For devices that are not there any more after a simulated power loss.
   */
  public static void abandon(Loop loop) {
    Loop.DRIVEN.remove(loop);
    loop.devices.forEach(Device::close);
  }
}
