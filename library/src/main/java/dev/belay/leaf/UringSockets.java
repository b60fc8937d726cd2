// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import dev.belay.Loop;
import dev.belay.Timers;
import dev.belay.net.Address;
import dev.belay.net.Gather;
import dev.belay.net.KeepAlive;
import dev.belay.net.Sockets;
import dev.belay.net.Wire;
import dev.belay.uring.Abi;
import dev.belay.uring.Errno;
import dev.belay.uring.Message;
import dev.belay.uring.Ring;
import dev.belay.uring.RingCalls;
import dev.belay.uring.SocketEntries;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The sockets of one loop on its own ring: the call that sends the files' entries sends theirs, and
 * waits for both.
 *
 * <p>Each operation (a wire's receive, its send, its watch for a hang-up, a listener's accept) is a
 * {@link SocketOp} with a number, which with a bit of its own is the token of its entry; it is in
 * the kernel at most once. A number is given to another operation only when nothing of the old one
 * is in the kernel, an entry that cancels it included. What is wanted waits in a row and becomes
 * entries right before the system call.
 *
 * <p>Everything is for the loop's thread, save what {@link Sockets} says otherwise.
 */
final class UringSockets implements Sockets {
  /** The bits of a token; the first makes it negative, which those of files never are. */
  static final long TOKEN = Long.MIN_VALUE;

  private static final int STOP = 1 << 28;
  private static final int INDEX = STOP - 1;

  /** How long a loop that closes waits for the kernel, which answers at once. */
  private static final long FAREWELL_NANOS = 5_000_000_000L;

  private static final long FAREWELL_STEP_NANOS = 50_000_000;
  private static final int SPARE_MESSAGES = 64;

  /** How long an operation rests that the kernel does not do, but wants to be asked for again. */
  private static final long REST_NANOS = 2_000_000;

  private final Loop loop;
  private final UringPoller poller;
  private final Ring ring;
  private final RingCalls calls;
  private final SocketEntries entries;
  private volatile KeepAlive keepAlive = KeepAlive.DEFAULT;

  private @Nullable SocketOp[] ops = new @Nullable SocketOp[16];
  private int[] free = new int[16];
  private int freeCount;
  private int opCount;

  /** What is to become entries: numbers of operations, with STOP to cancel it. */
  private int[] row = new int[64];

  private int rowHead;
  private int rowTail;

  private UringWire[] wanting = new UringWire[16];
  private int wantingCount;

  private final ArrayDeque<SocketOp> resting = new ArrayDeque<>();
  private final Timers.Timer rest;
  private final ArrayDeque<Runnable> soon = new ArrayDeque<>();
  private final ArrayDeque<Message> spare = new ArrayDeque<>();
  private final List<UringConnect> connecting = new ArrayList<>();
  private final Gather gather = new Gather();
  private boolean isOver;

  /** For {@link UringPoller}, which has one. */
  UringSockets(Loop loop, UringPoller poller, Ring ring, RingCalls calls) {
    this.loop = loop;
    this.poller = poller;
    this.ring = ring;
    this.calls = calls;
    rest = loop.timers().newTimer(this::rested);
    entries = new SocketEntries(ring);
    loop.beforeClose(this::farewell);
  }

  @Override
  public Loop loop() {
    return loop;
  }

  KeepAlive keepAlive() {
    return keepAlive;
  }

  /** For what is connected from now on. Any thread. */
  void setKeepAlive(KeepAlive keepAlive) {
    this.keepAlive = keepAlive;
  }

  @Override
  public Listener listen(Address address, int unixMode, Consumer<Wire> accepted)
      throws IOException {
    UringListener listener = UringListener.open(this, address, unixMode, accepted);
    if (!loop.execute(listener::start)) {
      listener.abandon();
      throw new IOException(address + ": the loop is closed");
    }
    return listener;
  }

  @Override
  public void connect(Address address, long timeoutNanos, Connected end) {
    UringConnect connect = new UringConnect(this, address, end);
    connecting.add(connect);
    connect.start(timeoutNanos);
  }

