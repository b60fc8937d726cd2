// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import dev.belay.uring.Errno;

/**
 * What is known of a kernel that takes nothing from a ring: for how long it has been so, how long
 * to wait before it is asked again, and whether it is so for good. On the loop's thread.
 *
 * <p>A lack of memory or of room passes, and is waited for as long as it lasts. Anything else that
 * lasts for {@link #GIVE_UP_NANOS} is for good: a sandbox that came later, a ring that is broken.
 */
final class RingRefusals {
  private static final long GIVE_UP_NANOS = 1_000_000_000;
  private static final long FIRST_PAUSE_NANOS = 50_000;
  private static final long LONGEST_PAUSE_NANOS = 5_000_000;
  private static final long HOPELESS_PAUSE_NANOS = 100_000_000;
  private static final long REPORT_EVERY_NANOS = 60_000_000_000L;

  private int errno;
  private int inARow;
  private long sinceNanos;

  /** Since when it is refused with what does not pass; of a passing error, now. */
  private long gravelySinceNanos;

  private boolean isForGood;
  private boolean hasReported;
  private long reportedNanos;
  private boolean isReportedNow;
  private long total;

  /** Whether the kernel took nothing when it was last asked. */
  boolean isRefusing() {
    return inARow > 0;
  }

  /** Whether there is no hope any more: what waits has to fail. */
  boolean isForGood() {
    return isForGood;
  }

  /** The last error number, negated. */
  int result() {
    return -errno;
  }

  /** The kernel took something. */
  void taken() {
    inARow = 0;
    isForGood = false;
    isReportedNow = false;
  }

  /** It took nothing. */
  void refused(int result, long nowNanos) {
    errno = -result;
    total++;
    boolean isPassing = isPassing();
    sinceNanos = inARow == 0 ? nowNanos : sinceNanos;
    gravelySinceNanos = inARow == 0 || isPassing ? nowNanos : gravelySinceNanos;
    inARow++;
    isForGood = nowNanos - gravelySinceNanos >= GIVE_UP_NANOS;
    if (!isPassing || nowNanos - sinceNanos >= GIVE_UP_NANOS) {
      report(nowNanos);
    }
  }

  private boolean isPassing() {
    return switch (errno) {
      case Errno.EAGAIN, Errno.EBUSY, Errno.EINTR, Errno.ENOMEM -> true;
      default -> false;
    };
  }

  /** Once for each time that it begins, and not again within a minute. */
  private void report(long nowNanos) {
    if (isReportedNow || (hasReported && nowNanos - reportedNanos < REPORT_EVERY_NANOS)) {
      return;
    }
    isReportedNow = true;
    hasReported = true;
    reportedNanos = nowNanos;
    System.getLogger("dev.belay")
        .log(
            System.Logger.Level.ERROR,
            "the kernel takes no requests from the ring, which therefore wait: "
                + Errno.sentence(errno));
  }

  /** How long to wait before the kernel is asked again; 0 for the first time. */
  long pauseNanos() {
    if (isForGood) {
      return HOPELESS_PAUSE_NANOS;
    }
    return inARow <= 1
        ? 0
        : Math.min(LONGEST_PAUSE_NANOS, FIRST_PAUSE_NANOS << Math.min(inARow - 2, 10));
  }

  /** A sentence for the status; empty if nothing was ever refused. */
  String status() {
    return total == 0
        ? ""
        : "the kernel refused the ring's call %d times, last with: %s"
            .formatted(total, Errno.sentence(errno));
  }
}
