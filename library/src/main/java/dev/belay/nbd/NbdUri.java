// SPDX-License-Identifier: Apache-2.0
package dev.belay.nbd;

import dev.belay.net.Address;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Where an export is, as doc/uri.md writes it: {@code nbd://HOST[:PORT]/NAME}, {@code
 * nbds://HOST[:PORT]/NAME} with TLS, {@code nbd+unix:///NAME?socket=PATH}, {@code
 * nbds+unix:///NAME?socket=PATH}.
 *
 * @param address where the server listens
 * @param exportName as the server knows it; may be empty
 * @param tls whether TLS is demanded; otherwise it is up to the server
 * @param user the user's name, for TLS that wants one; null where none is given
 * @param tlsHost what the server's certificate must be for; null for the address's host
 * @param verifyPeer whether the server's certificate is checked
 */
public record NbdUri(
    Address address,
    String exportName,
    boolean tls,
    @Nullable String user,
    @Nullable String tlsHost,
    boolean verifyPeer) {
  /** Whether a text is meant to be one: it has one of the four schemes. */
  public static boolean isOne(String text) {
    String lower = text.toLowerCase(Locale.ROOT);
    return lower.startsWith("nbd:")
        || lower.startsWith("nbds:")
        || lower.startsWith("nbd+unix:")
        || lower.startsWith("nbds+unix:");
  }

  /**
   * Reads one.
   *
   * @throws IllegalArgumentException with a sentence
   */
  public static NbdUri parse(String text) {
    return new NbdUriParser(text).parse();
  }

  /** It, to be read again. */
  @Override
  public String toString() {
    StringBuilder text = new StringBuilder(tls ? "nbds" : "nbd");
    String at = user == null ? "" : quote(user, "") + "@";
    String socket = null;
    switch (address) {
      case Address.Unix unix -> {
        text.append("+unix://").append(at);
        socket = unix.path();
      }
      case Address.Tcp tcp -> {
        String host = tcp.host();
        text.append("://").append(at);
        text.append(host.contains(":") ? "[" + host + "]" : host);
        text.append(tcp.port() == Nbd.PORT ? "" : ":" + tcp.port());
      }
    }
    text.append('/').append(quote(exportName, "/:@+"));
    String before = "?";
    if (socket != null) {
      text.append(before).append("socket=").append(quote(socket, "/:@"));
      before = "&";
    }
    if (tlsHost != null) {
      text.append(before).append("tls-hostname=").append(quote(tlsHost, ":"));
      before = "&";
    }
    if (!verifyPeer) {
      text.append(before).append("tls-verify-peer=0");
    }
    return text.toString();
  }

  private static String quote(String text, String also) {
    StringBuilder quoted = new StringBuilder();
    for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
      char c = (char) (b & 0xff);
      boolean plain =
          (c >= 'a' && c <= 'z')
              || (c >= 'A' && c <= 'Z')
              || (c >= '0' && c <= '9')
              || "-._~".indexOf(c) >= 0
              || also.indexOf(c) >= 0;
      quoted.append(plain ? String.valueOf(c) : "%%%02X".formatted((int) c));
    }
    return quoted.toString();
  }
}
