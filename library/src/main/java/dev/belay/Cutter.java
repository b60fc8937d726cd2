// SPDX-License-Identifier: Apache-2.0
package dev.belay;

/** How a device cuts a bio into pieces; see {@link Bio#split}. */
@FunctionalInterface
public interface Cutter {
  /**
   * Says where the next piece goes and how long it is, by {@link Bio#remap} of {@code piece}, which
   * at first covers all that is left of the whole. On the loop's thread.
   *
   * @return the piece's length, in bytes: at least 1, at most what is left
   */
  long cut(Bio piece);
}
