// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;

/**
 * Belay and a peer in turn, A B A B …, and the ratio of each pair: what the machine does to both
 * cancels out, and the median of the pairs is not moved by one bad moment.
 */
final class Against {
  /** One turn of each. */
  record Pair(Peer.Figures belay, Peer.Figures peer, double steal) {
    double iopsRatio() {
      return belay.iops() / peer.iops();
    }

    double cpuRatio() {
      return belay.cpuNanosPerIo() / peer.cpuNanosPerIo();
    }
  }

  /** The middle one, the least and the most. */
  record Spread(double median, double least, double most) {
    static Spread of(List<Pair> pairs, ToDoubleFunction<Pair> figure) {
      double[] sorted = pairs.stream().mapToDouble(figure).sorted().toArray();
      int half = sorted.length / 2;
      double median = sorted.length % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
      return new Spread(median, sorted[0], Arrays.stream(sorted).max().orElse(median));
    }

    @Override
    public String toString() {
      return String.format(Locale.ROOT, "%.3f (%.3f to %.3f)", median, least, most);
    }

    Map<String, @Nullable Object> json() {
      Map<String, @Nullable Object> to = new LinkedHashMap<>();
      to.put("median", median);
      to.put("min", least);
      to.put("max", most);
      return to;
    }
  }

  private final Peer belay;
  private final Peer peer;
  private final int wanted;
  private final PrintWriter talk;

  /**
   * @param wanted how many pairs
   * @param talk where each turn is told as it happens
   */
  Against(Peer belay, Peer peer, int wanted, PrintWriter talk) {
    this.belay = belay;
    this.peer = peer;
    this.wanted = wanted;
    this.talk = talk;
  }

  /**
   * Runs the pairs. One that lost more than {@link BenchResult#MOST_STEAL} to other machines is
   * dropped and run again, until half as many more as wanted have been tried.
   */
  List<Pair> run() throws IOException, InterruptedException {
    talk.println("belay: " + belay.shownCommand());
    talk.println(peer.name() + ": " + peer.shownCommand());
    talk.printf(
        Locale.ROOT,
        "%-6s %12s %12s %14s %14s %8s%n",
        "pair",
        "belay IOPS",
        peer.name() + " IOPS",
        "belay CPU/IO",
        peer.name() + " CPU/IO",
        "steal");
    talk.flush();
    List<Pair> kept = new ArrayList<>();
    int most = wanted + (wanted + 1) / 2;
    for (int tried = 1; kept.size() < wanted && tried <= most; tried++) {
      Meter start = Meter.read();
      Peer.Figures ours = belay.run();
      Peer.Figures theirs = peer.run();
      Pair pair = new Pair(ours, theirs, Meter.read().stealSince(start));
      boolean mustKeep = most - tried < wanted - kept.size();
      boolean isKept = pair.steal <= BenchResult.MOST_STEAL || mustKeep;
      talk.printf(
          Locale.ROOT,
          "%-6d %12s %12s %14s %14s %7.1f%%%s%n",
          tried,
          BenchResult.count(ours.iops()),
          BenchResult.count(theirs.iops()),
          BenchResult.time(ours.cpuNanosPerIo()),
          BenchResult.time(theirs.cpuNanosPerIo()),
          100 * pair.steal,
          isKept ? "" : "  dropped: the host was busy with others");
      talk.flush();
      if (isKept) {
        kept.add(pair);
      }
    }
    return kept;
  }

  /** The ratios, for people. */
  String text(List<Pair> pairs) {
    return String.format(
        Locale.ROOT,
        "IOPS, belay / %1$s: median %2$s%nCPU per I/O, belay / %1$s: median %3$s%n",
        peer.name(),
        Spread.of(pairs, Pair::iopsRatio),
        Spread.of(pairs, Pair::cpuRatio));
  }

  /** The same and all that was measured, for programs. */
  Map<String, @Nullable Object> json(List<Pair> pairs) {
    List<@Nullable Object> list = new ArrayList<>();
    for (Pair pair : pairs) {
      Map<String, @Nullable Object> one = new LinkedHashMap<>();
      one.put("belay", pair.belay.json());
      one.put(peer.name(), figures(pair.peer));
      one.put("iopsRatio", pair.iopsRatio());
      one.put("cpuRatio", pair.cpuRatio());
      one.put("steal", pair.steal);
      list.add(one);
    }
    Map<String, @Nullable Object> to = new LinkedHashMap<>();
    to.put("against", peer.name());
    to.put("iopsRatio", Spread.of(pairs, Pair::iopsRatio).json());
    to.put("cpuRatio", Spread.of(pairs, Pair::cpuRatio).json());
    to.put("pairs", list);
    return to;
  }

  private static Map<String, @Nullable Object> figures(Peer.Figures figures) {
    Map<String, @Nullable Object> to = new LinkedHashMap<>();
    to.put("iops", figures.iops());
    to.put("cpuNanosPerIo", figures.cpuNanosPerIo());
    return to;
  }
}
