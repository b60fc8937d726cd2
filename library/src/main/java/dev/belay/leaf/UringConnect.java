// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import dev.belay.Timers;
import dev.belay.net.Address;
import dev.belay.net.Sockets;
import dev.belay.uring.Errno;
import dev.belay.uring.Kernel;
import dev.belay.uring.SocketCalls;
import dev.belay.uring.SocketEntries;
import dev.belay.uring.SocketName;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** One attempt to connect, to each address of a host in turn. On the loop's thread. */
final class UringConnect implements SocketOwner {
  private final UringSockets sockets;
  private final Address address;
  private final Sockets.Connected end;
  private final ArrayDeque<byte[]> names = new ArrayDeque<>();
  private final Timers.Timer timeout;
  private @Nullable SocketOp op;
  private MemorySegment name = MemorySegment.NULL;
  private int fd = -1;
  private String timeoutSentence = "";
  private boolean hasEnded;

  UringConnect(UringSockets sockets, Address address, Sockets.Connected end) {
    this.sockets = sockets;
    this.address = address;
    this.end = end;
    timeout = sockets.loop().timers().newTimer(() -> fail(timeoutSentence));
  }

  void start(long timeoutNanos) {
    timeout.set(sockets.loop().clock().after(timeoutNanos));
    timeoutSentence = SocketSentences.silent(address, timeoutNanos);
    switch (address) {
      case Address.Unix unix -> {
        try {
          List<byte[]> names = List.of(SocketName.unix(unix.path()));
          sockets.soon(() -> found(names));
        } catch (IllegalArgumentException e) {
          sockets.soon(() -> fail(String.valueOf(e.getMessage())));
        }
      }
      case Address.Tcp tcp -> Thread.ofVirtual().start(() -> lookUp(tcp));
    }
  }

  /** On a thread of its own, as it may wait for a name server. */
  private void lookUp(Address.Tcp tcp) {
    try {
      List<byte[]> found = new ArrayList<>();
      for (InetAddress each : InetAddress.getAllByName(tcp.host())) {
        found.add(SocketName.inet(each, tcp.port()));
      }
      sockets.loop().execute(() -> found(found));
    } catch (UnknownHostException e) {
      String sentence = "the host " + tcp.host() + " is not known";
      sockets.loop().execute(() -> fail(sentence));
    }
  }

  private void found(List<byte[]> found) {
    if (!hasEnded) {
      names.addAll(found);
      tryNext();
    }
  }

  private void tryNext() {
    byte[] next = names.remove();
    fd = SocketCalls.socket(SocketName.family(next));
    if (fd < 0) {
      fail(SocketSentences.failed(address, Errno.sentence(fd)));
      return;
    }
    if (address instanceof Address.Tcp) {
      UringListener.setOptions(fd, sockets.keepAlive());
    }
    name = Arena.ofAuto().allocateFrom(ValueLayout.JAVA_BYTE, next);
    SocketOp made = sockets.newOp(this);
    op = made;
    sockets.submit(made);
  }

  @Override
  public void prepare(SocketEntries entries, SocketOp op, long token) {
    entries.connect(fd, name.address(), (int) name.byteSize(), token);
  }

  @Override
  public void answered(SocketOp op, int result, int flags) {
    if (hasEnded || result < 0) {
      // What is not connected is closed as soon as nothing of it is in the kernel.
      settle();
      if (!hasEnded && names.isEmpty()) {
        fail(SocketSentences.failed(address, Errno.sentence(result)));
      } else if (!hasEnded) {
        tryNext();
      }
      return;
    }
    hasEnded = true;
    timeout.cancel();
    sockets.forget(this);
    this.op = null;
    sockets.drop(op);
    UringWire wire = sockets.adopt(fd, peer());
    end.ended(wire, wire == null ? "the loop is closed" : "");
  }

  private String peer() {
    return address instanceof Address.Tcp ? UringListener.peerOf(fd) : address.toString();
  }

  private void fail(String sentence) {
    if (hasEnded) {
      return;
    }
    hasEnded = true;
    timeout.cancel();
    sockets.forget(this);
    if (op != null) {
      sockets.stop(op);
    }
    end.ended(null, sentence);
  }

  @Override
  public void settle() {
    SocketOp over = op;
    if (over != null && over.isIdle()) {
      op = null;
      sockets.drop(over);
      Kernel.close(fd);
    }
  }

  @Override
  public void farewell() {
    fail("the loop is closed");
  }
}
