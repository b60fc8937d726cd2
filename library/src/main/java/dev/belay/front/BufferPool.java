// SPDX-License-Identifier: Apache-2.0
package dev.belay.front;

import dev.belay.Loop;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A fixed number of aligned native buffers of one size, in one piece of memory: what devices like
 * best. A buffer that is given back while requests still use it is free once the last of them has
 * ended, and not before.
 *
 * <p>Closing the pool gives its memory back, once nothing uses it. A pool that the program drops
 * without closing it is closed when the collector finds it, and the log says where it was made.
 * Either way the memory is freed by the collector, so that it never goes away under anybody.
 *
 * <p>Thread-safe; over a driven loop, buffers are taken and used on its thread, and given back on
 * any.
 */
public final class BufferPool implements AutoCloseable {
  private static final VarHandle COUNT = MethodHandles.arrayElementVarHandle(long[].class);

  /** Set in a buffer's count of begun requests while nobody has the buffer. */
  private static final long FREE = Long.MIN_VALUE;

  private final BufferPools pools;
  private final long bufferBytes;
  private final long strideBytes;

  /** The stride as a shift; -1 where it is no power of two and has to be divided by. */
  private final int strideShift;

  private final BufferPools.Slab slab;
  private final long firstAddress;
  private final boolean isShared;
  private @Nullable Dropped dropped;

  // Requests that began and ended with each buffer. Any thread begins one, unless the buffer is
  // free; the loop alone ends them.
  private final long[] begun;
  private final long[] ended;

  // Guarded by this pool's monitor. The free buffers are a stack of their indices.
  private final int[] free;
  private int freeCount;
  private boolean isClosed;

  // Whether a buffer, or the pool, was given back under a request; how many were. The loop's.
  private final boolean[] returning;
  private int awaited;
  private boolean isClosing;

  BufferPool(BufferPools pools, long bufferBytes, int count, long alignmentBytes) {
    if (bufferBytes < 1 || count < 1) {
      throw new IllegalArgumentException(
          "a pool has at least 1 buffer of at least 1 byte, not "
              + count
              + " of "
              + bufferBytes
              + " bytes");
    }
    this.pools = pools;
    this.bufferBytes = bufferBytes;
    isShared = pools.loop().isThreaded();
    strideBytes = Math.ceilDiv(bufferBytes, alignmentBytes) * alignmentBytes;
    strideShift = Long.bitCount(strideBytes) == 1 ? Long.numberOfTrailingZeros(strideBytes) : -1;
    MemorySegment memory =
        Arena.ofAuto()
            .allocate(Math.multiplyExact(strideBytes, count), Math.max(4096, alignmentBytes));
    slab = new BufferPools.Slab(this, memory);
    firstAddress = memory.address();
    begun = new long[count];
    ended = new long[count];
    returning = new boolean[count];
    free = new int[count];
    for (int i = count - 1; i >= 0; i--) {
      begun[i] = FREE;
      free[freeCount++] = i;
    }
  }

  void watch(Dropped dropped) {
    this.dropped = dropped;
  }

  /**
   * A free buffer; null if all are taken. Its content is anything.
   *
   * @throws IllegalStateException if the pool is closed
   */
  public synchronized @Nullable Buffer tryTake() {
    if (isClosed) {
      throw new IllegalStateException("the pool is closed");
    }
    if (freeCount == 0) {
      return null;
    }
    Buffer buffer = new Buffer(free[freeCount - 1]);
    freeCount--;
    COUNT.getAndBitwiseAnd(begun, buffer.index, ~FREE);
    return buffer;
  }

  /**
   * A free buffer. Its content is anything.
   *
   * @throws IllegalStateException if all are taken, or the pool is closed
   */
  public Buffer take() {
    Buffer buffer = tryTake();
    if (buffer == null) {
      throw new IllegalStateException("all " + begun.length + " buffers of the pool are taken");
    }
    return buffer;
  }

  /** How many are free. */
  public synchronized int free() {
    return freeCount;
  }

  BufferPools.Slab slab() {
    return slab;
  }

