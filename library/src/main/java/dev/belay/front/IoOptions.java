// SPDX-License-Identifier: Apache-2.0
package dev.belay.front;

import dev.belay.CancelFlag;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * How one call wants its I/O done. Immutable; each method gives a changed copy.
 *
 * <p>Three times bound a call. At the <i>deadline</i> it is asked to stop, and goes on waiting for
 * what its device has. The <i>grace</i> is how long it goes on waiting after it was asked, by
 * whomever. The <i>patience</i> is how long it waits in all: when that is over, it is asked to stop
 * and returns. A blocking call that returns without an answer throws {@link AbandonedException}.
 * Times that are negative are over at once.
 *
 * @param flag the flag of the call; null for the one of the {@link CancelScope} around it, if any
 * @param deadline how long the call may take before its flag goes up by itself; null for ever
 * @param patience how long a blocking call waits for its answer, from the start; null for ever
 * @param grace how long a blocking call waits for its answer once its flag is up; null for ever
 * @param fua whether a write is durable when it completes
 */
public record IoOptions(
    @Nullable CancelFlag flag,
    @Nullable Duration deadline,
    @Nullable Duration patience,
    @Nullable Duration grace,
    boolean fua) {

  /** No flag of its own, no deadline, endless patience and grace, no FUA. */
  public static final IoOptions NONE = new IoOptions(null, null, null, null, false);

  /** These, with the flag that stops the call. */
  public IoOptions withFlag(CancelFlag flag) {
    return new IoOptions(flag, deadline, patience, grace, fua);
  }

  /** These, with a deadline, counted from the call. */
  public IoOptions withDeadline(Duration deadline) {
    return new IoOptions(flag, deadline, patience, grace, fua);
  }

  /**
   * These, but a blocking call takes no longer than {@code patience}, whatever its device does.
   * When it is over, the call's flag goes up, for {@link CancelFlag.Reason#DEADLINE}. What no
   * device has yet ends then and there, and the call says so; from a device that does not answer it
   * walks away, and its buffer stays with the stack.
   */
  public IoOptions withPatience(Duration patience) {
    return new IoOptions(flag, deadline, patience, grace, fua);
  }

  /**
   * These, but a blocking call walks away from a device that has not answered {@code grace} after
   * the call's flag went up, whoever raised it. Its buffer stays with the stack. A call whose flag
   * stays down waits for as long as it takes.
   */
  public IoOptions withGrace(Duration grace) {
    return new IoOptions(flag, deadline, patience, grace, fua);
  }

  /** These, with writes that are durable when they complete. */
  public IoOptions withFua() {
    return new IoOptions(flag, deadline, patience, grace, true);
  }

  /** A new flag for one request. */
  CancelFlag newFlag() {
    CancelFlag above = flag != null ? flag : CancelScope.current();
    if (deadline != null) {
      return (above == null ? CancelFlag.NEVER : above).withDeadline(deadline);
    }
    return above == null ? new CancelFlag() : above.child();
  }

  /** How long to wait: 0 for what is negative; MAX_VALUE for null, and for what no clock counts. */
  static long nanosOf(@Nullable Duration wait) {
    return wait == null ? Long.MAX_VALUE : Math.max(0, TimeUnit.NANOSECONDS.convert(wait));
  }
}