  void forget(UringConnect connect) {
    connecting.remove(connect);
  }

  /** A connected socket becomes a wire, unless the loop has closed: then it is closed, and null. */
  @Nullable UringWire adopt(int fd, String peer) {
    if (isOver) {
      close(fd);
      return null;
    }
    return new UringWire(this, fd, peer);
  }

  /** Closes a descriptor of which the kernel has nothing any more. */
  void close(int fd) {
    calls.close(fd);
  }

  boolean isOver() {
    return isOver;
  }

  // --- Operations ---

  /** A new operation, idle. */
  SocketOp newOp(SocketOwner owner) {
    int index;
    if (freeCount > 0) {
      index = free[--freeCount];
    } else {
      index = opCount++;
      if (index == ops.length) {
        ops = Arrays.copyOf(ops, 2 * index);
        free = Arrays.copyOf(free, 2 * index);
      }
    }
    SocketOp op = new SocketOp(owner, index);
    ops[index] = op;
    return op;
  }

  /** Gives the number of an idle operation back. */
  void drop(SocketOp op) {
    ops[op.index] = null;
    free[freeCount++] = op.index;
  }

  private SocketOp at(int code) {
    return Objects.requireNonNull(ops[code & INDEX]);
  }

  /** Wants an idle operation done. */
  void submit(SocketOp op) {
    op.state = SocketOp.QUEUED;
    push(op.index);
  }

  /** Wants an operation stopped; it is answered in its own way, or with -ECANCELED. */
  void stop(SocketOp op) {
    if (op.state != SocketOp.IDLE && !op.mustStop) {
      op.mustStop = true;
      if (op.state == SocketOp.SENT) {
        op.isStopping = true;
        push(op.index | STOP);
      } else {
        rested();
      }
    }
  }

  /** Whether the kernel's answer is no answer: it wants to be asked again. */
  static boolean isToRepeat(int result) {
    return result == -Errno.EAGAIN || result == -Errno.EINTR;
  }

  /** The kernel wants to be asked again: at once, and from then on only after a rest. */
  void repeat(SocketOp op) {
    if (op.repeats < 2) {
      submit(op);
      return;
    }
    op.state = SocketOp.QUEUED;
    resting.add(op);
    if (isOver) {
      rested();
    } else if (!rest.isSet()) {
      rest.set(loop.clock().after(REST_NANOS));
    }
  }

  private void rested() {
    for (SocketOp op = resting.poll(); op != null; op = resting.poll()) {
      push(op.index);
    }
  }

  private void push(int code) {
    if (rowTail - rowHead == row.length) {
      int[] wider = new int[2 * row.length];
      int count = 0;
      for (; rowHead != rowTail; rowHead++) {
        wider[count++] = row[rowHead & (row.length - 1)];
      }
      row = wider;
      rowHead = 0;
      rowTail = count;
    }
    row[rowTail++ & (row.length - 1)] = code;
  }

  /** Asks this wire's sender before the loop next goes to the kernel. */
  void want(UringWire wire) {
    if (wantingCount == wanting.length) {
      wanting = Arrays.copyOf(wanting, 2 * wantingCount);
    }
    wanting[wantingCount++] = wire;
  }

  /** Runs {@code what} once the call under way has returned. */
  void soon(Runnable what) {
    soon.add(what);
  }

  Message takeMessage() {
    Message message = spare.poll();
    return message == null ? new Message(Gather.MOST_RANGES) : message;
  }

  void giveBack(Message message) {
    if (isOver || spare.size() >= SPARE_MESSAGES) {
      message.close();
    } else {
      spare.push(message);
    }
  }

  // --- What the poller calls ---

  /** Asks the senders, and runs what had to wait. False if there is more of that now. */
  boolean gather() {
    for (int left = soon.size(); left > 0; left--) {
      soon.remove().run();
    }
    int count = wantingCount;
    for (int i = 0; i < count; i++) {
      wanting[i].gather(gather);
    }
    if (count > 0) {
      wantingCount -= count;
      System.arraycopy(wanting, count, wanting, 0, wantingCount);
    }
    return wantingCount == 0 && soon.isEmpty();
  }

