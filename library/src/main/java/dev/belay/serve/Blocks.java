// SPDX-License-Identifier: Apache-2.0
package dev.belay.serve;

import dev.belay.Clock;
import dev.belay.Loop;
import dev.belay.Timers.Timer;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * The memory for the payloads of one loop's requests: page-aligned blocks in sizes of 4 KiB, 8 KiB
 * and so on to 32 MiB. A block that was given back is kept for the next that needs its size. Where
 * more than {@link #MOST_IDLE_BYTES} lie idle, the rest is freed little by little: to free a block
 * takes the time of many requests, and a client that goes away leaves hundreds at once. Only on the
 * loop's thread.
 */
final class Blocks {
  /** The largest there is. */
  static final int LARGEST_BYTES = 32 << 20;

  /** How much memory may lie idle for long. */
  static final long MOST_IDLE_BYTES = 64L << 20;

  /** So much, or one block, is freed at a time, */
  private static final long TRIM_BYTES = 1L << 20;

  /** and then others have their turn. */
  private static final long TRIM_NANOS = 1_000_000;

  private static final int SMALLEST_SHIFT = 12;
  private static final int SIZES = 14;

  private final @Nullable Block[] idle = new @Nullable Block[SIZES];
  private final Clock clock;
  private final Timer trim;
  private long idleBytes;
  private long takenBytes;

  Blocks(Loop loop) {
    clock = loop.clock();
    trim = loop.timers().newTimer(this::trim);
  }

  /** One block: nobody's, or whoever's took it. */
  static final class Block {
    final MemorySegment memory;
    final long address;
    private final Arena arena = Arena.ofShared();
    private final int size;
    private @Nullable Block next;

    private Block(int size) {
      this.size = size;
      memory = arena.allocate(1L << (SMALLEST_SHIFT + size), 1L << SMALLEST_SHIFT);
      address = memory.address();
    }
  }

  private static int sizeOf(int lengthBytes) {
    int bits = Integer.SIZE - Integer.numberOfLeadingZeros(Math.max(0, lengthBytes - 1));
    return Math.max(0, bits - SMALLEST_SHIFT);
  }

  /** How much memory the block for a payload takes. */
  static int blockBytes(int lengthBytes) {
    return 1 << (SMALLEST_SHIFT + sizeOf(lengthBytes));
  }

  /**
   * A block of at least {@code lengthBytes}, whose content is anything.
   *
   * @param lengthBytes from 0 to {@link #LARGEST_BYTES}
   * @throws OutOfMemoryError if there is no memory for it
   */
  Block take(int lengthBytes) {
    int size = sizeOf(lengthBytes);
    Block block = idle[size];
    if (block == null) {
      block = new Block(size);
    } else {
      idle[size] = block.next;
      block.next = null;
      idleBytes -= block.memory.byteSize();
    }
    takenBytes += block.memory.byteSize();
    return block;
  }

  /** Takes a block back, to which nobody refers any more. */
  void give(Block block) {
    long bytes = block.memory.byteSize();
    takenBytes -= bytes;
    idleBytes += bytes;
    block.next = idle[block.size];
    idle[block.size] = block;
    if (idleBytes > MOST_IDLE_BYTES && !trim.isSet()) {
      trim.set(clock.after(TRIM_NANOS));
    }
  }

  private void trim() {
    long freedBytes = 0;
    for (int size = SIZES - 1; size >= 0; size--) {
      Block block = idle[size];
      while (block != null && idleBytes > MOST_IDLE_BYTES && freedBytes < TRIM_BYTES) {
        long bytes = block.memory.byteSize();
        idleBytes -= bytes;
        freedBytes += bytes;
        block.arena.close();
        block = block.next;
      }
      idle[size] = block;
    }
    if (idleBytes > MOST_IDLE_BYTES) {
      trim.set(clock.after(TRIM_NANOS));
    }
  }

  /** How much memory is taken. */
  long takenBytes() {
    return takenBytes;
  }

  /** Frees what is idle; what is taken is left to those who have it. */
  void close() {
    for (int size = 0; size < SIZES; size++) {
      for (Block block = idle[size]; block != null; block = block.next) {
        block.arena.close();
      }
      idle[size] = null;
    }
    idleBytes = 0;
  }
}
