// SPDX-License-Identifier: Apache-2.0
package dev.belay;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** Copying between the stack's memory and that of callers, which can fail under one's hands. */
final class CallersMemory {
  private CallersMemory() {}

  /** Copies, and answers with an error for {@code bio} where it cannot. */
  static @Nullable IoError copy(
      MemorySegment source,
      long sourceBytes,
      MemorySegment target,
      long targetBytes,
      long lengthBytes,
      Bio bio) {
    try {
      MemorySegment.copy(source, sourceBytes, target, targetBytes, lengthBytes);
      if (source.isMapped() || target.isMapped()) {
        // The JVM throws for a page that is not there at its next safepoint poll, which in compiled
        // code may lie beyond this try. To return from a native method is such a poll.
        Thread.holdsLock(bio);
      }
      return null;
    } catch (RuntimeException | InternalError e) {
      String sentence =
          "the buffer of a %s of %d bytes is not usable: %s"
              .formatted(bio.op(), bio.lengthBytes(), e.getMessage());
      return new IoError(Errno.EFAULT, sentence);
    }
  }
}
