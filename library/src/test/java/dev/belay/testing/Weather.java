// SPDX-License-Identifier: Apache-2.0
package dev.belay.testing;

/**
 * How a simulated device behaves.
 *
 * @param inFlight how many pieces it takes at a time; the rest is parked
 * @param latencyNanos an answer takes up to twice this long; 0: it comes inside {@code map}
 * @param failsPerMille how many pieces of a thousand fail
 * @param hangsPerMille how many hang, for a long time or until they are aborted
 * @param badPerMille how many blocks cannot be read, or written, or either
 * @param abort what it can abort in flight
 * @param largestTransferBlocks longer pieces it splits; 0: takes any
 * @param memoryAlignmentBytes what buffers are aligned to, or else to the block, if that is smaller
 */
public record Weather(
    int inFlight,
    long latencyNanos,
    int failsPerMille,
    int hangsPerMille,
    int badPerMille,
    Abort abort,
    int largestTransferBlocks,
    int memoryAlignmentBytes) {

  /** What a device can abort. */
  public enum Abort {
    NOTHING,
    WHAT_HANGS,
    EVERYTHING
  }

  /** No faults, and every answer at once. */
  public static Weather calm() {
    return new Weather(1, 0, 0, 0, 0, Abort.NOTHING, 0, 1);
  }

  /** The same without faults. */
  public Weather withoutFaults() {
    return new Weather(
        inFlight,
        latencyNanos,
        0,
        0,
        0,
        Abort.NOTHING,
        largestTransferBlocks,
        memoryAlignmentBytes);
  }
}
