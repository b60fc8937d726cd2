// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.uring.Ring;
import dev.belay.uring.UringSupport;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Which memory goes out as registered, and that freed memory never does. */
final class PinnedMemoryTest {
  private static final int BLOCK = 4096;
  private static final int SLOTS = 16;

  @BeforeEach
  void needsRing() throws Exception {
    UringSupport support = UringSupport.look();
    Assumptions.assumeTrue(support.usable(), "no io_uring here: " + support.sentence());
  }

  @Test
  void memoryOfADeadArenaIsNoLongerRegistered() throws Exception {
    try (Ring ring = Ring.open(4, 8)) {
      PinnedMemory pinned = new PinnedMemory(ring.registry());
      long first;
      long second;
      try (Arena arena = Arena.ofShared()) {
        MemorySegment one = arena.allocate(4 * BLOCK, BLOCK);
        first = one.address();
        pinned.pin(one);
        MemorySegment two = arena.allocate(4 * BLOCK, BLOCK);
        second = two.address();
        pinned.pin(two);
        assertThat(pinned.slotOf(first, 4 * BLOCK)).isZero();
        assertThat(pinned.slotOf(second, BLOCK)).isEqualTo(1);
        assertThat(pinned.bytes()).isEqualTo(8 * BLOCK);
      }
      assertThat(pinned.slotOf(second, BLOCK)).as("the one found last").isEqualTo(-1);
      assertThat(pinned.slotOf(first, BLOCK)).as("the other").isEqualTo(-1);
      assertThat(pinned.bytes()).as("both were dropped").isZero();
      MemorySegment again = Arena.ofAuto().allocate(BLOCK, BLOCK);
      pinned.pin(again);
      assertThat(pinned.slotOf(again.address(), BLOCK)).as("a slot is free again").isZero();
    }
  }

  @Test
  void onlyWhatLiesWithinIsFound() throws Exception {
    try (Ring ring = Ring.open(4, 8)) {
      PinnedMemory pinned = new PinnedMemory(ring.registry());
      MemorySegment memory = Arena.ofAuto().allocate(4 * BLOCK, BLOCK);
      long start = memory.address();
      assertThat(pinned.slotOf(start, BLOCK)).isEqualTo(-1);
      pinned.pin(memory.asSlice(BLOCK, 2 * BLOCK));
      assertThat(pinned.slotOf(start, BLOCK)).isEqualTo(-1);
      assertThat(pinned.slotOf(start, 2 * BLOCK)).as("half of it").isEqualTo(-1);
      assertThat(pinned.slotOf(start + BLOCK, BLOCK)).isZero();
      assertThat(pinned.slotOf(start + 2 * BLOCK, BLOCK)).isZero();
      assertThat(pinned.slotOf(start + BLOCK, 2 * BLOCK)).isZero();
      assertThat(pinned.slotOf(start + 2 * BLOCK, BLOCK + 1)).as("past the end").isEqualTo(-1);
      assertThat(pinned.slotOf(start + 3 * BLOCK, BLOCK)).isEqualTo(-1);
      pinned.unpin(memory.asSlice(BLOCK, 2 * BLOCK));
      assertThat(pinned.slotOf(start + BLOCK, BLOCK)).isEqualTo(-1);
      assertThat(pinned.bytes()).isZero();
    }
  }

  @Test
  void unpinningMakesRoomForMore() throws Exception {
    try (Ring ring = Ring.open(4, 8)) {
      PinnedMemory pinned = new PinnedMemory(ring.registry());
      MemorySegment memory = Arena.ofAuto().allocate((SLOTS + 1) * BLOCK, BLOCK);
      for (int i = 0; i <= SLOTS; i++) {
        pinned.pin(memory.asSlice((long) i * BLOCK, BLOCK));
      }
      assertThat(pinned.trouble()).contains("more than 16 pieces of memory");
      MemorySegment last = memory.asSlice((long) SLOTS * BLOCK, BLOCK);
      assertThat(pinned.slotOf(last.address(), BLOCK)).isEqualTo(-1);
      pinned.unpin(memory.asSlice(5 * BLOCK, BLOCK));
      pinned.pin(last);
      assertThat(pinned.slotOf(last.address(), BLOCK)).isEqualTo(5);
      assertThat(pinned.slotOf(memory.address(), BLOCK)).as("the others stay").isZero();
      assertThat(pinned.bytes()).isEqualTo((long) SLOTS * BLOCK);
    }
  }
}
