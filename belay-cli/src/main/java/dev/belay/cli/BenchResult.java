// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.stack.Durations;
import dev.belay.stack.Sizes;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import org.HdrHistogram.Histogram;
import org.jspecify.annotations.Nullable;

/**
 * What one run showed, as text and as JSON.
 *
 * @param name of the engine
 * @param tally what was counted between the two looks
 */
record BenchResult(
    String stack, String name, Workload workload, Tally tally, Meter start, Meter end) {
  /** Above this share the host was busy with somebody else, and the figures are worth little. */
  static final double MOST_STEAL = 0.05;

  private static final double[] PERCENTILES = {50, 90, 99, 99.9, 99.99};

  double seconds() {
    return (end.atNanos() - start.atNanos()) / 1e9;
  }

  double iops() {
    return tally.ended / seconds();
  }

  private double perIo(long of) {
    return tally.ended == 0 ? 0 : (double) of / tally.ended;
  }

  double cpuNanosPerIo() {
    return perIo(end.cpuNanos() - start.cpuNanos());
  }

  double steal() {
    return end.stealSince(start);
  }

  /** For people. */
  String text() {
    StringBuilder to = new StringBuilder();
    line(to, "%s, %s, %s", stack, name, described());
    line(
        to,
        "  %s IOPS, %s/s, %d requests in %.2f s",
        count(iops()),
        Sizes.printRounded((long) (tally.doneBytes / seconds())),
        tally.ended,
        seconds());
    line(
        to,
        "  CPU %s an I/O (%.0f %% of one CPU), %.0f bytes allocated an I/O",
        time(cpuNanosPerIo()),
        100 * (end.cpuNanos() - start.cpuNanos()) / 1e9 / seconds(),
        perIo(end.allocatedBytes() - start.allocatedBytes()));
    if (workload.hasLatency()) {
      line(to, "  latency%s", percentiles(tally.latencyNanos));
    }
    if (workload.deadlineNanos() > 0) {
      line(
          to,
          "  deadline %s: in time %d (%s/s), too late %d, stopped %d",
          Durations.print(workload.deadlineNanos()),
          tally.inTime,
          count(tally.inTime / seconds()),
          tally.done - tally.inTime,
          tally.cancelled);
    }
    if (workload.cancels()) {
      cancels(to);
    }
    if (tally.failed > 0) {
      line(to, "  FAILED %d, the first: %s", tally.failed, tally.failure);
    }
    line(
        to,
        steal() > MOST_STEAL
            ? "  steal %.1f %%: the host was busy with others, so measure again"
            : "  steal %.1f %%",
        100 * steal());
    return to.toString();
  }

  private void cancels(StringBuilder to) {
    line(
        to,
        "  asked to stop while under way: %d; cancelled %d, done all the same %d, failed %d",
        tally.asked,
        tally.askedCancelled,
        tally.askedDone,
        tally.askedFailed);
    line(to, "  flag to completion%s", percentiles(tally.flagToEndNanos));
    line(
        to,
        "  work saved: %.1f %% of the bytes of those asked were never sent",
        tally.askedBytes == 0 ? 0 : 100.0 * tally.askedCleanBytes / tally.askedBytes);
  }

  private String described() {
    StringBuilder to = new StringBuilder();
    to.append(workload.pattern().name().toLowerCase(Locale.ROOT));
    to.append(" bs=").append(Sizes.print(workload.blockBytes()));
    to.append(" iodepth=").append(workload.depth());
    to.append(" numjobs=").append(workload.jobs());
    if (workload.isOpenLoop()) {
      to.append(" rate=").append(count(workload.ratePerSecond()));
    }
    return to.toString();
  }

  private static String time(long nanos) {
    return time((double) nanos);
  }

  private static String percentiles(Histogram of) {
    if (of.getTotalCount() == 0) {
      return ": nothing to say";
    }
    StringBuilder to = new StringBuilder();
    for (double percentile : PERCENTILES) {
      to.append(to.isEmpty() ? " " : ", ").append('p').append(plain(percentile)).append(' ');
      to.append(time(of.getValueAtPercentile(percentile)));
    }
    return to.append(", max ").append(time(of.getMaxValue())).toString();
  }

  private static String plain(double percentile) {
    return percentile == Math.rint(percentile)
        ? Integer.toString((int) percentile)
        : Double.toString(percentile);
  }

  /** A count for reading, to three digits. */
  static String count(double count) {
    if (count >= 1e6) {
      return String.format(Locale.ROOT, "%.2fM", count / 1e6);
    }
    return count >= 1e4
        ? String.format(Locale.ROOT, "%.1fk", count / 1e3)
        : String.format(Locale.ROOT, "%.0f", count);
  }

  /** A duration for reading, to three digits. */
  static String time(double nanos) {
    return nanos < 100
        ? String.format(Locale.ROOT, "%.1fns", nanos)
        : Durations.printRounded((long) nanos);
  }

  @SuppressWarnings("AnnotateFormatMethod") // that annotation would be a dependency of its own
  private static void line(StringBuilder to, String format, Object... args) {
    to.append(String.format(Locale.ROOT, format, args)).append('\n');
  }

  /** For programs: bytes, nanoseconds, counts. */
  Map<String, @Nullable Object> json() {
    Map<String, @Nullable Object> to = new LinkedHashMap<>();
    to.put("stack", stack);
    to.put("engine", name);
    to.put("rw", workload.pattern().name().toLowerCase(Locale.ROOT));
    to.put("bs", workload.blockBytes());
    to.put("iodepth", workload.depth());
    to.put("numjobs", workload.jobs());
    to.put("rate", workload.ratePerSecond());
    to.put("seed", workload.seed());
    to.put("spanBytes", workload.spanBytes());
    to.put("seconds", seconds());
    to.put("ios", tally.ended);
    to.put("iops", iops());
    to.put("bytesPerSecond", tally.doneBytes / seconds());
    to.put("cpuNanosPerIo", cpuNanosPerIo());
    to.put("allocatedBytesPerIo", perIo(end.allocatedBytes() - start.allocatedBytes()));
    to.put("outcomes", outcomes());
    if (!tally.failure.isEmpty()) {
      to.put("firstFailure", tally.failure);
    }
    if (workload.hasLatency()) {
      to.put("latencyNanos", percentileMap(tally.latencyNanos));
    }
    if (workload.deadlineNanos() > 0) {
      Map<String, @Nullable Object> deadline = new LinkedHashMap<>();
      deadline.put("deadlineNanos", workload.deadlineNanos());
      deadline.put("inTime", tally.inTime);
      deadline.put("inTimePerSecond", tally.inTime / seconds());
      to.put("deadline", deadline);
    }
    if (workload.cancels()) {
      Map<String, @Nullable Object> cancels = new LinkedHashMap<>();
      cancels.put("asked", tally.asked);
      cancels.put("cancelled", tally.askedCancelled);
      cancels.put("done", tally.askedDone);
      cancels.put("failed", tally.askedFailed);
      cancels.put("askedBytes", tally.askedBytes);
      cancels.put("cleanBytes", tally.askedCleanBytes);
      cancels.put("flagToCompletionNanos", percentileMap(tally.flagToEndNanos));
      to.put("cancels", cancels);
    }
    to.put("steal", steal());
    return to;
  }

  private Map<String, @Nullable Object> outcomes() {
    Map<String, @Nullable Object> to = new LinkedHashMap<>();
    to.put("done", tally.done);
    to.put("cancelled", tally.cancelled);
    to.put("failed", tally.failed);
    return to;
  }

  private static Map<String, @Nullable Object> percentileMap(Histogram of) {
    Map<String, @Nullable Object> to = new LinkedHashMap<>();
    to.put("count", of.getTotalCount());
    if (of.getTotalCount() > 0) {
      to.put("mean", of.getMean());
      for (double percentile : PERCENTILES) {
        to.put("p" + plain(percentile), of.getValueAtPercentile(percentile));
      }
      to.put("max", of.getMaxValue());
    }
    return to;
  }
}
