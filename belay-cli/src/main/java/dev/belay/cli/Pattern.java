// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import org.jspecify.annotations.Nullable;

/**
 * Content that can be checked by itself: each sector of 512 bytes holds a mark, its own offset, the
 * seed, a filling that depends on both, and a checksum; all as little-endian longs. Every byte
 * follows from the seed and its offset, so any range can be written and checked, and what is found
 * in the wrong place says where it belongs.
 */
final class Pattern {
  static final int SECTOR_BYTES = 512;

  private static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final int LONGS = SECTOR_BYTES / 8;
  private static final long MARK = 0x3159_414c_4542_0a0dL;
  private static final long STEP = 0x9e37_79b9_7f4a_7c15L;

  private final long seed;
  private final MemorySegment sector = MemorySegment.ofArray(new long[LONGS]);

  Pattern(long seed) {
    this.seed = seed;
  }

  /** Fills {@code length} bytes at {@code at} with what belongs at {@code offset} of the device. */
  void fill(MemorySegment to, long at, long length, long offset) {
    long done = 0;
    while (done < length) {
      long inSector = (offset + done) % SECTOR_BYTES;
      long part = Math.min(length - done, SECTOR_BYTES - inSector);
      if (part == SECTOR_BYTES) {
        make(to, at + done, offset + done);
      } else {
        make(sector, 0, offset + done - inSector);
        MemorySegment.copy(sector, inSector, to, at + done, part);
      }
      done += part;
    }
  }

  /** The first byte that is not as it belongs, counted from {@code at}; -1 if all are. */
  long firstWrong(MemorySegment found, long at, long length, long offset) {
    long done = 0;
    while (done < length) {
      long inSector = (offset + done) % SECTOR_BYTES;
      long part = Math.min(length - done, SECTOR_BYTES - inSector);
      make(sector, 0, offset + done - inSector);
      long wrong =
          MemorySegment.mismatch(
              found, at + done, at + done + part, sector, inSector, inSector + part);
      if (wrong >= 0) {
        return done + wrong;
      }
      done += part;
    }
    return -1;
  }

  /** What stands in a sector that is not as it belongs, for a person. */
  static String diagnose(MemorySegment found, long at, long available, @Nullable Long seed) {
    if (available < SECTOR_BYTES) {
      return "something else";
    }
    if (found.asSlice(at, SECTOR_BYTES).mismatch(MemorySegment.ofArray(new byte[SECTOR_BYTES]))
        < 0) {
      return "zeroes";
    }
    if (found.get(LONG, at) != MARK) {
      return "something that is not this pattern";
    }
    long sum = 0;
    for (int i = 0; i < LONGS - 1; i++) {
      sum += found.get(LONG, at + 8L * i);
    }
    if (sum != found.get(LONG, at + 8L * (LONGS - 1))) {
      return "a torn sector: its checksum is wrong";
    }
    long otherSeed = found.get(LONG, at + 16);
    return "the sector of offset "
        + found.get(LONG, at + 8)
        + (seed != null && seed == otherSeed ? "" : " with the seed " + otherSeed);
  }

  private void make(MemorySegment to, long at, long offset) {
    long filling = mix(seed ^ mix(offset));
    long sum = MARK + offset + seed;
    to.set(LONG, at, MARK);
    to.set(LONG, at + 8, offset);
    to.set(LONG, at + 16, seed);
    for (int i = 3; i < LONGS - 1; i++) {
      filling += STEP;
      to.set(LONG, at + 8L * i, filling);
      sum += filling;
    }
    to.set(LONG, at + 8L * (LONGS - 1), sum);
  }

  /** The finalizer of SplitMix64 (Steele, Lea, Flood 2014). */
  private static long mix(long value) {
    long z = value + STEP;
    z = (z ^ (z >>> 30)) * 0xbf58_476d_1ce4_e5b9L;
    z = (z ^ (z >>> 27)) * 0x94d0_49bb_1331_11ebL;
    return z ^ (z >>> 31);
  }
}
