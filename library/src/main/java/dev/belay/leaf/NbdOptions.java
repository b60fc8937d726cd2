// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import dev.belay.nbd.NbdUri;
import dev.belay.net.Tls;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * What an {@link Nbd} device is told.
 *
 * @param uri the server and the export
 * @param connections how many connections to make, 1 to 64, where the server allows more than one
 * @param depth how many requests a connection may have in flight, 1 to 4096
 * @param timeoutNanos after so long without an answer a connection counts as lost; 0 for never
 * @param reconnectNanos how long to wait for a lost server; 0 for not at all
 * @param tls what encryption needs; null for none, and then the URI must not ask for it
 * @param readOnly whether nothing is to be written
 * @param trusted whether writes that the server acknowledged, and was not asked to flush, survive
 *     the loss of a connection, so that a flush after that need not fail
 */
public record NbdOptions(
    NbdUri uri,
    int connections,
    int depth,
    long timeoutNanos,
    long reconnectNanos,
    @Nullable Tls tls,
    boolean readOnly,
    boolean trusted) {
  public static final int MOST_CONNECTIONS = 64;
  public static final int MOST_DEPTH = 4096;
  public static final int DEFAULT_DEPTH = 128;
  public static final long DEFAULT_RECONNECT_NANOS = TimeUnit.SECONDS.toNanos(30);

  public NbdOptions {
    if (connections < 1
        || connections > MOST_CONNECTIONS
        || depth < 1
        || depth > MOST_DEPTH
        || timeoutNanos < 0
        || reconnectNanos < 0) {
      throw new IllegalArgumentException(
          "nbd takes 1 to %d connections, a depth of 1 to %d, and durations of 0 or more"
              .formatted(MOST_CONNECTIONS, MOST_DEPTH));
    }
    if (uri.tls() && tls == null) {
      throw new IllegalArgumentException(uri + " asks for TLS, for which nothing was given");
    }
  }

  /** One connection, 128 in flight, half a minute for a lost server, without encryption. */
  public static NbdOptions of(NbdUri uri) {
    return new NbdOptions(uri, 1, DEFAULT_DEPTH, 0, DEFAULT_RECONNECT_NANOS, null, false, false);
  }

  public NbdOptions withConnections(int count) {
    return new NbdOptions(uri, count, depth, timeoutNanos, reconnectNanos, tls, readOnly, trusted);
  }

  public NbdOptions withDepth(int count) {
    return new NbdOptions(
        uri, connections, count, timeoutNanos, reconnectNanos, tls, readOnly, trusted);
  }

  public NbdOptions withTimeout(long nanos) {
    return new NbdOptions(uri, connections, depth, nanos, reconnectNanos, tls, readOnly, trusted);
  }

  public NbdOptions withReconnect(long nanos) {
    return new NbdOptions(uri, connections, depth, timeoutNanos, nanos, tls, readOnly, trusted);
  }

  public NbdOptions withTls(@Nullable Tls with) {
    return new NbdOptions(
        uri, connections, depth, timeoutNanos, reconnectNanos, with, readOnly, trusted);
  }

  public NbdOptions withReadOnly(boolean only) {
    return new NbdOptions(
        uri, connections, depth, timeoutNanos, reconnectNanos, tls, only, trusted);
  }

  public NbdOptions withTrusted(boolean isTrusted) {
    return new NbdOptions(
        uri, connections, depth, timeoutNanos, reconnectNanos, tls, readOnly, isTrusted);
  }
}
