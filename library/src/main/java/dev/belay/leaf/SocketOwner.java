// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import dev.belay.uring.SocketEntries;

/** Whose socket operations a ring does. All on the loop's thread. */
sealed interface SocketOwner permits UringWire, UringListener, UringConnect {
  /** Makes the entry of an operation, for which there is room. */
  void prepare(SocketEntries entries, SocketOp op, long token);

  /** The kernel's answer; the operation is idle again, unless it has more to come. */
  void answered(SocketOp op, int result, int flags);

  /** An operation that was asked to stop has nothing left in the kernel. */
  void settle();

  /** The loop closes. */
  void farewell();
}
