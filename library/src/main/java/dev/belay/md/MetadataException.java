// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

/** What is on a member, or what was asked of an array, cannot be: one sentence says why. */
public final class MetadataException extends Exception {
  private static final long serialVersionUID = 1L;

  /** The sentence says what is wrong and what would be right; it does not name the member. */
  public MetadataException(String sentence) {
    super(sentence);
  }
}
