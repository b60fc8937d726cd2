// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import dev.belay.Bio;
import dev.belay.BioEnd;
import dev.belay.CancelFlag;
import dev.belay.Extents;
import dev.belay.Extents.State;
import dev.belay.Held;
import dev.belay.IoError;
import dev.belay.Outcome;
import dev.belay.Waiting;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * What somebody wants of one slice: to write or to recover a range of one column, or a step of a
 * walk over the whole slice. It waits for a slice, then in the slice for its round, and is then in
 * the round; it is the place where its bio waits, and the end of the bio's clones. Pooled. The
 * loop's thread.
 */
final class Part implements BioEnd, Waiting {
  /** What is wanted. Parts of one kind share a round, but for steps. */
  enum Kind {
    WRITE,
    RECOVER,
    STEP
  }

  private final StripeCache cache;

  Kind kind = Kind.WRITE;
  long index;
  int column;

  /** The range within the slice. */
  int from;

  int to;

  @Nullable Bio bio;

  /** How a read that is to be made good ended; null for one that was not tried. */
  @Nullable Outcome failure;

  @Nullable SliceStep step;

  /** Where it waits; null for none, and for a slice. */
  @Nullable Slice slice;

  boolean isInRound;

  /** The member that its bytes were sent to. */
  @Nullable Member member;

  // In the queue where it waits; and in its round, in its column, by offset.
  @Nullable Part previous;
  @Nullable Part next;
  @Nullable Part nextInColumn;

  Part(StripeCache cache) {
    this.cache = cache;
  }

  Bio bio() {
    return Objects.requireNonNull(bio);
  }

  int lengthBytes() {
    return to - from;
  }

  /** The flag that stops it while it waits. */
  CancelFlag flag() {
    SliceStep walk = step;
    return walk == null ? bio().flag() : walk.flag();
  }

  /** It may wait for long. May take it out of where it is, before this returns. */
  void watch() {
    Bio mine = bio;
    if (mine != null && !mine.isWatched()) {
      mine.watch(this);
    }
  }

  void showHeld(Held held, String how) {
    Bio mine = bio;
    if (mine != null) {
      held.show(mine, how);
    }
  }

  void unwatch() {
    Bio mine = bio;
    if (mine != null) {
      mine.unwatch();
    }
  }

  /** A clone that wrote the caller's bytes to a member came back. */
  @Override
  public void ended(Bio clone) {
    Objects.requireNonNull(slice).writes().partEnded(this, clone);
  }

  /** The flag went up while it waited, and nothing of it has been written: it is out. */
  @Override
  public void flagRaised(Bio same) {
    Slice where = slice;
    if (where == null) {
      cache.forget(this);
    } else if (isInRound) {
      where.leaveRound(this);
    } else {
      where.waiting.remove(this);
    }
    complete(true);
  }

  /** Ends the bio with what is recorded of it; the part is free. */
  void complete(boolean isStopped) {
    Bio mine = bio();
    mine.unwatch();
    Outcome before = failure;
    if (before != null && (isStopped || mine.isFailed())) {
      recordFailure(mine, before);
    } else if (isStopped) {
      mine.recordCancelled(State.CLEAN);
    }
    cache.giveBack(this);
    mine.complete();
  }

  /** The read that was to be made good stays as it ended. */
  private static void recordFailure(Bio bio, Outcome failure) {
    IoError error = Objects.requireNonNull(failure.error());
    bio.recordFailed(error, State.DONE);
    for (Extents.Extent extent : failure.extents().list()) {
      if (extent.state() != State.DONE) {
        bio.mark(extent.offsetBytes(), extent.lengthBytes(), extent.state());
      }
    }
  }
}
