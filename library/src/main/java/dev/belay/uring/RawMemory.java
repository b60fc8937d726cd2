// SPDX-License-Identifier: Apache-2.0
package dev.belay.uring;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;

/**
 * Memory by absolute address: the one place that turns a number into an access.
 *
 * <p>One constant segment spans the address space, so that the compiler sees base, bounds and scope
 * as constants and leaves one move for an access. Plain accesses use the unaligned layouts, which
 * spare the alignment check; ordered ones need the aligned layout, and pay one test. Nothing here
 * checks that an address is mapped: the callers own what they name.
 */
final class RawMemory {
  private static final MemorySegment ALL = MemorySegment.NULL.reinterpret(Long.MAX_VALUE);
  private static final VarHandle ORDERED_INT = ValueLayout.JAVA_INT.varHandle();

  private RawMemory() {}

  static int getInt(long address) {
    return ALL.get(ValueLayout.JAVA_INT_UNALIGNED, address);
  }

  static void putInt(long address, int value) {
    ALL.set(ValueLayout.JAVA_INT_UNALIGNED, address, value);
  }

  static long getLong(long address) {
    return ALL.get(ValueLayout.JAVA_LONG_UNALIGNED, address);
  }

  static void putLong(long address, long value) {
    ALL.set(ValueLayout.JAVA_LONG_UNALIGNED, address, value);
  }

  static int getIntAcquire(long address) {
    return (int) ORDERED_INT.getAcquire(ALL, address);
  }

  static void putIntRelease(long address, int value) {
    ORDERED_INT.setRelease(ALL, address, value);
  }

  /** A view of memory that somebody else keeps mapped; it has the global scope. */
  static MemorySegment at(long address, long bytes) {
    return ALL.asSlice(address, bytes);
  }
}
