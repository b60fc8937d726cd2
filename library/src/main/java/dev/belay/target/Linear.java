// SPDX-License-Identifier: Apache-2.0
package dev.belay.target;

import dev.belay.Bio;
import dev.belay.Device;
import dev.belay.Limits;
import dev.belay.Loop;
import dev.belay.Verdict;
import java.util.List;

/**
 * A window into a device: byte 0 is byte {@code offset} of the lower device. It holds nothing back
 * and has nothing to do with the flag, at which the loop looks on the way in and on the way out.
 *
 * <pre>linear(LOWER [, offset=SIZE] [, size=SIZE])</pre>
 */
public final class Linear extends Device {
  private final Device lower;
  private final long startBytes;

  /**
   * @param offsetBytes where the window begins, a whole number of the lower device's blocks
   * @param sizeBytes how long it is, the same
   * @throws IllegalArgumentException if the window is not inside the lower device
   */
  public Linear(Loop loop, Device lower, long offsetBytes, long sizeBytes) {
    super(loop, "linear", window(lower.limits(), offsetBytes, sizeBytes), List.of(lower));
    this.lower = lower;
    startBytes = offsetBytes;
  }

  private static Limits window(Limits lower, long offsetBytes, long sizeBytes) {
    int block = lower.logicalBlockBytes();
    if (offsetBytes % block != 0 || sizeBytes % block != 0) {
      throw new IllegalArgumentException(
          "linear begins and ends at whole blocks of the lower device, which has blocks of "
              + block
              + " bytes; its offset is "
              + offsetBytes
              + ", its size "
              + sizeBytes);
    }
    if (offsetBytes < 0 || sizeBytes < 0 || offsetBytes > lower.sizeBytes() - sizeBytes) {
      throw new IllegalArgumentException(
          "linear lies inside the lower device, which has "
              + lower.sizeBytes()
              + " bytes; its offset is "
              + offsetBytes
              + ", its size "
              + sizeBytes);
    }
    return lower.withSize(sizeBytes);
  }

  /** A flush has no range, so that it does no harm to move it as well. */
  @Override
  public Verdict map(Bio bio) {
    bio.remap(lower, startBytes + bio.offsetBytes());
    return Verdict.REMAPPED;
  }

  @Override
  public String status() {
    return "from byte " + startBytes;
  }
}
