// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import java.util.ArrayList;
import java.util.List;

/**
 * Draws the offsets and operations of one job: the same for the same seed. Marsaglia's xorshift64,
 * which costs a nanosecond. For one thread at a time.
 */
final class Draw {
  private final boolean isRandom;
  private final int reads;
  private final long blocks;
  private final long blockBytes;
  private long state;
  private long nextBlock;

  /** The draws of job {@code job}; sequential jobs start at equal distances over the span. */
  Draw(Workload workload, int job) {
    isRandom = workload.pattern().isRandom;
    reads = workload.reads();
    blockBytes = workload.blockBytes();
    blocks = workload.spanBytes() / blockBytes;
    state = mix(workload.seed() * 0x9E3779B97F4A7C15L + job + 1);
    nextBlock = blocks / workload.jobs() * (job % workload.jobs());
  }

  /**
   * A draw for each of all jobs' requests: one each where the order is random; where it is not, the
   * requests of a job share its one, which then guards itself.
   */
  static List<Draw> perRequest(Workload workload) {
    List<Draw> draws = new ArrayList<>();
    for (int job = 0; job < workload.jobs(); job++) {
      Draw shared = new Draw(workload, job);
      for (int i = 0; i < workload.depth(); i++) {
        boolean isOwn = workload.pattern().isRandom && i > 0;
        draws.add(isOwn ? new Draw(workload, job + workload.jobs() * i) : shared);
      }
    }
    return draws;
  }

  private static long mix(long seed) {
    long z = (seed ^ (seed >>> 30)) * 0xBF58476D1CE4E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
    z ^= z >>> 31;
    return z == 0 ? 1 : z;
  }

  private long next() {
    long x = state;
    x ^= x << 13;
    x ^= x >>> 7;
    x ^= x << 17;
    state = x;
    return x;
  }

  /** Where the next request starts, in bytes. */
  long offsetBytes() {
    if (isRandom) {
      return Math.unsignedMultiplyHigh(next(), blocks) * blockBytes;
    }
    long block = nextBlock;
    nextBlock = block + 1 == blocks ? 0 : block + 1;
    return block * blockBytes;
  }

  /** Whether the next request is a read. */
  boolean isRead() {
    return reads == 100 || (reads > 0 && Math.unsignedMultiplyHigh(next(), 100) < reads);
  }

  /** Uniform from 0 up to, and without, 1. */
  double fraction() {
    return (next() >>> 11) * 0x1p-53;
  }
}