  /**
   * Makes entries of what is wanted; stops when the kernel takes nothing.
   *
   * @return false if somebody was told of something, and the loop may not sleep yet
   */
  boolean prepare() {
    boolean isQuiet = gather();
    while (rowHead != rowTail && poller.makeRoom()) {
      int code = row[rowHead++ & (row.length - 1)];
      SocketOp op = at(code);
      long token = TOKEN | code;
      if ((code & STOP) != 0) {
        if (op.state == SocketOp.SENT) {
          ring.cancel(TOKEN | op.index, 0, token);
          poller.preparedForSocket(code);
        } else {
          stopped(op);
          isQuiet = false;
        }
      } else if (op.mustStop) {
        answered(op, -Errno.ECANCELED, 0);
        isQuiet = false;
      } else {
        op.state = SocketOp.SENT;
        op.owner.prepare(entries, op, token);
        poller.preparedForSocket(code);
      }
    }
    return isQuiet;
  }

  /** Whether something is wanted that has no entry yet. */
  boolean hasMore() {
    return rowHead != rowTail;
  }

  /**
   * The kernel will never take what is wanted.
   *
   * @return false if somebody was told so
   */
  boolean failRow(int result) {
    boolean isQuiet = true;
    for (int left = rowTail - rowHead; left > 0; left--) {
      int code = row[rowHead++ & (row.length - 1)];
      SocketOp op = at(code);
      if ((code & STOP) == 0) {
        answered(op, op.mustStop ? -Errno.ECANCELED : result, 0);
        isQuiet = false;
      } else if (op.state == SocketOp.SENT) {
        push(code); // the kernel has it, and nobody can have it stopped
      } else {
        stopped(op);
        isQuiet = false;
      }
    }
    return isQuiet;
  }

  /** The kernel did not take this entry. */
  void withdrawn(int code) {
    if ((code & STOP) == 0) {
      at(code).state = SocketOp.QUEUED;
    }
    push(code);
  }

  /** The kernel answered an entry. */
  void answered(long token, int result, int flags) {
    int code = (int) token;
    SocketOp op = at(code);
    if ((code & STOP) != 0) {
      stopped(op);
    } else {
      answered(op, result, flags);
    }
  }

  private static void answered(SocketOp op, int result, int flags) {
    if ((flags & Abi.CQE_F_MORE) == 0) {
      op.state = SocketOp.IDLE;
      op.mustStop = false;
    }
    op.repeats = isToRepeat(result) ? op.repeats + 1 : 0;
    op.owner.answered(op, result, flags);
  }

  private static void stopped(SocketOp op) {
    op.isStopping = false;
    op.owner.settle();
  }

  // --- Closing ---

  /** Closes all there is, and turns until the kernel has nothing of it any more. */
  private void farewell() {
    RuntimeException defect = null;
    isOver = true;
    rested();
    List.copyOf(connecting).forEach(UringConnect::farewell);
    for (int i = 0; i < opCount; i++) {
      SocketOp op = ops[i];
      if (op != null) {
        op.owner.farewell();
      }
    }
    long start = loop.clock().nanos();
    while (freeCount < opCount || !soon.isEmpty()) {
      if (loop.clock().nanos() - start > FAREWELL_NANOS) {
        throw new IllegalStateException(
            opCount - freeCount + " socket operations were not answered when the loop closed");
      }
      try {
        poller.enter(FAREWELL_STEP_NANOS);
        poller.reap();
      } catch (RuntimeException e) {
        defect = e; // of one that was told; the others have to be told, too
      } catch (Error e) {
        defect = new IllegalStateException(e);
      }
    }
    spare.forEach(Message::close);
    spare.clear();
    if (defect != null) {
      throw defect;
    }
  }
}
