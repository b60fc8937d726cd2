// SPDX-License-Identifier: Apache-2.0
package dev.belay.net;

/**
 * When a TCP peer that says nothing counts as gone. Unix sockets need none of it.
 *
 * @param idleSeconds how long nothing was heard before the first probe, above 0
 * @param intervalSeconds how long after each the next one comes, above 0
 * @param probes how many go unanswered before the connection is given up, above 0
 * @param unansweredMillis how long what was sent may stay without an acknowledgement, above 0
 */
public record KeepAlive(int idleSeconds, int intervalSeconds, int probes, int unansweredMillis) {
  /** Notices a machine that vanished within a minute. */
  public static final KeepAlive DEFAULT = new KeepAlive(30, 10, 3, 60_000);

  public KeepAlive {
    if (idleSeconds <= 0 || intervalSeconds <= 0 || probes <= 0 || unansweredMillis <= 0) {
      throw new IllegalArgumentException("keep-alive takes numbers above 0");
    }
  }
}
