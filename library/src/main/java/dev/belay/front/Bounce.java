// SPDX-License-Identifier: Apache-2.0
package dev.belay.front;

import dev.belay.Extents;
import dev.belay.Outcome;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Native memory that stands in for a caller's buffer which a device must not be given: one on the
 * heap, which the collector moves; one of an arena that its owner may close while the device still
 * writes; one that is not aligned. Segments come in powers of two and are kept for later.
 *
 * <p>Thread-safe.
 */
final class Bounce {
  private static final int SMALLEST_SHIFT = 12;
  private static final long KEPT_BYTES_LARGEST = 64L << 20;

  // The only scopes whose memory nobody can free while it is reachable. There is no public question
  // for that; a scope of any other class counts as one that can be closed, which is merely slower.
  private static final Class<?> GLOBAL = Arena.global().scope().getClass();
  private static final Class<?> AUTOMATIC = Arena.ofAuto().scope().getClass();

  private final long alignmentBytes;
  private final List<ArrayDeque<MemorySegment>> kept = new ArrayList<>();
  private long keptBytes;

  Bounce(long alignmentBytes) {
    this.alignmentBytes = Math.max(4096, alignmentBytes);
    for (int i = 0; i < 64; i++) {
      kept.add(new ArrayDeque<>());
    }
  }

  /** Whether a device can be given this memory itself. */
  static boolean isDirect(MemorySegment segment, long alignmentBytes) {
    if (!segment.isNative() || (segment.address() & (alignmentBytes - 1)) != 0) {
      return false;
    }
    Class<?> scope = segment.scope().getClass();
    return scope == AUTOMATIC || scope == GLOBAL;
  }

  private static int shiftOf(long bytes) {
    return Math.max(SMALLEST_SHIFT, 64 - Long.numberOfLeadingZeros(Math.max(bytes, 1) - 1));
  }

  /** Memory of at least {@code bytes}, aligned for the device; its content is anything. */
  MemorySegment take(long bytes) {
    int shift = shiftOf(bytes);
    synchronized (this) {
      MemorySegment found = kept.get(shift).pollLast();
      if (found != null) {
        keptBytes -= found.byteSize();
        return found;
      }
    }
    return Arena.ofAuto().allocate(1L << shift, alignmentBytes);
  }

  /** Takes memory back. */
  synchronized void give(MemorySegment segment) {
    if (keptBytes + segment.byteSize() <= KEPT_BYTES_LARGEST) {
      keptBytes += segment.byteSize();
      kept.get(shiftOf(segment.byteSize())).addLast(segment);
    }
  }

  /** Copies the callers' buffers, one behind the other, into bounce memory. */
  static void gather(List<MemorySegment> from, MemorySegment bounce) {
    long at = 0;
    for (MemorySegment segment : from) {
      MemorySegment.copy(segment, 0, bounce, at, segment.byteSize());
      at += segment.byteSize();
    }
  }

  /**
   * Copies what was read to the callers' buffers: the done ranges only, so that what is clean stays
   * untouched.
   *
   * @return null, or what was wrong with a buffer
   */
  static @Nullable String scatter(MemorySegment bounce, List<MemorySegment> to, Outcome outcome) {
    for (Extents.Extent extent : outcome.extents().list()) {
      if (extent.state() != Extents.State.DONE) {
        continue;
      }
      long start = 0;
      for (MemorySegment segment : to) {
        long from = Math.max(extent.offsetBytes(), start);
        long end = Math.min(extent.endBytes(), start + segment.byteSize());
        if (from < end) {
          try {
            MemorySegment.copy(bounce, from, segment, from - start, end - from);
          } catch (RuntimeException | InternalError e) {
            // Closed, another thread's, or a mapped file that was cut short.
            return "the buffer could not be filled: " + e.getMessage();
          }
        }
        start += segment.byteSize();
      }
    }
    return null;
  }
}
