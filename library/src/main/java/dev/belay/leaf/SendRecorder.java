// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import dev.belay.Bio;

/** Sees what a leaf sends to its device: for proofs and demonstrations. */
@FunctionalInterface
public interface SendRecorder {
  /**
   * A part of {@code bio} is about to be sent; its flag was looked at the moment before. On the
   * loop's thread.
   *
   * @param offsetBytes where on the device; 0 for a flush
   * @param lengthBytes how much; 0 for a flush
   */
  void sending(Bio bio, long offsetBytes, long lengthBytes);
}
