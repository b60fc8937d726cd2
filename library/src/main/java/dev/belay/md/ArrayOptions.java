// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

/**
 * How an open array behaves.
 *
 * @param isReadOnly whether nothing is written, not even a superblock
 * @param syncsByItself whether it begins a resync or rebuild that is due when it opens, and when a
 *     spare can take a place
 * @param slowestSyncBytesPerSecond how fast a walk goes on beside normal requests, at least
 * @param fastestSyncBytesPerSecond and at most, always
 * @param idleNanos how long no write came before the array is marked clean
 */
public record ArrayOptions(
    boolean isReadOnly,
    boolean syncsByItself,
    long slowestSyncBytesPerSecond,
    long fastestSyncBytesPerSecond,
    long idleNanos) {

  /** The kernel's defaults: 1 MB/s beside other requests, 200 MB/s, clean after 200 ms. */
  public static final ArrayOptions DEFAULT =
      new ArrayOptions(false, true, 1 << 20, 200L << 20, 200_000_000);

  public ArrayOptions withReadOnly(boolean isReadOnly) {
    return new ArrayOptions(
        isReadOnly, syncsByItself, slowestSyncBytesPerSecond, fastestSyncBytesPerSecond, idleNanos);
  }

  public ArrayOptions withSyncsByItself(boolean syncsByItself) {
    return new ArrayOptions(
        isReadOnly, syncsByItself, slowestSyncBytesPerSecond, fastestSyncBytesPerSecond, idleNanos);
  }

  public ArrayOptions withSyncRates(long slowestBytesPerSecond, long fastestBytesPerSecond) {
    return new ArrayOptions(
        isReadOnly, syncsByItself, slowestBytesPerSecond, fastestBytesPerSecond, idleNanos);
  }

  public ArrayOptions withIdleNanos(long idleNanos) {
    return new ArrayOptions(
        isReadOnly, syncsByItself, slowestSyncBytesPerSecond, fastestSyncBytesPerSecond, idleNanos);
  }
}
