// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import java.util.Optional;

/**
 * A device that may be a member, and what was found on it.
 *
 * @param name what the user calls it
 * @param deviceBytes its size
 * @param superblock none if it has none that can be believed
 * @param bitmap the head of its bitmap, if it has a sound one of its own
 * @param complaint why there is no superblock, a sentence; empty if there is one
 */
public record Candidate(
    String name,
    long deviceBytes,
    Optional<Superblock> superblock,
    Optional<BitmapHead> bitmap,
    String complaint) {

  /** One with a superblock. */
  public static Candidate of(
      String name, long deviceBytes, Superblock superblock, Optional<BitmapHead> bitmap) {
    return new Candidate(name, deviceBytes, Optional.of(superblock), bitmap, "");
  }

  /** One without, and the sentence that says why. */
  public static Candidate without(String name, long deviceBytes, String complaint) {
    return new Candidate(name, deviceBytes, Optional.empty(), Optional.empty(), complaint);
  }
}
