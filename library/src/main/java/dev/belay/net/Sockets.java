// SPDX-License-Identifier: Apache-2.0
package dev.belay.net;

import dev.belay.Loop;
import java.io.IOException;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** Makes wires for one loop. On the loop's thread, save what says otherwise. */
public interface Sockets {
  /** The loop whose wires they are. */
  Loop loop();

  /**
   * Listens at an address, from any thread, before or after the loop starts. Each connection
   * becomes a wire and is handed to {@code accepted} on the loop's thread.
   *
   * @param unixMode the permission bits of a unix socket's file, 0600 in octal for its owner alone;
   *     the file has them from its first moment. A file that a dead program left is replaced
   * @throws IOException with a sentence: the address is in use, and stays so for the moment in
   *     which one that belonged to a killed program becomes free; it is not of this machine; it is
   *     not permitted
   */
  Listener listen(Address address, int unixMode, Consumer<Wire> accepted) throws IOException;

  /**
   * Connects; blocks nobody. Names are looked up on another thread.
   *
   * @param timeoutNanos how long it may take, above 0
   */
  void connect(Address address, long timeoutNanos, Connected end);

  /** What an attempt to connect came to. On the loop's thread, once. */
  @FunctionalInterface
  interface Connected {
    /**
     * It is there, or it failed.
     *
     * @param wire null where it failed
     * @param sentence why it failed, for a person; empty where it did not
     */
    void ended(@Nullable Wire wire, String sentence);
  }

  /** An open address. Any thread. */
  interface Listener {
    /** Where it listens, with the port that port 0 became. */
    Address address();

    /**
     * Takes no new connections from now on; the file of a unix socket is removed. Idempotent.
     * Connections made before stay.
     */
    void close();
  }
}
