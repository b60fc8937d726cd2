// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import dev.belay.net.Address;
import dev.belay.net.Sockets;
import dev.belay.net.Wire;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.StandardProtocolFamily;
import java.net.StandardSocketOptions;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** An open address of {@link ChannelSockets}, with a thread that accepts. */
final class ChannelListener implements Sockets.Listener {
  /** Ready before it is needed, as there are no descriptors left to read its settings then. */
  private static final System.Logger LOG = System.getLogger("dev.belay");

  private static final int BACKLOG = 1024;
  private static final int MOST_PATH_BYTES = 107;
  private static final long PAUSE_MILLIS = 100;

  /** Descriptors kept for the moment when there are no others, in which something must be said. */
  private static final int RESERVE = 4;

  private final ChannelSockets sockets;
  private final ServerSocketChannel channel;
  private final Address address;
  private final @Nullable UnixFile file;
  private final Consumer<Wire> accepted;
  private final AtomicBoolean isClosed = new AtomicBoolean();

  /** Of the listener's thread. */
  private final List<SocketChannel> reserve = new ArrayList<>();

  private ChannelListener(
      ChannelSockets sockets,
      ServerSocketChannel channel,
      Address address,
      @Nullable UnixFile file,
      Consumer<Wire> accepted) {
    this.sockets = sockets;
    this.channel = channel;
    this.address = address;
    this.file = file;
    this.accepted = accepted;
  }

  // --- Opening ---

  static ChannelListener open(
      ChannelSockets sockets, Address address, int unixMode, Consumer<Wire> accepted)
      throws IOException {
    boolean isUnix = address instanceof Address.Unix;
    ServerSocketChannel channel =
        isUnix ? ServerSocketChannel.open(StandardProtocolFamily.UNIX) : ServerSocketChannel.open();
    try {
      return switch (address) {
        case Address.Unix unix -> {
          UnixFile file = bind(channel, Path.of(unix.path()), unixMode);
          yield new ChannelListener(sockets, channel, address, file, accepted);
        }
        case Address.Tcp tcp -> {
          Address bound = bind(channel, tcp);
          yield new ChannelListener(sockets, channel, bound, null, accepted);
        }
      };
    } catch (IOException e) {
      channel.close();
      throw e;
    }
  }

  /**
   * Makes the file in a directory that nobody else may enter, gives it its mode there, and moves it
   * to its place: so it has that mode from the first moment that anybody can see it.
   */
  private static UnixFile bind(ServerSocketChannel channel, Path path, int mode)
      throws IOException {
    checkPath(path.toString());
    UnixFile.clear(path.toString());
    Path at = path.toAbsolutePath();
    Path hidden;
    try {
      hidden =
          Files.createTempDirectory(
              at.getParent(),
              ".",
              PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
    } catch (NoSuchFileException e) {
      throw new IOException("unix:" + path + ": its directory does not exist", e);
    }
    Path made = hidden.resolve("s");
    try {
      checkPath(made.toString());
      channel.bind(UnixDomainSocketAddress.of(made), BACKLOG);
      UnixFile.setMode(made, mode);
      Files.move(made, at, StandardCopyOption.ATOMIC_MOVE);
      return UnixFile.at(path.toString());
    } finally {
      Files.deleteIfExists(made);
      Files.deleteIfExists(hidden);
    }
  }

  static void checkPath(String path) throws IOException {
    int bytes = path.getBytes(StandardCharsets.UTF_8).length;
    if (bytes == 0 || bytes > MOST_PATH_BYTES) {
      throw new IOException(
          "the path of a unix socket has 1 to %d bytes, and %s has %d"
              .formatted(MOST_PATH_BYTES, path, bytes));
    }
  }

  private static Address bind(ServerSocketChannel channel, Address.Tcp tcp) throws IOException {
    InetSocketAddress name =
        tcp.host().isEmpty()
            ? new InetSocketAddress(tcp.port())
            : new InetSocketAddress(tcp.host(), tcp.port());
    if (name.isUnresolved()) {
      throw new IOException(tcp + ": the host " + tcp.host() + " is not known");
    }
    channel.setOption(StandardSocketOptions.SO_REUSEADDR, true);
    try {
      channel.bind(name, BACKLOG);
    } catch (IOException e) {
      String words = String.valueOf(e.getMessage());
      throw new IOException(
          words.contains("in use")
              ? tcp + " is in use: another program listens at it"
              : words.contains("assign")
                  ? tcp + ": the address is not one of this machine"
                  : "cannot listen at " + tcp + ": " + words,
          e);
    }
    SocketAddress own = channel.getLocalAddress();
    return own instanceof InetSocketAddress inet
        ? new Address.Tcp(tcp.host(), inet.getPort())
        : tcp;
  }

  // --- Accepting ---

  void start() {
    Thread.ofVirtual().name("belay-listener").start(this::acceptAll);
  }

  /** On the listener's thread. */
  private void acceptAll() {
    boolean hasComplained = false;
    fillReserve();
    while (!isClosed.get()) {
      try {
        SocketChannel made = channel.accept();
        hasComplained = false;
        if (!sockets.loop().execute(() -> arrived(made))) {
          ChannelWire.closeQuietly(made);
        }
      } catch (ClosedChannelException e) {
        break;
      } catch (IOException e) {
        if (!hasComplained && !isClosed.get()) {
          hasComplained = true;
          String sentence = address + ": new connections have to wait, accept: " + e.getMessage();
          emptyReserve();
          LOG.log(System.Logger.Level.WARNING, sentence);
          fillReserve();
        }
        pause();
      }
    }
    emptyReserve();
  }

  private void fillReserve() {
    try {
      while (reserve.size() < RESERVE) {
        reserve.add(SocketChannel.open());
      }
    } catch (IOException e) {
      // Then there are fewer, and what is said may get lost.
    }
  }

  private void emptyReserve() {
    reserve.forEach(ChannelWire::closeQuietly);
    reserve.clear();
  }

  private static void pause() {
    try {
      Thread.sleep(PAUSE_MILLIS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void arrived(SocketChannel made) {
    try {
      if (isClosed.get()) {
        made.close();
        return;
      }
      if (address instanceof Address.Tcp) {
        sockets.setOptions(made);
      }
      ChannelWire wire = sockets.adopt(made, ChannelSockets.peerOf(made));
      if (wire != null) {
        accepted.accept(wire);
      }
    } catch (IOException e) {
      ChannelWire.closeQuietly(made); // it was gone before it was here
    }
  }

  @Override
  public Address address() {
    return address;
  }

  @Override
  public void close() {
    if (!isClosed.compareAndSet(false, true)) {
      return;
    }
    if (file != null) {
      file.remove();
    }
    try {
      channel.close();
    } catch (IOException e) {
      // It accepts nobody, which is what was asked for.
    }
    sockets.forget(this);
  }
}
