// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/** Asks a server through its control socket. */
final class ControlCall {
  private static final long PATIENCE_MILLIS = 10_000;
  private static final int MOST_BYTES = 256 << 20;

  private ControlCall() {}

  /** Asks, and reads the object that it answers. */
  static Map<String, @Nullable Object> ask(Path socket, String line) throws IOException {
    try {
      return JsonReader.parseObject(text(socket, line));
    } catch (IllegalArgumentException e) {
      throw new IOException(socket + " is no control socket of belay: " + e.getMessage(), e);
    }
  }

  /** Asks, and gives the answer as it is. */
  static String text(Path socket, String line) throws IOException {
    AtomicBoolean isLate = new AtomicBoolean();
    ByteArrayOutputStream answer = new ByteArrayOutputStream();
    try (SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX)) {
      Thread watch = Thread.ofVirtual().start(() -> cutOff(channel, isLate));
      try {
        channel.connect(UnixDomainSocketAddress.of(socket));
        ByteBuffer bytes = ByteBuffer.wrap((line + "\n").getBytes(UTF_8));
        while (bytes.hasRemaining()) {
          channel.write(bytes);
        }
        read(channel, answer);
      } finally {
        watch.interrupt();
      }
    } catch (IOException e) {
      throw new IOException(
          isLate.get()
              ? "the server at " + socket + " has not answered for 10 s"
              : "no server answers at " + socket + ": " + Main.sentence(e),
          e);
    }
    return answer.toString(UTF_8);
  }

  private static void cutOff(SocketChannel channel, AtomicBoolean isLate) {
    try {
      Thread.sleep(PATIENCE_MILLIS);
      isLate.set(true);
      channel.close();
    } catch (InterruptedException | IOException e) {
      // The answer is there, or the channel is gone.
    }
  }

  private static void read(SocketChannel channel, ByteArrayOutputStream answer) throws IOException {
    ByteBuffer part = ByteBuffer.allocate(64 << 10);
    while (channel.read(part) >= 0) {
      answer.write(part.array(), 0, part.position());
      part.clear();
      if (answer.size() > MOST_BYTES) {
        throw new IOException("the answer does not end");
      }
    }
  }
}
