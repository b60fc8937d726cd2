// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import java.io.IOException;
import java.net.BindException;
import java.util.concurrent.TimeUnit;

/**
 * Outwaits a program that was killed: what its ring refers to, a listening socket for instance, the
 * kernel closes behind the end of the program, some milliseconds later on a busy machine. Who
 * starts it again at once would find its own address in use.
 */
final class Lingering {
  private static final long PATIENCE_NANOS = 1_000_000_000;
  private static final long FIRST_PAUSE_MILLIS = 10;

  private Lingering() {}

  /** What is tried. */
  @FunctionalInterface
  interface Attempt<T> {
    /**
     * Tries once.
     *
     * @throws BindException if the address is in use
     */
    T make() throws IOException;
  }

  /** Tries until it works, or fails otherwise, or the address was in use for a second. */
  static <T> T outwait(Attempt<T> attempt) throws IOException {
    long startNanos = System.nanoTime();
    // Twice as long each time: a program that is alive sees every attempt at its unix socket.
    for (long pauseMillis = FIRST_PAUSE_MILLIS; ; pauseMillis *= 2) {
      try {
        return attempt.make();
      } catch (BindException e) {
        if (System.nanoTime() - startNanos > PATIENCE_NANOS || !pause(pauseMillis)) {
          throw e;
        }
      }
    }
  }

  /** False if the thread was interrupted. */
  private static boolean pause(long millis) {
    try {
      TimeUnit.MILLISECONDS.sleep(millis);
      return true;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }
}
