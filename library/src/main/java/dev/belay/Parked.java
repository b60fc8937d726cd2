// SPDX-License-Identifier: Apache-2.0
package dev.belay;

import org.jspecify.annotations.Nullable;

/**
 * A queue of bios that a device holds back, first in, first out. A bio whose flag goes up while it
 * is here completes clean by itself, wherever in the queue it stands, without a device being
 * touched; one that is let go is looked at once more. Only on the loop's thread.
 */
public final class Parked implements Waiting {
  private @Nullable Bio first;
  private @Nullable Bio last;
  private int size;

  /** Takes the bio in at the end; it may complete at once, if its flag is up. */
  public void park(Bio bio) {
    bio.previousParked = last;
    bio.nextParked = null;
    if (last != null) {
      last.nextParked = bio;
    } else {
      first = bio;
    }
    last = bio;
    size++;
    bio.isParked = true;
    bio.watch(this);
  }

  /** The bio that {@link #letGo} would look at first; null for an empty queue. */
  public @Nullable Bio peek() {
    return first;
  }

  /** The first bio whose flag is down, taken out; those before it complete clean. Null for none. */
  public @Nullable Bio letGo() {
    for (Bio bio = first; bio != null; bio = first) {
      bio.unwatch();
      unlink(bio);
      if (!bio.flag().isRaised()) {
        return bio;
      }
      bio.cancelClean();
    }
    return null;
  }

  /**
   * Takes out a bio that waits here, wherever in the queue it stands, and without a look at its
   * flag: the next checkpoint looks.
   */
  public void take(Bio bio) {
    bio.unwatch();
    unlink(bio);
  }

  /** The same from the other end: the last bio whose flag is down. */
  public @Nullable Bio letGoLast() {
    for (Bio bio = last; bio != null; bio = last) {
      bio.unwatch();
      unlink(bio);
      if (!bio.flag().isRaised()) {
        return bio;
      }
      bio.cancelClean();
    }
    return null;
  }

  /** Shows each bio that waits here, the first first. */
  public void showHeld(Held held, String how) {
    for (Bio bio = first; bio != null; bio = bio.nextParked) {
      held.show(bio, how);
    }
  }

  /** How many bios wait here. */
  public int size() {
    return size;
  }

  /** Whether none waits here. */
  public boolean isEmpty() {
    return size == 0;
  }

  @Override
  public void flagRaised(Bio bio) {
    unlink(bio);
    bio.cancelClean();
  }

  private void unlink(Bio bio) {
    if (bio.previousParked != null) {
      bio.previousParked.nextParked = bio.nextParked;
    } else {
      first = bio.nextParked;
    }
    if (bio.nextParked != null) {
      bio.nextParked.previousParked = bio.previousParked;
    } else {
      last = bio.previousParked;
    }
    bio.previousParked = null;
    bio.nextParked = null;
    bio.isParked = false;
    size--;
  }
}
