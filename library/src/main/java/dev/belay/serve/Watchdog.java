// SPDX-License-Identifier: Apache-2.0
package dev.belay.serve;

import dev.belay.Timers.Timer;
import dev.belay.stack.Durations;

/**
 * Sees to it that a client does not hold what it has for ever: it looks four times in each stall
 * time (or idle time, if that is shorter) whether anything has moved, so that nothing that moves
 * needs to look at a clock. Only on the loop's thread.
 */
final class Watchdog {
  private static final int LOOKS = 4;

  /** So much is to come, or to go, in one stall time. */
  static final int STEP_BYTES = 1 << 20;

  private final Connection connection;
  private final Served served;
  private final Timer timer;
  private final long lookNanos;
  private final long stallLooks;
  private final long idleLooks;

  // What moves: whole requests, each MiB of a payload.
  private int steps;
  private long stepBytes;

  private int seenSteps;
  private int seenSends;
  private long stalledIn;
  private long stalledOut;
  private long idle;

  Watchdog(Connection connection, Served served) {
    this.connection = connection;
    this.served = served;
    timer = served.loop().timers().newTimer(this::look);
    long stallNanos = served.options().stallTimeout().toNanos();
    long idleNanos = served.options().idleTimeout().toNanos();
    lookNanos = Math.max(1, (idleNanos > 0 ? Math.min(stallNanos, idleNanos) : stallNanos) / LOOKS);
    stallLooks = Math.ceilDiv(stallNanos, lookNanos);
    idleLooks = idleNanos > 0 ? Math.ceilDiv(idleNanos, lookNanos) : Long.MAX_VALUE;
  }

  void begin() {
    timer.set(served.clock().after(lookNanos));
  }

  void end() {
    timer.cancel();
  }

  /** A whole request, with or without its payload, has come. */
  void whole() {
    steps++;
    stepBytes = 0;
  }

  /** A part of a payload has come. */
  void received(int bytes) {
    stepBytes += bytes;
    if (stepBytes >= STEP_BYTES) {
      whole();
    }
  }

  private void look() {
    timer.set(served.clock().after(lookNanos));
    Replies replies = connection.replies();
    boolean hasMovedOut = !replies.isSending() || replies.sends() != seenSends;
    boolean hasMovedIn = !connection.awaitsRest() || steps != seenSteps;
    stalledOut = hasMovedOut ? 0 : stalledOut + 1;
    stalledIn = hasMovedIn ? 0 : stalledIn + 1;
    idle = connection.isIdle() && steps == seenSteps ? idle + 1 : 0;
    seenSends = replies.sends();
    seenSteps = steps;
    String time = Durations.print(served.options().stallTimeout().toNanos());
    if (stalledOut >= stallLooks) {
      connection.cut("the client took nothing of its replies for " + time);
    } else if (stalledIn >= stallLooks) {
      connection.cut("the client did not send the rest of a request for " + time);
    } else if (idle >= idleLooks) {
      connection.cut(
          "the client asked for nothing for "
              + Durations.print(served.options().idleTimeout().toNanos()));
    }
  }
}
