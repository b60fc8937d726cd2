// SPDX-License-Identifier: Apache-2.0
package dev.belay.net;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;

/** Native memory for records. Whoever made it closes it, when no wire refers to it. */
final class TlsRoom {
  private final Arena arena = Arena.ofShared(); // wires move between threads
  final long address;
  final ByteBuffer bytes;

  TlsRoom(int sizeBytes) {
    MemorySegment segment = arena.allocate(sizeBytes);
    address = segment.address();
    bytes = segment.asByteBuffer();
  }

  /** Memory of somebody else's. */
  static ByteBuffer view(long address, int lengthBytes) {
    return MemorySegment.ofAddress(address).reinterpret(lengthBytes).asByteBuffer();
  }

  void close() {
    arena.close();
  }
}
