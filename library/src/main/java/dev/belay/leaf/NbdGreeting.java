// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import dev.belay.Errno;
import dev.belay.Timers;
import dev.belay.nbd.ClientHandshake;
import dev.belay.nbd.ClientHandshake.State;
import dev.belay.net.Gather;
import dev.belay.net.Sender;
import dev.belay.net.Sockets;
import dev.belay.net.Tls;
import dev.belay.net.TlsWire;
import dev.belay.net.Wire;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Connects to an NBD server and does the handshake, with TLS if that is wanted. Blocks nobody; all
 * runs on the thread of the sockets' loop.
 */
final class NbdGreeting implements Sender {
  private static final int RECEIVE_BYTES = 16 << 10;

  /** What it came to. On the loop's thread, once. */
  @FunctionalInterface
  interface Greeted {
    /**
     * It is done, or it came to nothing, and then no wire is left.
     *
     * @param wire with nothing under way on it; null where it came to nothing
     * @param done the handshake in its last state; null where it came to nothing
     * @param sentence why it came to nothing; else empty
     */
    void ended(@Nullable Wire wire, @Nullable ClientHandshake done, String sentence);
  }

  private final Sockets sockets;
  private final NbdOptions options;
  private final ClientHandshake handshake;
  private final Greeted end;
  private final Timers.Timer patience;
  private final Arena arena = Arena.ofAuto();
  private final MemorySegment received = arena.allocate(RECEIVE_BYTES, 64);
  private MemorySegment output = MemorySegment.NULL;
  private @Nullable Wire wire;
  private int from;
  private int upTo;
  private boolean isReceiving;
  private boolean isOver;

  /** To open the export, or to list what there is. */
  NbdGreeting(Sockets sockets, NbdOptions options, boolean lists, Greeted end) {
    this.sockets = sockets;
    this.options = options;
    this.end = end;
    ClientHandshake.Tls tls =
        options.tls() == null ? ClientHandshake.Tls.OFF : ClientHandshake.Tls.REQUIRED;
    handshake =
        lists
            ? ClientHandshake.list(tls)
            : ClientHandshake.open(ClientHandshake.Wishes.of(options.uri().exportName(), tls));
    patience =
        sockets
            .loop()
            .timers()
            .newTimer(
                () ->
                    fail(
                        "the server did not finish the handshake within "
                            + Nbd.ATTEMPT_NANOS / 1_000_000_000
                            + " s"));
  }

  void begin() {
    sockets.connect(options.uri().address(), Nbd.ATTEMPT_NANOS, this::connected);
  }

  boolean hasWire() {
    return wire != null;
  }

  /** Nobody wants it any more. It ends all the same. */
  void abandon() {
    fail("it is not wanted any more");
  }

  private void connected(@Nullable Wire made, String sentence) {
    if (made == null) {
      isOver = true;
      end.ended(null, null, sentence);
    } else if (isOver) {
      made.close(() -> end.ended(null, null, "it is not wanted any more"));
    } else {
      wire = made;
      patience.set(sockets.loop().clock().after(Nbd.ATTEMPT_NANOS));
      goOn();
    }
  }

  private Wire wire() {
    return Objects.requireNonNull(wire);
  }

  private void goOn() {
    while (!isOver && !isReceiving && output.byteSize() == 0) {
      byte[] next = handshake.output();
      if (next.length > 0) {
        output = arena.allocate(next.length);
        MemorySegment.copy(next, 0, output, ValueLayout.JAVA_BYTE, 0, next.length);
        wire().wantSend(this);
        return;
      }
      switch (handshake.state()) {
        case OPEN -> takeOrReceive();
        case START_TLS -> {
          encrypt();
          return;
        }
        case SERVING, LISTED -> finish();
        case ENDED -> fail(handshake.reason());
      }
    }
  }

  private void takeOrReceive() {
    if (from < upTo) {
      from += handshake.take(received, from, upTo - from);
      return;
    }
    isReceiving = true;
    wire().receive(received.address(), RECEIVE_BYTES, this::received);
  }

  private void received(int result) {
    isReceiving = false;
    if (isOver || isGone(result)) {
      return;
    }
    if (result > 0) {
      from = 0;
      upTo = result;
    } else if (result == 0) {
      handshake.peerClosed();
    } else {
      fail("receiving failed during the handshake: " + described(result));
    }
    goOn();
  }

  @Override
  public void gather(Gather into) {
    if (!isOver && output.byteSize() > 0) {
      into.add(output.address(), (int) output.byteSize());
    }
  }

  @Override
  public void sent(int result) {
    output = MemorySegment.NULL;
    if (isOver || isGone(result)) {
      return;
    }
    if (result < 0 && handshake.state() != State.ENDED) {
      fail("sending failed during the handshake: " + described(result));
    }
    goOn();
  }

  /** Whether the loop closes, and has closed the wire: then all there is to do is nothing. */
  private boolean isGone(int result) {
    isOver |= result == -Errno.ECANCELED;
    return isOver;
  }

  private String described(int result) {
    return wire instanceof TlsWire tls && !tls.failure().isEmpty()
        ? tls.failure()
        : Errno.describe(-result);
  }

  private void encrypt() {
    byte[] leftover = received.asSlice(from, upTo - from).toArray(ValueLayout.JAVA_BYTE);
    from = 0;
    upTo = 0;
    Tls tls = Objects.requireNonNull(options.tls());
    wire = TlsWire.client(sockets.loop(), wire(), tls, leftover, this::encrypted);
  }

  private void encrypted(int result, String sentence) {
    if (isOver || isGone(result)) {
      return;
    }
    if (result < 0) {
      fail("TLS came to nothing: " + sentence);
    } else {
      handshake.encrypted();
      goOn();
    }
  }

  private void finish() {
    if (handshake.state() == State.SERVING && from < upTo) {
      fail("the server answered before it was asked");
      return;
    }
    isOver = true;
    patience.cancel();
    Wire made = wire();
    wire = null;
    end.ended(made, handshake, "");
  }

  private void fail(String sentence) {
    if (isOver) {
      return;
    }
    isOver = true;
    patience.cancel();
    Wire open = wire;
    if (open != null) {
      open.close(
          () -> {
            wire = null;
            end.ended(null, null, sentence);
          });
    }
  }
}
