// SPDX-License-Identifier: Apache-2.0
package dev.belay.uring;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Locale;

/**
 * The system calls that stream sockets need, besides what a ring does; like those of {@link
 * Kernel}. Names of sockets are the bytes of a struct sockaddr, made by {@link SocketName}.
 */
public final class SocketCalls {
  public static final int AF_UNIX = 1;
  public static final int AF_INET = 2;
  public static final int AF_INET6 = 10;

  /** Levels and options of {@link #setOption}. */
  public static final int SOL_SOCKET = 1;

  public static final int SO_REUSEADDR = 2;
  public static final int SO_ERROR = 4;
  public static final int SO_SNDBUF = 7;
  public static final int SO_RCVBUF = 8;
  public static final int SO_KEEPALIVE = 9;
  public static final int IPPROTO_TCP = 6;
  public static final int TCP_NODELAY = 1;
  public static final int TCP_KEEPIDLE = 4;
  public static final int TCP_KEEPINTVL = 5;
  public static final int TCP_KEEPCNT = 6;
  public static final int TCP_USER_TIMEOUT = 18;
  public static final int IPPROTO_IPV6 = 41;
  public static final int IPV6_V6ONLY = 26;

  private static final int SO_PEERCRED = 17;
  private static final int SOCK_STREAM = 1;
  private static final int SHUT_RDWR = 2;
  private static final int NAME_BYTES = 128;

  private static final boolean ARM =
      System.getProperty("os.arch", "").toLowerCase(Locale.ROOT).equals("aarch64");
  private static final int SOCKET = ARM ? 198 : 41;
  private static final int CONNECT = ARM ? 203 : 42;
  private static final int SHUTDOWN = ARM ? 210 : 48;
  private static final int BIND = ARM ? 200 : 49;
  private static final int LISTEN = ARM ? 201 : 50;
  private static final int GETSOCKNAME = ARM ? 204 : 51;
  private static final int GETPEERNAME = ARM ? 205 : 52;
  private static final int SETSOCKOPT = ARM ? 208 : 54;
  private static final int GETSOCKOPT = ARM ? 209 : 55;
  private static final int FCHMOD = ARM ? 52 : 91;

  private SocketCalls() {}

  /** A new stream socket of a family (AF_ constants), closed on exec: its descriptor. */
  public static int socket(int family) {
    return (int) Kernel.call(SOCKET, family, SOCK_STREAM | Kernel.O_CLOEXEC, 0, 0, 0, 0);
  }

  public static int bind(int fd, byte[] name) {
    return named(BIND, fd, name);
  }

  /** Connects; blocks until it is done. */
  public static int connect(int fd, byte[] name) {
    return named(CONNECT, fd, name);
  }

  public static int listen(int fd, int backlog) {
    return (int) Kernel.call(LISTEN, fd, backlog, 0, 0, 0, 0);
  }

  /** Ends both directions; a listening socket takes no more connections. */
  public static int shutdown(int fd) {
    return (int) Kernel.call(SHUTDOWN, fd, SHUT_RDWR, 0, 0, 0, 0);
  }

  /** Sets the permission bits; of a unix socket before bind, those that its file will have. */
  public static int fchmod(int fd, int mode) {
    return (int) Kernel.call(FCHMOD, fd, mode, 0, 0, 0, 0);
  }

  /** The socket's own name; empty where there is none. */
  public static byte[] ownName(int fd) {
    return name(GETSOCKNAME, fd);
  }

  /** The name of the socket that it is connected to; empty where there is none. */
  public static byte[] peerName(int fd) {
    return name(GETPEERNAME, fd);
  }

  public static int setOption(int fd, int level, int option, int value) {
    try (Arena arena = Arena.ofConfined()) {
      long at = arena.allocateFrom(ValueLayout.JAVA_INT, value).address();
      return (int) Kernel.call(SETSOCKOPT, fd, level, option, at, Integer.BYTES, 0);
    }
  }

  /** The number (pid) of the program at the other end of a unix socket; below 0: unknown. */
  public static int peerPid(int fd) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment who = arena.allocate(3 * Integer.BYTES, Integer.BYTES);
      MemorySegment length = arena.allocateFrom(ValueLayout.JAVA_INT, 3 * Integer.BYTES);
      long result =
          Kernel.call(GETSOCKOPT, fd, SOL_SOCKET, SO_PEERCRED, who.address(), length.address(), 0);
      return result < 0 ? (int) result : who.get(ValueLayout.JAVA_INT, 0);
    }
  }

  private static int named(int call, int fd, byte[] name) {
    try (Arena arena = Arena.ofConfined()) {
      long at = arena.allocateFrom(ValueLayout.JAVA_BYTE, name).address();
      long result;
      do {
        result = Kernel.call(call, fd, at, name.length, 0, 0, 0);
      } while (result == -Errno.EINTR);
      return (int) result;
    }
  }

  private static byte[] name(int call, int fd) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment name = arena.allocate(NAME_BYTES, Long.BYTES);
      MemorySegment length = arena.allocateFrom(ValueLayout.JAVA_INT, NAME_BYTES);
      if (Kernel.call(call, fd, name.address(), length.address(), 0, 0, 0) < 0) {
        return new byte[0];
      }
      byte[] bytes = name.toArray(ValueLayout.JAVA_BYTE);
      return Arrays.copyOf(bytes, Math.min(NAME_BYTES, length.get(ValueLayout.JAVA_INT, 0)));
    }
  }
}
