// SPDX-License-Identifier: Apache-2.0
package dev.belay.scenario;

import java.io.Closeable;
import java.io.EOFException;
import java.io.IOException;
import java.net.SocketAddress;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;

/**
 * The smallest client of NBD that does anything: fixed newstyle, GO, simple replies. It has nothing
 * of the server's own code in it. One thread.
 */
final class PlainNbd implements Closeable {
  static final int READ = 0;
  static final int WRITE = 1;
  static final int DISC = 2;
  static final int FLUSH = 3;

  static final int FUA = 1;

  private static final long MAGIC = 0x4e42444d41474943L;
  private static final long OPTION = 0x49484156454F5054L;
  private static final int GO = 7;
  private static final int ACK = 1;
  private static final int INFO = 3;

  /** One reply. */
  record Reply(long cookie, int error, byte[] bytes) {}

  private final SocketChannel channel;
  private final Map<Long, Integer> reads = new HashMap<>();
  long sizeBytes;

  private PlainNbd(SocketChannel channel) {
    this.channel = channel;
  }

  /** A socket, and nothing said yet. */
  static SocketChannel dial(SocketAddress address) throws IOException {
    if (address instanceof UnixDomainSocketAddress) {
      SocketChannel made = SocketChannel.open(StandardProtocolFamily.UNIX);
      try {
        made.connect(address);
      } catch (IOException e) {
        made.close();
        throw e;
      }
      return made;
    }
    return SocketChannel.open(address);
  }

  /** Connects, and uses an export. */
  static PlainNbd connect(SocketAddress address, String export) throws IOException {
    PlainNbd client = new PlainNbd(dial(address));
    try {
      client.greet(export);
      return client;
    } catch (IOException | RuntimeException e) {
      client.close();
      throw e;
    }
  }

  private void greet(String export) throws IOException {
    ByteBuffer hello = take(18);
    if (hello.getLong() != MAGIC || hello.getLong() != OPTION) {
      throw new IOException("this is no NBD server");
    }
    byte[] name = export.getBytes(StandardCharsets.UTF_8);
    put(ByteBuffer.allocate(4).putInt(3));
    put(
        ByteBuffer.allocate(22 + name.length)
            .putLong(OPTION)
            .putInt(GO)
            .putInt(6 + name.length)
            .putInt(name.length)
            .put(name)
            .putShort((short) 0));
    for (int type = INFO; type != ACK; ) {
      ByteBuffer head = take(20);
      type = head.getInt(12);
      ByteBuffer body = take(head.getInt(16));
      if (type < 0) {
        throw new IOException("GO was refused: " + StandardCharsets.UTF_8.decode(body));
      }
      if (type == INFO && body.getShort(0) == 0) {
        sizeBytes = body.getLong(2);
      }
    }
  }

  /** What it talks through, for whoever wants to talk otherwise. */
  SocketChannel channel() {
    return channel;
  }

  /** Sends a request; {@code bytes} are a write's. */
  void send(int type, int flags, long cookie, long offsetBytes, int lengthBytes, byte[] bytes)
      throws IOException {
    if (type == READ) {
      reads.put(cookie, lengthBytes);
    }
    put(
        ByteBuffer.allocate(28 + bytes.length)
            .putInt(0x25609513)
            .putShort((short) flags)
            .putShort((short) type)
            .putLong(cookie)
            .putLong(offsetBytes)
            .putInt(lengthBytes)
            .put(bytes));
  }

  void write(int flags, long cookie, long offsetBytes, byte[] bytes) throws IOException {
    send(WRITE, flags, cookie, offsetBytes, bytes.length, bytes);
  }

  void read(long cookie, long offsetBytes, int lengthBytes) throws IOException {
    send(READ, 0, cookie, offsetBytes, lengthBytes, new byte[0]);
  }

  void flush(long cookie) throws IOException {
    send(FLUSH, 0, cookie, 0, 0, new byte[0]);
  }

  /** The next reply, of whichever request. */
  Reply receive() throws IOException {
    ByteBuffer head = take(16);
    if (head.getInt() != 0x67446698) {
      throw new IOException("a reply has a wrong magic number");
    }
    int error = head.getInt();
    long cookie = head.getLong();
    Integer length = reads.remove(cookie);
    byte[] bytes = length == null || error != 0 ? new byte[0] : take(length).array();
    return new Reply(cookie, error, bytes);
  }

  private void put(ByteBuffer bytes) throws IOException {
    bytes.flip();
    while (bytes.hasRemaining()) {
      channel.write(bytes);
    }
  }

  private ByteBuffer take(int count) throws IOException {
    ByteBuffer bytes = ByteBuffer.allocate(count);
    while (bytes.hasRemaining()) {
      if (channel.read(bytes) < 0) {
        throw new EOFException("the server is gone");
      }
    }
    return bytes.flip();
  }

  /** Goes without a goodbye. */
  @Override
  public void close() throws IOException {
    channel.close();
  }
}
