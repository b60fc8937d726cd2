// SPDX-License-Identifier: Apache-2.0
package dev.belay.net;

import java.util.function.Consumer;

/**
 * One end of a connected byte stream, owned by one loop. Everything here is for that loop's thread,
 * and every end runs there, never from within the call that asked for it.
 *
 * <p>At most one receive and one send are under way at a time, and independent of each other. The
 * memory of both belongs to the wire until their end has run, also after {@link #close}.
 */
public interface Wire {
  /**
   * Receives some bytes, at least one.
   *
   * @param address where to put them, absolute; not touched any more once the end runs
   * @param lengthBytes how many at most, above 0
   * @param end gets how many there were; 0 when the peer will send no more; or a negated error
   *     number
   */
  void receive(long address, int lengthBytes, WireEnd end);

  /**
   * Receives all of a range, as {@link #receive}, in fewer steps where the transport can see to
   * that. It may come in parts all the same: then the end gets how many there were, and is to ask
   * for the rest.
   */
  default void receiveAll(long address, int lengthBytes, WireEnd end) {
    receive(address, lengthBytes, end);
  }

  /**
   * There is something to send: {@code sender} is asked for it just before the loop next goes to
   * the kernel, or when the send under way has ended. Asking again before that changes nothing; nor
   * does asking once it was closed, or can send no more.
   */
  void wantSend(Sender sender);

  /**
   * Tells when the peer is gone, whether anything is being received or not: at once where it reset
   * the connection or does not answer keep-alive probes; where it closed, or sends no more, when
   * what it sent before was received, or nothing is being received for a moment: see {@link
   * HangUp}. So it comes also after a farewell that was received, and then means nothing more. Once
   * a wire.
   *
   * @param end gets 0; or -ECANCELED where the wire was closed first
   */
  void awaitHangUp(WireEnd end);

  /**
   * Closes it. What is under way ends with -ECANCELED (or with what the kernel had done before it
   * noticed), then {@code closed} runs: from then on no memory is referred to. What was sent before
   * and not yet taken by the peer still arrives, where the transport can see to that. Closing twice
   * is a defect, and so is receiving afterwards.
   */
  void close(Runnable closed);

  /**
   * Hands it to another loop, with nothing under way on it. {@code arrived} runs on that loop's
   * thread with the wire to be used there (this object or another in its place); this one must not
   * be used any more. If the other loop is closed, the wire is closed, and {@code arrived} never
   * runs.
   */
  void move(Sockets to, Consumer<Wire> arrived);

  /**
   * Who is at the other end, for people: {@code 192.0.2.7:51234}, {@code a local program, 1234}.
   */
  String peer();
}
