// SPDX-License-Identifier: Apache-2.0
package dev.belay.serve;

import dev.belay.net.Address;

/**
 * Who is told what a server sees. Called on the server's own threads, which serve nobody meanwhile:
 * it is quick, and blocks on nothing. It may be called by several threads at a time.
 */
public interface ServerLog {
  /** The server takes connections at an address. */
  void listening(Address address);

  /** A client was greeted, and uses an export from now on. */
  void connected(ConnectionStatus connection);

  /**
   * A client never came to use an export.
   *
   * @param peer who, for people
   * @param why a part of a sentence: {@code it showed no certificate}
   * @param isFault false where it only asked what there is, and went away
   */
  void refused(String peer, String why, boolean isFault);

  /** A connection that used an export has ended, and nothing of it is left. Once for each. */
  void ended(ConnectionReport report);

  /** Anything else that a person should know: a sentence. */
  void note(String sentence);

  /** Keeps nothing of what it is told. */
  ServerLog NONE =
      new ServerLog() {
        @Override
        public void listening(Address address) {}

        @Override
        public void connected(ConnectionStatus connection) {}

        @Override
        public void refused(String peer, String why, boolean isFault) {}

        @Override
        public void ended(ConnectionReport report) {}

        @Override
        public void note(String sentence) {}
      };
}
