// SPDX-License-Identifier: Apache-2.0
package dev.belay.bench;

import dev.belay.CancelFlag;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/** What it costs to raise a fresh flag, with nothing parked. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(2)
public class FlagRaise {
  private static final int BATCH = 10_000;

  @Param({"alone", "child", "deadline"})
  public String kind = "alone";

  private final CancelFlag[] flags = new CancelFlag[BATCH];

  /** Flags go up once, so that each round needs fresh ones. */
  @Setup(Level.Invocation)
  public void freshFlags() {
    CancelFlag parent = new CancelFlag();
    for (int i = 0; i < BATCH; i++) {
      flags[i] =
          switch (kind) {
            case "child" -> parent.child();
            case "deadline" -> parent.withDeadline(java.time.Duration.ofHours(1));
            default -> new CancelFlag();
          };
    }
  }

  @Benchmark
  @OperationsPerInvocation(BATCH)
  public void raise() {
    for (CancelFlag flag : flags) {
      flag.raise();
    }
  }
}
