// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

/**
 * What a bench does, in fio's words.
 *
 * @param pattern which operations, in which order
 * @param readPercent how many of a mix are reads
 * @param blockBytes the length of each request
 * @param depth how many requests each job keeps in flight
 * @param jobs how many submit at the same time
 * @param rampNanos how long it runs before anything is counted
 * @param runNanos how long is counted
 * @param spanBytes the requests fall into the first so many bytes
 * @param ratePerSecond how many requests a second all jobs together intend to start; 0: as many as
 *     the depth allows
 * @param cancelShare which fraction of the requests is asked to stop, at a random time
 * @param cancelWithinNanos that time is below this; 0: below twice the mean latency so far
 * @param deadlineNanos after which each request is asked to stop; 0: never
 * @param hasLatency whether the clock is read for each request
 */
record Workload(
    Pattern pattern,
    int readPercent,
    int blockBytes,
    int depth,
    int jobs,
    long rampNanos,
    long runNanos,
    long spanBytes,
    double ratePerSecond,
    double cancelShare,
    long cancelWithinNanos,
    long deadlineNanos,
    long seed,
    boolean hasLatency) {

  /** fio's rw. */
  enum Pattern {
    READ(false, 100),
    WRITE(false, 0),
    RW(false, -1),
    RANDREAD(true, 100),
    RANDWRITE(true, 0),
    RANDRW(true, -1);

    final boolean isRandom;
    private final int readPercent;

    Pattern(boolean isRandom, int readPercent) {
      this.isRandom = isRandom;
      this.readPercent = readPercent;
    }

    boolean writes() {
      return readPercent < 100;
    }
  }

  /** How many of a hundred requests are reads. */
  int reads() {
    return pattern.readPercent < 0 ? readPercent : pattern.readPercent;
  }

  /** Whether any request may be asked to stop. */
  boolean cancels() {
    return cancelShare > 0;
  }

  /** Whether requests start by the clock, not when there is room. */
  boolean isOpenLoop() {
    return ratePerSecond > 0;
  }

  /** When the request of this number is meant to start, in nanoseconds from the first. */
  long intendedNanos(long number) {
    return (long) (number * (1e9 / ratePerSecond));
  }

  /** The same with only as many requests a second, for one of several jobs. */
  Workload withRate(double perSecond) {
    return new Workload(
        pattern,
        readPercent,
        blockBytes,
        depth,
        jobs,
        rampNanos,
        runNanos,
        spanBytes,
        perSecond,
        cancelShare,
        cancelWithinNanos,
        deadlineNanos,
        seed,
        hasLatency);
  }

  /** The same on so many bytes. */
  Workload withSpan(long bytes) {
    return new Workload(
        pattern,
        readPercent,
        blockBytes,
        depth,
        jobs,
        rampNanos,
        runNanos,
        bytes,
        ratePerSecond,
        cancelShare,
        cancelWithinNanos,
        deadlineNanos,
        seed,
        hasLatency);
  }
}
