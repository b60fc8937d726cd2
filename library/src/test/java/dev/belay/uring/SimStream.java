// SPDX-License-Identifier: Apache-2.0
package dev.belay.uring;

import dev.belay.uring.RingWeather.Knob;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * One end of a connected stream socket of a {@link SimKernel}. The bytes that lie between two ends
 * are bounded; a transfer waits for bytes or for room, and stops where a part of it was done when
 * it was cancelled, or a signal came.
 */
public final class SimStream implements SimDevice {
  private static final int WAIT_ALL = 0x100;
  private static final int GONE = Abi.POLLRDHUP | Abi.POLLHUP;

  private static final MemorySegment MEMORY = RawMemory.at(0, Long.MAX_VALUE);

  private final byte[] inbox;
  private int inboxBytes;
  private @Nullable SimStream peer;
  private boolean isClosed;
  private boolean isReset;
  private @Nullable SimEntry receiving;
  private @Nullable SimEntry sending;
  private @Nullable SimEntry watching;

  /** How much of the send under way is sent, and of the receive received. */
  private int sentBytes;

  private int receivedBytes;

  private SimStream(int roomBytes) {
    inbox = new byte[roomBytes];
  }

  /** Two connected ends, between which so many bytes have room in each direction. */
  public static SimStream[] pair(int roomBytes) {
    SimStream one = new SimStream(roomBytes);
    SimStream other = new SimStream(roomBytes);
    one.peer = other;
    other.peer = one;
    return new SimStream[] {one, other};
  }

  /** The connection breaks. */
  public void reset(SimKernel kernel) {
    isReset = true;
    if (peer != null) {
      peer.isReset = true;
      peer.wake(kernel);
    }
    wake(kernel);
  }

  /** Its descriptor was closed. */
  @Override
  public void closed(SimKernel kernel) {
    isClosed = true;
    if (peer != null) {
      peer.wake(kernel);
    }
  }

  private boolean isOver() {
    return isReset || peer == null || peer.isClosed;
  }

  private void wake(SimKernel kernel) {
    for (SimEntry entry : new @Nullable SimEntry[] {receiving, sending, watching}) {
      if (entry != null && entry.dueNanos == SimEntry.NEVER) {
        entry.dueNanos = kernel.soonNanos();
      }
    }
  }

  @Override
  public void begin(SimKernel kernel, SimEntry entry) {
    entry.dueNanos = kernel.soonNanos();
    switch (entry.op) {
      case Abi.OP_RECV -> {
        receiving = unless(kernel, receiving, entry);
        receivedBytes = 0;
      }
      case Abi.OP_SEND, Abi.OP_SENDMSG -> {
        sending = unless(kernel, sending, entry);
        sentBytes = 0;
      }
      case Abi.OP_POLL_ADD -> watching = unless(kernel, watching, entry);
      default -> kernel.violate("an unknown operation on a socket: " + entry.op);
    }
    if (kernel.happens(Knob.REPEATS)) {
      entry.result = kernel.random().nextBoolean() ? -Errno.EAGAIN : -Errno.EINTR;
      entry.isStopped = true;
    } else if (entry.op != Abi.OP_POLL_ADD && kernel.random().nextInt(4) > 0) {
      entry.hangs = kernel.happens(Knob.HANGS);
      entry.dueNanos = entry.hangs ? SimEntry.NEVER : entry.dueNanos;
    }
  }

  private static SimEntry unless(SimKernel kernel, @Nullable SimEntry had, SimEntry entry) {
    if (had != null) {
      kernel.violate("two of the same are under way on a socket");
    }
    return entry;
  }

  @Override
  public boolean end(SimKernel kernel, SimEntry entry) {
    boolean isOver =
        entry.isStopped
            || switch (entry.op) {
              case Abi.OP_RECV -> receive(kernel, entry);
              case Abi.OP_POLL_ADD -> watch(entry);
              default -> send(kernel, entry);
            };
    if (isOver) {
      receiving = entry == receiving ? null : receiving;
      sending = entry == sending ? null : sending;
      watching = entry == watching ? null : watching;
    } else {
      entry.dueNanos = SimEntry.NEVER;
    }
    return isOver;
  }

