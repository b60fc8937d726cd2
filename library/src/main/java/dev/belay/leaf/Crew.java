// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * The threads that sleep in a file's calls so that the loop need not. They are daemons, started as
 * they are needed, and never interrupted: an interrupt would close the file under all of them.
 *
 * <p>A slot goes straight to a worker that has nothing to do; where there is none, it waits in the
 * ready list, from where the loop can take it back for as long as no worker took it.
 */
final class Crew {
  private static final long RETRY_NANOS = 10_000_000;

  private final FileCalls file;
  private final String path;
  private final Runnable onFinished;

  private final ReentrantLock lock = new ReentrantLock();

  // Under the lock. The worker that went idle last is the first to get work: its caches are warm,
  // and where little is to be done, few threads do it.
  private @Nullable Worker firstIdle;
  private @Nullable Slot firstReady;
  private @Nullable Slot lastReady;
  private int started;
  private int most;
  private boolean isStopping;

  private final AtomicReference<@Nullable Slot> finished = new AtomicReference<>();

  /** What an idle worker is given when it is to end. */
  private final Slot end = new Slot(-1);

  /**
   * @param most how many threads there may be
   * @param onFinished is run on a worker's thread when something is finished and nothing was
   */
  Crew(FileCalls file, String path, int most, Runnable onFinished) {
    this.file = file;
    this.path = path;
    this.most = most;
    this.onFinished = onFinished;
  }

  /**
   * Has it carried out. On the loop's thread.
   *
   * @return whether a worker has it already; else it can be {@linkplain #takeBack taken back}
   * @throws OutOfMemoryError if the system does not give the first thread; it is not taken then
   */
  boolean carryOut(Slot slot) {
    Worker worker;
    lock.lock();
    try {
      worker = firstIdle;
      if (worker != null) {
        firstIdle = worker.nextIdle;
      } else if (started < most && startWorker(slot)) {
        return true;
      } else {
        append(slot);
        return false;
      }
    } finally {
      lock.unlock();
    }
    worker.give(slot);
    return true;
  }

  private boolean startWorker(Slot slot) {
    try {
      new Worker(slot).start();
    } catch (OutOfMemoryError e) {
      if (started == 0) {
        throw e;
      }
      most = started;
      return false;
    }
    started++;
    return true;
  }

  /** Takes a slot back that waits. On the loop's thread. False if a worker was faster. */
  boolean takeBack(Slot slot) {
    lock.lock();
    try {
      if (!slot.isReady) {
        return false;
      }
      unlink(slot);
      return true;
    } finally {
      lock.unlock();
    }
  }

  /** All that was finished since the last time, the oldest first. On the loop's thread. */
  @Nullable Slot takeFinished() {
    Slot slot = finished.getAndSet(null);
    Slot turned = null;
    while (slot != null) {
      Slot next = slot.nextFinished;
      slot.nextFinished = turned;
      turned = slot;
      slot = next;
    }
    return turned;
  }

  /** Ends the threads as they become idle. */
  void stop() {
    Worker worker;
    lock.lock();
    try {
      isStopping = true;
      worker = firstIdle;
      firstIdle = null;
    } finally {
      lock.unlock();
    }
    while (worker != null) {
      Worker next = worker.nextIdle;
      worker.give(end);
      worker = next;
    }
  }

  private void append(Slot slot) {
    slot.isReady = true;
    slot.previousReady = lastReady;
    slot.nextReady = null;
    if (lastReady != null) {
      lastReady.nextReady = slot;
    } else {
      firstReady = slot;
    }
    lastReady = slot;
  }

  private void unlink(Slot slot) {
    if (slot.previousReady != null) {
      slot.previousReady.nextReady = slot.nextReady;
    } else {
      firstReady = slot.nextReady;
    }
    if (slot.nextReady != null) {
      slot.nextReady.previousReady = slot.previousReady;
    } else {
      lastReady = slot.previousReady;
    }
    slot.previousReady = null;
    slot.nextReady = null;
    slot.isReady = false;
  }

  private void finish(Slot slot) {
    Slot head;
    do {
      head = finished.get();
      slot.nextFinished = head;
    } while (!finished.compareAndSet(head, slot));
    if (head == null) {
      tellLoop();
    }
  }

  /** Nobody else tells it of what is finished now: so until there is memory for the message. */
  private void tellLoop() {
    for (; ; ) {
      try {
        onFinished.run();
        return;
      } catch (RuntimeException | Error e) {
        LockSupport.parkNanos(this, RETRY_NANOS);
      }
    }
  }

  private final class Worker implements Runnable {
    private final Thread thread;
    private volatile @Nullable Slot given;
    @Nullable Worker nextIdle;

    Worker(Slot first) {
      given = first;
      thread = new Thread(this, "belay-file-" + (started + 1));
      thread.setDaemon(true);
    }

    void start() {
      thread.start();
    }

    void give(Slot slot) {
      given = slot;
      LockSupport.unpark(thread);
    }

    @Override
    public void run() {
      for (Slot slot = next(); slot != end; slot = next()) {
        slot.carryOut(file, path);
        finish(slot);
      }
    }

    private Slot next() {
      Slot slot = given;
      if (slot == null) {
        slot = takeReady();
      }
      while (slot == null) {
        clearInterrupt(); // or else it would not sleep
        LockSupport.park(Crew.this);
        slot = given;
      }
      clearInterrupt();
      given = null;
      return slot;
    }

    /** The first that is ready; null if none is, and then this worker is idle. */
    private @Nullable Slot takeReady() {
      lock.lock();
      try {
        Slot slot = firstReady;
        if (slot != null) {
          unlink(slot);
          return slot;
        }
        if (isStopping) {
          return end;
        }
        nextIdle = firstIdle;
        firstIdle = this;
        return null;
      } finally {
        lock.unlock();
      }
    }

    /** Somebody who interrupts all threads must neither close the file nor keep this one awake. */
    private static void clearInterrupt() {
      Thread.interrupted();
    }
  }
}
