// SPDX-License-Identifier: Apache-2.0
package dev.belay.front;

import dev.belay.Loop;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** The pools of one front. A program has few, so that the one of a buffer is found by looking. */
final class BufferPools {
  private final Loop loop;
  private final long alignmentBytes;
  private volatile BufferPool[] pools = {};

  BufferPools(Loop loop, long alignmentBytes) {
    this.loop = loop;
    this.alignmentBytes = alignmentBytes;
  }

  synchronized BufferPool newPool(long bufferBytes, int count) {
    BufferPool pool = new BufferPool(bufferBytes, count, alignmentBytes, loop.isThreaded());
    BufferPool[] more = Arrays.copyOf(pools, pools.length + 1);
    more[pools.length] = pool;
    pools = more;
    // The loop's own thread registers it; what is sent before that is merely not registered yet.
    if (loop.isThreaded()) {
      loop.execute(() -> loop.poller().pin(pool.slab()));
    } else {
      loop.poller().pin(pool.slab());
    }
    return pool;
  }

  /** Notes that a request begins to use this memory; answers the pool to tell when it ends. */
  @Nullable BufferPool begin(MemorySegment memory) {
    for (BufferPool pool : pools) {
      if (pool.contains(memory.address())) {
        pool.begin(memory.address());
        return pool;
      }
    }
    return null;
  }
}
