// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The control sockets that a command talks to.
 *
 * @param sockets of servers that are running
 */
record Servers(List<Path> sockets) {
  /** That of the path, or all of this user's. */
  static Servers find(@Nullable Path control) throws IOException {
    if (control != null) {
      if (!Files.exists(control)) {
        throw new IOException(
            "there is no control socket "
                + control
                + ": the server that made it has ended, or"
                + " was given another --control PATH");
      }
      return new Servers(List.of(control));
    }
    return new Servers(ControlPlace.ofUser(System.getenv()).sockets());
  }

  /** The only one. */
  Path only(String what) {
    if (sockets.isEmpty()) {
      throw new Main.Failure("no server of this user is running; belay serve starts one");
    }
    if (sockets.size() > 1) {
      throw new Main.Failure(
          "%d servers are running, and %s is for one: give --control with one of %s"
              .formatted(sockets.size(), what, sockets));
    }
    return sockets.getFirst();
  }

  /** The one whose program has this number. */
  Path of(String pid) {
    for (Path socket : sockets) {
      if (pid.equals(ControlPlace.pid(socket))) {
        return socket;
      }
    }
    throw new Main.Failure("no server of this user has the number " + pid + "; see belay ps");
  }
}
