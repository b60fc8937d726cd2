// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Native memory for requests of an array's own, aligned to 4 KiB. It lives as long as somebody
 * refers to it: a device that never answers may still write there.
 */
final class PinnedBlock {
  private final MemorySegment segment;

  PinnedBlock(long lengthBytes) {
    segment = Arena.ofAuto().allocate(lengthBytes, 4096);
  }

  MemorySegment segment() {
    return segment;
  }

  long lengthBytes() {
    return segment.byteSize();
  }
}
