// SPDX-License-Identifier: Apache-2.0
package dev.belay.front;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.ArrayDeque;
import org.jspecify.annotations.Nullable;

/**
 * A fixed number of aligned native buffers of one size, in one piece of memory: what devices like
 * best. Their memory is freed by the collector, so it never goes away under a request; and a buffer
 * that a request still uses cannot be given back. Thread-safe.
 */
public final class BufferPool {
  private static final VarHandle COUNT = MethodHandles.arrayElementVarHandle(int[].class);

  private final long bufferBytes;
  private final long strideBytes;

  /** The stride as a shift; -1 where it is no power of two and has to be divided by. */
  private final int strideShift;

  private final MemorySegment slab;
  private final long firstAddress;
  private final boolean isShared;

  // Requests that began and ended with each buffer. Any thread begins one; the loop alone ends
  // them.
  private final int[] begun;
  private final int[] ended;

  private final ArrayDeque<Buffer> free = new ArrayDeque<>();

  BufferPool(long bufferBytes, int count, long alignmentBytes, boolean isShared) {
    if (bufferBytes < 1 || count < 1) {
      throw new IllegalArgumentException(
          "a pool has at least 1 buffer of at least 1 byte, not "
              + count
              + " of "
              + bufferBytes
              + " bytes");
    }
    this.bufferBytes = bufferBytes;
    this.isShared = isShared;
    strideBytes = Math.ceilDiv(bufferBytes, alignmentBytes) * alignmentBytes;
    strideShift = Long.bitCount(strideBytes) == 1 ? Long.numberOfTrailingZeros(strideBytes) : -1;
    slab =
        Arena.ofAuto()
            .allocate(Math.multiplyExact(strideBytes, count), Math.max(4096, alignmentBytes));
    firstAddress = slab.address();
    begun = new int[count];
    ended = new int[count];
    for (int i = count - 1; i >= 0; i--) {
      free.push(new Buffer(i));
    }
  }

  /** A free buffer; null if all are taken. Its content is anything. */
  public synchronized @Nullable Buffer tryTake() {
    Buffer buffer = free.poll();
    if (buffer != null) {
      buffer.isTaken = true;
    }
    return buffer;
  }

  /**
   * A free buffer. Its content is anything.
   *
   * @throws IllegalStateException if all are taken
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
    return free.size();
  }

  /** The memory of all the buffers. */
  MemorySegment slab() {
    return slab;
  }

  boolean contains(long address) {
    return Long.compareUnsigned(address - firstAddress, slab.byteSize()) < 0;
  }

  private int indexOf(long address) {
    long offset = address - firstAddress;
    return (int) (strideShift >= 0 ? offset >>> strideShift : offset / strideBytes);
  }

  /** A request begins to use the buffer at {@code address}. */
  void begin(long address) {
    int index = indexOf(address);
    if (isShared) {
      COUNT.getAndAdd(begun, index, 1);
    } else {
      begun[index]++;
    }
  }

  /** It uses it no longer. On the loop's thread. */
  void end(long address) {
    int index = indexOf(address);
    COUNT.setRelease(ended, index, ended[index] + 1);
  }

  private boolean isInUse(int index) {
    int done = (int) COUNT.getAcquire(ended, index);
    return done != (int) COUNT.getVolatile(begun, index);
  }

  private synchronized void giveBack(Buffer buffer) {
    if (!buffer.isTaken) {
      return;
    }
    if (isInUse(buffer.index)) {
      throw new IllegalStateException(
          "the buffer is still used by a request; give it back after the request's completion");
    }
    buffer.isTaken = false;
    free.push(buffer);
  }

  /** One buffer of a pool, which closing gives back. */
  public final class Buffer implements AutoCloseable {
    private final int index;
    private final MemorySegment segment;
    private boolean isTaken;

    private Buffer(int index) {
      this.index = index;
      segment = slab.asSlice(index * strideBytes, bufferBytes);
    }

    /** Its memory; the caller's until the buffer is given back. */
    public MemorySegment segment() {
      return segment;
    }

    /**
     * Gives it back; nothing happens if that was done.
     *
     * @throws IllegalStateException if a request still uses it, which then stays taken
     */
    @Override
    public void close() {
      giveBack(this);
    }
  }
}
