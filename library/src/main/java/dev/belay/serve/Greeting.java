// SPDX-License-Identifier: Apache-2.0
package dev.belay.serve;

import dev.belay.Errno;
import dev.belay.Timers.Timer;
import dev.belay.nbd.ServerHandshake;
import dev.belay.nbd.ServerHandshake.State;
import dev.belay.net.Gather;
import dev.belay.net.Sender;
import dev.belay.net.Tls;
import dev.belay.net.TlsWire;
import dev.belay.net.Wire;
import dev.belay.stack.Durations;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * One client that says what it wants. It is read from only when it has taken all that it was told,
 * so that it costs one buffer and one answer, however long it talks. Only on the desk's thread.
 */
final class Greeting implements Sender {
  private static final int BUFFER_BYTES = 4 << 10;

  private final Desk desk;
  private final long number;
  private final long acceptedNanos;
  private final ServerHandshake handshake;
  private final Timer timer;
  private final Arena arena = Arena.ofConfined();
  private final MemorySegment buffer = arena.allocate(BUFFER_BYTES, 8);
  private Wire wire;
  private boolean isEncrypted;
  private boolean isShaking;
  private int start;
  private int end;
  private boolean isClosing;

  /** What is being sent. */
  private @Nullable Said out;

  /** Something that was said, for as long as the wire sends it. */
  private static final class Said {
    final Arena arena = Arena.ofConfined();
    final MemorySegment memory;

    Said(byte[] bytes) {
      memory = arena.allocate(bytes.length, 8);
      MemorySegment.copy(MemorySegment.ofArray(bytes), 0, memory, 0, bytes.length);
    }
  }

  Greeting(Desk desk, Wire wire, long number) {
    this.desk = desk;
    this.wire = wire;
    this.number = number;
    acceptedNanos = desk.loop().clock().nanos();
    handshake = new ServerHandshake(desk, desk.tlsMode());
    timer = desk.loop().timers().newTimer(this::late);
    timer.set(desk.loop().clock().after(desk.options().handshakeTimeout().toNanos()));
    goOn();
  }

  /** Sends what is to be said, or takes what was received, or receives, or is done. */
  private void goOn() {
    for (; ; ) {
      byte[] said = handshake.output();
      if (said.length > 0) {
        say(said);
        return;
      }
      if (handshake.state() != State.OPEN) {
        leave();
        return;
      }
      int taken = handshake.take(buffer, start, end - start);
      start += taken;
      if (start == end) {
        start = 0;
        end = 0;
      }
      if (taken == 0) {
        MemorySegment.copy(buffer, start, buffer, 0, end - start);
        end -= start;
        start = 0;
        wire.receive(buffer.address() + end, BUFFER_BYTES - end, this::received);
        return;
      }
    }
  }

  private void received(int result) {
    if (isClosing) {
      return;
    }
    if (result > 0) {
      end += result;
      goOn();
    } else {
      refuse(result == 0 ? "it went away during the handshake" : broken(result), result < 0);
    }
  }

  private String broken(int result) {
    if (wire instanceof TlsWire tls && !tls.failure().isEmpty()) {
      return "TLS: " + tls.failure();
    }
    return "the connection broke during the handshake: " + Errno.describe(-result);
  }

  // --- Sending ---

  private void say(byte[] bytes) {
    out = new Said(bytes);
    wire.wantSend(this);
  }

  @Override
  public void gather(Gather into) {
    if (!isClosing && out != null) {
      into.add(out.memory.address(), (int) out.memory.byteSize());
    }
  }

  @Override
  public void sent(int result) {
    forgetOut();
    if (isClosing) {
      return;
    }
    if (result < 0) {
      refuse(broken(result), true);
    } else {
      goOn();
    }
  }

  private void forgetOut() {
    if (out != null) {
      out.arena.close();
      out = null;
    }
  }

  // --- The end ---

  /** All is said: on to TLS, or to the export, or away. */
  private void leave() {
    switch (handshake.state()) {
      case START_TLS -> startTls();
      case SERVING -> serve();
      default -> refuse(handshake.reason(), !handshake.wished());
    }
  }

  private void startTls() {
    Tls tls = Objects.requireNonNull(desk.tls());
    isShaking = true;
    isEncrypted = true;
    wire = TlsWire.server(desk.loop(), wire, tls, takeLeftover(), this::shaken);
  }

  private void shaken(int result, String sentence) {
    isShaking = false;
    if (isClosing) {
      return;
    }
    if (result < 0) {
      refuse("TLS: " + sentence, true);
      return;
    }
    handshake.encrypted();
    goOn();
  }

  private byte[] takeLeftover() {
    byte[] leftover = new byte[end - start];
    MemorySegment.copy(buffer, start, MemorySegment.ofArray(leftover), 0, leftover.length);
    start = 0;
    end = 0;
    return leftover;
  }

  private void serve() {
    Greeted greeted =
        new Greeted(number, handshake.session(), isEncrypted, acceptedNanos, takeLeftover());
    isClosing = true;
    forget();
    desk.serve(this, wire, greeted);
  }

  private void late() {
    String time = Durations.print(desk.options().handshakeTimeout().toNanos());
    refuse(
        isShaking
            ? "its TLS handshake was not done after " + time
            : "it did not say within " + time + " what it wants",
        true);
  }

  long ageNanos() {
    return desk.loop().clock().nanos() - acceptedNanos;
  }

  /** There are too many clients, and others have said what they want. */
  void makeRoom() {
    refuse("it did not say what it wants, and its place was needed", true);
  }

  /** The server stops: it is told so where it asks for anything more, and soon cut off. */
  void stop() {
    refuse("the server stopped", false);
  }

  private void refuse(String why, boolean isFault) {
    if (isClosing) {
      return;
    }
    isClosing = true;
    timer.cancel();
    desk.refused(this, wire.peer(), why, isFault);
    wire.close(
        () -> {
          forget();
          desk.gone();
        });
  }

  private void forget() {
    timer.cancel();
    forgetOut();
    arena.close();
  }
}
