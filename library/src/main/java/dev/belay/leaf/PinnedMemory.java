// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import dev.belay.uring.Errno;
import dev.belay.uring.Registry;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The memory that is registered with a ring, so that its pages need not be looked up for each
 * transfer. Found by comparing addresses, the last one found first: there are few. On the loop's
 * thread, or before it starts.
 */
final class PinnedMemory {
  private static final int SLOTS = 16;

  /** The kernel's own bound on one registered buffer. */
  private static final long LARGEST_BYTES = 1L << 30;

  private final Registry registry;
  private final long[] starts = new long[SLOTS];
  private final long[] ends = new long[SLOTS];
  private final MemorySegment.@Nullable Scope[] scopes = new MemorySegment.@Nullable Scope[SLOTS];
  private int used;
  private int last;
  private boolean hasTable;
  private String trouble = "";

  PinnedMemory(Registry registry) {
    this.registry = registry;
  }

  void pin(MemorySegment memory) {
    if (!memory.isNative() || memory.byteSize() == 0) {
      return;
    }
    if (!hasTable) {
      int result = registry.registerBuffers(SLOTS);
      if (result < 0) {
        trouble = "no buffers can be registered: " + Errno.sentence(result);
        return;
      }
      hasTable = true;
    }
    long end = memory.address() + memory.byteSize();
    for (long at = memory.address(); at < end; at += LARGEST_BYTES) {
      if (!pin(at, Math.min(end, at + LARGEST_BYTES), memory.scope())) {
        return;
      }
    }
  }

  private boolean pin(long start, long end, MemorySegment.Scope scope) {
    int slot = freeSlot();
    if (slot < 0) {
      trouble = "more than " + SLOTS + " pieces of memory were to be registered";
      return false;
    }
    int result = registry.setBuffer(slot, start, end - start);
    if (result < 0) {
      trouble =
          "%d KiB of memory are not registered with the kernel, so transfers cost more: %s"
              .formatted((end - start) >> 10, Errno.sentence(result));
      return false;
    }
    starts[slot] = start;
    ends[slot] = end;
    scopes[slot] = scope;
    used = Math.max(used, slot + 1);
    return true;
  }

  private int freeSlot() {
    for (int slot = 0; slot < SLOTS; slot++) {
      if (ends[slot] == 0) {
        return slot;
      }
    }
    return -1;
  }

  void unpin(MemorySegment memory) {
    long end = memory.address() + memory.byteSize();
    for (int slot = 0; slot < used; slot++) {
      if (starts[slot] >= memory.address() && ends[slot] <= end) {
        drop(slot);
      }
    }
  }

  private void drop(int slot) {
    registry.setBuffer(slot, 0, 0);
    starts[slot] = 0;
    ends[slot] = 0;
    scopes[slot] = null;
  }

  /** The slot of the registered buffer that holds the range; -1 if there is none. */
  int slotOf(long address, long lengthBytes) {
    int slot = last;
    if (address < starts[slot] || address + lengthBytes > ends[slot]) {
      slot = find(address, address + lengthBytes);
      if (slot < 0) {
        return -1;
      }
      last = slot;
    }
    MemorySegment.Scope scope = scopes[slot];
    if (scope == null || !scope.isAlive()) {
      // Freed without unpin: the address may be other memory by now, the registered pages are not.
      drop(slot);
      return -1;
    }
    return slot;
  }

  private int find(long start, long end) {
    for (int slot = 0; slot < used; slot++) {
      if (start >= starts[slot] && end <= ends[slot]) {
        return slot;
      }
    }
    return -1;
  }

  /** How many bytes are registered. */
  long bytes() {
    return Arrays.stream(ends).sum() - Arrays.stream(starts).sum();
  }

  /** What went wrong last, as a sentence; empty for nothing. */
  String trouble() {
    return trouble;
  }
}
