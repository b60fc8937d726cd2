// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import dev.belay.Errno;
import dev.belay.net.Gather;
import dev.belay.net.HangUp;
import dev.belay.net.Sender;
import dev.belay.net.Sockets;
import dev.belay.net.Wire;
import dev.belay.net.WireEnd;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A channel as a wire. One thread reads ahead, from the first receive or wait for a hang-up on, up
 * to a bound; one thread a piece writes.
 *
 * <p>Only the one that reads can notice that the peer is gone. So a peer that has sent more than is
 * read ahead, and is not received from, is not missed before somebody receives.
 */
final class ChannelWire implements Wire {
  private static final MemorySegment MEMORY = MemorySegment.NULL.reinterpret(Long.MAX_VALUE);
  private static final int PIECE_BYTES = 64 << 10;
  private static final int MOST_SENT_BYTES = 256 << 10;

  private volatile ChannelSockets sockets;
  private final SocketChannel channel;
  private final String peer;
  private final ReadAhead ahead = new ReadAhead();
  private HangUp hangUp;
  private boolean isReading;

  private long address;
  private int lengthBytes;
  private @Nullable WireEnd receiving;

  private final Gather gather = new Gather();
  private @Nullable Sender wanting;
  private @Nullable Sender sending;
  private ByteBuffer piece = ByteBuffer.allocateDirect(0);
  private int range;
  private int rangeDone;
  private boolean canSend = true;

  private boolean isHangUpAsked;
  private boolean isClosedByLoop;
  private boolean hasToldAll;
  private boolean isOver;
  private @Nullable Runnable closed;

  ChannelWire(ChannelSockets sockets, SocketChannel channel, String peer) {
    this.sockets = sockets;
    this.channel = channel;
    this.peer = peer;
    hangUp = new HangUp(sockets.loop());
  }

  private void checkUsable() {
    if (closed != null) {
      throw new IllegalStateException("the wire was closed");
    }
  }

  // --- Receiving ---

  @Override
  public void receive(long address, int lengthBytes, WireEnd end) {
    checkUsable();
    if (receiving != null || lengthBytes <= 0) {
      throw new IllegalStateException("a receive is under way, or it is of nothing");
    }
    this.address = address;
    this.lengthBytes = lengthBytes;
    receiving = end;
    hangUp.receiving();
    startReading();
    if (ahead.hasNews()) {
      sockets.loop().execute(this::arrived);
    }
  }

  private void startReading() {
    if (!isReading) {
      isReading = true;
      Thread.ofVirtual().name("belay-reader").start(this::readAll);
    }
  }

  /** On the reader's thread. */
  private void readAll() {
    ByteBuffer buffer = ByteBuffer.allocateDirect(PIECE_BYTES);
    int end = 0;
    try {
      while (channel.read(buffer.clear()) >= 0) {
        buffer.flip();
        while (ahead.put(buffer)) {
          sockets.loop().execute(this::arrived);
        }
      }
    } catch (IOException e) {
      end = -errorOf(e);
    }
    ahead.end(end);
    sockets.loop().execute(this::arrived);
  }

  private static int errorOf(IOException e) {
    String words = String.valueOf(e.getMessage());
    if (words.contains("reset")) {
      return Errno.ECONNRESET;
    }
    return words.contains("Broken pipe") ? Errno.EPIPE : Errno.EIO;
  }

  /** Something was read, or the end. */
  private void arrived() {
    if (!sockets.loop().isOnLoop()) {
      sockets.loop().execute(this::arrived); // it has moved since
      return;
    }
    if (closed != null) {
      return;
    }
    int end = ahead.end();
    if (end <= 0) {
      hangUp.noticed(end < 0);
    }
    WireEnd waiting = receiving;
    if (waiting == null) {
      return;
    }
    int count = ahead.take(MEMORY.asSlice(address, lengthBytes));
    if (count > 0 || end <= 0) {
      received(waiting, count > 0 ? count : end);
    }
  }

  private void received(WireEnd waiting, int result) {
    receiving = null;
    hangUp.received(result);
    waiting.ended(result);
  }

  // --- Sending ---

  @Override
  public void wantSend(Sender sender) {
    if (canSend && closed == null) {
      if (wanting == null && sending == null) {
        sockets.loop().execute(this::gatherNow);
      }
      wanting = sender;
    }
  }

