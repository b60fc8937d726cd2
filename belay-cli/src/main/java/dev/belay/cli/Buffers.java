// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.Loop;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** The memory of a bench: aligned for direct I/O, and filled with noise for the writes. */
final class Buffers {
  /** No device wants more. */
  static final int ALIGNMENT_BYTES = 4096;

  private Buffers() {}

  /** One piece for all requests of a job, each aligned. */
  static MemorySegment slab(Workload workload, int requests, int number) {
    long strideBytes = strideBytes(workload.blockBytes());
    MemorySegment slab = Arena.ofAuto().allocate(strideBytes * requests, ALIGNMENT_BYTES);
    if (workload.pattern().writes()) {
      fill(slab, workload.seed() + number);
    }
    return slab;
  }

  static MemorySegment slice(MemorySegment slab, int blockBytes, int index) {
    return slab.asSlice(strideBytes(blockBytes) * index, blockBytes);
  }

  /** Tells the kernel of the memory beforehand, where the stack's leaf can make use of that. */
  static void pin(Loop loop, MemorySegment slab) {
    loop.poller().pin(slab);
  }

  /** Noise, by splitmix64, so that no device compresses it or leaves it out. */
  static void fill(MemorySegment segment, long seed) {
    long state = seed;
    for (long at = 0; at + Long.BYTES <= segment.byteSize(); at += Long.BYTES) {
      state += 0x9E3779B97F4A7C15L;
      long z = (state ^ (state >>> 30)) * 0xBF58476D1CE4E5B9L;
      z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
      segment.set(ValueLayout.JAVA_LONG_UNALIGNED, at, z ^ (z >>> 31));
    }
  }

  private static long strideBytes(int blockBytes) {
    return Math.ceilDiv(blockBytes, ALIGNMENT_BYTES) * (long) ALIGNMENT_BYTES;
  }
}
