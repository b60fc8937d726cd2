// SPDX-License-Identifier: Apache-2.0
package dev.belay.front;

import dev.belay.Bio;
import dev.belay.Extents;
import dev.belay.IoError;
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

  /**
   * Refuses memory that was freed.
   *
   * @throws IllegalStateException if its arena is closed
   */
  static void requireOpen(MemorySegment segment) {
    if (!segment.scope().isAlive()) {
      throw new IllegalStateException(
          "the buffer's arena is closed; close it only after the request's completion");
    }
  }

  /**
   * Refuses memory that this thread cannot copy to or from.
   *
   * @throws IllegalStateException if its arena is closed
   * @throws WrongThreadException if it is confined to another thread
   */
  static void requireUsable(MemorySegment segment) {
    requireOpen(segment);
    if (!segment.isAccessibleBy(Thread.currentThread())) {
      throw new WrongThreadException(
          "the buffer is confined to another thread; take it from a shared or an automatic arena");
    }
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

  /**
   * Copies the callers' buffers, one behind the other, into the bio's buffer, which stands in for
   * them.
   *
   * @return null, or what is wrong with one of them; never throws
   */
  static @Nullable IoError gather(List<MemorySegment> from, Bio bio) {
    long at = 0;
    for (MemorySegment segment : from) {
      IoError wrong = bio.copyToBuffer(at, segment, 0, segment.byteSize());
      if (wrong != null) {
        return wrong;
      }
      at += segment.byteSize();
    }
    return null;
  }

  /**
   * Copies what was read from the bio's buffer to the callers': the done ranges only, so that what
   * is clean stays untouched.
   *
   * @return null, or what is wrong with one of them; never throws
   */
  static @Nullable IoError scatter(Bio bio, List<MemorySegment> to, Outcome outcome) {
    for (Extents.Extent extent : outcome.extents().list()) {
      if (extent.state() != Extents.State.DONE) {
        continue;
      }
      long start = 0;
      for (MemorySegment segment : to) {
        long from = Math.max(extent.offsetBytes(), start);
        long end = Math.min(extent.endBytes(), start + segment.byteSize());
        if (from < end) {
          IoError wrong = bio.copyFromBuffer(from, segment, from - start, end - from);
          if (wrong != null) {
            return wrong;
          }
        }
        start += segment.byteSize();
      }
    }
    return null;
  }
}
