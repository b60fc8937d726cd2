// SPDX-License-Identifier: Apache-2.0
package dev.belay.bench;

import dev.belay.Bio;
import dev.belay.CancelFlag;
import dev.belay.Device;
import dev.belay.Loop;
import dev.belay.Op;
import dev.belay.stack.Stack;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What a flag costs that nobody raises: 32 requests through null, alone and below five linear
 * devices, with the flag that is never up, one of their own, and one that has a parent.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(3)
public class FlagCost {
  private static final int DEPTH = 32;
  private static final int BLOCK_BYTES = 4096;

  @Param({"0", "5"})
  public int layers;

  @Param({"never", "down", "child"})
  public String flag = "never";

  private final Bio[] bios = new Bio[DEPTH];
  private final CancelFlag[] flags = new CancelFlag[DEPTH];
  private Loop loop = Loop.driven();
  private Device root = Stack.build(loop, "null()");
  private long ended;

  /** Makes the stack, on the thread that drives it. */
  @Setup
  public void open() {
    loop.close(0);
    loop = Loop.driven();
    root = Stack.build(loop, "linear(".repeat(layers) + "null()" + ")".repeat(layers));
    CancelFlag parent = new CancelFlag();
    for (int i = 0; i < DEPTH; i++) {
      bios[i] = new Bio(loop, bio -> ended++);
      flags[i] =
          switch (flag) {
            case "down" -> new CancelFlag();
            case "child" -> parent.child();
            default -> CancelFlag.NEVER;
          };
    }
  }

  @TearDown
  public void close() {
    loop.close(0);
  }

  @Benchmark
  @OperationsPerInvocation(DEPTH)
  public long requests() {
    for (int i = 0; i < DEPTH; i++) {
      Bio bio = bios[i];
      long offset = (ended & 0xFFFF) * BLOCK_BYTES;
      bio.prepare(Op.READ, root, offset, BLOCK_BYTES, MemorySegment.NULL, 0, flags[i]);
      loop.enter(bio);
    }
    return ended;
  }
}
