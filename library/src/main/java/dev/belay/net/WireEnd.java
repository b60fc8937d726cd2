// SPDX-License-Identifier: Apache-2.0
package dev.belay.net;

/** What runs when something that was asked of a wire has ended. On the loop's thread, once. */
@FunctionalInterface
public interface WireEnd {
  /**
   * It has ended.
   *
   * @param result a count of bytes, or a negated error number; -ECANCELED because the wire was
   *     closed
   */
  void ended(int result);
}