  private void gatherNow() {
    Sender sender = wanting;
    if (sender == null || sending != null || closed != null) {
      return;
    }
    wanting = null;
    sending = sender;
    gather.clear();
    sender.gather(gather);
    range = 0;
    rangeDone = 0;
    if (gather.count() > 0) {
      writePiece();
    } else {
      sending = null;
      wantAgain();
    }
  }

  private void wantAgain() {
    if (wanting != null) {
      sockets.loop().execute(this::gatherNow);
    }
  }

  private void writePiece() {
    int most = (int) Math.min(gather.bytes(), MOST_SENT_BYTES);
    if (piece.capacity() < most) {
      piece = ByteBuffer.allocateDirect(most);
    }
    piece.clear();
    while (piece.hasRemaining() && range < gather.count()) {
      int count = Math.min(piece.remaining(), gather.lengthBytes(range) - rangeDone);
      piece.put(MEMORY.asSlice(gather.address(range) + rangeDone, count).asByteBuffer());
      rangeDone += count;
      if (rangeDone == gather.lengthBytes(range)) {
        range++;
        rangeDone = 0;
      }
    }
    ByteBuffer full = piece.flip();
    Thread.ofVirtual().name("belay-writer").start(() -> write(full));
  }

  /** On a thread of its own. */
  private void write(ByteBuffer full) {
    int result = 0;
    try {
      while (full.hasRemaining()) {
        channel.write(full);
      }
    } catch (IOException e) {
      result = -errorOf(e);
    }
    int outcome = result;
    sockets.loop().execute(() -> wrote(outcome));
  }

  private void wrote(int result) {
    Sender sender = sending;
    if (sender == null || closed != null) {
      return; // whoever closed it tells
    }
    if (result == 0 && range < gather.count()) {
      writePiece();
      return;
    }
    sending = null;
    if (result < 0) {
      canSend = false;
      wanting = null;
    }
    sender.sent(result);
    if (closed == null) {
      wantAgain();
    }
  }

  // --- Going ---

  @Override
  public void awaitHangUp(WireEnd end) {
    checkUsable();
    if (isHangUpAsked) {
      throw new IllegalStateException("the hang-up was asked for before");
    }
    isHangUpAsked = true;
    hangUp.await(end);
    startReading();
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
    wanting = null;
    shut();
    sockets.loop().execute(this::finish);
  }

  private void shut() {
    ahead.close();
    closeQuietly(channel);
  }

  static void closeQuietly(SocketChannel channel) {
    try {
      channel.close();
    } catch (IOException e) {
      // There is nothing to be done about a connection that does not even close.
    }
  }

  private void finish() {
    Runnable end = closed;
    if (isOver || end == null) {
      return;
    }
    isOver = true;
    sockets.forget(this);
    WireEnd receiver = receiving;
    if (receiver != null) {
      received(receiver, -Errno.ECANCELED);
    }
    Sender sender = sending;
    sending = null;
    if (sender != null) {
      sender.sent(-Errno.ECANCELED);
    }
    WireEnd waiting = hangUp.close();
    if (waiting != null) {
      waiting.ended(-Errno.ECANCELED);
    }
    hasToldAll = true;
    Runnable last = closed;
    if (last != null) {
      last.run();
    }
  }

  /** The loop closes. Whoever notices may still close it. */
  void farewell() {
    if (closed == null) {
      closed = () -> {};
      isClosedByLoop = true;
      wanting = null;
      shut();
    }
    finish();
  }

  @Override
  public void move(Sockets to, Consumer<Wire> arrived) {
    checkUsable();
    if (receiving != null || sending != null || wanting != null || isHangUpAsked) {
      throw new IllegalStateException("something is under way on the wire");
    }
    if (!(to instanceof ChannelSockets target)) {
      throw new IllegalArgumentException(
          "a wire without a ring can only move to a loop that has none either");
    }
    sockets.forget(this);
    hangUp.close();
    sockets = target;
    if (!target.loop().execute(() -> arrive(target, arrived))) {
      shut();
    }
  }

  private void arrive(ChannelSockets target, Consumer<Wire> arrived) {
    if (target.adopt(this)) {
      hangUp = new HangUp(target.loop());
      if (ahead.end() <= 0) {
        hangUp.noticed(ahead.end() < 0);
      }
      arrived.accept(this);
    } else {
      shut();
    }
  }

  @Override
  public String peer() {
    return peer;
  }
}
