// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

/** A law was broken: the sentence says how. */
final class Violation extends RuntimeException {
  private static final long serialVersionUID = 1;

  Violation(String sentence) {
    super(sentence);
  }

  Violation(String sentence, Throwable cause) {
    super(sentence, cause);
  }
}
