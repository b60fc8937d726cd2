// SPDX-License-Identifier: Apache-2.0
package dev.belay;

import java.util.function.Consumer;

/**
 * Writes what devices and ends threw into the log, a few a second: a defect that comes with every
 * request must not fill a disk. Any thread: the watchdog writes here as well.
 */
final class DefectLog implements Consumer<Throwable> {
  private static final int MOST_A_SECOND = 5;
  private static final long SECOND_NANOS = 1_000_000_000;

  private final String loop;
  private long secondBeganNanos = System.nanoTime() - SECOND_NANOS;
  private int thisSecond;
  private long leftOut;

  DefectLog(String loop) {
    this.loop = loop;
  }

  @Override
  public synchronized void accept(Throwable defect) {
    long now = System.nanoTime();
    if (now - secondBeganNanos >= SECOND_NANOS) {
      secondBeganNanos = now;
      thisSecond = 0;
    }
    if (++thisSecond > MOST_A_SECOND) {
      leftOut++;
      return;
    }
    String more = leftOut == 0 ? "" : " (" + leftOut + " more were not written)";
    leftOut = 0;
    System.getLogger("dev.belay").log(System.Logger.Level.ERROR, loop + more, defect);
  }
}
