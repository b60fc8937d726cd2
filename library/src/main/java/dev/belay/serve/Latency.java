// SPDX-License-Identifier: Apache-2.0
package dev.belay.serve;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * How long requests took, from their last byte received to their reply made ready. Immutable.
 *
 * @param counts how many there were in each bucket, {@link #BUCKETS} of them; a bucket ends where
 *     {@link #endNanos} says, and begins at the end of the one before
 * @param sumNanos all times added up
 */
public record Latency(List<Long> counts, long sumNanos) {
  /** How many buckets there are; the last has no end. */
  public static final int BUCKETS = 26;

  private static final int FIRST_SHIFT = 11;

  /** Nothing was measured. */
  public static final Latency NONE = new Latency(Collections.nCopies(BUCKETS, 0L), 0);

  /**
   * The first time that is too long for a bucket: 2048 ns for the first, twice as much for each
   * that follows; {@link Long#MAX_VALUE} for the last.
   */
  public static long endNanos(int bucket) {
    return bucket >= BUCKETS - 1 ? Long.MAX_VALUE : 1L << (FIRST_SHIFT + bucket);
  }

  /** The bucket of a time. */
  static int bucketOf(long nanos) {
    int bits = Long.SIZE - Long.numberOfLeadingZeros(Math.max(0, nanos));
    return Math.min(BUCKETS - 1, Math.max(0, bits - FIRST_SHIFT));
  }

  /** How many requests were measured. */
  public long count() {
    long sum = 0;
    for (long each : counts) {
      sum += each;
    }
    return sum;
  }

  /** The sum of both. */
  public Latency plus(Latency other) {
    List<Long> sums = new ArrayList<>(BUCKETS);
    for (int i = 0; i < BUCKETS; i++) {
      sums.add(counts.get(i) + other.counts.get(i));
    }
    return new Latency(Collections.unmodifiableList(sums), sumNanos + other.sumNanos);
  }
}
