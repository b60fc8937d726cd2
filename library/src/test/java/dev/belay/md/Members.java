// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import dev.belay.Device;
import dev.belay.md.Member.State;

/** Makes members of arrays for tests elsewhere. */
public final class Members {
  private Members() {}

  /** A member in sync. */
  public static Member inSync(Device device, int slot) {
    return new Member("member " + slot, device, 0, slot, State.IN_SYNC, 0);
  }

  /** A member that waits for a place. */
  public static Member spare(Device device) {
    return new Member("a spare", device, 0, -1, State.SPARE, 0);
  }

  /** How many reads of a member failed, and were counted. */
  public static int readErrors(Member member) {
    return member.readErrors;
  }
}
