// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import java.util.ArrayDeque;
import org.jspecify.annotations.Nullable;

/**
 * Locks on byte ranges: whoever changes what several members hold has the range for itself, so that
 * overlapping changes reach all members in the same order.
 *
 * <p>In order of arrival: a lock is held once no earlier one that overlaps it is left. So nobody
 * waits for ever, and whoever holds one must be able to go on without another. A lock lies inside
 * one region of {@link #REGION_BYTES}; only locks of regions in the same list are compared.
 *
 * <p>The loop's thread.
 */
public final class RangeLocks {
  /** A lock does not reach over a multiple of it. */
  public static final long REGION_BYTES = 1L << 20;

  private static final int LISTS = 256;

  private final @Nullable Lock[] firsts = new @Nullable Lock[LISTS];
  private final @Nullable Lock[] lasts = new @Nullable Lock[LISTS];

  /** Those that wait no longer. They go on one after the other, not one inside the other. */
  private final ArrayDeque<Lock> ready = new ArrayDeque<>();

  private boolean isLettingGo;
  private int size;

  /** One lock, which can be taken again after each release. */
  public static final class Lock {
    private final Runnable granted;
    private long startBytes;
    private long endBytes;
    private int waitsFor;
    private boolean isTaken;
    private @Nullable Lock previous;
    private @Nullable Lock next;

    /**
     * @param granted runs when a lock that had to wait is held
     */
    public Lock(Runnable granted) {
      this.granted = granted;
    }

    private boolean overlaps(Lock other) {
      return startBytes < other.endBytes && other.startBytes < endBytes;
    }

    private int list() {
      return (int) (startBytes / REGION_BYTES) & (LISTS - 1);
    }
  }

  /** How many bytes from an offset on can be locked together. */
  public static long mostBytes(long offsetBytes) {
    return REGION_BYTES - (offsetBytes & (REGION_BYTES - 1));
  }

  /**
   * Asks for a range.
   *
   * @return whether it is held at once; else the lock is told when it is
   * @throws IllegalStateException if the lock is taken, or waits, already
   */
  public boolean take(Lock lock, long startBytes, long lengthBytes) {
    if (lock.isTaken || lengthBytes > mostBytes(startBytes)) {
      throw new IllegalStateException(
          "a lock of %d bytes at %d is taken already, or reaches over a region"
              .formatted(lengthBytes, startBytes));
    }
    lock.isTaken = true;
    lock.startBytes = startBytes;
    lock.endBytes = startBytes + lengthBytes;
    lock.waitsFor = 0;
    int list = lock.list();
    for (Lock other = firsts[list]; other != null; other = other.next) {
      lock.waitsFor += other.overlaps(lock) ? 1 : 0;
    }
    Lock last = lasts[list];
    lock.previous = last;
    lock.next = null;
    if (last == null) {
      firsts[list] = lock;
    } else {
      last.next = lock;
    }
    lasts[list] = lock;
    size++;
    return lock.waitsFor == 0;
  }

  /** Gives a range back, or gives up waiting for it. Others that get it may go on meanwhile. */
  public void release(Lock lock) {
    if (!lock.isTaken) {
      throw new IllegalStateException("a lock that is not taken was released");
    }
    lock.isTaken = false;
    size--;
    if (lock.waitsFor == 0 && !ready.isEmpty()) {
      ready.remove(lock);
    }
    for (Lock other = lock.next; other != null; other = other.next) {
      if (other.overlaps(lock) && --other.waitsFor == 0) {
        ready.add(other);
      }
    }
    unlink(lock);
    letGo();
  }

  private void unlink(Lock lock) {
    int list = lock.list();
    if (lock.previous == null) {
      firsts[list] = lock.next;
    } else {
      lock.previous.next = lock.next;
    }
    if (lock.next == null) {
      lasts[list] = lock.previous;
    } else {
      lock.next.previous = lock.previous;
    }
    lock.previous = null;
    lock.next = null;
  }

  private void letGo() {
    if (isLettingGo) {
      return;
    }
    isLettingGo = true;
    try {
      grantReady();
    } finally {
      isLettingGo = false;
    }
  }

  /** All of them, whatever one of them throws. */
  private void grantReady() {
    for (Lock lock = ready.poll(); lock != null; lock = ready.poll()) {
      try {
        lock.granted.run();
      } catch (RuntimeException | Error defect) {
        grantReady();
        throw defect;
      }
    }
  }

  /** How many are held or waited for. */
  public int size() {
    return size;
  }
}
