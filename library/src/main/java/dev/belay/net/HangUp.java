// SPDX-License-Identifier: Apache-2.0
package dev.belay.net;

import dev.belay.Loop;
import dev.belay.Timers;
import org.jspecify.annotations.Nullable;

/**
 * When the peer of one wire counts as gone: what all wires make of what their transport notices. On
 * the loop's thread.
 *
 * <p>An error or a reset is decisive: it is told at once. An end of what the peer sends is not by
 * itself: what it sent before lies in front of it, and may hold a polite farewell. So as long as
 * the wire is being received from, the end of the stream comes to the receiver first. A receiver
 * that stands still for {@link #PATIENCE_NANOS}, because of a limit of its own, is told all the
 * same: it shall not work for somebody who went away. A peer that ended only its own direction and
 * goes on reading cannot be told from one that closed (over TCP it looks the same); it counts as
 * gone, too.
 */
public final class HangUp {
  /** How long a receiver may stand still after the peer's end before it is told. */
  public static final long PATIENCE_NANOS = 2_000_000;

  private final Loop loop;
  private final Timers.Timer timer;
  private @Nullable WireEnd end;
  private boolean isNoticed;
  private boolean isDecisive;
  private boolean isReceiving;
  private boolean hasReceived;

  /** Of a wire of {@code loop}. */
  public HangUp(Loop loop) {
    this.loop = loop;
    timer = loop.timers().newTimer(this::look);
  }

  /** Somebody waits for it; once. */
  public void await(WireEnd end) {
    this.end = end;
    if (isNoticed) {
      timer.set(loop.clock().nanos());
    }
  }

  /** Whether somebody waits for it, who was not told yet. */
  public boolean isAwaited() {
    return end != null;
  }

  /**
   * The transport says that the peer sends no more.
   *
   * @param decisive whether it is an error, so that nothing that it sent can matter
   */
  public void noticed(boolean decisive) {
    boolean isNews = !isNoticed || (decisive && !isDecisive);
    isNoticed = true;
    isDecisive |= decisive;
    if (isNews && end != null) {
      hasReceived = true; // whoever has just received gets the time to ask for more
      timer.set(loop.clock().nanos());
    }
  }

  /** A receive is under way. */
  public void receiving() {
    isReceiving = true;
  }

  /** A receive has ended. */
  public void received(int result) {
    isReceiving = false;
    hasReceived = true;
    if (result <= 0) {
      noticed(true);
    }
  }

  /** The wire closes: nobody is told any more. Answers who waited, if somebody did. */
  public @Nullable WireEnd close() {
    timer.cancel();
    WireEnd waiting = end;
    end = null;
    return waiting;
  }

  private void look() {
    WireEnd waiting = end;
    if (waiting == null) {
      return;
    }
    if (isDecisive || !(isReceiving || hasReceived)) {
      end = null;
      waiting.ended(0);
    } else {
      hasReceived = false;
      timer.set(loop.clock().nanos() + PATIENCE_NANOS);
    }
  }
}
