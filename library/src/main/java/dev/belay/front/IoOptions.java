// SPDX-License-Identifier: Apache-2.0
package dev.belay.front;

import dev.belay.CancelFlag;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * How one call wants its I/O done. Immutable; each method gives a changed copy.
 *
 * @param flag the flag of the call; null for the one of the {@link CancelScope} around it, if any
 * @param deadline how long the call may take before its flag goes up by itself; null for ever
 * @param patience how long a blocking call waits for a request whose flag is up before it walks
 *     away with an {@link AbandonedException}; null for ever
 * @param fua whether a write is durable when it completes
 */
public record IoOptions(
    @Nullable CancelFlag flag,
    @Nullable Duration deadline,
    @Nullable Duration patience,
    boolean fua) {

  /** No flag of its own, no deadline, endless patience, no FUA. */
  public static final IoOptions NONE = new IoOptions(null, null, null, false);

  /** These, with the flag that stops the call. */
  public IoOptions withFlag(CancelFlag flag) {
    return new IoOptions(flag, deadline, patience, fua);
  }

  /** These, with a deadline, counted from the call. */
  public IoOptions withDeadline(Duration deadline) {
    return new IoOptions(flag, deadline, patience, fua);
  }

  /**
   * These, but a blocking call walks away from a device that does not answer {@code patience} after
   * the call's flag went up. Its buffer stays with the stack.
   */
  public IoOptions withPatience(Duration patience) {
    return new IoOptions(flag, deadline, patience, fua);
  }

  /** These, with writes that are durable when they complete. */
  public IoOptions withFua() {
    return new IoOptions(flag, deadline, patience, true);
  }

  /** A new flag for one request. */
  CancelFlag newFlag() {
    CancelFlag above = flag != null ? flag : CancelScope.current();
    if (deadline != null) {
      return (above == null ? CancelFlag.NEVER : above).withDeadline(deadline);
    }
    return above == null ? new CancelFlag() : above.child();
  }
}
