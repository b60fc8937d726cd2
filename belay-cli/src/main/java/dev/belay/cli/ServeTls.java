// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.cli.ServeLimits.Misuse;
import dev.belay.net.Address;
import dev.belay.net.Tls;
import dev.belay.serve.ServerOptions;
import java.io.IOException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The options of {@code belay serve} that say who may connect, and how it is encrypted. */
final class ServeTls {
  @Option(
      names = "--tls-certificates",
      paramLabel = "DIR",
      description =
          "Where ca-cert.pem, server-cert.pem and server-key.pem are. Clients must show a"
              + " certificate that the authority signed")
  private @Nullable Path certificates;

  @Option(
      names = "--tls",
      paramLabel = "KIND",
      description =
          "required: nothing is served without. offered: to who asks for it. off. Default:"
              + " required with certificates, off without")
  private @Nullable String kind;

  @Option(
      names = "--no-client-certificates",
      description = "Whoever reaches the port may use it: clients need no certificate.")
  private boolean noClientCertificates;

  @Option(
      names = "--plaintext",
      description =
          "Serve TCP beyond loopback without TLS: whoever is on the way reads and writes.")
  private boolean plaintext;

  /** Puts the choice into the options of a server, if it is one that can be meant. */
  ServerOptions apply(ServerOptions options, List<Address> addresses) {
    String wanted = kind != null ? kind : certificates == null ? "off" : "required";
    if (!List.of("required", "offered", "off").contains(wanted)) {
      throw new Misuse("--tls is required, offered or off, not " + wanted);
    }
    Path directory = certificates;
    if (!wanted.equals("off") && directory == null) {
      throw new Misuse("--tls " + wanted + " needs --tls-certificates DIR");
    }
    if (noClientCertificates && certificates == null) {
      throw new Misuse("--no-client-certificates says something of TLS: give --tls-certificates");
    }
    for (Address address : addresses) {
      if (address instanceof Address.Tcp tcp && !wanted.equals("required") && !plaintext) {
        requireLoopback(tcp, wanted);
      }
    }
    ServerOptions open = options.withPlaintextTcp(plaintext);
    if (directory == null || wanted.equals("off")) {
      return open;
    }
    try {
      return open.withTls(Tls.server(directory, !noClientCertificates), wanted.equals("required"));
    } catch (IOException e) {
      throw new Misuse("--tls-certificates: " + Main.sentence(e));
    }
  }

  private static void requireLoopback(Address.Tcp tcp, String kind) {
    boolean isLoopback = !tcp.host().isEmpty();
    try {
      for (InetAddress each : InetAddress.getAllByName(tcp.host())) {
        isLoopback &= each.isLoopbackAddress();
      }
    } catch (UnknownHostException e) {
      throw new Misuse("--tcp: there is no host " + tcp.host());
    }
    if (!isLoopback) {
      throw new Misuse(
          "--tcp "
              + tcp
              + (kind.equals("offered")
                  ? " is reached by other machines, and --tls offered lets them do without: have"
                      + " --tls required, or --plaintext if everybody may"
                  : " is reached by other machines: give --tls-certificates DIR, so that only"
                      + " clients with a certificate come in, or --plaintext if everybody may"));
    }
  }

  /** Whether URIs say that TLS is to be used. */
  boolean isRequired() {
    return certificates != null && !"offered".equals(kind) && !"off".equals(kind);
  }

  /** Where clients on this machine find what they need; null if it is not in the directory. */
  @Nullable Path clientCertificates() {
    Path directory = certificates;
    boolean isThere =
        directory != null
            && (noClientCertificates || Files.exists(directory.resolve("client-cert.pem")));
    return isThere ? directory : null;
  }
}
