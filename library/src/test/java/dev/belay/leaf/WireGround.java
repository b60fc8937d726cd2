// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.Loop;
import dev.belay.net.Address;
import dev.belay.net.KeepAlive;
import dev.belay.net.Sockets;
import dev.belay.net.Wire;
import dev.belay.testing.Pipes;
import dev.belay.uring.UringSupport;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.net.InetSocketAddress;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.Assumptions;

/** Loops that the test's thread drives, with sockets of one kind. */
final class WireGround implements AutoCloseable {
  /** Which sockets. */
  enum Kind {
    PIPES,
    RING_UNIX,
    RING_TCP,
    CHANNEL_UNIX,
    CHANNEL_TCP
  }

  static final long SECOND = 1_000_000_000L;
  private static final long PATIENCE_NANOS = 60 * SECOND;

  final Kind kind;
  final Pipes pipes;
  final List<Throwable> defects = new ArrayList<>();
  private final Path directory;
  private final Arena arena = Arena.ofShared();
  private final List<Loop> loops = new ArrayList<>();
  private int addresses;

  WireGround(Kind kind, Path directory, long seed) {
    this.kind = kind;
    this.directory = directory;
    pipes = new Pipes(seed);
    if (kind == Kind.RING_UNIX || kind == Kind.RING_TCP) {
      UringSupport support = UringSupport.look();
      Assumptions.assumeTrue(support.usable(), "no io_uring here: " + support.sentence());
    }
  }

  boolean isReal() {
    return kind != Kind.PIPES;
  }

  boolean isUnix() {
    return kind == Kind.RING_UNIX || kind == Kind.CHANNEL_UNIX;
  }

  /** Another loop with its sockets. */
  Sockets newSockets() {
    Loop loop = Loop.driven();
    loop.setDefects(defects::add);
    loops.add(loop);
    return switch (kind) {
      case PIPES -> pipes.of(loop);
      case RING_UNIX, RING_TCP -> LoopSockets.of(loop);
      case CHANNEL_UNIX, CHANNEL_TCP -> new ChannelSockets(loop, KeepAlive.DEFAULT);
    };
  }

  Address newAddress() {
    return switch (kind) {
      case PIPES, RING_UNIX, CHANNEL_UNIX ->
          new Address.Unix(directory.resolve("s" + addresses++).toString());
      case RING_TCP, CHANNEL_TCP -> new Address.Tcp("127.0.0.1", 0);
    };
  }

  MemorySegment memory(long bytes) {
    return arena.allocate(bytes, 64);
  }

  /** Turns all loops until {@code met}; fails the test after a minute. */
  void turnUntil(BooleanSupplier met) {
    long start = System.nanoTime();
    while (!met.getAsBoolean()) {
      turn();
      if (System.nanoTime() - start > PATIENCE_NANOS) {
        throw new AssertionError("it did not happen within a minute; " + defects);
      }
    }
  }

  /** One turn of each loop. */
  void turn() {
    for (Loop loop : List.copyOf(loops)) {
      if (!loop.isClosing()) {
        loop.turn(loops.size() == 1 ? SECOND / 100 : 100_000);
      }
    }
  }

  /** Two connected wires: of the one who connected, and of the one who accepted. */
  Wire[] pair(Sockets from, Sockets to) throws IOException {
    Wire[] both = new Wire[2];
    Sockets.Listener listener = to.listen(newAddress(), 0600, wire -> both[1] = wire);
    from.connect(
        listener.address(),
        10 * SECOND,
        (wire, sentence) -> {
          assertThat(sentence).isEmpty();
          both[0] = wire;
        });
    turnUntil(() -> both[0] != null && both[1] != null);
    listener.close();
    return both;
  }

  /** A blocking channel of the JDK's, connected to an address. */
  static SocketChannel plain(Address address) throws IOException {
    return switch (address) {
      case Address.Unix unix -> {
        SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX);
        channel.connect(UnixDomainSocketAddress.of(unix.path()));
        yield channel;
      }
      case Address.Tcp tcp -> SocketChannel.open(new InetSocketAddress(tcp.host(), tcp.port()));
    };
  }

  void close(Wire... wires) {
    int[] open = {wires.length};
    for (Wire wire : wires) {
      wire.close(() -> open[0]--);
    }
    turnUntil(() -> open[0] == 0);
  }

  @Override
  public void close() {
    for (Loop loop : loops) {
      assertThat(loop.close(PATIENCE_NANOS)).isZero();
    }
    assertThat(defects).isEmpty();
    if (!isReal()) {
      assertThat(pipes.openWires()).isZero();
    }
    arena.close();
  }
}
