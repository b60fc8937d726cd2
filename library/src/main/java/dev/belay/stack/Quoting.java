// SPDX-License-Identifier: Apache-2.0
package dev.belay.stack;

/** Which texts may stand bare in an expression, and how the others are put in quotes. */
final class Quoting {
  private static final int LONGEST_SHOWN = 60;

  private Quoting() {}

  /** Whether the character at a place outside quotes belongs to a bare word or path. */
  static boolean isBare(int codePoint) {
    return switch (codePoint) {
      case '(', ')', ',', '=', '"', '\'', '\\' -> false;
      default -> !isSpace(codePoint) && !needsEscape(codePoint);
    };
  }

  static boolean isSpace(int codePoint) {
    return Character.isWhitespace(codePoint) || Character.isSpaceChar(codePoint);
  }

  /** Whether a character cannot be seen, or not be carried by UTF-8, and so is written escaped. */
  static boolean needsEscape(int codePoint) {
    if (codePoint == ' ') {
      return false;
    }
    return isSpace(codePoint)
        || switch (Character.getType(codePoint)) {
          case Character.CONTROL,
              Character.FORMAT,
              Character.SURROGATE,
              Character.UNASSIGNED,
              Character.PRIVATE_USE ->
              true;
          default -> false;
        };
  }

  /** Whether {@code text} can be the name of a device or the key of an option. */
  static boolean isName(String text) {
    if (text.isEmpty() || !isLetter(text.charAt(0))) {
      return false;
    }
    for (int i = 1; i < text.length(); i++) {
      char c = text.charAt(i);
      if (!isLetter(c) && !(c >= '0' && c <= '9') && c != '-' && c != '_') {
        return false;
      }
    }
    return true;
  }

  private static boolean isLetter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  }

  /** {@code text} as it is written in an expression: bare where that is possible. */
  static String print(String text) {
    if (!text.isEmpty() && text.codePoints().allMatch(Quoting::isBare)) {
      return text;
    }
    return quoted(text);
  }

  /** {@code text} as it is named in a sentence: as it is written, but not at any length. */
  static String shown(String text) {
    boolean fits = text.length() <= LONGEST_SHOWN;
    return fits ? print(text) : print(text.substring(0, LONGEST_SHOWN)) + "…";
  }

  private static String quoted(String text) {
    var out = new StringBuilder(text.length() + 2).append('"');
    text.codePoints().forEach(codePoint -> appendQuoted(out, codePoint));
    return out.append('"').toString();
  }

  private static void appendQuoted(StringBuilder out, int codePoint) {
    switch (codePoint) {
      case '"' -> out.append("\\\"");
      case '\\' -> out.append("\\\\");
      case '\n' -> out.append("\\n");
      case '\r' -> out.append("\\r");
      case '\t' -> out.append("\\t");
      default -> {
        if (needsEscape(codePoint)) {
          for (char c : Character.toChars(codePoint)) {
            out.append("\\u");
            for (int shift = 12; shift >= 0; shift -= 4) {
              out.append(Character.forDigit((c >> shift) & 0xf, 16));
            }
          }
        } else {
          out.appendCodePoint(codePoint);
        }
      }
    }
  }
}
