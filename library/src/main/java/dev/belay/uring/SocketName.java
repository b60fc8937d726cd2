// SPDX-License-Identifier: Apache-2.0
package dev.belay.uring;

import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** What sockets are called: the bytes of struct sockaddr_un, sockaddr_in and sockaddr_in6. */
public final class SocketName {
  private static final int MOST_PATH_BYTES = 107;
  private static final int INET_BYTES = 16;
  private static final int INET6_BYTES = 28;

  private SocketName() {}

  /**
   * A unix socket's file.
   *
   * @throws IllegalArgumentException with a sentence, if the path is too long
   */
  public static byte[] unix(String path) {
    byte[] text = path.getBytes(StandardCharsets.UTF_8);
    if (text.length == 0 || text.length > MOST_PATH_BYTES) {
      throw new IllegalArgumentException(
          "the path of a unix socket has 1 to %d bytes, and %s has %d"
              .formatted(MOST_PATH_BYTES, path, text.length));
    }
    ByteBuffer name = ByteBuffer.allocate(2 + text.length + 1).order(ByteOrder.nativeOrder());
    return name.putShort((short) SocketCalls.AF_UNIX).put(text).array();
  }

  /** An address and port of IPv4 or IPv6. */
  public static byte[] inet(InetAddress address, int port) {
    byte[] number = address.getAddress();
    boolean isInet6 = number.length > 4;
    ByteBuffer name =
        ByteBuffer.allocate(isInet6 ? INET6_BYTES : INET_BYTES).order(ByteOrder.nativeOrder());
    name.putShort((short) (isInet6 ? SocketCalls.AF_INET6 : SocketCalls.AF_INET));
    name.put((byte) (port >> 8)).put((byte) port);
    if (isInet6) {
      name.putInt(0).put(number).putInt(((Inet6Address) address).getScopeId());
    } else {
      name.put(number);
    }
    return name.array();
  }

  /** The AF_ constant of a name. */
  public static int family(byte[] name) {
    return ByteBuffer.wrap(name).order(ByteOrder.nativeOrder()).getShort();
  }

  /** The address and port of an internet socket; null for any other name. */
  public static @Nullable InetSocketAddress inet(byte[] name) {
    int family = name.length < INET_BYTES ? 0 : family(name);
    boolean isInet6 = family == SocketCalls.AF_INET6;
    if (!isInet6 && family != SocketCalls.AF_INET) {
      return null;
    }
    int port = (name[2] & 0xff) << 8 | (name[3] & 0xff);
    int from = isInet6 ? 8 : 4;
    try {
      // An IPv4 address in IPv6's form becomes one of IPv4 here.
      byte[] number = Arrays.copyOfRange(name, from, from + (isInet6 ? 16 : 4));
      return new InetSocketAddress(InetAddress.getByAddress(number), port);
    } catch (UnknownHostException e) {
      return null; // not with such a length
    }
  }
}
