// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import dev.belay.net.Gather;
import dev.belay.net.HangUp;
import dev.belay.net.Sender;
import dev.belay.net.Sockets;
import dev.belay.net.Wire;
import dev.belay.net.WireEnd;
import dev.belay.uring.Abi;
import dev.belay.uring.Errno;
import dev.belay.uring.Message;
import dev.belay.uring.SocketEntries;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A connected socket on the ring of its loop. What its sender gathered leaves in one call; the
 * kernel goes on by itself where the peer takes it in parts.
 *
 * <p>To close, all that the kernel has of it is cancelled; only when that was answered, the
 * descriptor is closed. Bytes that the kernel has taken are still sent, except by TCP to a peer
 * whose own bytes nobody received: it gets a reset.
 */
final class UringWire implements Wire, SocketOwner {
  private static final int GONE = Abi.POLLRDHUP | Abi.POLLHUP | Abi.POLLERR;

  private final UringSockets sockets;
  private final int fd;
  private final String peer;
  private final SocketOp receiveOp;
  private final SocketOp sendOp;
  private final SocketOp watchOp;
  private final HangUp hangUp;

  private long address;
  private int lengthBytes;
  private boolean waitsForAll;
  private boolean hasMore;
  private @Nullable WireEnd receiving;

  private @Nullable Sender wanting;
  private @Nullable Sender sending;
  private @Nullable Message message;
  private int ranges;
  private long sendAddress;
  private long unsentBytes;
  private boolean canSend = true;

  private boolean isHangUpAsked;
  private @Nullable Runnable closed;
  private boolean isClosedByLoop;
  private boolean hasToldAll;
  private boolean isOver;

  UringWire(UringSockets sockets, int fd, String peer) {
    this.sockets = sockets;
    this.fd = fd;
    this.peer = peer;
    receiveOp = sockets.newOp(this);
    sendOp = sockets.newOp(this);
    watchOp = sockets.newOp(this);
    hangUp = new HangUp(sockets.loop());
  }

  private void checkUsable() {
    if (closed != null || isOver) {
      throw new IllegalStateException("the wire was closed, or moved to another loop");
    }
  }

  // --- Down ---

  @Override
  public void receive(long address, int lengthBytes, WireEnd end) {
    receive(address, lengthBytes, false, end);
  }

  @Override
  public void receiveAll(long address, int lengthBytes, WireEnd end) {
    receive(address, lengthBytes, true, end);
  }

  private void receive(long address, int lengthBytes, boolean waitsForAll, WireEnd end) {
    checkUsable();
    if (receiving != null || lengthBytes <= 0) {
      throw new IllegalStateException("a receive is under way, or it is of nothing");
    }
    this.address = address;
    this.lengthBytes = lengthBytes;
    this.waitsForAll = waitsForAll;
    receiving = end;
    hangUp.receiving();
    sockets.submit(receiveOp);
  }

  @Override
  public void wantSend(Sender sender) {
    if (canSend && closed == null) {
      if (wanting == null && sending == null) {
        sockets.want(this);
      }
      wanting = sender;
    }
  }

  /** Right before the loop goes to the kernel. */
  void gather(Gather into) {
    Sender sender = wanting;
    if (sender == null || sending != null) {
      return;
    }
    wanting = null;
    sending = sender; // so that wanting to send within the call does not enter it into the row
    into.clear();
    try {
      sender.gather(into);
    } catch (RuntimeException | Error defect) {
      // Nobody knows what it wanted to send; so nothing is sent behind that.
      endSend(sender, -Errno.EIO);
      throw defect;
    }
    ranges = into.count();
    if (ranges == 0 || closed != null) {
      sending = null;
      if (ranges > 0) {
        sender.sent(-Errno.ECANCELED);
      }
      wantAgain();
      settle();
      return;
    }
    unsentBytes = into.bytes();
    sendAddress = into.address(0);
    if (ranges > 1) {
      fill(message == null ? sockets.takeMessage() : message, into);
    }
    sockets.submit(sendOp);
  }

  private void fill(Message vector, Gather from) {
    message = vector;
    vector.clear();
    for (int i = 0; i < ranges; i++) {
      vector.add(from.address(i), from.lengthBytes(i));
    }
  }

  private void wantAgain() {
    if (wanting != null && closed == null) {
      sockets.want(this);
    }
  }

  @Override
  public void awaitHangUp(WireEnd end) {
    checkUsable();
    if (isHangUpAsked) {
      throw new IllegalStateException("the hang-up was asked for before");
    }
    isHangUpAsked = true;
    hangUp.await(end);
    sockets.submit(watchOp);
  }

