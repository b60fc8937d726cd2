// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import dev.belay.Loop;
import dev.belay.net.KeepAlive;
import dev.belay.net.Sockets;

/** The sockets of a loop: on its ring where it has or can have one. */
public final class LoopSockets {
  private LoopSockets() {}

  /** The same with {@link KeepAlive#DEFAULT}. */
  public static Sockets of(Loop loop) {
    return of(loop, KeepAlive.DEFAULT);
  }

  /**
   * The sockets of a loop. Before the loop starts, or on its thread; a ring can be made only
   * before.
   *
   * @param keepAlive for TCP connections that are made from now on
   */
  public static Sockets of(Loop loop, KeepAlive keepAlive) {
    String missing = UringPoller.tryOn(loop);
    if (missing.isEmpty() && loop.poller() instanceof UringPoller poller) {
      UringSockets sockets = poller.sockets();
      sockets.setKeepAlive(keepAlive);
      return sockets;
    }
    return new ChannelSockets(loop, keepAlive);
  }
}
