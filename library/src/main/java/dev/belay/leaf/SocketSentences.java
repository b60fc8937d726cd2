// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import dev.belay.net.Address;

/** What people are told of connections that do not come about, whoever was to make them. */
final class SocketSentences {
  private static final long NANOS = 1_000_000_000L;

  private SocketSentences() {}

  static String silent(Address address, long timeoutNanos) {
    boolean isLong = timeoutNanos % NANOS == 0;
    String time = isLong ? timeoutNanos / NANOS + " s" : timeoutNanos / 1_000_000 + " ms";
    return address + " did not answer within " + time;
  }

  /** A failure, and what the system says of it. */
  static String failed(Address address, String words) {
    return "cannot connect to " + address + ": " + words;
  }
}
