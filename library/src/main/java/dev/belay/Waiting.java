// SPDX-License-Identifier: Apache-2.0
package dev.belay;

/**
 * A place where a bio waits and that wants to be told when the bio's flag goes up: a {@link Parked}
 * queue, or a leaf whose device can abort what is in flight. See {@link Bio#watch}.
 */
public interface Waiting {
  /**
   * The flag of {@code bio}, which waits here, is up. On the loop's thread, once for each watch;
   * the bio is watched no longer. It need not be completed now, nor at all because of this. If this
   * throws, the bio of a target fails, its bytes unknown; a leaf may have it in flight and answers
   * for it as if the flag had not gone up.
   */
  void flagRaised(Bio bio);
}
