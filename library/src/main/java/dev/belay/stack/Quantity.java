// SPDX-License-Identifier: Apache-2.0
package dev.belay.stack;

import java.math.BigDecimal;

/**
 * A number and the unit after it, as they are written: {@code 1.5} and {@code G}.
 *
 * @param number not negative
 * @param unit what follows the number without the spaces before it; may be empty
 * @param unitStart where the unit begins, a char index into {@code text}
 */
record Quantity(String text, BigDecimal number, String unit, int unitStart) {
  private static final int LONGEST_TEXT = 40;

  /**
   * Splits {@code text} into number and unit.
   *
   * @param remedy what would be right, for the sentence of an error
   */
  static Quantity read(String text, String remedy) {
    if (text.length() > LONGEST_TEXT) {
      throw new StackException(text, 0, text.length(), "this is too long: " + remedy);
    }
    int end = digitsEnd(text, 0);
    if (end == 0) {
      String wrong =
          text.isEmpty()
              ? "this is empty: "
              : text.charAt(0) == '-'
                  ? text + " is negative: "
                  : text + " does not begin with a digit: ";
      throw new StackException(text, 0, text.length(), wrong + remedy);
    }
    if (end < text.length() && text.charAt(end) == '.') {
      int afterPoint = digitsEnd(text, end + 1);
      if (afterPoint == end + 1) {
        throw new StackException(
            text, end, end + 1, text + " has no digit after the point: " + remedy);
      }
      end = afterPoint;
    }
    var number = new BigDecimal(text.substring(0, end));
    while (end < text.length() && text.charAt(end) == ' ') {
      end++;
    }
    return new Quantity(text, number, text.substring(end), end);
  }

  private static int digitsEnd(String text, int from) {
    int end = from;
    while (end < text.length() && text.charAt(end) >= '0' && text.charAt(end) <= '9') {
      end++;
    }
    return end;
  }

  /** The number times {@code unitValue}, which must be a whole number that a long can hold. */
  long times(BigDecimal unitValue, String ofWhat) {
    BigDecimal product = number.multiply(unitValue);
    if (product.stripTrailingZeros().scale() > 0) {
      throw error(text + " is not a whole number of " + ofWhat + ": write one that is");
    }
    if (product.compareTo(BigDecimal.valueOf(Long.MAX_VALUE)) > 0) {
      throw error(
          text + " is too large: the most is " + Long.MAX_VALUE + " " + ofWhat + ", write less");
    }
    return product.longValueExact();
  }

  /** An exception that points at all of the text. */
  StackException error(String sentence) {
    return new StackException(text, 0, text.length(), sentence);
  }

  /** An exception that points at the unit. */
  StackException unitError(String sentence) {
    return new StackException(text, unitStart, text.length(), sentence);
  }
}
