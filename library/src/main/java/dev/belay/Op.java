// SPDX-License-Identifier: Apache-2.0
package dev.belay;

/** What a bio asks for. */
public enum Op {
  /** Fill the buffer from the medium. */
  READ,
  /** Put the buffer on the medium. */
  WRITE,
  /** Make durable every write that was completed before this was submitted. Has no range. */
  FLUSH,
  /** The range is not needed any more; it reads as anything, mostly zeroes. Has no buffer. */
  DISCARD,
  /** Make the range read as zeroes. Has no buffer. */
  WRITE_ZEROES,
  /**
   * Say which parts of the range read as zeroes because nothing is stored there, by {@link
   * Bio#markHole}. Has no buffer and changes nothing. The answer is about the moment of asking. A
   * device that cannot say just completes it: then nothing is said to be a hole.
   */
  FIND_HOLES;

  /** Whether it moves bytes between the buffer and the medium. */
  public boolean hasBuffer() {
    return this == READ || this == WRITE;
  }

  /** Whether it changes the medium. */
  public boolean changesMedium() {
    return this == WRITE || this == DISCARD || this == WRITE_ZEROES;
  }
}
