// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import dev.belay.uring.Errno;
import dev.belay.uring.RingCalls;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * An eventfd by which any thread ends a ring's sleep. A late signal never reaches a descriptor that
 * was closed, and perhaps is somebody else's by now: the last one out closes it, without a lock.
 */
final class WakeSignal {
  private static final int CLOSED = Integer.MIN_VALUE;

  private final RingCalls calls;
  final int fd;

  /** How many threads are in {@link #send}, and the sign bit once it is closed. */
  private final AtomicInteger users = new AtomicInteger();

  private final AtomicBoolean gone = new AtomicBoolean();

  WakeSignal(RingCalls calls) {
    this.calls = calls;
    fd = calls.eventfd();
    if (fd < 0) {
      throw new IllegalStateException("there is no eventfd to be had: " + Errno.sentence(fd));
    }
  }

  /** Wakes whoever polls the descriptor. Any thread; does not block. */
  void send() {
    try {
      if (users.incrementAndGet() > 0) {
        calls.signal(fd);
      }
    } finally {
      leave(users.decrementAndGet());
    }
  }

  /** Sleeps until it was sent, or the time is over. On the loop's thread, before it is closed. */
  void await(long atMostNanos) {
    calls.await(fd, atMostNanos);
  }

  void close() {
    leave(users.addAndGet(CLOSED));
  }

  private void leave(int left) {
    if (left == CLOSED && gone.compareAndSet(false, true)) {
      calls.close(fd);
    }
  }
}
