// SPDX-License-Identifier: Apache-2.0
package dev.belay.serve;

import dev.belay.net.Address;
import java.io.EOFException;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;

/** A client on a real socket, with simple replies, that blocks. Shares no code with the server. */
final class SocketClient implements AutoCloseable {
  final SocketChannel channel;

  /** Connects, and says nothing. */
  SocketClient(Address address) throws IOException {
    SocketAddress to =
        switch (address) {
          case Address.Unix unix -> UnixDomainSocketAddress.of(unix.path());
          case Address.Tcp tcp -> new InetSocketAddress(tcp.host(), tcp.port());
        };
    channel = SocketChannel.open(to);
  }

  /** Takes the greeting and asks for an export; answers its size. */
  long go(String export) throws IOException {
    ByteBuffer greeting = read(18);
    if (greeting.getLong() != 0x4e42444d41474943L) {
      throw new IOException("that is no NBD server");
    }
    byte[] name = export.getBytes(StandardCharsets.UTF_8);
    ByteBuffer go =
        ByteBuffer.allocate(4 + 16 + 6 + name.length)
            .putInt(3)
            .putLong(0x49484156454F5054L)
            .putInt(7)
            .putInt(6 + name.length)
            .putInt(name.length)
            .put(name)
            .putShort((short) 0);
    write(go.flip());
    long size = -1;
    for (; ; ) {
      ByteBuffer head = read(20);
      int type = head.getInt(12);
      ByteBuffer body = read(head.getInt(16));
      if (type == 1) {
        return size;
      }
      if (type < 0) {
        throw new IOException("refused: %#x".formatted(type));
      }
      if (body.getShort() == 0) {
        size = body.getLong();
      }
    }
  }

  /** Sends a request. */
  void send(int type, long cookie, long offsetBytes, int lengthBytes, byte[] payload)
      throws IOException {
    write(
        ByteBuffer.allocate(28 + payload.length)
            .putInt(0x25609513)
            .putShort((short) 0)
            .putShort((short) type)
            .putLong(cookie)
            .putLong(offsetBytes)
            .putInt(lengthBytes)
            .put(payload)
            .flip());
  }

  /** The cookie of the next reply, whose error must be {@code error}. */
  long reply(int error) throws IOException {
    ByteBuffer head = read(16);
    if (head.getInt() != 0x67446698 || head.getInt() != error) {
      throw new IOException("error " + head.getInt(4) + ", not " + error);
    }
    return head.getLong();
  }

  void writeAt(long offsetBytes, byte[] bytes) throws IOException {
    send(1, offsetBytes, offsetBytes, bytes.length, bytes);
    reply(0);
  }

  byte[] readAt(long offsetBytes, int lengthBytes) throws IOException {
    send(0, offsetBytes, offsetBytes, lengthBytes, new byte[0]);
    reply(0);
    return read(lengthBytes).array();
  }

  ByteBuffer read(int bytes) throws IOException {
    ByteBuffer into = ByteBuffer.allocate(bytes);
    while (into.hasRemaining()) {
      if (channel.read(into) < 0) {
        throw new EOFException("the server ended");
      }
    }
    return into.flip();
  }

  private void write(ByteBuffer from) throws IOException {
    while (from.hasRemaining()) {
      channel.write(from);
    }
  }

  @Override
  public void close() throws IOException {
    channel.close();
  }
}
