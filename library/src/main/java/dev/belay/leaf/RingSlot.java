// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import dev.belay.Bio;
import org.jspecify.annotations.Nullable;

/** A place for one bio of a {@link UringFile} on its loop's ring. On the loop's thread. */
final class RingSlot {
  // Where the bio is. What is below WATCHED is not watched.
  /** In the row, to be sent; nothing of it is with the kernel. */
  static final byte QUEUED = 0;

  /** With the kernel. */
  static final byte SENT = 1;

  /** With the kernel since before the last look at how long they are there. */
  static final byte OLD = 2;

  /** With the kernel, and watched. */
  static final byte WATCHED = 3;

  /** With the kernel, which was asked to stop it. */
  static final byte ABORTING = 4;

  /** The kernel wants to be asked again later; watched. */
  static final byte RESTING = 5;

  final int index;
  @Nullable Bio bio;

  /** The entry's: the index and a generation, so that nothing late can mean a later bio. */
  long token;

  /** How much of the bio the kernel has done so far, where it needed more than one entry. */
  int doneBytes;

  /** How it is sent: what {@link UringFile} calls FRESH and so on. */
  byte mode;

  byte state = QUEUED;

  /** What it was last sent with: the RWF_ flags of a transfer, the FALLOC_ mode of a range. */
  int how;

  /** How often in a row the kernel said that it is to be asked again. */
  int repeats;

  RingSlot(int index) {
    this.index = index;
    token = index;
  }

  /** Its bio, where there has to be one. */
  Bio bio() {
    Bio held = bio;
    if (held == null) {
      throw new IllegalStateException("the slot " + index + " has no bio");
    }
    return held;
  }
}
