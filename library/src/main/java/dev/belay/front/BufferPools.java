// SPDX-License-Identifier: Apache-2.0
package dev.belay.front;

import dev.belay.Loop;
import java.lang.foreign.MemorySegment;
import java.lang.ref.WeakReference;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The pools of one front. A program has few, so that the one of a buffer is found by looking.
 *
 * <p>A pool is known here by a weak reference, so that one which the program dropped is noticed:
 * its requests refer to it until they end, and then nothing does.
 */
final class BufferPools {
  private static final String CONSEQUENCE =
      "Its memory is given back now: close a pool that is needed no longer, or keep it";

  private final Loop loop;
  private final long alignmentBytes;
  private volatile Slab[] slabs = {};

  BufferPools(Loop loop, long alignmentBytes) {
    this.loop = loop;
    this.alignmentBytes = alignmentBytes;
  }

  /** The memory of one pool: kept, and registered with the kernel, until nothing uses the pool. */
  static final class Slab {
    final MemorySegment memory;
    private final long firstAddress;
    private final long sizeBytes;
    private final WeakReference<BufferPool> pool;

    Slab(BufferPool pool, MemorySegment memory) {
      this.memory = memory;
      this.pool = new WeakReference<>(pool);
      firstAddress = memory.address();
      sizeBytes = memory.byteSize();
    }

    private boolean contains(long address) {
      return Long.compareUnsigned(address - firstAddress, sizeBytes) < 0;
    }
  }

  BufferPool newPool(long bufferBytes, int count) {
    BufferPool pool = new BufferPool(this, bufferBytes, count, alignmentBytes);
    Slab slab = pool.slab();
    String what = "a pool of %d buffers of %d bytes".formatted(count, bufferBytes);
    pool.watch(Dropped.watch(pool, what, CONSEQUENCE, () -> release(slab)));
    add(slab);
    // The loop's own thread registers it; what is sent before that is merely not registered yet.
    if (loop.isThreaded()) {
      loop.execute(() -> loop.poller().pin(slab.memory));
    } else {
      loop.poller().pin(slab.memory);
    }
    return pool;
  }

  private synchronized void add(Slab slab) {
    List<Slab> more = new ArrayList<>(List.of(slabs));
    more.add(slab);
    slabs = more.toArray(Slab[]::new);
  }

  /**
   * Forgets a pool that no request uses, and takes its registration back. Any thread.
   *
   * @return false if the loop is closed, and nothing is registered any more
   */
  boolean release(Slab slab) {
    synchronized (this) {
      List<Slab> fewer = new ArrayList<>(List.of(slabs));
      fewer.remove(slab);
      slabs = fewer.toArray(Slab[]::new);
    }
    return loop.execute(() -> loop.poller().unpin(slab.memory));
  }

  Loop loop() {
    return loop;
  }

  /**
   * Notes that a request begins to use this memory.
   *
   * @return the pool to tell when the request ends; null if the memory is of none
   * @throws IllegalStateException if the memory is a buffer that was given back
   */
  @Nullable BufferPool begin(MemorySegment memory) {
    for (Slab slab : slabs) {
      if (slab.contains(memory.address())) {
        BufferPool pool = slab.pool.get();
        if (pool != null) {
          pool.begin(memory.address());
        }
        return pool;
      }
    }
    return null;
  }
}
