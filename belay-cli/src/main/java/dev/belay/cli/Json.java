// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Writes JSON (RFC 8259): maps, iterables, strings, numbers, booleans and null. */
final class Json {
  private Json() {}

  /** The value on one line. Numbers that JSON has no word for (NaN, infinity) become null. */
  static String print(@Nullable Object value) {
    StringBuilder text = new StringBuilder();
    print(text, value);
    return text.toString();
  }

  private static void print(StringBuilder text, @Nullable Object value) {
    switch (value) {
      case null -> text.append("null");
      case Map<?, ?> map -> {
        char before = '{';
        for (Map.Entry<?, ?> entry : map.entrySet()) {
          quote(text.append(before), String.valueOf(entry.getKey()));
          print(text.append(':'), entry.getValue());
          before = ',';
        }
        text.append(map.isEmpty() ? "{}" : "}");
      }
      case Iterable<?> list -> {
        char before = '[';
        for (Object element : list) {
          print(text.append(before), element);
          before = ',';
        }
        text.append(before == '[' ? "[]" : "]");
      }
      case Double number when !Double.isFinite(number) -> text.append("null");
      case Number number -> text.append(number);
      case Boolean truth -> text.append(truth);
      default -> quote(text, value.toString());
    }
  }

  private static void quote(StringBuilder text, String string) {
    text.append('"');
    for (int i = 0; i < string.length(); i++) {
      char c = string.charAt(i);
      if (c == '"' || c == '\\') {
        text.append('\\').append(c);
      } else if (c < 0x20 || c == 0x7f) {
        text.append(String.format("\\u%04x", (int) c));
      } else {
        text.append(c);
      }
    }
    text.append('"');
  }
}
