// SPDX-License-Identifier: Apache-2.0
package dev.belay.net;

/** Where to listen, or to connect to. */
public sealed interface Address {
  /**
   * A unix socket in the file system.
   *
   * @param path at most 107 bytes
   */
  record Unix(String path) implements Address {
    @Override
    public String toString() {
      return "unix:" + path;
    }
  }

  /**
   * A TCP port.
   *
   * @param host a name or an IPv4 or IPv6 address without brackets
   * @param port 1 to 65535; 0 to listen at a free one
   */
  record Tcp(String host, int port) implements Address {
    @Override
    public String toString() {
      return (host.contains(":") ? "[" + host + "]" : host) + ":" + port;
    }
  }

  /**
   * Reads {@code HOST:PORT}, {@code [IPV6]:PORT} or {@code :PORT}, which is all addresses of this
   * machine.
   *
   * @throws IllegalArgumentException with a sentence
   */
  static Tcp tcp(String text) {
    int colon = text.lastIndexOf(':');
    String host = colon < 0 ? text : text.substring(0, colon);
    int port = -1;
    try {
      port = Integer.parseInt(text.substring(colon + 1));
    } catch (NumberFormatException e) {
      // below
    }
    if (colon < 0 || port < 0 || port > 65_535 || (host.contains(":") && !host.startsWith("["))) {
      throw new IllegalArgumentException(
          "\"" + text + "\" is not HOST:PORT, such as localhost:10809 or [::1]:10809");
    }
    return new Tcp(host.startsWith("[") ? host.substring(1, host.length() - 1) : host, port);
  }
}
