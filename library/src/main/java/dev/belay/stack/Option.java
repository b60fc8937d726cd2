// SPDX-License-Identifier: Apache-2.0
package dev.belay.stack;

import org.jspecify.annotations.Nullable;

/**
 * An option of a {@link DeviceCall}: {@code key=value}. The value is text, as it was written but
 * without quotes and escapes, until a typed reader of the call says what it must be.
 *
 * <p>Equal if key and value are; the positions make no difference.
 */
public final class Option {
  private final String source;
  private final int keyStart;
  private final int valueStart;
  private final int valueEnd;
  private final String key;
  private final String value;

  Option(String source, int keyStart, String key, int valueStart, int valueEnd, String value) {
    this.source = source;
    this.keyStart = keyStart;
    this.valueStart = valueStart;
    this.valueEnd = valueEnd;
    this.key = key;
    this.value = value;
  }

  /**
   * An option for {@link DeviceCall#of}.
   *
   * @param key a letter, then letters, digits, {@code -} and {@code _}
   * @param value any text
   */
  public static Option of(String key, String value) {
    if (!Quoting.isName(key)) {
      throw new IllegalArgumentException(
          "\"" + key + "\" is no key: a key is a letter, then letters, digits, - and _");
    }
    String source = key + "=" + Quoting.print(value);
    return new Option(source, 0, key, key.length() + 1, source.length(), value);
  }

  public String key() {
    return key;
  }

  public String value() {
    return value;
  }

  /** Where the key begins in the text: a char index from 0. */
  public int start() {
    return keyStart;
  }

  /** Where the value begins in the text; at its opening quote if it has one. */
  public int valueStart() {
    return valueStart;
  }

  /** Where the value ends in the text, exclusive. */
  public int end() {
    return valueEnd;
  }

  /** An exception that points at the value. */
  public StackException error(String sentence) {
    return new StackException(source, valueStart, valueEnd, sentence);
  }

  /** An exception that points at the key. */
  StackException keyError(String sentence) {
    return new StackException(source, keyStart, keyStart + key.length(), sentence);
  }

  /** A mistake found in the value alone, as a mistake in the whole expression. */
  StackException error(StackException inValue) {
    String sentence = key + ": " + inValue.sentence();
    // In quotes an escape may stand before the mistake, so only the whole value is certain.
    char first = source.charAt(valueStart);
    if (first == '"' || first == '\'') {
      return error(sentence);
    }
    return new StackException(
        source, valueStart + inValue.start(), valueStart + inValue.end(), sentence);
  }

  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof Option that && key.equals(that.key) && value.equals(that.value);
  }

  @Override
  public int hashCode() {
    return 31 * key.hashCode() + value.hashCode();
  }

  /** {@code key=value}, in canonical form. */
  @Override
  public String toString() {
    return key + "=" + Quoting.print(value);
  }
}
