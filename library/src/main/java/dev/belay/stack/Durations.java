// SPDX-License-Identifier: Apache-2.0
package dev.belay.stack;

import java.math.BigDecimal;
import java.math.MathContext;
import java.util.Map;

/**
 * Durations as people write them: {@code 100ns}, {@code 500us}, {@code 2ms}, {@code 1.5s}, {@code
 * 1m}, {@code 2h}. A unit is ns, us (or µs), ms, s, m (or min) or h, and needed for all but 0.
 */
public final class Durations {
  private static final String REMEDY = "write a duration such as 500us, 2ms, 1.5s or 1m";

  private static final Map<String, Long> NANOS =
      Map.of(
          "ns", 1L,
          "us", 1_000L,
          "µs", 1_000L,
          "μs", 1_000L,
          "ms", 1_000_000L,
          "s", 1_000_000_000L,
          "m", 60_000_000_000L,
          "min", 60_000_000_000L,
          "h", 3_600_000_000_000L);

  private static final String[] UNITS = {"h", "m", "s", "ms", "us", "ns"};

  private Durations() {}

  /**
   * Reads a duration.
   *
   * @return nanoseconds, 0 to {@link Long#MAX_VALUE}
   * @throws StackException if {@code text} is no duration, or not a whole number of nanoseconds
   */
  public static long parse(String text) {
    Quantity quantity = Quantity.read(text, REMEDY);
    if (quantity.unit().isEmpty()) {
      if (quantity.number().signum() == 0) {
        return 0;
      }
      throw quantity.error(
          text + " has no unit: write " + text + "ms, or another of ns, us, ms, s, m, h");
    }
    Long nanos = NANOS.get(quantity.unit());
    if (nanos == null) {
      throw quantity.unitError(quantity.unit() + " is no unit of time: " + REMEDY);
    }
    return quantity.times(BigDecimal.valueOf(nanos), "nanoseconds");
  }

  /**
   * Writes a duration exactly, with the largest unit of which it is a whole number: 2000000 as
   * {@code 2ms}, 90 seconds as {@code 90s}.
   *
   * @param nanos 0 or more
   */
  public static String print(long nanos) {
    checkNotNegative(nanos);
    if (nanos == 0) {
      return "0";
    }
    for (String unit : UNITS) {
      long unitNanos = NANOS.getOrDefault(unit, 1L);
      if (nanos % unitNanos == 0) {
        return nanos / unitNanos + unit;
      }
    }
    return nanos + "ns";
  }

  /**
   * Writes a duration for reading, to three digits: 1234567 as {@code 1.23ms}, 61 seconds as {@code
   * 1.02m}.
   *
   * @param nanos 0 or more
   */
  public static String printRounded(long nanos) {
    checkNotNegative(nanos);
    if (nanos == 0) {
      return "0";
    }
    for (String unit : UNITS) {
      long unitNanos = NANOS.getOrDefault(unit, 1L);
      if (nanos >= unitNanos) {
        return threeDigits((double) nanos / unitNanos) + unit;
      }
    }
    return nanos + "ns";
  }

  /** At least three digits, no more than three unless before the point, no zeroes at the end. */
  static String threeDigits(double value) {
    var exact = new BigDecimal(value);
    int whole = exact.precision() - exact.scale();
    BigDecimal rounded = exact.round(new MathContext(Math.max(3, whole)));
    return rounded.signum() == 0 ? "0" : rounded.stripTrailingZeros().toPlainString();
  }

  private static void checkNotNegative(long nanos) {
    if (nanos < 0) {
      throw new IllegalArgumentException("a duration is not negative, but " + nanos + " ns is");
    }
  }
}
