// SPDX-License-Identifier: Apache-2.0
package dev.belay.stack;

import java.util.ArrayList;
import java.util.List;

/**
 * A range of bytes of a device, as people write it: {@code 1M-2M} from the first offset up to the
 * second, {@code 1M+4k} for 4k from the offset on, {@code 1M-} to the end of the device. Several
 * are written with {@code ;} between them.
 *
 * @param startBytes the offset of the first byte, 0 or more
 * @param endBytes the offset after the last byte, above {@code startBytes}; {@link Long#MAX_VALUE}
 *     means the end of the device
 */
public record ByteRange(long startBytes, long endBytes) {
  private static final String REMEDY = "write a range such as 1M-2M, 1M+4k or 1M-";

  /** Checks that the range has bytes. */
  public ByteRange {
    if (startBytes < 0 || endBytes <= startBytes) {
      throw new IllegalArgumentException(
          "the range "
              + startBytes
              + "-"
              + endBytes
              + " has no bytes: its end must be above its"
              + " start, which must not be negative");
    }
  }

  /** Whether any byte of {@code offsetBytes .. offsetBytes + lengthBytes} is in this range. */
  public boolean overlaps(long offsetBytes, long lengthBytes) {
    return offsetBytes < endBytes && lengthBytes > startBytes - offsetBytes && lengthBytes > 0;
  }

  /**
   * Reads one range.
   *
   * @throws StackException if {@code text} is no range
   */
  public static ByteRange parse(String text) {
    int sign = 0;
    while (sign < text.length() && text.charAt(sign) != '-' && text.charAt(sign) != '+') {
      sign++;
    }
    if (sign == 0 || sign == text.length()) {
      String wrong = sign == 0 ? "this range has no start: " : text + " has no - or +: ";
      throw new StackException(text, 0, text.length(), wrong + REMEDY);
    }
    long start = size(text, 0, sign);
    boolean hasLength = text.charAt(sign) == '+';
    if (!hasLength && sign + 1 == text.length()) {
      if (start == Long.MAX_VALUE) {
        throw new StackException(text, 0, text.length(), text + " starts too late: " + REMEDY);
      }
      return new ByteRange(start, Long.MAX_VALUE);
    }
    long second = size(text, sign + 1, text.length());
    if (hasLength ? second == 0 : second <= start) {
      throw new StackException(
          text,
          0,
          text.length(),
          text + " has no bytes: the end must be above the start, and a length above 0");
    }
    if (hasLength && second > Long.MAX_VALUE - start) {
      throw new StackException(
          text, 0, text.length(), text + " ends too late: write a shorter length");
    }
    return new ByteRange(start, hasLength ? start + second : second);
  }

  /**
   * Reads one range, or several with {@code ;} between them.
   *
   * @return in the order of the text; not empty
   * @throws StackException if {@code text} is anything else
   */
  public static List<ByteRange> parseAll(String text) {
    var ranges = new ArrayList<ByteRange>();
    int start = 0;
    for (String part : text.split(";", -1)) {
      try {
        ranges.add(parse(part));
      } catch (StackException e) {
        throw e.within(text, start);
      }
      start += part.length() + 1;
    }
    return List.copyOf(ranges);
  }

  private static long size(String text, int start, int end) {
    try {
      return Sizes.parse(text.substring(start, end));
    } catch (StackException e) {
      throw e.within(text, start);
    }
  }

  /** As it is written: {@code 1M+4k}, or {@code 1M-} to the end of the device. */
  @Override
  public String toString() {
    return endBytes == Long.MAX_VALUE
        ? Sizes.print(startBytes) + "-"
        : Sizes.print(startBytes) + "+" + Sizes.print(endBytes - startBytes);
  }
}
