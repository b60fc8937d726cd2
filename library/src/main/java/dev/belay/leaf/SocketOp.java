// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

/** One thing at a time that a ring does with a socket: what {@link UringSockets} knows of it. */
final class SocketOp {
  static final byte IDLE = 0;
  static final byte QUEUED = 1;
  static final byte SENT = 2;

  final SocketOwner owner;
  final int index;
  byte state = IDLE;

  /** It was asked to stop: an entry of its own, that has to be answered, too. */
  boolean isStopping;

  boolean mustStop;

  /** How often in a row the kernel said that it is to be asked again. */
  int repeats;

  SocketOp(SocketOwner owner, int index) {
    this.owner = owner;
    this.index = index;
  }

  /** Whether the kernel knows nothing of it. */
  boolean isIdle() {
    return state == IDLE && !isStopping;
  }
}
