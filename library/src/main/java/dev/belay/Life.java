// SPDX-License-Identifier: Apache-2.0
package dev.belay;

/**
 * Where a bio is in its life. Numbers, and no enum, because each request changes it three times,
 * and the collector looks at every reference that is stored.
 */
final class Life {
  static final int IDLE = 0;
  static final int ACTIVE = 1;
  static final int COMPLETED = 2;
  static final int POOLED = 3;

  /** A defect ended it, so somebody may still refer to it: it is never used again. */
  static final int DEAD = 4;

  private static final String[] WORDS = {
    "not in the stack",
    "in the stack already",
    "completed already",
    "back in the pool",
    "dead after a defect of a device"
  };

  private Life() {}

  /** How a sentence about a bio goes on. */
  static String words(int life) {
    return WORDS[life];
  }
}
