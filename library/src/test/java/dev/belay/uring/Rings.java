// SPDX-License-Identifier: Apache-2.0
package dev.belay.uring;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Assumptions;

/** Rings for tests. Where the kernel gives none, a test is skipped, and the report says why. */
final class Rings {
  static final long SECOND = 1_000_000_000L;

  private static final UringSupport SUPPORT = UringSupport.look();

  private Rings() {}

  static Ring started(int sqEntries, int cqEntries) throws RingSetupException {
    return started(sqEntries, cqEntries, Ring.DEFAULT_FLAGS);
  }

  static Ring started(int sqEntries, int cqEntries, int flags) throws RingSetupException {
    Assumptions.assumeTrue(SUPPORT.usable(), "no io_uring here: " + SUPPORT.sentence());
    Ring ring = Ring.open(sqEntries, cqEntries, flags);
    ring.start();
    return ring;
  }

  /** Submits, and waits for one completion with this token; takes it, and gives its result. */
  static int result(Ring ring, long token) {
    for (int tries = 0; ring.ready() == 0 && tries < 10; tries++) {
      ring.submitAndWait(1, SECOND);
    }
    if (ring.ready() == 0 || ring.cqeToken(0) != token) {
      throw new AssertionError(
          ring.ready() == 0 ? "nothing completed" : "completed: " + ring.cqeToken(0));
    }
    int result = ring.cqeResult(0);
    ring.advance(1);
    return result;
  }

  /** Bytes that differ by place, so that a shifted transfer shows. */
  static void fillPattern(MemorySegment buffer, int seed) {
    for (long i = 0; i < buffer.byteSize(); i++) {
      buffer.set(ValueLayout.JAVA_BYTE, i, (byte) ((i * 31) + (i >> 9) + seed));
    }
  }
}
