// SPDX-License-Identifier: Apache-2.0
package dev.belay.serve;

import dev.belay.net.Tls;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * What a server allows. {@link #DEFAULTS}, changed by the {@code with} methods.
 *
 * @param mostConnections how many clients at a time, those that are being greeted among them; what
 *     comes beyond is closed at once, or takes the place of one that has not said for a second what
 *     it wants
 * @param mostBytesPerConnection how much memory the requests of one connection may hold; a
 *     connection beyond it is not read from until some are answered. A single request may hold more
 * @param mostBytes how much memory all requests together may hold, at least 128 MiB. Half of it is
 *     divided among {@code mostConnections}, so that each always has some of its own; the other
 *     half is for who needs more, and nobody gets more than an eighth of what is left of it, save
 *     for a single request
 * @param handshakeTimeout how long a client may take from its connection to its choice
 * @param idleTimeout how long a client may ask for nothing; zero for as long as it likes
 * @param stallTimeout how long a client may take to send, or to take, the rest of what is under
 *     way, for each MiB of it
 * @param unixMode the permission bits of the file of a unix socket
 * @param allowsPlaintextTcp whether clients of other machines may come without TLS; else only
 *     loopback addresses may be listened at without it
 * @param tls the server's certificates; null for no TLS
 * @param isTlsRequired whether clients are told and served nothing without TLS; matters only where
 *     there is any
 */
public record ServerOptions(
    int mostConnections,
    long mostBytesPerConnection,
    long mostBytes,
    Duration handshakeTimeout,
    Duration idleTimeout,
    Duration stallTimeout,
    int unixMode,
    boolean allowsPlaintextTcp,
    @Nullable Tls tls,
    boolean isTlsRequired) {

  /** 1024 connections, 64 MiB each, 1 GiB in all; 10 s to say hello, 30 s a stall, mode 0600. */
  public static final ServerOptions DEFAULTS =
      new ServerOptions(
          1024,
          64L << 20,
          1L << 30,
          Duration.ofSeconds(10),
          Duration.ZERO,
          Duration.ofSeconds(30),
          0600,
          false,
          null,
          true);

  public ServerOptions {
    require(mostConnections >= 1, "at least 1 connection is allowed, not " + mostConnections);
    require(
        mostBytesPerConnection >= 1 << 20,
        "a connection needs at least 1 MiB for its requests, not " + mostBytesPerConnection);
    require(mostBytes >= 128 << 20, "requests need at least 128 MiB in all, not " + mostBytes);
    require(isTime(handshakeTimeout), "the handshake needs some time, at least 1 ms");
    require(
        idleTimeout.isZero() || isTime(idleTimeout), "the idle time is 0 for ever, or from 1 ms");
    require(isTime(stallTimeout), "the stall time is at least 1 ms");
    require((unixMode & ~0777) == 0, "the mode of a file has nine bits, at most 0777 in octal");
  }

  private static void require(boolean holds, String sentence) {
    if (!holds) {
      throw new IllegalArgumentException(sentence);
    }
  }

  private static boolean isTime(Duration time) {
    return time.compareTo(Duration.ofMillis(1)) >= 0;
  }

  /** The same with another most connections. */
  public ServerOptions withMostConnections(int count) {
    return new ServerOptions(
        count,
        mostBytesPerConnection,
        mostBytes,
        handshakeTimeout,
        idleTimeout,
        stallTimeout,
        unixMode,
        allowsPlaintextTcp,
        tls,
        isTlsRequired);
  }

  /** The same with other limits of memory: of each connection, and in all. */
  public ServerOptions withMostBytes(long perConnection, long inAll) {
    return new ServerOptions(
        mostConnections,
        perConnection,
        inAll,
        handshakeTimeout,
        idleTimeout,
        stallTimeout,
        unixMode,
        allowsPlaintextTcp,
        tls,
        isTlsRequired);
  }

  /** The same with another time for the handshake. */
  public ServerOptions withHandshakeTimeout(Duration time) {
    return new ServerOptions(
        mostConnections,
        mostBytesPerConnection,
        mostBytes,
        time,
        idleTimeout,
        stallTimeout,
        unixMode,
        allowsPlaintextTcp,
        tls,
        isTlsRequired);
  }

  /** The same with another idle time; zero for as long as clients like. */
  public ServerOptions withIdleTimeout(Duration time) {
    return new ServerOptions(
        mostConnections,
        mostBytesPerConnection,
        mostBytes,
        handshakeTimeout,
        time,
        stallTimeout,
        unixMode,
        allowsPlaintextTcp,
        tls,
        isTlsRequired);
  }

  /** The same with another stall time. */
  public ServerOptions withStallTimeout(Duration time) {
    return new ServerOptions(
        mostConnections,
        mostBytesPerConnection,
        mostBytes,
        handshakeTimeout,
        idleTimeout,
        time,
        unixMode,
        allowsPlaintextTcp,
        tls,
        isTlsRequired);
  }

  /** The same with other permission bits for unix sockets. */
  public ServerOptions withUnixMode(int mode) {
    return new ServerOptions(
        mostConnections,
        mostBytesPerConnection,
        mostBytes,
        handshakeTimeout,
        idleTimeout,
        stallTimeout,
        mode,
        allowsPlaintextTcp,
        tls,
        isTlsRequired);
  }

  /** The same, and clients of other machines may come without TLS, or not. */
  public ServerOptions withPlaintextTcp(boolean isAllowed) {
    return new ServerOptions(
        mostConnections,
        mostBytesPerConnection,
        mostBytes,
        handshakeTimeout,
        idleTimeout,
        stallTimeout,
        unixMode,
        isAllowed,
        tls,
        isTlsRequired);
  }

  /** The same with TLS: demanded of every client, or left to its choice. */
  public ServerOptions withTls(Tls tls, boolean isRequired) {
    return new ServerOptions(
        mostConnections,
        mostBytesPerConnection,
        mostBytes,
        handshakeTimeout,
        idleTimeout,
        stallTimeout,
        unixMode,
        allowsPlaintextTcp,
        tls,
        isRequired);
  }
}
