// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import dev.belay.sim.BugLoader.Change;

/** The bugs that are planted into ring, poller and files, one at a time, for the canary. */
enum RingBug {
  /** What the kernel did not take stays watched in the row, and throws when it completes. */
  WATCHED_IN_THE_ROW("leaf.RingFiles", "withdrawn", BugLoader.without("unwatch")),
  /** What the kernel did not take is forgotten. */
  FORGETS_WHAT_WAS_REFUSED("leaf.UringPoller", "takeBack", BugLoader.without("withdrawn")),
  /** What was answered stays watched, so that a late flag means a later bio. */
  WATCHED_AFTER_ITS_END("leaf.RingFiles", "answered", BugLoader.without("unwatch")),
  /** What is with the kernel is never watched. */
  WATCHES_NOTHING("leaf.RingFiles", "watch", BugLoader.without("watch")),
  /** A token is used again for the slot's next bio. */
  TOKENS_WITHOUT_GENERATION("leaf.RingFiles", "prepare", BugLoader.constant(1L << 20, 0L)),
  /** The flag is not looked at before an entry is made. */
  SENDS_AFTER_THE_FLAG("leaf.RingFiles", "prepare", BugLoader.without("isRaised")),
  /** Nobody asks the kernel to stop anything. */
  NEVER_ABORTS("leaf.UringPoller", "enter", BugLoader.without("mustAbort")),
  /** A transfer that the kernel stopped is called clean. */
  CALLS_A_STOPPED_TRANSFER_CLEAN(
      "leaf.UringFile", "stoppedByKernel", BugLoader.without("hasBuffer")),
  /** A short transfer is not continued. */
  STOPS_AT_A_SHORT_TRANSFER("leaf.UringFile", "next", BugLoader.constant(1, 4)),
  /** What was to be durable is not synced. */
  FORGETS_TO_SYNC("leaf.UringFile", "next", BugLoader.constant(3, 4)),
  /** The zeroes of a range go out as an fallocate that only allocates. */
  ZEROES_BY_MODE_0("leaf.UringFile", "prepare", BugLoader.constant(0x11, 0)),
  /** The place of what ended is not given back. */
  KEEPS_ITS_PLACE("leaf.UringFile", "ended", BugLoader.without("left")),
  /** Another thread does not wake the loop. */
  WAKES_NOBODY("leaf.WakeSignal", "send", BugLoader.without("signal")),
  /** A poll that has no more to come is taken for one that has. */
  NEVER_ARMS_AGAIN("leaf.UringPoller", "reap", BugLoader.constant(0, 1)),
  /** The kernel is not told which completions were read. */
  DOES_NOT_ADVANCE("uring.Ring", "advance", BugLoader.without("putIntRelease"));

  final String type;
  final String method;
  final Change change;

  RingBug(String type, String method, Change change) {
    this.type = type;
    this.method = method;
    this.change = change;
  }
}
