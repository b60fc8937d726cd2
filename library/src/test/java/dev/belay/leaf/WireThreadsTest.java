// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.Loop;
import dev.belay.leaf.WireGround.Kind;
import dev.belay.net.Address;
import dev.belay.net.Gather;
import dev.belay.net.KeepAlive;
import dev.belay.net.Sender;
import dev.belay.net.Sockets;
import dev.belay.net.Wire;
import dev.belay.net.WireEnd;
import dev.belay.uring.UringSupport;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.SplittableRandom;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.EnumSource.Mode;

/** Loops with threads of their own: one accepts, others get the wires and echo. */
final class WireThreadsTest {
  private static final int CLIENTS = 60;
  private static final int ROUNDS = 12;

  @TempDir Path directory;

  /** Gives back what it receives, from its own memory, until the end; counts its ends. */
  private static final class Echo implements Sender, WireEnd {
    private static final int BYTES = 40_000;

    final Wire wire;
    final AtomicInteger open;
    final MemorySegment memory;
    int have;
    boolean isReceiving;
    boolean isSending;
    boolean isClosed;

    Echo(Wire wire, Arena arena, AtomicInteger open) {
      this.wire = wire;
      this.open = open;
      memory = arena.allocate(BYTES);
      open.incrementAndGet();
      wire.awaitHangUp(result -> end());
      receive();
    }

    void receive() {
      isReceiving = true;
      wire.receive(memory.address(), BYTES, this);
    }

    @Override
    public void ended(int result) {
      isReceiving = false;
      if (result <= 0) {
        end();
      } else if (!isClosed) {
        have = result;
        wire.wantSend(this);
      }
    }

    @Override
    public void gather(Gather into) {
      isSending = true;
      into.add(memory.address(), 1);
      if (have > 1) {
        into.add(memory.address() + 1, have - 1);
      }
    }

    @Override
    public void sent(int result) {
      isSending = false;
      if (result < 0) {
        end();
      } else if (!isClosed) {
        receive();
      }
    }

    private void end() {
      if (!isClosed) {
        isClosed = true;
        wire.close(
            () -> {
              assertThat(isReceiving || isSending).isFalse();
              open.decrementAndGet();
            });
      }
    }
  }

  private static Sockets sockets(Kind kind, Loop loop) {
    boolean isRing = kind == Kind.RING_UNIX || kind == Kind.RING_TCP;
    return isRing ? LoopSockets.of(loop) : new ChannelSockets(loop, KeepAlive.DEFAULT);
  }

  @ParameterizedTest
  @EnumSource(value = Kind.class, mode = Mode.EXCLUDE, names = "PIPES")
  void wiresMoveToOtherThreadsAndLoopsCloseUnderThem(Kind kind) throws Exception {
    boolean isRing = kind == Kind.RING_UNIX || kind == Kind.RING_TCP;
    Assumptions.assumeTrue(!isRing || UringSupport.look().usable(), "no io_uring here");
    boolean isUnix = kind == Kind.RING_UNIX || kind == Kind.CHANNEL_UNIX;
    Queue<Throwable> wrong = new ConcurrentLinkedQueue<>();
    AtomicInteger open = new AtomicInteger();
    AtomicInteger turn = new AtomicInteger();
    List<Loop> loops = new ArrayList<>();
    List<Sockets> all = new ArrayList<>();
    try (Arena arena = Arena.ofShared()) {
      for (int i = 0; i < 3; i++) {
        Loop loop = Loop.threaded("wires-" + i);
        loop.setDefects(wrong::add);
        loops.add(loop);
        all.add(sockets(kind, loop));
      }
      Address address =
          isUnix
              ? new Address.Unix(directory.resolve("s").toString())
              : new Address.Tcp("127.0.0.1", 0);
      Sockets.Listener listener =
          all.getFirst()
              .listen(
                  address,
                  0600,
                  wire ->
                      wire.move(
                          all.get(1 + turn.getAndIncrement() % 2),
                          moved -> new Echo(moved, arena, open)));
      loops.forEach(Loop::start);
      List<Thread> clients = new ArrayList<>();
      for (int i = 0; i < CLIENTS; i++) {
        int seed = i;
        clients.add(
            Thread.ofVirtual()
                .uncaughtExceptionHandler((thread, e) -> wrong.add(e))
                .start(() -> echo(listener.address(), seed)));
      }
      for (Thread client : clients) {
        assertThat(client.join(java.time.Duration.ofMinutes(1))).isTrue();
      }
      List<SocketChannel> left = new ArrayList<>();
      for (int i = 0; i < 20; i++) {
        left.add(WireGround.plain(listener.address()));
      }
      listener.close();
      for (Loop loop : loops) {
        assertThat(loop.close(Long.MAX_VALUE)).isZero();
      }
      for (SocketChannel each : left) {
        each.close();
      }
    }
    assertThat(wrong).isEmpty();
    assertThat(open).hasValue(0);
    assertThat(turn.get()).isGreaterThanOrEqualTo(CLIENTS);
  }

  /** Sends and gets back; every fourth client goes away in the middle. */
  private static void echo(Address address, int seed) {
    SplittableRandom random = new SplittableRandom(seed);
    try (SocketChannel channel = WireGround.plain(address)) {
      for (int round = 0; round < ROUNDS; round++) {
        int length = 1 + random.nextInt(20_000);
        ByteBuffer out = ByteBuffer.wrap(WireTraffic.bytes(random.nextInt(1000), length));
        while (out.hasRemaining()) {
          channel.write(out);
        }
        if (seed % 4 == 3 && round == ROUNDS / 2) {
          return;
        }
        ByteBuffer in = ByteBuffer.allocate(length);
        while (in.hasRemaining()) {
          assertThat(channel.read(in)).isPositive();
        }
        assertThat(in.flip()).isEqualTo(out.flip());
      }
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }
}
