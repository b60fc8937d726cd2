// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import dev.belay.Loop;
import dev.belay.net.Address;
import dev.belay.net.KeepAlive;
import dev.belay.net.Sockets;
import dev.belay.net.Wire;
import java.io.IOException;
import java.net.Inet6Address;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.SocketOption;
import java.net.StandardSocketOptions;
import java.nio.channels.NetworkChannel;
import java.nio.channels.SocketChannel;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The sockets of a loop that has no ring: channels of the JDK, on which virtual threads block.
 *
 * <p>These threads never touch the memory of a receive or a send: they have buffers of their own,
 * and hand what they did to the loop. So a wire can be closed at once. It costs a copy and two
 * crossings of threads each way; where there is a ring, {@link UringSockets} is the better choice.
 */
final class ChannelSockets implements Sockets {
  private final Loop loop;
  private final KeepAlive keepAlive;

  // Only on the loop's thread.
  private final Set<ChannelWire> wires = new HashSet<>();
  private final Set<ChannelConnect> connecting = new HashSet<>();
  private boolean isOver;

  /** Any thread; closed by whoever closes them, and with the loop. */
  private final Set<ChannelListener> listeners = new HashSet<>();

  ChannelSockets(Loop loop, KeepAlive keepAlive) {
    this.loop = loop;
    this.keepAlive = keepAlive;
    loop.beforeClose(this::farewell);
  }

  @Override
  public Loop loop() {
    return loop;
  }

  @Override
  public Listener listen(Address address, int unixMode, Consumer<Wire> accepted)
      throws IOException {
    ChannelListener listener = ChannelListener.open(this, address, unixMode, accepted);
    synchronized (listeners) {
      listeners.add(listener);
    }
    // From the loop, so that nobody is accepted before it turns, and a closed one accepts nobody.
    if (!loop.execute(() -> start(listener))) {
      listener.close();
      throw new IOException(address + ": the loop is closed");
    }
    return listener;
  }

  private void start(ChannelListener listener) {
    if (isOver) {
      listener.close();
    } else {
      listener.start();
    }
  }

  void forget(ChannelListener listener) {
    synchronized (listeners) {
      listeners.remove(listener);
    }
  }

  @Override
  public void connect(Address address, long timeoutNanos, Connected end) {
    ChannelConnect connect = new ChannelConnect(this, address, timeoutNanos, end);
    connecting.add(connect);
    connect.start();
  }

  void forget(ChannelConnect connect) {
    connecting.remove(connect);
  }

  /**
   * A connected channel becomes a wire, unless the loop has closed: then it is closed, and null.
   */
  @Nullable ChannelWire adopt(SocketChannel channel, String peer) {
    if (isOver) {
      ChannelWire.closeQuietly(channel);
      return null;
    }
    ChannelWire wire = new ChannelWire(this, channel, peer);
    wires.add(wire);
    return wire;
  }

  /** A wire that moved here; false if the loop has closed. */
  boolean adopt(ChannelWire wire) {
    return !isOver && wires.add(wire);
  }

  void forget(ChannelWire wire) {
    wires.remove(wire);
  }

  private void farewell() {
    isOver = true;
    List<ChannelListener> open;
    synchronized (listeners) {
      open = List.copyOf(listeners);
    }
    open.forEach(ChannelListener::close);
    List.copyOf(connecting).forEach(ChannelConnect::farewell);
    List.copyOf(wires).forEach(ChannelWire::farewell);
  }

  // --- What they are made of ---

  /** What every TCP connection has, as far as this system can. */
  <C extends NetworkChannel> void setOptions(C channel) throws IOException {
    for (SocketOption<?> option : channel.supportedOptions()) {
      switch (option.name()) {
        case "TCP_KEEPIDLE" -> set(channel, option, keepAlive.idleSeconds());
        case "TCP_KEEPINTERVAL" -> set(channel, option, keepAlive.intervalSeconds());
        case "TCP_KEEPCOUNT" -> set(channel, option, keepAlive.probes());
        default -> {}
      }
    }
    channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
    channel.setOption(StandardSocketOptions.SO_KEEPALIVE, true);
  }

  @SuppressWarnings("unchecked") // all of these three are numbers
  private static void set(NetworkChannel channel, SocketOption<?> option, int value)
      throws IOException {
    channel.setOption((SocketOption<Integer>) option, value);
  }

  /** Who is at the other end, for people. */
  static String peerOf(SocketChannel channel) throws IOException {
    SocketAddress peer = channel.getRemoteAddress();
    if (peer instanceof InetSocketAddress inet && inet.getAddress() != null) {
      String host = inet.getAddress().getHostAddress();
      int zone = inet.getAddress() instanceof Inet6Address ? host.indexOf('%') : -1;
      return new Address.Tcp(zone < 0 ? host : host.substring(0, zone), inet.getPort()).toString();
    }
    return "a local program";
  }
}
