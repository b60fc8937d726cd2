// SPDX-License-Identifier: Apache-2.0
package dev.belay.serve;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/**
 * How much memory the requests of all connections may hold, and how it is shared.
 *
 * <p>One half is divided among as many connections as there may be: what a connection holds up to
 * that floor is its own, and nobody can take it from it. What it holds beyond comes from the other
 * half, which is given out so that the greedy leave room for the next: a connection may hold there
 * at most an eighth of what is left. (The thresholds of Choudhury and Hahne, "Dynamic queue length
 * thresholds for shared-memory packet switches", 1998.) A connection that holds nothing at all may
 * take half of what is left, so that large requests go on under load, one at a time.
 *
 * <p>Any thread.
 */
final class Budget {
  private final long floorBytes;
  private final long sharedBytes;
  private final AtomicLong taken = new AtomicLong();

  /** How many connections wait; whoever gives something back looks here, and then wakes them. */
  private final AtomicInteger waiting = new AtomicInteger();

  private final List<Runnable> wakers = new CopyOnWriteArrayList<>();

  Budget(ServerOptions options) {
    floorBytes = options.mostBytes() / 2 / options.mostConnections();
    sharedBytes = options.mostBytes() / 2;
  }

  /** Who is told, on any thread and often for nothing, when those who wait may try again. */
  void addWaker(Runnable waker) {
    wakers.add(waker);
  }

  /**
   * Takes memory for a request, or nothing.
   *
   * @param ownBytes what the connection holds already
   */
  boolean take(long ownBytes, long bytes) {
    long shared = beyondFloor(ownBytes + bytes) - beyondFloor(ownBytes);
    while (shared > 0) {
      long seen = taken.get();
      long left = sharedBytes - seen;
      boolean isFair =
          ownBytes == 0 ? shared <= left / 2 : beyondFloor(ownBytes + bytes) <= left / 8;
      if (!isFair) {
        return false;
      }
      if (taken.compareAndSet(seen, seen + shared)) {
        break;
      }
    }
    return true;
  }

  /** Gives back what {@link #take} took; {@code ownBytes} is what the connection still holds. */
  void give(long ownBytes, long bytes) {
    long shared = beyondFloor(ownBytes + bytes) - beyondFloor(ownBytes);
    if (shared > 0) {
      taken.addAndGet(-shared);
      if (waiting.get() > 0) {
        wakers.forEach(Runnable::run);
      }
    }
  }

  private long beyondFloor(long bytes) {
    return Math.max(0, bytes - floorBytes);
  }

  /** One more waits: it tries once more after this, and then sleeps until it is woken. */
  void beginWait() {
    waiting.incrementAndGet();
  }

  void endWait() {
    waiting.decrementAndGet();
  }

  /** What is taken beyond the floors. */
  long sharedTakenBytes() {
    return taken.get();
  }
}
