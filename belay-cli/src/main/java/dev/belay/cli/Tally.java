// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.Outcome;
import java.util.concurrent.TimeUnit;
import org.HdrHistogram.Histogram;

/**
 * What was counted. One thread at a time writes to it; a look from another is late by a moment.
 * Only requests that end while the run is counted are in it.
 */
final class Tally {
  private static final long LONGEST_NANOS = TimeUnit.HOURS.toNanos(1);

  /** Each latency moves the running mean by the 64th part of its distance. */
  private static final int MEAN_SHIFT = 6;

  /** Requests that ended, by any outcome, and the bytes of those that were done. */
  long ended;

  long doneBytes;
  long done;
  long cancelled;
  long failed;

  /** Those that were DONE before their deadline; all that were DONE where there is none. */
  long inTime;

  /** Of the requests whose flag was raised by the canceller before they ended. */
  long asked;

  long askedBytes;
  long askedDone;
  long askedCancelled;
  long askedFailed;
  long askedCleanBytes;

  final Histogram latencyNanos = new Histogram(LONGEST_NANOS, 3);
  final Histogram flagToEndNanos = new Histogram(LONGEST_NANOS, 3);

  private long meanNanos;

  /** The first failure seen, as a sentence; empty for none. */
  String failure = "";

  private int phase = Phase.RAMP;

  /**
   * Whether what ends now counts: not once the run is over. At a new phase it starts from nothing.
   */
  boolean turnTo(int now) {
    if (now != phase) {
      if (now == Phase.OVER || phase == Phase.OVER) {
        return false;
      }
      reset();
      phase = now;
    }
    return true;
  }

  /** Nothing counts any more. */
  void stop() {
    phase = Phase.OVER;
  }

  private void reset() {
    ended = 0;
    doneBytes = 0;
    done = 0;
    cancelled = 0;
    failed = 0;
    inTime = 0;
    asked = 0;
    askedBytes = 0;
    askedDone = 0;
    askedCancelled = 0;
    askedFailed = 0;
    askedCleanBytes = 0;
    failure = "";
    latencyNanos.reset();
    flagToEndNanos.reset();
  }

  /** A request ended that was DONE and never asked to stop. */
  void done(long bytes) {
    ended++;
    done++;
    inTime++;
    doneBytes += bytes;
  }

  /** A request ended somehow. */
  void ended(Outcome outcome, boolean inTime) {
    ended++;
    doneBytes += outcome.doneBytes();
    switch (outcome.kind()) {
      case DONE -> {
        done++;
        this.inTime += inTime ? 1 : 0;
      }
      case CANCELLED -> cancelled++;
      case FAILED -> failed(String.valueOf(outcome.error()));
    }
  }

  /** A request failed; it is counted as ended by the caller. */
  void failed(String why) {
    failed++;
    if (failure.isEmpty()) {
      failure = why;
    }
  }

  /** A request that was DONE took so long from its intended start. */
  void took(long nanos) {
    latencyNanos.recordValue(Math.clamp(nanos, 0, LONGEST_NANOS));
    meanNanos += (nanos - meanNanos) >> MEAN_SHIFT;
  }

  /** About the mean of the last latencies; 0 before the first. */
  long meanNanos() {
    return meanNanos;
  }

  /** A request ended whose flag the canceller had raised so long ago. */
  void askedEnded(Outcome outcome, long nanosAgo) {
    asked++;
    askedBytes += outcome.lengthBytes();
    askedCleanBytes += outcome.cleanBytes();
    switch (outcome.kind()) {
      case DONE -> askedDone++;
      case CANCELLED -> askedCancelled++;
      case FAILED -> askedFailed++;
    }
    flagToEndNanos.recordValue(Math.clamp(nanosAgo, 0, LONGEST_NANOS));
  }

  /** Adds another to this one, when both are still. */
  void add(Tally other) {
    ended += other.ended;
    doneBytes += other.doneBytes;
    done += other.done;
    cancelled += other.cancelled;
    failed += other.failed;
    inTime += other.inTime;
    asked += other.asked;
    askedBytes += other.askedBytes;
    askedDone += other.askedDone;
    askedCancelled += other.askedCancelled;
    askedFailed += other.askedFailed;
    askedCleanBytes += other.askedCleanBytes;
    failure = failure.isEmpty() ? other.failure : failure;
    latencyNanos.add(other.latencyNanos);
    flagToEndNanos.add(other.flagToEndNanos);
  }
}
