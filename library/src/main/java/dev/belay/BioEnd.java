// SPDX-License-Identifier: Apache-2.0
package dev.belay;

/** What runs when a bio has completed: its owner's side of it. */
@FunctionalInterface
public interface BioEnd {
  /**
   * The bio has completed. On the loop's thread, once. A clone goes back to the loop's pool when
   * this returns: read what is needed of it, and forget it.
   */
  void ended(Bio bio);
}
