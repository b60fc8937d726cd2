// SPDX-License-Identifier: Apache-2.0
package dev.belay;

/** Where a bio is in its life; what it says is how a sentence about it goes on. */
enum Life {
  IDLE("not in the stack"),
  ACTIVE("in the stack already"),
  COMPLETED("completed already"),
  POOLED("back in the pool");

  final String words;

  Life(String words) {
    this.words = words;
  }
}
