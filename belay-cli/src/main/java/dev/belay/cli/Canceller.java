// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.CancelFlag;
import java.util.concurrent.DelayQueue;
import java.util.concurrent.Delayed;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** A thread that raises the flags of chosen requests, each at its time. */
final class Canceller implements AutoCloseable {
  private static final long FIRST_WINDOW_NANOS = 1_000_000;

  /** One request that shall be asked to stop. */
  static final class Ask implements Delayed {
    private final CancelFlag flag;
    private final long dueNanos;
    private volatile long raisedAtNanos;
    private volatile boolean isEnded;

    private Ask(CancelFlag flag, long dueNanos) {
      this.flag = flag;
      this.dueNanos = dueNanos;
    }

    @Override
    public long getDelay(TimeUnit unit) {
      return unit.convert(dueNanos - System.nanoTime(), TimeUnit.NANOSECONDS);
    }

    @Override
    public int compareTo(Delayed other) {
      return other instanceof Ask ask ? Long.signum(dueNanos - ask.dueNanos) : 0;
    }

    /** The request has ended. When its flag was raised, on System.nanoTime; 0: it was not. */
    long end() {
      isEnded = true;
      return raisedAtNanos;
    }
  }

  private final Workload workload;
  private final DelayQueue<Ask> asks = new DelayQueue<>();
  private final Thread thread = new Thread(this::run, "bench-canceller");

  Canceller(Workload workload) {
    this.workload = workload;
    thread.setDaemon(true);
    thread.start();
  }

  private void run() {
    try {
      for (; ; ) {
        Ask ask = asks.take();
        if (!ask.isEnded) {
          ask.raisedAtNanos = System.nanoTime();
          ask.flag.raise();
        }
      }
    } catch (InterruptedException e) {
      // By close: the run is over.
    }
  }

  /**
   * Chooses whether a request that starts now shall be asked to stop, and when. Any thread.
   *
   * @param latency of the requests so far
   * @return null if it shall not
   */
  @Nullable Ask choose(Draw draw, CancelFlag flag, long nowNanos, Tally latency) {
    if (draw.fraction() >= workload.cancelShare()) {
      return null;
    }
    Ask ask = new Ask(flag, nowNanos + (long) (draw.fraction() * windowNanos(latency)));
    asks.add(ask);
    return ask;
  }

  private long windowNanos(Tally seen) {
    if (workload.cancelWithinNanos() > 0) {
      return workload.cancelWithinNanos();
    }
    return seen.meanNanos() > 0 ? 2 * seen.meanNanos() : FIRST_WINDOW_NANOS;
  }

  @Override
  public void close() {
    thread.interrupt();
  }
}
