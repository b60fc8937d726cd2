// SPDX-License-Identifier: Apache-2.0
package dev.belay.stack;

import java.math.BigDecimal;
import java.util.Locale;

/**
 * Sizes in bytes as people write them: {@code 512}, {@code 64k}, {@code 4M}, {@code 1.5G}, {@code
 * 1TiB}. A unit is k, M, G, T, P or E, in either case, alone or with iB after it, and always a
 * power of 1024; B is one byte.
 */
public final class Sizes {
  private static final String UNITS = "kMGTPE";
  private static final String REMEDY = "write a size such as 512, 64k, 4M, 1.5G or 1TiB";

  private Sizes() {}

  /**
   * Reads a size.
   *
   * @return bytes, 0 to {@link Long#MAX_VALUE}
   * @throws StackException if {@code text} is no size, or not a whole number of bytes
   */
  public static long parse(String text) {
    Quantity quantity = Quantity.read(text, REMEDY);
    String unit = quantity.unit();
    if (unit.isEmpty() || unit.equals("B")) {
      return quantity.times(BigDecimal.ONE, "bytes");
    }
    int power = 1 + "kmgtpe".indexOf(asciiLower(unit.charAt(0)));
    String rest = unit.substring(1);
    if (power > 0 && (rest.equals("B") || rest.equals("b"))) {
      String letter = unit(power);
      throw quantity.unitError(
          unit
              + " may mean powers of 1000 or of 1024: write "
              + letter
              + " or "
              + letter.toUpperCase(Locale.ROOT)
              + "iB for powers of 1024");
    }
    if (power == 0 || !(rest.isEmpty() || rest.equals("iB"))) {
      throw quantity.unitError(unit + " is no unit of size: " + REMEDY);
    }
    return quantity.times(BigDecimal.valueOf(1L << (10 * power)), "bytes");
  }

  /**
   * Writes a size exactly, with the largest unit of which it is a whole number: 65536 as {@code
   * 64k}, 65537 as {@code 65537}.
   *
   * @param bytes 0 or more
   */
  public static String print(long bytes) {
    int power = powerOf(bytes, true);
    return (bytes >> (10 * power)) + unit(power);
  }

  /**
   * Writes a size for reading, to three digits: 1610612736 as {@code 1.5G}, 65537 as {@code 64k}.
   *
   * @param bytes 0 or more
   */
  public static String printRounded(long bytes) {
    int power = powerOf(bytes, false);
    double value = (double) bytes / (1L << (10 * power));
    return Durations.threeDigits(value) + unit(power);
  }

  private static int powerOf(long bytes, boolean exactly) {
    if (bytes < 0) {
      throw new IllegalArgumentException("a size is not negative, but " + bytes + " bytes is");
    }
    int power = 0;
    long left = bytes;
    while (left >= 1024 && power < UNITS.length() && (!exactly || left % 1024 == 0)) {
      left >>= 10;
      power++;
    }
    return power;
  }

  private static char asciiLower(char c) {
    return c >= 'A' && c <= 'Z' ? (char) (c - 'A' + 'a') : c;
  }

  private static String unit(int power) {
    return power == 0 ? "" : UNITS.substring(power - 1, power);
  }
}
