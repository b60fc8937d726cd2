// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * The memory that simulated requests read into and write from. What no request owns is filled with
 * a pattern: a write of it, or into it, comes to light (law 9).
 */
final class Buffers {
  static final int PLACE_BYTES = 8192;
  static final long IDLE = 0x1D1D_1D1D_1D1D_1D1DL;

  /** What a buffer holds before a read. */
  static final long UNREAD = 0x5E5E_5E5E_5E5E_5E5EL;

  private final int placeBytes;
  private final MemorySegment memory;
  private final MemorySegment idle;
  private final MemorySegment unread;

  Buffers(int places) {
    this(places, PLACE_BYTES);
  }

  Buffers(int places, int placeBytes) {
    this.placeBytes = placeBytes;
    memory = Arena.ofAuto().allocate((long) places * placeBytes, 4096);
    idle = Arena.ofAuto().allocate(placeBytes, 4096);
    unread = Arena.ofAuto().allocate(placeBytes, 4096);
    fill(idle, 0, placeBytes, IDLE);
    fill(unread, 0, placeBytes, UNREAD);
    clear();
  }

  /** Takes everything back, whoever has it. */
  void clear() {
    for (long i = 0; i < memory.byteSize(); i += placeBytes) {
      giveBack(i, placeBytes);
    }
  }

  int placeBytes() {
    return placeBytes;
  }

  MemorySegment memory() {
    return memory;
  }

  static void fill(MemorySegment memory, long offset, long bytes, long value) {
    for (long i = 0; i < bytes; i += 8) {
      memory.set(JAVA_LONG, offset + i, value);
    }
  }

  void fillUnread(long offset, long bytes) {
    MemorySegment.copy(unread, 0, memory, offset, bytes);
  }

  void set(long offset, long value) {
    memory.set(JAVA_LONG, offset, value);
  }

  long get(long offset) {
    return memory.get(JAVA_LONG, offset);
  }

  /** Nobody's again. */
  void giveBack(long offset, long bytes) {
    MemorySegment.copy(idle, 0, memory, offset, bytes);
  }

  /** Nobody has touched it since it was given back. */
  void checkIdle(long offset, long bytes) {
    if (MemorySegment.mismatch(memory, offset, offset + bytes, idle, 0, bytes) >= 0) {
      throw new Violation("law 9: a buffer was written to after the completion of its request");
    }
  }
}
