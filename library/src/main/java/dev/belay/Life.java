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

  private static final String[] WORDS = {
    "not in the stack", "in the stack already", "completed already", "back in the pool"
  };

  private Life() {}

  /** How a sentence about a bio goes on. */
  static String words(int life) {
    return WORDS[life];
  }
}
