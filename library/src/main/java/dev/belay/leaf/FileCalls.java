// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import dev.belay.Limits;
import java.lang.foreign.MemorySegment;

/**
 * An open file, by calls that sleep until they have an answer. They answer as the kernel does: a
 * count from 0 up, or a negated error number; -EBADF says that the file is closed and that nothing
 * was done. Any thread, several at a time.
 */
interface FileCalls {
  Limits limits();

  boolean isBlockDevice();

  /** Whether transfers bypass the page cache, and so must begin and end at blocks. */
  boolean isDirect();

  /** Fewer bytes than asked for, or 0, at the end of the file. */
  long read(MemorySegment buffer, long bufferOffsetBytes, long lengthBytes, long offsetBytes);

  /**
   * @param durable whether what was written is durable when the call returns
   */
  long write(
      MemorySegment buffer,
      long bufferOffsetBytes,
      long lengthBytes,
      long offsetBytes,
      boolean durable);

  /** Makes durable what was written. */
  int sync();

  /** Gives a range back to the file system or device; -EOPNOTSUPP where that cannot be. */
  int discard(long offsetBytes, long lengthBytes);

  /** Makes a range read as zeroes without sending them; -EOPNOTSUPP where that cannot be. */
  int zero(long offsetBytes, long lengthBytes);

  /** Whether {@link #zero} is likely to be much cheaper than to write, as far as is known. */
  boolean zeroesFast();

  /**
   * Where something is stored again, from a byte on; -ENXIO if there is nothing up to the end of
   * the file, another error where nobody can say.
   */
  long nextStored(long offsetBytes);

  /** Where nothing is stored again, from a byte on at which something is; the end at the latest. */
  long nextHole(long offsetBytes);

  /** How long the file is now, which others can change. */
  long currentSizeBytes();

  /** Closes it, if it is not closed. No call is under way any more. */
  void close();
}
