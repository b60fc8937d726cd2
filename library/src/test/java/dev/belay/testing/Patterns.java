// SPDX-License-Identifier: Apache-2.0
package dev.belay.testing;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Content that knows where it belongs and who wrote it: every 8 bytes are a mix of their offset on
 * the medium and of a seed, so that shifted, stale, torn and foreign blocks all show. Offsets and
 * lengths are multiples of 8.
 */
public final class Patterns {
  private static final ValueLayout.OfLong WORD = ValueLayout.JAVA_LONG_UNALIGNED;

  private Patterns() {}

  /** The word that the writer {@code seed} puts at an offset of the medium. */
  public static long word(long mediumOffsetBytes, long seed) {
    long x = mediumOffsetBytes * 0x9E3779B97F4A7C15L + seed * 0xD1B54A32D192ED03L;
    x = (x ^ (x >>> 32)) * 0xD6E8FEB86659FD93L;
    return x ^ (x >>> 29);
  }

  /** Fills the whole buffer with what {@code seed} writes at {@code mediumOffsetBytes} and on. */
  public static void fill(MemorySegment buffer, long mediumOffsetBytes, long seed) {
    for (long i = 0; i < buffer.byteSize(); i += 8) {
      buffer.set(WORD, i, word(mediumOffsetBytes + i, seed));
    }
  }

  /** The place in the buffer of the first word that {@code seed} did not write; -1 if none. */
  public static long firstOther(MemorySegment buffer, long mediumOffsetBytes, long seed) {
    for (long i = 0; i < buffer.byteSize(); i += 8) {
      if (buffer.get(WORD, i) != word(mediumOffsetBytes + i, seed)) {
        return i;
      }
    }
    return -1;
  }

  /** The place of the first byte that is not {@code value}; -1 if none. */
  public static long firstOtherByte(MemorySegment buffer, byte value) {
    for (long i = 0; i < buffer.byteSize(); i++) {
      if (buffer.get(ValueLayout.JAVA_BYTE, i) != value) {
        return i;
      }
    }
    return -1;
  }
}
