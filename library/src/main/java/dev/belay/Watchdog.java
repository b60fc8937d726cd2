// SPDX-License-Identifier: Apache-2.0
package dev.belay;

import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Notices a threaded loop that does not turn any more: a device or an end blocks its thread, or the
 * kernel does, with a file that hangs. Whatever belongs to the loop waits then, cancels and
 * deadlines among it, and nobody else could say so.
 *
 * <p>One thread looks after all loops of the program, and ends with the last of them. A loop that
 * has something to do is sent a message now and then, and one that does not take it for long is
 * reported, once until it turns again. A loop pays nothing for that but to take the message.
 */
final class Watchdog {
  static final Watchdog SHARED =
      new Watchdog(TimeUnit.SECONDS.toNanos(1), TimeUnit.SECONDS.toNanos(5));

  private final long lookNanos;
  private final long patienceNanos;

  // Under this object's monitor.
  private final List<Watched> all = new ArrayList<>();
  private @Nullable Thread thread;

  /**
   * @param lookNanos how long it sleeps between two looks
   * @param patienceNanos how long a loop may not turn
   */
  Watchdog(long lookNanos, long patienceNanos) {
    this.lookNanos = lookNanos;
    this.patienceNanos = patienceNanos;
  }

  /** Looks after a loop that {@code runner} runs, until the loop is closed. Any thread. */
  synchronized void watch(Loop loop, Thread runner) {
    all.add(new Watched(loop, runner));
    if (thread == null) {
      try {
        thread =
            Thread.ofPlatform().daemon().name("belay-watchdog").start(this::lookUntilNoneIsLeft);
      } catch (OutOfMemoryError e) {
        // No thread is to be had now; the next loop tries again, for all of them.
        thread = null;
      }
    }
  }

  private void lookUntilNoneIsLeft() {
    long before = System.nanoTime();
    while (!isDone()) {
      try {
        Thread.sleep(TimeUnit.NANOSECONDS.toMillis(lookNanos));
      } catch (InterruptedException e) {
        continue; // nobody has a reason to; it goes on
      }
      long now = System.nanoTime();
      // Where this thread did not run either, the whole program or machine stood still.
      boolean stoodStill = now - before > 3 * lookNanos;
      before = now;
      for (Watched each : watched()) {
        if (stoodStill) {
          each.sentAtNanos = now;
        } else if (!each.look(now)) {
          forget(each);
        }
      }
    }
  }

  private synchronized List<Watched> watched() {
    return List.copyOf(all);
  }

  private synchronized void forget(Watched one) {
    all.remove(one);
  }

  /** Whether it has no loop to look after, and so no thread. */
  synchronized boolean isIdle() {
    return thread == null;
  }

  private synchronized boolean isDone() {
    if (all.isEmpty()) {
      thread = null;
      return true;
    }
    return false;
  }

  /** One loop. The watchdog's thread's, but for the answer. */
  private final class Watched implements Runnable {
    private final Loop loop;
    private final Thread runner;
    private volatile boolean isAnswered = true;
    private long sentAtNanos;
    private boolean isReported;

    Watched(Loop loop, Thread runner) {
      this.loop = loop;
      this.runner = runner;
    }

    /** The message: on the loop's thread. */
    @Override
    public void run() {
      isAnswered = true;
    }

    /** False if the loop is closed. */
    boolean look(long nowNanos) {
      if (!isAnswered) {
        if (!isReported && nowNanos - sentAtNanos >= patienceNanos) {
          isReported = true;
          report(new Stalled(sentence(nowNanos), runner.getStackTrace()));
        }
        return true;
      }
      if (isReported) {
        isReported = false;
        System.getLogger("dev.belay").log(Level.INFO, "the loop " + loop.name() + " turns again");
      }
      if (loop.openRequests() == 0 && loop.mailbox.get() == null) {
        return true; // it may sleep for as long as it likes; the mailbox of a closed one is not
        // empty
      }
      isAnswered = false;
      sentAtNanos = nowNanos;
      return loop.execute(this);
    }

    private void report(Stalled stalled) {
      try {
        loop.report(stalled);
      } catch (RuntimeException | Error e) {
        System.getLogger("dev.belay").log(Level.ERROR, stalled.getMessage(), e);
      }
    }

    private String sentence(long nowNanos) {
      return "the loop %s has not turned for %.1f s: %s; its requests, cancels and deadlines wait"
          .formatted(loop.name(), (nowNanos - sentAtNanos) / 1e9, place());
    }

    /** What the thread is in, leaving out what the JDK does for it. */
    private String place() {
      StackTraceElement in = null;
      for (StackTraceElement frame : runner.getStackTrace()) {
        if (!isOfTheJdk(frame)) {
          if (in == null) {
            in = frame;
          } else if (!frame.getClassName().equals(in.getClassName())) {
            return "its thread is in " + name(in) + ", called by " + name(frame);
          }
        }
      }
      return "its thread is in " + (in == null ? "the JDK" : name(in));
    }

    private static boolean isOfTheJdk(StackTraceElement frame) {
      String type = frame.getClassName();
      return type.startsWith("java.") || type.startsWith("jdk.") || type.startsWith("sun.");
    }

    private static String name(StackTraceElement frame) {
      return frame.getClassName() + "." + frame.getMethodName();
    }
  }

  /** The report, with the stack of the loop's thread. */
  private static final class Stalled extends RuntimeException {
    private static final long serialVersionUID = 1;

    Stalled(String sentence, StackTraceElement[] where) {
      super(sentence, null, false, true);
      setStackTrace(where);
    }
  }
}
