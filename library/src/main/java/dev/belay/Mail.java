// SPDX-License-Identifier: Apache-2.0
package dev.belay;

import org.jspecify.annotations.Nullable;

/** What can be put into a loop's mailbox: an intrusive node, in one mailbox at a time. */
abstract sealed class Mail permits Bio, Watch, Loop.Message {
  @Nullable Mail nextMail;

  /** On the loop's thread. */
  abstract void deliver(Loop loop);

  /** {@link #deliver} threw; the loop has reported it. On the loop's thread. */
  void undelivered(Loop loop, Throwable defect) {}
}
