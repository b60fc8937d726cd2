// SPDX-License-Identifier: Apache-2.0
package dev.belay.testing;

import dev.belay.Errno;
import dev.belay.Loop;
import dev.belay.Timers;
import dev.belay.net.Gather;
import dev.belay.net.HangUp;
import dev.belay.net.Sender;
import dev.belay.net.Sockets;
import dev.belay.net.Wire;
import dev.belay.net.WireEnd;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Objects;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * One end of a connection in memory; see {@link Pipes}. What a wire cannot ask for, but happens to
 * it, a test does by {@link #endSending} and {@link #reset}.
 */
public final class PipeWire implements Wire {
  private static final MemorySegment MEMORY = MemorySegment.NULL.reinterpret(Long.MAX_VALUE);

  /** What one end has sent and the other has not received. */
  private static final class Flow {
    final byte[] ring;
    long written;
    long read;

    /** What the receiver gets behind the last byte: 1 as long as there may be more. */
    int end = 1;

    Flow(int bytes) {
      ring = new byte[bytes];
    }

    int filled() {
      return (int) (written - read);
    }

    int space() {
      return ring.length - filled();
    }
  }

  private final Pipes pipes;
  private final String peerName;
  private final Flow in;
  private final Flow out;
  private @Nullable PipeWire peer;
  private Loop loop;
  private Timers.Timer receiveTimer;
  private Timers.Timer sendTimer;
  private Timers.Timer closeTimer;
  private HangUp hangUp;

  private long address;
  private int lengthBytes;
  private @Nullable WireEnd receiving;

  private final Gather gather = new Gather();
  private @Nullable Sender wanting;
  private @Nullable Sender sending;
  private int range;
  private int rangeDone;
  private int sendError;
  private boolean canSend = true;

  private boolean isHangUpAsked;
  private @Nullable Runnable closed;
  private boolean isClosedByLoop;
  private boolean hasToldAll;
  private boolean isOver;

  private PipeWire(Pipes pipes, Loop loop, String peerName, Flow in, Flow out) {
    this.pipes = pipes;
    this.peerName = peerName;
    this.in = in;
    this.out = out;
    this.loop = loop;
    receiveTimer = loop.timers().newTimer(this::receiveSome);
    sendTimer = loop.timers().newTimer(this::sendSome);
    closeTimer = loop.timers().newTimer(this::finish);
    hangUp = new HangUp(loop);
  }

  /** Two connected ends, and what each says of the other. */
  static PipeWire[] pair(Pipes pipes, Loop one, Loop other, String oneName, String otherName) {
    Flow there = new Flow(pipes.bufferBytes());
    Flow back = new Flow(pipes.bufferBytes());
    PipeWire first = new PipeWire(pipes, one, otherName, back, there);
    PipeWire second = new PipeWire(pipes, other, oneName, there, back);
    first.peer = second;
    second.peer = first;
    return new PipeWire[] {first, second};
  }

  public Loop loop() {
    return loop;
  }

  /** How many bytes the peer has sent and nobody has received. */
  public int unreadBytes() {
    return in.filled();
  }

  private PipeWire peerWire() {
    return Objects.requireNonNull(peer);
  }

  private void checkUsable() {
    if (closed != null) {
      throw new IllegalStateException("the wire was closed");
    }
  }

  private void arm(Timers.Timer timer) {
    if (!isOver && !timer.isSet()) {
      timer.set(loop.clock().nanos() + pipes.delayNanos());
    }
  }

  // --- Receiving ---

  @Override
  public void receive(long address, int lengthBytes, WireEnd end) {
    checkUsable();
    if (receiving != null || lengthBytes <= 0) {
      throw new IllegalStateException("a receive is under way, or of nothing");
    }
    this.address = address;
    this.lengthBytes = lengthBytes;
    receiving = end;
    hangUp.receiving();
    arm(receiveTimer);
  }

  private void receiveSome() {
    if (receiving == null || closed != null) {
      return;
    }
    int count = pipes.pieceBytes(Math.min(lengthBytes, in.filled()));
    for (int i = 0; i < count; i++) {
      byte value = in.ring[(int) (in.read++ % in.ring.length)];
      MEMORY.set(ValueLayout.JAVA_BYTE, address + i, value);
    }
    if (count > 0) {
      peerWire().arm(peerWire().sendTimer);
      received(count);
    } else if (in.end <= 0) {
      received(in.end);
    }
  }

  private void received(int result) {
    WireEnd end = receiving;
    receiving = null;
    hangUp.received(result);
    if (end != null) {
      end.ended(result);
    }
  }

  // --- Sending ---

  @Override
  public void wantSend(Sender sender) {
    if (closed == null && canSend) {
      wanting = sender;
      arm(sendTimer);
    }
  }

  private void sendSome() {
    if (closed != null) {
      return;
    }
    if (sending == null) {
      Sender sender = wanting;
      wanting = null;
      if (sender == null) {
        return;
      }
      gather.clear();
      range = 0;
      rangeDone = 0;
      sender.gather(gather);
      if (gather.count() == 0 || closed != null) {
        return;
      }
      sending = sender;
    }
    if (sendError == 0) {
      takeSome();
    }
    if (sendError != 0 || range == gather.count()) {
      Sender sender = sending;
      sending = null;
      canSend = sendError == 0;
      sender.sent(sendError);
      if (wanting != null && closed == null && canSend) {
        arm(sendTimer);
      }
    }
  }

  private void takeSome() {
    int left = pipes.pieceBytes((int) Math.min(gather.bytes(), out.space()));
    if (left == 0) {
      return; // stuck, until the peer receives
    }
    while (left > 0 && range < gather.count()) {
      int count = Math.min(left, gather.lengthBytes(range) - rangeDone);
      long from = gather.address(range) + rangeDone;
      for (int i = 0; i < count; i++) {
        byte value = MEMORY.get(ValueLayout.JAVA_BYTE, from + i);
        out.ring[(int) (out.written++ % out.ring.length)] = value;
      }
      left -= count;
      rangeDone += count;
      if (rangeDone == gather.lengthBytes(range)) {
        range++;
        rangeDone = 0;
      }
    }
    peerWire().arm(peerWire().receiveTimer);
    arm(sendTimer);
  }

  // --- Going ---

  @Override
  public void awaitHangUp(WireEnd end) {
    checkUsable();
    if (isHangUpAsked) {
      throw new IllegalStateException("it was asked for before");
    }
    isHangUpAsked = true;
    hangUp.await(end);
  }

  /** This end sends no more, but goes on receiving. */
  public void endSending() {
    sendError = -Errno.EPIPE;
    arm(sendTimer);
    out.end = Math.min(out.end, 0);
    peerWire().arm(peerWire().receiveTimer);
    peerWire().hangUp.noticed(false);
  }

  /** The connection breaks, for both ends: what is between them is lost. */
  public void reset() {
    breakOff();
    peerWire().breakOff();
  }

  private void breakOff() {
    in.read = in.written;
    in.end = -Errno.ECONNRESET;
    sendError = -Errno.ECONNRESET;
    arm(receiveTimer);
    arm(sendTimer);
    hangUp.noticed(true);
  }

  @Override
  public void close(Runnable closed) {
    if (isClosedByLoop) {
      isClosedByLoop = false;
      this.closed = closed;
      if (hasToldAll) {
        closed.run();
      }
      return;
    }
    checkUsable();
    this.closed = closed;
    PipeWire other = peerWire();
    if (out.end > 0) {
      out.end = in.filled() > 0 ? -Errno.ECONNRESET : 0;
    }
    if (other.sendError == 0) {
      other.sendError = -Errno.EPIPE;
    }
    other.arm(other.receiveTimer);
    other.arm(other.sendTimer);
    other.hangUp.noticed(false);
    closeTimer.set(loop.clock().nanos() + pipes.delayNanos());
  }

  private void finish() {
    isOver = true;
    receiveTimer.cancel();
    sendTimer.cancel();
    if (receiving != null) {
      received(-Errno.ECANCELED);
    }
    Sender sender = sending;
    sending = null;
    if (sender != null) {
      sender.sent(pipes.endsWell() ? 0 : -Errno.ECANCELED);
    }
    WireEnd waiting = hangUp.close();
    if (waiting != null) {
      waiting.ended(-Errno.ECANCELED);
    }
    pipes.forget(this);
    hasToldAll = true;
    if (closed != null) {
      closed.run();
    }
  }

  /** The loop closes. */
  void farewell() {
    if (closed == null) {
      close(() -> {});
      isClosedByLoop = true; // whoever notices may still close it
    }
    closeTimer.cancel();
    finish();
  }

  @Override
  public void move(Sockets to, Consumer<Wire> arrived) {
    checkUsable();
    if (receiving != null || sending != null || wanting != null || isHangUpAsked) {
      throw new IllegalStateException("something is under way on the wire");
    }
    receiveTimer.cancel();
    sendTimer.cancel();
    loop = to.loop();
    receiveTimer = loop.timers().newTimer(this::receiveSome);
    sendTimer = loop.timers().newTimer(this::sendSome);
    closeTimer = loop.timers().newTimer(this::finish);
    hangUp = new HangUp(loop);
    if (in.end <= 0) {
      hangUp.noticed(in.end < 0);
    }
    if (!loop.execute(() -> arrived.accept(this))) {
      farewell();
    }
  }

  @Override
  public String peer() {
    return peerName;
  }
}
