// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.nbd.NbdUri;
import dev.belay.net.Address;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** The URIs of exports, for clients on this machine, in any directory. */
final class ServeUri {
  private ServeUri() {}

  static String of(Address address, String export, ServeTls tls) {
    Address near =
        switch (address) {
          case Address.Unix unix -> new Address.Unix(whole(Path.of(unix.path())));
          case Address.Tcp tcp -> new Address.Tcp(host(tcp.host()), tcp.port());
        };
    String uri = new NbdUri(near, export, tls.isRequired(), null, null, true).toString();
    Path certificates = tls.clientCertificates();
    if (!tls.isRequired() || certificates == null) {
      return uri;
    }
    String place = URLEncoder.encode(whole(certificates), StandardCharsets.UTF_8);
    return uri
        + (uri.contains("?") ? "&" : "?")
        + "tls-certificates="
        + place.replace("+", "%20").replace("%2F", "/");
  }

  /** A path as it is found from any directory. */
  static String whole(Path path) {
    return path.toAbsolutePath().normalize().toString();
  }

  private static String host(String host) {
    return switch (host) {
      case "", "0.0.0.0", "::" -> "localhost";
      default -> host;
    };
  }
}
