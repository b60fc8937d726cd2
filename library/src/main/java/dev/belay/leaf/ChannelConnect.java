// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import dev.belay.Timers;
import dev.belay.net.Address;
import dev.belay.net.Sockets;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.net.UnknownHostException;
import java.nio.channels.SocketChannel;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/** One attempt to connect, on a thread of its own. */
final class ChannelConnect {
  private final ChannelSockets sockets;
  private final Address address;
  private final Sockets.Connected end;
  private final Timers.Timer timeout;
  private boolean hasEnded;

  /** What is being connected, for whoever gives up to close. */
  private final AtomicReference<@Nullable SocketChannel> trying = new AtomicReference<>();

  private volatile boolean isGivenUp;

  ChannelConnect(
      ChannelSockets sockets, Address address, long timeoutNanos, Sockets.Connected end) {
    this.sockets = sockets;
    this.address = address;
    this.end = end;
    String sentence = SocketSentences.silent(address, timeoutNanos);
    timeout = sockets.loop().timers().newTimer(() -> giveUp(sentence));
    timeout.set(sockets.loop().clock().after(timeoutNanos));
  }

  void start() {
    Thread.ofVirtual().name("belay-connect").start(this::run);
  }

  /** On the thread that may wait. */
  private void run() {
    String sentence = "";
    try {
      for (SocketAddress each : names()) {
        SocketChannel channel = null;
        try {
          channel = open(each);
          String peer =
              address instanceof Address.Unix ? address.toString() : ChannelSockets.peerOf(channel);
          SocketChannel made = channel;
          if (!sockets.loop().execute(() -> connected(made, peer))) {
            made.close();
          }
          return;
        } catch (IOException e) {
          sentence = SocketSentences.failed(address, String.valueOf(e.getMessage()));
          if (channel != null) {
            ChannelWire.closeQuietly(channel);
          }
        }
      }
    } catch (IOException e) {
      sentence = String.valueOf(e.getMessage());
    }
    String last =
        sentence.toLowerCase(Locale.ROOT).contains("no such file")
            ? address + ": there is no such file"
            : sentence;
    sockets.loop().execute(() -> giveUp(last));
  }

  private List<SocketAddress> names() throws IOException {
    List<SocketAddress> names = new ArrayList<>();
    switch (address) {
      case Address.Unix unix -> {
        ChannelListener.checkPath(unix.path());
        names.add(UnixDomainSocketAddress.of(unix.path()));
      }
      case Address.Tcp tcp -> {
        try {
          for (InetAddress each : InetAddress.getAllByName(tcp.host())) {
            names.add(new InetSocketAddress(each, tcp.port()));
          }
        } catch (UnknownHostException e) {
          throw new IOException("the host " + tcp.host() + " is not known", e);
        }
      }
    }
    return names;
  }

  private SocketChannel open(SocketAddress name) throws IOException {
    boolean isUnix = address instanceof Address.Unix;
    SocketChannel channel =
        isUnix ? SocketChannel.open(StandardProtocolFamily.UNIX) : SocketChannel.open();
    trying.set(channel);
    try {
      if (isGivenUp) {
        throw new IOException("it was given up");
      }
      if (!isUnix) {
        sockets.setOptions(channel);
      }
      channel.connect(name);
      return channel;
    } catch (IOException e) {
      channel.close();
      throw e;
    }
  }

  // --- The loop's thread ---

  private void connected(SocketChannel channel, String peer) {
    if (hasEnded) {
      ChannelWire.closeQuietly(channel);
      return;
    }
    hasEnded = true;
    timeout.cancel();
    sockets.forget(this);
    ChannelWire wire = sockets.adopt(channel, peer);
    end.ended(wire, wire == null ? "the loop is closed" : "");
  }

  private void giveUp(String sentence) {
    if (hasEnded) {
      return;
    }
    hasEnded = true;
    isGivenUp = true;
    timeout.cancel();
    sockets.forget(this);
    SocketChannel open = trying.get();
    if (open != null) {
      ChannelWire.closeQuietly(open);
    }
    end.ended(null, sentence);
  }

  void farewell() {
    giveUp("the loop is closed");
  }
}