  private boolean watch(SimEntry entry) {
    entry.result = GONE | (isReset ? Abi.POLLERR : 0);
    return isOver();
  }

  private boolean receive(SimKernel kernel, SimEntry entry) {
    SplittableRandom random = kernel.random();
    if (isReset) {
      return finish(entry, receivedBytes > 0 ? receivedBytes : -Errno.ECONNRESET);
    }
    int count = Math.min(inboxBytes, entry.length - receivedBytes);
    boolean isShort = count > 1 && kernel.happens(Knob.SHORTENS);
    count = isShort ? 1 + random.nextInt(count - 1) : count;
    for (int i = 0; i < count; i++) {
      MEMORY.set(ValueLayout.JAVA_BYTE, entry.address + receivedBytes + i, inbox[i]);
    }
    inboxBytes -= count;
    System.arraycopy(inbox, count, inbox, 0, inboxBytes);
    receivedBytes += count;
    if (count > 0 && peer != null) {
      peer.wake(kernel);
    }
    entry.flags = inboxBytes > 0 ? Abi.CQE_F_SOCK_NONEMPTY : 0;
    boolean waitsForAll = (entry.opFlags & WAIT_ALL) != 0 && !isShort;
    if (receivedBytes == entry.length || isOver() || (receivedBytes > 0 && !waitsForAll)) {
      return finish(entry, receivedBytes);
    }
    return false;
  }

  private static boolean finish(SimEntry entry, int result) {
    entry.result = result;
    return true;
  }

  private boolean send(SimKernel kernel, SimEntry entry) {
    SimStream to = peer;
    if (to == null || isOver()) {
      int error = isReset ? -Errno.ECONNRESET : -Errno.EPIPE;
      return finish(entry, sentBytes > 0 ? sentBytes : error);
    }
    byte[] bytes = bytes(entry);
    int count = Math.min(to.inbox.length - to.inboxBytes, bytes.length - sentBytes);
    boolean isShort = count > 1 && kernel.happens(Knob.SHORTENS);
    count = isShort ? 1 + kernel.random().nextInt(count - 1) : count;
    System.arraycopy(bytes, sentBytes, to.inbox, to.inboxBytes, count);
    to.inboxBytes += count;
    sentBytes += count;
    if (count > 0) {
      to.wake(kernel);
    }
    return (sentBytes == bytes.length || isShort) && finish(entry, sentBytes);
  }

  /** All that is to be sent: a range, or those of a struct msghdr. */
  private static byte[] bytes(SimEntry entry) {
    if (entry.op == Abi.OP_SEND) {
      return bytes(new byte[0], entry.address, entry.length);
    }
    long ranges = RawMemory.getLong(entry.address + 16);
    long count = RawMemory.getLong(entry.address + 24);
    byte[] all = new byte[0];
    for (long i = 0; i < count; i++) {
      long range = ranges + 16 * i;
      all = bytes(all, RawMemory.getLong(range), (int) RawMemory.getLong(range + 8));
    }
    return all;
  }

  private static byte[] bytes(byte[] before, long address, int length) {
    byte[] all = Arrays.copyOf(before, before.length + length);
    for (int i = 0; i < length; i++) {
      all[before.length + i] = MEMORY.get(ValueLayout.JAVA_BYTE, address + i);
    }
    return all;
  }

  @Override
  public int abort(SimKernel kernel, SimEntry entry) {
    if (entry.isStopped && entry.dueNanos != SimEntry.NEVER) {
      return -Errno.ENOENT; // its answer is on its way
    }
    stop(kernel, entry);
    return kernel.random().nextInt(5) == 0 ? -Errno.EALREADY : 0;
  }

  private void stop(SimKernel kernel, SimEntry entry) {
    int done = entry == receiving ? receivedBytes : entry == sending ? sentBytes : 0;
    entry.result = done > 0 ? done : -Errno.ECANCELED;
    entry.isStopped = true;
    entry.hangs = false;
    entry.dueNanos = kernel.soonNanos();
  }
}
