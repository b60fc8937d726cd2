// SPDX-License-Identifier: Apache-2.0
package dev.belay;

import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * One loop's interest in one flag: the bios of the flag that wait somewhere in the loop's stack,
 * and the watches on the flag's children. It exists only while it has either.
 *
 * <p>Because watches mirror the tree of flags, a raiser hands its loop one watch, however many bios
 * and children hang below it, and the loop finds them all without a search. Everything but {@code
 * nextOfFlag} and {@code inMailbox} belongs to the loop's thread.
 */
final class Watch extends Mail {
  final CancelFlag flag;
  final Loop loop;

  /** The next loop's watch on the same flag. */
  volatile @Nullable Watch nextOfFlag;

  final AtomicBoolean inMailbox = new AtomicBoolean();

  private @Nullable Watch above;
  private @Nullable Watch firstChild;
  private @Nullable Watch previousSibling;
  private @Nullable Watch nextSibling;
  private @Nullable Bio firstBio;
  private Timers.@Nullable Timer deadline;

  private Watch(CancelFlag flag, Loop loop) {
    this.flag = flag;
    this.loop = loop;
  }

  /** Notes that {@code bio} waits. The caller looks at the flag afterwards. */
  static void add(Loop loop, Bio bio) {
    Watch watch = on(loop, bio.flag());
    bio.watch = watch;
    bio.previousOfWatch = null;
    bio.nextOfWatch = watch.firstBio;
    if (watch.firstBio != null) {
      watch.firstBio.previousOfWatch = bio;
    }
    watch.firstBio = bio;
  }

  /** Notes that {@code bio} waits no longer. */
  static void remove(Bio bio) {
    Watch watch = bio.watch;
    if (watch == null) {
      return;
    }
    if (bio.previousOfWatch != null) {
      bio.previousOfWatch.nextOfWatch = bio.nextOfWatch;
    } else {
      watch.firstBio = bio.nextOfWatch;
    }
    if (bio.nextOfWatch != null) {
      bio.nextOfWatch.previousOfWatch = bio.previousOfWatch;
    }
    bio.watch = null;
    bio.previousOfWatch = null;
    bio.nextOfWatch = null;
    watch.releaseIfEmpty();
  }

  /** Finds or makes the watch on {@code flag}, and those on the flags above it. */
  private static Watch on(Loop loop, CancelFlag flag) {
    Watch found = flag.watchOf(loop);
    if (found != null) {
      return found;
    }
    Watch bottom = new Watch(flag, loop);
    Watch made = bottom;
    for (; ; ) {
      made.start();
      CancelFlag parent = made.flag.parent();
      if (parent == null) {
        return bottom;
      }
      Watch above = parent.watchOf(loop);
      boolean missing = above == null;
      if (above == null) {
        above = new Watch(parent, loop);
      }
      made.hangBelow(above);
      if (!missing) {
        return bottom;
      }
      made = above;
    }
  }

  private void start() {
    flag.publish(this);
    if (flag.ownDeadlineNanos() != Long.MAX_VALUE) {
      deadline = loop.timers().newTimer(() -> flag.raise(CancelFlag.Reason.DEADLINE));
      deadline.set(flag.ownDeadlineNanos());
    }
  }

  private void hangBelow(Watch parent) {
    above = parent;
    nextSibling = parent.firstChild;
    if (parent.firstChild != null) {
      parent.firstChild.previousSibling = this;
    }
    parent.firstChild = this;
  }

  private void releaseIfEmpty() {
    Watch watch = this;
    while (watch != null && watch.firstBio == null && watch.firstChild == null) {
      Watch parent = watch.above;
      watch.release();
      watch = parent;
    }
  }

  private void release() {
    if (deadline != null) {
      deadline.cancel();
      deadline = null;
    }
    flag.unpublish(this);
    Watch parent = above;
    if (parent != null) {
      if (previousSibling != null) {
        previousSibling.nextSibling = nextSibling;
      } else {
        parent.firstChild = nextSibling;
      }
      if (nextSibling != null) {
        nextSibling.previousSibling = previousSibling;
      }
      above = null;
      previousSibling = null;
      nextSibling = null;
    }
  }

  /**
   * The flag may be up: if it is, everything below is told. A watch that is not empty has a bio at
   * the end of each of its branches, so that every descent makes progress.
   */
  @Override
  void deliver(Loop loop) {
    inMailbox.set(false);
    if (!flag.isRaised()) {
      return;
    }
    while (firstBio != null || firstChild != null) {
      Watch watch = this;
      while (watch.firstChild != null) {
        watch = watch.firstChild;
      }
      for (Bio bio = watch.firstBio; bio != null; bio = watch.firstBio) {
        wakeHolderOf(bio);
      }
    }
  }

  /** A holder that throws keeps nobody else from being told. */
  private static void wakeHolderOf(Bio bio) {
    try {
      bio.wakeHolder();
    } catch (RuntimeException | Error defect) {
      bio.loop().report(defect);
      // A leaf may have it in flight, and answers for it as if the flag had not gone up.
      if (!bio.device().lowers().isEmpty()) {
        bio.spoil("could not be stopped", defect);
      }
    }
  }
}