  @Override
  public void prepare(SocketEntries entries, SocketOp op, long token) {
    if (op == receiveOp) {
      entries.receive(fd, address, lengthBytes, !hasMore, waitsForAll, token);
    } else if (op == watchOp) {
      entries.watch(fd, GONE, token);
    } else if (ranges > 1 && message != null) {
      entries.send(fd, message, token);
    } else {
      entries.send(fd, sendAddress, (int) unsentBytes, token);
    }
  }

  // --- Up ---

  @Override
  public void answered(SocketOp op, int result, int flags) {
    try {
      if (op == receiveOp) {
        received(result, flags);
      } else if (op == sendOp) {
        sent(result);
      } else if (UringSockets.isToRepeat(result) && closed == null) {
        sockets.repeat(watchOp);
      } else if (result > 0) {
        hangUp.noticed((result & Abi.POLLERR) != 0);
      }
    } finally {
      settle();
    }
  }

  private void received(int result, int flags) {
    WireEnd end = receiving;
    if (UringSockets.isToRepeat(result) && closed == null) {
      sockets.repeat(receiveOp);
      return;
    }
    hasMore = (flags & Abi.CQE_F_SOCK_NONEMPTY) != 0;
    receiving = null;
    hangUp.received(result);
    if (end != null) {
      // Whoever receives cannot know that the loop closed the wire, and must not ask for more.
      end.ended(isClosedByLoop && result > 0 ? -Errno.ECANCELED : result);
    }
  }

  private void sent(int result) {
    Sender sender = sending;
    if (sender == null) {
      return;
    }
    boolean isPart = result > 0 && result < unsentBytes;
    if (closed == null && (isPart || UringSockets.isToRepeat(result))) {
      goOn(Math.max(0, result));
      return;
    }
    endSend(sender, result == unsentBytes ? 0 : isPart ? -Errno.ECANCELED : result);
  }

  private void endSend(Sender sender, int outcome) {
    sending = null;
    if (outcome < 0) {
      canSend = false;
      wanting = null;
    }
    try {
      sender.sent(outcome);
    } finally {
      wantAgain();
    }
  }

  private void goOn(int sentBytes) {
    unsentBytes -= sentBytes;
    sendAddress += sentBytes;
    if (ranges > 1 && message != null) {
      message.skip(sentBytes);
    }
    sockets.repeat(sendOp);
  }

  // --- Going ---

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
    sockets.stop(receiveOp);
    sockets.stop(sendOp);
    sockets.stop(watchOp);
    if (isIdle()) {
      sockets.soon(this::settle);
    }
  }

  private boolean isIdle() {
    return receiveOp.isIdle() && sendOp.isIdle() && watchOp.isIdle();
  }

  @Override
  public void settle() {
    if (closed == null || isOver || !isIdle() || sending != null) {
      return;
    }
    leave();
    sockets.close(fd);
    WireEnd waiting = hangUp.close();
    if (waiting != null) {
      waiting.ended(-Errno.ECANCELED);
    }
    hasToldAll = true;
    Runnable last = closed; // whoever was told may have closed it only now
    if (last != null) {
      last.run();
    }
  }

  /** Nothing of it stays with these sockets. */
  private void leave() {
    isOver = true;
    sockets.drop(receiveOp);
    sockets.drop(sendOp);
    sockets.drop(watchOp);
    if (message != null) {
      sockets.giveBack(message);
      message = null;
    }
  }

  @Override
  public void farewell() {
    if (closed == null && !isOver) {
      close(() -> {});
      isClosedByLoop = true; // whoever notices may still close it
    }
  }

  @Override
  public void move(Sockets to, Consumer<Wire> arrived) {
    checkUsable();
    if (!isIdle() || wanting != null || isHangUpAsked) {
      throw new IllegalStateException("something is under way on the wire");
    }
    if (!(to instanceof UringSockets target)) {
      throw new IllegalArgumentException(
          "a wire of a ring can only move to a loop that has a ring, too");
    }
    leave();
    hangUp.close();
    boolean isTaken =
        target
            .loop()
            .execute(
                () -> {
                  UringWire wire = target.adopt(fd, peer);
                  if (wire != null) {
                    arrived.accept(wire);
                  }
                });
    if (!isTaken) {
      sockets.close(fd);
    }
  }

  @Override
  public String peer() {
    return peer;
  }
}
