// SPDX-License-Identifier: Apache-2.0
package dev.belay.stack;

import dev.belay.Device;
import dev.belay.Loop;
import dev.belay.leaf.Nbd;
import dev.belay.leaf.NbdOptions;
import dev.belay.nbd.NbdUri;
import dev.belay.net.Address;
import dev.belay.net.Tls;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The device {@code nbd}: an export of an NBD server.
 *
 * <pre>
 * nbd("URI" [, connections=N] [, depth=N] [, timeout=DURATION] [, reconnect=DURATION]
 *     [, tls=DIRECTORY] [, read-only=on] [, trust=on])
 * </pre>
 */
final class NbdDevice {
  private NbdDevice() {}

  static Device open(Loop loop, DeviceCall call, List<Device> none) throws IOException {
    BarePath at = (BarePath) call.args().getFirst();
    NbdUri uri;
    try {
      uri = NbdUri.parse(at.path());
    } catch (IllegalArgumentException e) {
      throw at.error(String.valueOf(e.getMessage()));
    }
    if (!uri.verifyPeer()) {
      throw at.error("a server's certificate is always checked here: leave tls-verify-peer out");
    }
    NbdOptions options =
        new NbdOptions(
            uri,
            (int) call.count("connections", 1, 1, NbdOptions.MOST_CONNECTIONS),
            (int) call.count("depth", NbdOptions.DEFAULT_DEPTH, 1, NbdOptions.MOST_DEPTH),
            call.durationNanos("timeout", 0),
            call.durationNanos("reconnect", NbdOptions.DEFAULT_RECONNECT_NANOS),
            tls(call, uri),
            call.onOff("read-only", false),
            call.onOff("trust", false));
    return Nbd.open(loop, options);
  }

  /** What encryption needs: where the URI asks for it, or a directory is given. */
  private static @Nullable Tls tls(DeviceCall call, NbdUri uri) throws IOException {
    boolean isGiven = call.option("tls") != null;
    if (!isGiven && !uri.tls()) {
      return null;
    }
    String host = uri.tlsHost();
    if (host == null) {
      host = uri.address() instanceof Address.Tcp tcp ? tcp.host() : "";
    }
    try {
      return Tls.client(isGiven ? Path.of(call.text("tls")) : null, host);
    } catch (IOException e) {
      throw call.optionError("tls", String.valueOf(e.getMessage()));
    }
  }
}
