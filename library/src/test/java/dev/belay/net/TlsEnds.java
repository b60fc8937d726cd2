// SPDX-License-Identifier: Apache-2.0
package dev.belay.net;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.Loop;
import dev.belay.testing.PipeWire;
import dev.belay.testing.Pipes;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import javax.net.ssl.SSLEngine;

/** Two encrypted ends over a connection in memory, and what was sent and received on them. */
final class TlsEnds implements AutoCloseable {
  private static final long PATIENCE_NANOS = 20_000_000_000L;

  final PipeWire clientPipe;
  final End server;
  final End client;
  private final Loop loop = Loop.driven();
  private final Loop second = Loop.driven();
  private final Pipes pipes;
  private final SplittableRandom random;
  private final List<Throwable> defects = new ArrayList<>();

  TlsEnds(long seed, int pieces, Tls server, Tls client) {
    this(seed, pieces, server, client, -1);
  }

  TlsEnds(long seed, int pieces, SSLEngine server, SSLEngine client) {
    this(new Pipes(seed).withPieces(pieces), server, client, -1, 0);
  }

  /** With one bit damaged of the byte {@code damagedAt} that the client sends. */
  TlsEnds(long seed, int pieces, Tls server, Tls client, int damagedAt) {
    this(seed, pieces, server, client, damagedAt, 0);
  }

  /** With so many bytes received before the server's end is made. */
  TlsEnds(long seed, int pieces, Tls server, Tls client, int damagedAt, int earlyBytes) {
    this(
        new Pipes(seed).withPieces(pieces),
        server.engine(),
        client.engine(),
        damagedAt,
        earlyBytes);
  }

  private TlsEnds(
      Pipes pipes, SSLEngine serverEngine, SSLEngine clientEngine, int damagedAt, int earlyBytes) {
    this.pipes = pipes.withLatency(0);
    random = new SplittableRandom(damagedAt + 7L);
    loop.setDefects(defects::add);
    second.setDefects(defects::add);
    PipeWire[] both = pipes.pair(loop);
    pipes.of(second);
    clientPipe = both[0];
    client = new End(both[0], clientEngine, new byte[0]);
    byte[] early = new byte[earlyBytes];
    if (earlyBytes > 0) {
      until(() -> both[1].unreadBytes() >= earlyBytes);
      take(both[1], early);
    }
    Wire damaging = damagedAt < 0 ? both[1] : new Damaging(both[1], damagedAt);
    server = new End(damaging, serverEngine, early);
  }

  /** One end, whose peer says these words in the clear. */
  TlsEnds(Pipes pipes, Tls tls, byte[] words) {
    this.pipes = pipes.withLatency(0);
    random = new SplittableRandom(1);
    loop.setDefects(defects::add);
    PipeWire[] both = pipes.pair(loop);
    clientPipe = both[0];
    MemorySegment text =
        Arena.ofAuto().allocate(words.length).copyFrom(MemorySegment.ofArray(words));
    both[0].wantSend(
        new Sender() {
          @Override
          public void gather(Gather into) {
            into.add(text.address(), words.length);
          }

          @Override
          public void sent(int result) {
            assertThat(text.byteSize()).isPositive();
          }
        });
    server = new End(both[1], tls.engine(), new byte[0]);
    client = server;
  }

