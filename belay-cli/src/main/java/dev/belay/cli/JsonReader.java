// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Reads JSON (RFC 8259), as fio and this program print it. Objects are maps in their order, arrays
 * lists, numbers longs or doubles.
 */
final class JsonReader {
  private final String text;
  private int at;

  private JsonReader(String text) {
    this.text = text;
  }

  /**
   * Reads the first object in the text; whatever stands on lines before it is passed over.
   *
   * @throws IllegalArgumentException if there is none
   */
  static Map<String, @Nullable Object> parseObject(String text) {
    int start = text.startsWith("{") ? 0 : text.indexOf("\n{") + 1;
    if (!text.startsWith("{", start)) {
      throw new IllegalArgumentException("no JSON object in: " + text.strip());
    }
    JsonReader json = new JsonReader(text);
    json.at = start;
    return json.object();
  }

  /** The number at a path of keys, or 0 where it is missing. */
  static double number(Map<String, @Nullable Object> object, String... path) {
    @Nullable Object found = object;
    for (String key : path) {
      found = found instanceof Map<?, ?> map ? map.get(key) : null;
    }
    return found instanceof Number number ? number.doubleValue() : 0;
  }

  private @Nullable Object value() {
    skipSpace();
    char c = peek();
    return switch (c) {
      case '{' -> object();
      case '[' -> array();
      case '"' -> string();
      case 't' -> word("true", true);
      case 'f' -> word("false", false);
      case 'n' -> word("null", null);
      default -> numberHere();
    };
  }

  private Map<String, @Nullable Object> object() {
    Map<String, @Nullable Object> found = new LinkedHashMap<>();
    expect('{');
    skipSpace();
    if (peek() == '}') {
      at++;
      return found;
    }
    for (; ; ) {
      skipSpace();
      String key = string();
      skipSpace();
      expect(':');
      found.put(key, value());
      skipSpace();
      if (peek() == '}') {
        at++;
        return found;
      }
      expect(',');
    }
  }

  private List<@Nullable Object> array() {
    List<@Nullable Object> found = new ArrayList<>();
    expect('[');
    skipSpace();
    if (peek() == ']') {
      at++;
      return found;
    }
    for (; ; ) {
      found.add(value());
      skipSpace();
      if (peek() == ']') {
        at++;
        return found;
      }
      expect(',');
    }
  }

  private String string() {
    expect('"');
    StringBuilder found = new StringBuilder();
    for (char c = next(); c != '"'; c = next()) {
      found.append(c == '\\' ? escaped() : c);
    }
    return found.toString();
  }

  private char escaped() {
    char c = next();
    return switch (c) {
      case 'n' -> '\n';
      case 't' -> '\t';
      case 'r' -> '\r';
      case 'b' -> '\b';
      case 'f' -> '\f';
      case 'u' -> {
        at += 4;
        if (at > text.length()) {
          throw wrong();
        }
        yield (char) Integer.parseInt(text, at - 4, at, 16);
      }
      default -> c;
    };
  }

  private @Nullable Object word(String word, @Nullable Object meaning) {
    if (!text.startsWith(word, at)) {
      throw wrong();
    }
    at += word.length();
    return meaning;
  }

  private Number numberHere() {
    int start = at;
    while (at < text.length() && "+-.eE0123456789".indexOf(text.charAt(at)) >= 0) {
      at++;
    }
    if (at == start) {
      throw wrong();
    }
    String digits = text.substring(start, at);
    if (digits.matches("-?\\d{1,18}")) {
      return Long.valueOf(digits);
    }
    return Double.valueOf(digits);
  }

  private void skipSpace() {
    while (at < text.length() && Character.isWhitespace(text.charAt(at))) {
      at++;
    }
  }

  private char peek() {
    if (at >= text.length()) {
      throw wrong();
    }
    return text.charAt(at);
  }

  private char next() {
    char c = peek();
    at++;
    return c;
  }

  private void expect(char c) {
    if (next() != c) {
      throw wrong();
    }
  }

  private IllegalArgumentException wrong() {
    int from = Math.max(0, at - 20);
    return new IllegalArgumentException(
        "not JSON at character "
            + at
            + ": …"
            + text.substring(from, Math.min(text.length(), at + 20)));
  }
}
