// SPDX-License-Identifier: Apache-2.0
package dev.belay;

/** What runs when a bio has completed: its owner's side of it. */
@FunctionalInterface
public interface BioEnd {
  /**
   * The bio has completed. On the loop's thread, once. A clone goes back to the loop's pool when
   * this returns: read what is needed of it, and forget it. If this throws before the parent has
   * completed, the parent fails, its bytes unknown, when none of its clones is under way.
   */
  void ended(Bio bio);
}
