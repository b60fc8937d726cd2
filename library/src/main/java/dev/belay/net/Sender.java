// SPDX-License-Identifier: Apache-2.0
package dev.belay.net;

/**
 * Whoever has something to send on a wire, and is asked for it at the last moment: so that all that
 * became ready in one turn of the loop leaves in one piece.
 */
public interface Sender {
  /**
   * Adds what is to be sent now, in order. The memory stays as it is until {@link #sent}. Where
   * there is nothing to send after all, nothing is added, and {@code sent} is not called.
   */
  void gather(Gather into);

  /**
   * All that was gathered was taken by the wire, or none of it can be trusted to have arrived.
   *
   * @param result 0; or a negated error number, and then the wire sends nothing ever after:
   *     -ECANCELED where it was closed
   */
  void sent(int result);
}
