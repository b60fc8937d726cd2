// SPDX-License-Identifier: Apache-2.0
package dev.belay.nbd;

import dev.belay.net.Address;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** Reads an {@link NbdUri}. */
final class NbdUriParser {
  /** What the address of a unix socket has room for. */
  private static final int MOST_PATH_BYTES = 107;

  private final String text;

  private @Nullable String socket;
  private @Nullable String tlsHost;
  private boolean verifyPeer = true;

  NbdUriParser(String text) {
    this.text = text;
  }

  NbdUri parse() {
    int colon = text.indexOf(':');
    String scheme = colon < 0 ? "" : text.substring(0, colon).toLowerCase(Locale.ROOT);
    boolean unix = scheme.endsWith("+unix");
    boolean tls = scheme.startsWith("nbds");
    if (!NbdUri.isOne(text)) {
      throw wrong("it begins with none of nbd:, nbds:, nbd+unix: and nbds+unix:");
    }
    String rest = text.substring(colon + 1);
    if (!rest.startsWith("//")) {
      throw wrong("\"//\" must follow the first colon");
    }
    if (rest.indexOf('#') >= 0) {
      throw wrong("a # must be written as %23");
    }
    rest = rest.substring(2);
    int question = rest.indexOf('?');
    if (question >= 0) {
      for (String part : rest.substring(question + 1).split("&", -1)) {
        parameter(part);
      }
      rest = rest.substring(0, question);
    }
    int slash = rest.indexOf('/');
    String authority = slash < 0 ? rest : rest.substring(0, slash);
    String name = slash < 0 ? "" : decode(rest.substring(slash + 1));
    if (name.indexOf('\0') >= 0) {
      throw wrong("a name has no NUL character");
    }
    if (name.getBytes(StandardCharsets.UTF_8).length > Nbd.STRING_BYTES) {
      throw wrong("a name has at most " + Nbd.STRING_BYTES + " bytes");
    }
    int at = authority.lastIndexOf('@');
    String user = at < 0 ? null : decode(authority.substring(0, at));
    String host = authority.substring(at + 1);
    Address address = unix ? unix(host) : tcp(host);
    return new NbdUri(address, name, tls, user, tlsHost, verifyPeer);
  }

  private void parameter(String part) {
    int equals = part.indexOf('=');
    String key = equals < 0 ? part : part.substring(0, equals);
    String value = equals < 0 ? "" : decode(part.substring(equals + 1));
    switch (key) {
      case "socket" -> socket = value;
      case "tls-hostname" -> tlsHost = value;
      case "tls-verify-peer" -> {
        if (!value.equals("0") && !value.equals("1")) {
          throw wrong("tls-verify-peer is 0 or 1");
        }
        verifyPeer = value.equals("1");
      }
      case "tls-type" -> {
        if (!value.equals("x509")) {
          throw wrong("of the kinds of TLS, only tls-type=x509 is known here");
        }
      }
      default -> throw wrong("\"" + key + "\" is no parameter that is known here");
    }
  }

  private Address unix(String host) {
    if (!host.isEmpty()) {
      throw wrong("a unix socket has no host: three slashes, then the export's name");
    }
    if (socket == null || socket.isEmpty()) {
      throw wrong("?socket=PATH is missing");
    }
    if (socket.indexOf('\0') >= 0) {
      throw wrong("sockets without a file are not supported");
    }
    if (socket.getBytes(StandardCharsets.UTF_8).length > MOST_PATH_BYTES) {
      throw wrong("a socket's path has at most " + MOST_PATH_BYTES + " bytes");
    }
    return new Address.Unix(socket);
  }

  private Address tcp(String host) {
    if (socket != null) {
      throw wrong("?socket= goes with nbd+unix: and nbds+unix: only");
    }
    boolean bracketed = host.startsWith("[");
    int end = bracketed ? host.indexOf(']') + 1 : Math.max(host.indexOf(':'), 0);
    if (!bracketed && host.indexOf(':') < 0) {
      end = host.length();
    }
    String name = bracketed && end > 0 ? host.substring(1, end - 1) : host.substring(0, end);
    String port = host.substring(end);
    if (name.isEmpty() || (bracketed && end == 0)) {
      throw wrong("the host is missing");
    }
    return new Address.Tcp(decode(name), port.isEmpty() ? Nbd.PORT : port(port));
  }

  private int port(String text) {
    int port = -1;
    if (text.equals(":")) {
      return Nbd.PORT;
    }
    if (text.matches(":[0-9]{1,5}")) {
      port = Integer.parseInt(text.substring(1));
    }
    if (port < 1 || port > 65_535) {
      throw wrong("after the host comes \":\" and a port from 1 to 65535");
    }
    return port;
  }

  private String decode(String quoted) {
    byte[] from = quoted.getBytes(StandardCharsets.UTF_8);
    ByteBuffer to = ByteBuffer.allocate(from.length);
    for (int i = 0; i < from.length; i++) {
      if (from[i] != '%') {
        to.put(from[i]);
        continue;
      }
      int high = i + 2 < from.length ? Character.digit(from[i + 1], 16) : -1;
      int low = i + 2 < from.length ? Character.digit(from[i + 2], 16) : -1;
      if (high < 0 || low < 0) {
        throw wrong("after % come two hexadecimal digits");
      }
      to.put((byte) (high << 4 | low));
      i += 2;
    }
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(to.flip()).toString();
    } catch (CharacterCodingException e) {
      throw wrong("\"" + quoted + "\" is not UTF-8");
    }
  }

  private IllegalArgumentException wrong(String why) {
    return new IllegalArgumentException(
        "\""
            + text
            + "\" is not the address of an export: "
            + why
            + ". Right would be nbd://HOST:PORT/NAME or nbd+unix:///NAME?socket=PATH.");
  }
}