  private void take(PipeWire wire, byte[] into) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment memory = arena.allocate(into.length);
      int[] got = {0};
      while (got[0] < into.length) {
        int before = got[0];
        wire.receive(memory.address() + before, into.length - before, n -> got[0] += n);
        until(() -> got[0] > before);
      }
      MemorySegment.copy(memory, ValueLayout.JAVA_BYTE, 0, into, 0, into.length);
    }
  }

  void turn() {
    loop.turn(200_000);
    second.turn(0);
    assertThat(defects).isEmpty();
  }

  void until(BooleanSupplier condition) {
    long start = System.nanoTime();
    while (!condition.getAsBoolean()) {
      turn();
      assertThat(System.nanoTime() - start)
          .as("it hangs; server: %s; client: %s", server, client)
          .isLessThan(PATIENCE_NANOS);
    }
  }

  boolean untilOrStill(BooleanSupplier condition, int turns) {
    for (int i = 0; i < turns && !condition.getAsBoolean(); i++) {
      turn();
    }
    return condition.getAsBoolean();
  }

  void shake() {
    until(() -> server.isTold() && client.isTold());
    assertThat(server.sentence + client.sentence).isEmpty();
    assertThat(server.shaken).isZero();
    assertThat(client.shaken).isZero();
  }

  /** So many bytes each way, sent in pieces of so many and received into so much room. */
  void exchange(int bytes, int roomBytes, int pieceBytes) {
    long serverGoal = server.receivedBytes + bytes;
    long clientGoal = client.receivedBytes + bytes;
    long serverEnd = server.sentBytes + bytes;
    long clientEnd = client.sentBytes + bytes;
    until(
        () -> {
          server.sendUpTo(serverEnd, pieceBytes);
          client.sendUpTo(clientEnd, pieceBytes);
          server.receiveUpTo(serverGoal, roomBytes);
          client.receiveUpTo(clientGoal, roomBytes);
          return server.receivedBytes == serverGoal
              && client.receivedBytes == clientGoal
              && server.isSent()
              && client.isSent();
        });
  }

  void closeBoth() {
    server.close();
    client.close();
    until(() -> server.closings == 1 && client.closings == 1);
  }

  @Override
  public void close() {
    closeBoth();
    until(() -> !server.wire.isThinking && !client.wire.isThinking);
    for (int i = 0; i < 5; i++) {
      turn();
    }
    server.checkEnded();
    client.checkEnded();
    assertThat(loop.close(0)).isZero();
    assertThat(second.close(0)).isZero();
    assertThat(defects).isEmpty();
  }

  /** One side, with all that it was told. */
  final class End {
    TlsWire wire;
    int shaken = 1;
    String sentence = "";
    int received;
    int sent;
    int hungUp = 1;
    int closings;
    long receivedBytes;
    long sentBytes;
    private int tellings;
    private int receiving;
    private int sending;
    private int hangUps;
    private boolean isMoving;
    private boolean isClosing;

    End(Wire inner, SSLEngine engine, byte[] early) {
      wire =
          new TlsWire(
              loop,
              inner,
              engine,
              early,
              (result, why) -> {
                tellings++;
                shaken = result;
                sentence = why;
              });
    }

    boolean isTold() {
      return tellings > 0;
    }

    boolean isReceiving() {
      return receiving > 0;
    }

    boolean isSent() {
      return sending == 0;
    }

    void receive(int bytes) {
      Memory own = new Memory(bytes);
      MemorySegment memory = own.segment;
      receiving++;
      wire.receive(
          memory.address(),
          bytes,
          result -> {
            receiving--;
            received = result;
            for (int i = 0; i < result; i++) {
              byte expected = pattern(receivedBytes++);
              assertThat(memory.get(ValueLayout.JAVA_BYTE, i)).isEqualTo(expected);
            }
            own.arena.close();
          });
    }

    void receiveUpTo(long goal, int roomBytes) {
      if (!isReceiving() && receivedBytes < goal) {
        receive((int) Math.min(roomBytes, goal - receivedBytes));
      }
    }

    void receiveAll(int bytes, int roomBytes) {
      long goal = receivedBytes + bytes;
      until(
          () -> {
            receiveUpTo(goal, roomBytes);
            return receivedBytes == goal && !isReceiving();
          });
    }

    void sendUpTo(long end, int pieceBytes) {
      if (isSent() && sentBytes < end) {
        send((int) Math.min(pieceBytes, end - sentBytes));
      }
    }

    void send(int bytes) {
      Memory own = new Memory(bytes);
      MemorySegment memory = own.segment;
      for (int i = 0; i < bytes; i++) {
        memory.set(ValueLayout.JAVA_BYTE, i, pattern(sentBytes++));
      }
      sending++;
      wire.wantSend(
          new Sender() {
            @Override
            public void gather(Gather into) {
              int at = 0;
              while (at < bytes) {
                int left = bytes - at;
                int count = into.room() == 1 ? left : 1 + random.nextInt(left);
                into.add(memory.address() + at, count);
                at += count;
              }
            }

            @Override
            public void sent(int result) {
              sending--;
              sent = result;
              own.arena.close();
            }
          });
    }

    void awaitHangUp() {
      wire.awaitHangUp(
          result -> {
            hangUps++;
            hungUp = result;
          });
    }

    void move() {
      isMoving = true;
      Consumer<Wire> arrived =
          moved -> {
            assertThat(second.isOnLoop()).isTrue();
            wire = (TlsWire) moved;
            isMoving = false;
          };
      wire.move(pipes.of(second), arrived);
      until(() -> !isMoving);
    }

    void close() {
      if (!isClosing) {
        isClosing = true;
        wire.close(() -> closings++);
      }
    }

    /** After closing: each end was told, and once. */
    void checkEnded() {
      assertThat(closings).isEqualTo(1);
      assertThat(tellings).isEqualTo(1);
      assertThat(receiving).isZero();
      assertThat(hangUps).isLessThanOrEqualTo(1);
      assertThat(sending).as("told, or never gathered").isBetween(0, 1);
    }

    @Override
    public String toString() {
      return "told %d: %d %s, receiving %d, sending %d, closed %d, failure \"%s\""
          .formatted(tellings, shaken, sentence, receiving, sending, closings, wire.failure());
    }
  }

  private static byte pattern(long at) {
    return (byte) (at * 31 + (at >> 8));
  }

  /** What a wire reads or writes; gone once it should not any more. */
  private static final class Memory {
    final Arena arena = Arena.ofShared();
    final MemorySegment segment;

    Memory(int bytes) {
      segment = arena.allocate(bytes);
    }
  }

  /** Damages one byte of what is received. */
  private static final class Damaging implements Wire {
    private final Wire inner;
    private long left;

    Damaging(Wire inner, long at) {
      this.inner = inner;
      left = at;
    }

    @Override
    public void receive(long address, int lengthBytes, WireEnd end) {
      inner.receive(
          address,
          lengthBytes,
          result -> {
            if (left >= 0 && left < result) {
              MemorySegment at = MemorySegment.ofAddress(address + left).reinterpret(1);
              byte damaged = (byte) (at.get(ValueLayout.JAVA_BYTE, 0) ^ 1 << (address & 7));
              at.set(ValueLayout.JAVA_BYTE, 0, damaged);
            }
            left -= Math.max(0, result);
            end.ended(result);
          });
    }

    @Override
    public void wantSend(Sender sender) {
      inner.wantSend(sender);
    }

    @Override
    public void awaitHangUp(WireEnd end) {
      inner.awaitHangUp(end);
    }

    @Override
    public void close(Runnable closed) {
      inner.close(closed);
    }

    @Override
    public void move(Sockets to, Consumer<Wire> arrived) {
      inner.move(to, arrived);
    }

    @Override
    public String peer() {
      return inner.peer();
    }
  }
}
