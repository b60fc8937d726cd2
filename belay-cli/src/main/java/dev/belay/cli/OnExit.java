// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * What to do when the program is told to end (Ctrl-C) before the work is over: asks the work to
 * stop, and lets the JVM go only when the work has said that it is over, or after a while.
 */
final class OnExit implements AutoCloseable {
  private static final long PATIENCE_SECONDS = 20;

  private final CountDownLatch over = new CountDownLatch(1);
  private final Thread hook;
  private volatile boolean isAsked;

  private OnExit(Runnable stop) {
    hook =
        new Thread(
            () -> {
              isAsked = true;
              stop.run();
              awaitEnd();
            },
            "belay-exit");
  }

  /** From now until this is closed, an end of the JVM runs {@code stop} first, and waits. */
  static OnExit ask(Runnable stop) {
    OnExit onExit = new OnExit(stop);
    Runtime.getRuntime().addShutdownHook(onExit.hook);
    return onExit;
  }

  private void awaitEnd() {
    boolean isOver = false;
    try {
      isOver = over.await(PATIENCE_SECONDS, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    if (!isOver) {
      System.err.println(
          "belay: a device has not answered for " + PATIENCE_SECONDS + " s; leaving it");
    }
  }

  /** Whether the program was told to end. */
  boolean isAsked() {
    return isAsked;
  }

  /** The work is over, and what it had to say is said. */
  @Override
  public void close() {
    over.countDown();
    try {
      Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException e) {
      // The JVM is ending already, and the hook has been let go.
    }
  }
}
