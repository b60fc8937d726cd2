// SPDX-License-Identifier: Apache-2.0
package dev.belay.stack;

import java.math.BigDecimal;
import java.util.List;
import java.util.Map;

/**
 * Amounts that are neither sizes nor durations, as people write them: counts, rates, fractions, and
 * words out of a list. Here k is 1000, M a million and G a thousand million; only bytes are counted
 * by 1024.
 */
public final class Amounts {
  private static final Map<String, BigDecimal> UNITS =
      Map.of(
          "", BigDecimal.ONE,
          "k", BigDecimal.valueOf(1_000),
          "K", BigDecimal.valueOf(1_000),
          "M", BigDecimal.valueOf(1_000_000),
          "G", BigDecimal.valueOf(1_000_000_000));

  private static final String COUNT_REMEDY = "write a count such as 32, 10k or 2M";
  private static final String RATE_REMEDY = "write a rate such as 100, 10k/s or 6/m";
  private static final String BYTE_RATE_REMEDY = "write a rate of bytes such as 100M or 100M/s";
  private static final String FRACTION_REMEDY = "write a fraction such as 1% or 0.01";

  private Amounts() {}

  /**
   * Reads a count such as {@code 32}, {@code 10k} or {@code 1.5M}.
   *
   * @return {@code least} to {@code most}
   * @throws StackException if {@code text} is no count, or out of the range
   */
  public static long count(String text, long least, long most) {
    Quantity quantity = Quantity.read(text, COUNT_REMEDY);
    long count = quantity.times(unitValue(quantity, quantity.unit(), COUNT_REMEDY), "pieces");
    if (count < least || count > most) {
      throw quantity.error(
          text
              + (count < least ? " is too small" : " is too large")
              + ": write a count "
              + (most == Long.MAX_VALUE
                  ? "of at least " + least
                  : "from " + least + " to " + most));
    }
    return count;
  }

  /**
   * Reads a rate such as {@code 100}, {@code 10k/s}, {@code 6/m} or {@code 1/h}; a second is meant
   * where nothing is said.
   *
   * @return how often a second; above 0
   * @throws StackException if {@code text} is no rate
   */
  public static double ratePerSecond(String text) {
    Quantity quantity = Quantity.read(text, RATE_REMEDY);
    String unit = quantity.unit();
    int slash = unit.indexOf('/');
    String scale = slash < 0 ? unit : unit.substring(0, slash);
    double seconds =
        switch (slash < 0 ? "s" : unit.substring(slash + 1)) {
          case "s" -> 1;
          case "m", "min" -> 60;
          case "h" -> 3600;
          default ->
              throw quantity.unitError(unit + " does not end with /s, /m or /h: " + RATE_REMEDY);
        };
    BigDecimal number = quantity.number().multiply(unitValue(quantity, scale, RATE_REMEDY));
    double rate = number.doubleValue() / seconds;
    if (rate == 0) {
      throw quantity.error(text + " would let nothing through: " + RATE_REMEDY);
    }
    return rate;
  }

  /**
   * Reads a rate of bytes: a {@linkplain Sizes size}, with or without {@code /s} after it.
   *
   * @return bytes a second; above 0
   * @throws StackException if {@code text} is no rate of bytes
   */
  public static long bytesPerSecond(String text) {
    long bytes;
    try {
      bytes = Sizes.parse(text.endsWith("/s") ? text.substring(0, text.length() - 2) : text);
    } catch (StackException e) {
      throw e.within(text, 0);
    }
    if (bytes == 0) {
      throw new StackException(
          text, 0, text.length(), text + " would let nothing through: " + BYTE_RATE_REMEDY);
    }
    return bytes;
  }

  /**
   * Reads a fraction or probability such as {@code 1%} or {@code 0.01}.
   *
   * @return 0 to 1
   * @throws StackException if {@code text} is no fraction, or more than 1
   */
  public static double fraction(String text) {
    Quantity quantity = Quantity.read(text, FRACTION_REMEDY);
    double whole =
        switch (quantity.unit()) {
          case "" -> 1;
          case "%" -> 100;
          default ->
              throw quantity.unitError(quantity.unit() + " is no unit here: " + FRACTION_REMEDY);
        };
    double fraction = quantity.number().doubleValue() / whole;
    if (fraction > 1) {
      throw quantity.error(text + " is more than the whole: write 0 to 1, or 0% to 100%");
    }
    return fraction;
  }

  /** The text, if it is one of {@code allowed}. */
  static String word(String text, List<String> allowed) {
    if (!allowed.contains(text)) {
      throw new StackException(
          text,
          0,
          text.length(),
          Quoting.shown(text)
              + " is not possible here"
              + Nearest.remedy(text, "possible are", allowed));
    }
    return text;
  }

  private static BigDecimal unitValue(Quantity quantity, String unit, String remedy) {
    BigDecimal value = UNITS.get(unit);
    if (value == null) {
      throw quantity.unitError(quantity.unit() + " is no unit here: " + remedy);
    }
    return value;
  }
}
