// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/**
 * As little of an NBD client as tests need, by doc/proto.md: fixed newstyle, EXPORT_NAME, simple
 * replies. It may leave requests in flight, which no ordinary client lets one do.
 */
final class TinyClient implements AutoCloseable {
  static final int READ = 0;
  static final int WRITE = 1;
  static final int EIO = 5;

  private static final long OPTION = 0x49484156454F5054L;

  private final AutoCloseable socket;
  private final DataInputStream in;
  private final DataOutputStream out;

  private TinyClient(AutoCloseable socket, InputStream in, OutputStream out, String export)
      throws IOException {
    this.socket = socket;
    this.in = new DataInputStream(in);
    this.out = new DataOutputStream(out);
    greet(export);
  }

  static TinyClient unix(Path path, String export) throws IOException {
    SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX);
    channel.connect(UnixDomainSocketAddress.of(path));
    return new TinyClient(
        channel, Channels.newInputStream(channel), Channels.newOutputStream(channel), export);
  }

  static TinyClient tcp(int port, String export) throws IOException {
    Socket socket = new Socket("localhost", port);
    return new TinyClient(socket, socket.getInputStream(), socket.getOutputStream(), export);
  }

  private void greet(String export) throws IOException {
    in.readLong(); // NBDMAGIC
    if (in.readLong() != OPTION) {
      throw new IOException("no newstyle server");
    }
    in.readShort();
    byte[] name = export.getBytes(StandardCharsets.UTF_8);
    out.writeInt(3); // fixed newstyle, no zeroes
    out.writeLong(OPTION);
    out.writeInt(1); // EXPORT_NAME
    out.writeInt(name.length);
    out.write(name);
    out.flush();
    in.readLong(); // the size
    in.readShort(); // the flags
  }

  /** Sends a request, and waits for nothing. */
  void send(int type, long cookie, long offset, byte[] payload, int length) throws IOException {
    out.writeInt(0x25609513);
    out.writeShort(0);
    out.writeShort(type);
    out.writeLong(cookie);
    out.writeLong(offset);
    out.writeInt(length);
    out.write(payload);
    out.flush();
  }

  void write(long cookie, long offset, byte[] payload) throws IOException {
    send(WRITE, cookie, offset, payload, payload.length);
  }

  /** Waits for the next reply; gives its error, 0 for none, and puts its cookie. */
  int reply(long[] cookie) throws IOException {
    if (in.readInt() != 0x67446698) {
      throw new IOException("no simple reply");
    }
    int error = in.readInt();
    cookie[0] = in.readLong();
    return error;
  }

  /** Waits for the reply to a request, which must be the next; gives its error, 0 for none. */
  int reply(long cookie) throws IOException {
    long[] which = new long[1];
    int error = reply(which);
    if (which[0] != cookie) {
      throw new IOException("a reply to " + which[0]);
    }
    return error;
  }

  byte[] read(long cookie, long offset, int length) throws IOException {
    send(READ, cookie, offset, new byte[0], length);
    if (reply(cookie) != 0) {
      throw new IOException("the read failed");
    }
    return in.readNBytes(length);
  }

  /** Goes away as the protocol wants it. */
  void sayGoodbye() throws IOException {
    send(2, 0, 0, new byte[0], 0);
  }

  @Override
  public void close() throws IOException {
    try {
      socket.close();
    } catch (IOException e) {
      throw e;
    } catch (Exception e) {
      throw new IOException(e);
    }
  }
}
