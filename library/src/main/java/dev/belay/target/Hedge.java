// SPDX-License-Identifier: Apache-2.0
package dev.belay.target;

/**
 * When a mirror asks a second leg for what the first one has not answered yet.
 *
 * @param delayNanos after so long; 0 where the percentile says it
 * @param percentile after as long as so many of 100 recent reads take, above 0 and below 100; 0
 *     where the delay says it
 */
public record Hedge(long delayNanos, double percentile) {
  /** Never. */
  public static final Hedge NONE = new Hedge(0, 0);

  /** Checks that only one of the two is said. */
  public Hedge {
    if (delayNanos < 0 || percentile < 0 || percentile >= 100) {
      throw new IllegalArgumentException(
          "a hedge comes after a time above 0, or after a percentile below 100, not after "
              + (delayNanos < 0 ? delayNanos + " ns" : "p" + percentile));
    }
    if (delayNanos > 0 && percentile > 0) {
      throw new IllegalArgumentException("a hedge has a delay or a percentile, not both");
    }
  }

  /** After a fixed time. */
  public static Hedge after(long delayNanos) {
    return new Hedge(delayNanos, 0);
  }

  /** After the time within which {@code percentile} of 100 recent reads were answered. */
  public static Hedge afterPercentile(double percentile) {
    return new Hedge(0, percentile);
  }

  /** Whether there is any hedging. */
  public boolean isOn() {
    return delayNanos > 0 || percentile > 0;
  }
}
