// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.Loop;
import dev.belay.front.Volume;
import dev.belay.stack.Expression;
import dev.belay.stack.Stack;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** One run of one engine: warms up, counts, and stops. */
final class BenchRun {
  /** Which way the requests go. */
  enum Way {
    /** Driven contexts, one a job. */
    CONTEXT,
    /** Futures of a volume. */
    FUTURES,
    /** Blocking calls of a volume on virtual threads. */
    BLOCKING,
    /** The JDK's AsynchronousFileChannel, for comparison. */
    JDK
  }

  private static final long LINE_NANOS = 500_000_000;

  private final Expression expression;
  private final Workload workload;
  private final Way way;
  private final @Nullable PrintStream progress;

  /**
   * @param progress gets a line that is written over and over; null for none
   */
  BenchRun(Expression expression, Workload workload, Way way, @Nullable PrintStream progress) {
    this.expression = expression;
    this.workload = workload;
    this.way = way;
    this.progress = progress;
  }

  /** Runs on the calling thread's time: the ramp, the run, and the end of what is under way. */
  BenchResult run() throws IOException, InterruptedException {
    Phase phase = new Phase();
    try (Engine engine = open(phase)) {
      engine.start();
      sleep(engine, phase, workload.rampNanos(), "warming up");
      Meter start = Meter.read();
      phase.set(Phase.COUNTED);
      sleep(engine, phase, workload.runNanos(), "running");
      phase.set(Phase.OVER);
      Meter end = Meter.read();
      Tally tally = engine.stop();
      phase.check();
      clearLine();
      String name = way.name().toLowerCase(Locale.ROOT);
      return new BenchResult(expression.print(), name, workload, tally, start, end);
    } finally {
      phase.set(Phase.OVER);
    }
  }

  private Engine open(Phase phase) throws IOException {
    return switch (way) {
      case CONTEXT -> new DrivenEngine(workload, phase, loop -> Stack.build(loop, expression));
      case FUTURES -> new FuturesEngine(workload, phase, Loop.threaded("bench"), this::openVolume);
      case BLOCKING -> new BlockingEngine(workload, phase, openVolume(Loop.threaded("bench")));
      case JDK -> new JdkEngine(workload, phase, BenchFiles.of(expression).getFirst());
    };
  }

  private Volume openVolume(Loop loop) {
    return Volume.start(loop, Stack.build(loop, expression));
  }

  private void sleep(Engine engine, Phase phase, long nanos, String what)
      throws InterruptedException {
    long start = System.nanoTime();
    long seen = engine.ended();
    long seenAt = start;
    for (long left = nanos; left > 0; left = nanos - (System.nanoTime() - start)) {
      long sleepNanos = Math.min(left, LINE_NANOS);
      Thread.sleep(sleepNanos / 1_000_000, (int) (sleepNanos % 1_000_000));
      phase.check();
      if (progress != null) {
        long now = System.nanoTime();
        long ended = engine.ended();
        double iops = Math.max(0, ended - seen) * 1e9 / (now - seenAt);
        seen = ended;
        seenAt = now;
        String line =
            String.format(
                Locale.ROOT,
                "\r%s %.1f of %.1f s: %s IOPS   ",
                what,
                (now - start) / 1e9,
                nanos / 1e9,
                BenchResult.count(iops));
        progress.print(line);
        progress.flush();
      }
    }
  }

  private void clearLine() {
    if (progress != null) {
      progress.print("\r" + " ".repeat(60) + "\r");
      progress.flush();
    }
  }

  /** Whether the standard error is a terminal, which wants a progress line. */
  static boolean isTerminal() {
    try {
      String target = Files.readSymbolicLink(Path.of("/proc/self/fd/2")).toString();
      return target.startsWith("/dev/pts/") || target.startsWith("/dev/tty");
    } catch (IOException | UnsupportedOperationException e) {
      return false;
    }
  }
}
