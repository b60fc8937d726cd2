// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import dev.belay.Bio;
import dev.belay.Device;
import dev.belay.Limits;
import dev.belay.Loop;
import dev.belay.Verdict;
import java.util.List;

/**
 * {@code null(size=1T, block=512)}: does nothing, at once, and says that it is done.
 *
 * <p>For measuring what a stack itself costs, and for throwing writes away. A read leaves the
 * buffer as it is: it is DONE, but what the buffer holds is what was there before. Nothing waits
 * here, so the flag is looked at by nobody but the loop, on the way in. It has no holes: what is
 * read does not read as zeroes.
 */
public final class Null extends Device {
  /**
   * @param sizeBytes how large it pretends to be, a multiple of the block
   * @param blockBytes the logical block, a power of two
   */
  public Null(Loop loop, long sizeBytes, int blockBytes) {
    super(loop, "null", new Limits(sizeBytes, blockBytes, 1, Long.MAX_VALUE), List.of());
  }

  @Override
  public Verdict map(Bio bio) {
    bio.complete();
    return Verdict.TAKEN;
  }

  @Override
  public boolean zeroesFast() {
    return true;
  }
}