  private int indexOf(long address) {
    long offset = address - firstAddress;
    return (int) (strideShift >= 0 ? offset >>> strideShift : offset / strideBytes);
  }

  /**
   * A request begins to use the buffer at {@code address}.
   *
   * @throws IllegalStateException if nobody has it
   */
  void begin(long address) {
    int index = indexOf(address);
    long seen = begun[index];
    if (!isShared && seen >= 0) {
      begun[index] = seen + 1;
      return;
    }
    while (seen >= 0) {
      long found = (long) COUNT.compareAndExchange(begun, index, seen, seen + 1);
      if (found == seen) {
        return;
      }
      seen = found;
    }
    throw new IllegalStateException(
        "the buffer was given back to its pool, and may be somebody else's by now; close a buffer"
            + " after its last request was submitted");
  }

  /** A request that began was not sent after all, because the loop is closed. */
  void takeBack(long address) {
    COUNT.getAndAdd(begun, indexOf(address), -1L);
  }

  /** It uses it no longer. On the loop's thread. */
  void end(long address) {
    int index = indexOf(address);
    COUNT.setRelease(ended, index, ended[index] + 1);
    if (awaited > 0) {
      settle(index);
    }
  }

  /** A request ended that a buffer or the pool may have waited for. On the loop's thread. */
  private void settle(int index) {
    if (returning[index] && !isInUse(index)) {
      returning[index] = false;
      awaited--;
      addFree(index);
    }
    if (isClosing && !isInUse()) {
      isClosing = false;
      awaited--;
      pools.release(slab);
    }
  }

  private boolean isInUse(int index) {
    long done = (long) COUNT.getAcquire(ended, index);
    return done != ((long) COUNT.getVolatile(begun, index) & ~FREE);
  }

  private boolean isInUse() {
    for (int i = 0; i < begun.length; i++) {
      if (isInUse(i)) {
        return true;
      }
    }
    return false;
  }

  private synchronized void addFree(int index) {
    free[freeCount++] = index;
  }

  private void giveBack(Buffer buffer) {
    synchronized (this) {
      if (!buffer.isTaken) {
        return;
      }
      buffer.isTaken = false;
    }
    Loop loop = pools.loop();
    int index = buffer.index;
    if (isShared || loop.isOnLoop() || !loop.execute(() -> giveBack(index))) {
      giveBack(index);
    }
  }

  /** From now on nobody begins a request with it. On the loop's thread if that is a driven one. */
  private void giveBack(int index) {
    long before = (long) COUNT.getAndBitwiseOr(begun, index, FREE);
    boolean isUnused = before == (long) COUNT.getAcquire(ended, index);
    if (isUnused || !pools.loop().execute(() -> await(index))) {
      addFree(index);
    }
  }

  /** A buffer that was in use when it was given back. On the loop's thread, as the ends are. */
  private void await(int index) {
    returning[index] = true;
    awaited++;
    settle(index);
  }

  /**
   * Gives the memory back to the system once no request uses it, and nothing refers to it. No
   * buffer can be taken any more. Does not wait; nothing happens if it was done.
   */
  @Override
  public void close() {
    synchronized (this) {
      if (isClosed) {
        return;
      }
      isClosed = true;
    }
    Objects.requireNonNull(dropped).closed();
    pools
        .loop()
        .execute(
            () -> {
              isClosing = true;
              awaited++;
              settle(0);
            });
  }

  /**
   * One buffer of a pool, from being taken to being given back: whoever takes the same memory next
   * gets another object, so that closing one twice does no harm.
   */
  public final class Buffer implements AutoCloseable {
    private final int index;
    private final MemorySegment segment;
    private boolean isTaken = true;

    private Buffer(int index) {
      this.index = index;
      segment = slab.memory.asSlice(index * strideBytes, bufferBytes);
    }

    /** Its memory; the caller's until the buffer is given back. */
    public MemorySegment segment() {
      return segment;
    }

    /**
     * Gives it back. If requests still use it, it is free once the last of them has ended; no other
     * may begin. Nothing happens if it was given back already.
     */
    @Override
    public void close() {
      giveBack(this);
    }
  }
}
