// SPDX-License-Identifier: Apache-2.0
package dev.belay.stack;

import java.util.Arrays;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * A device in an expression: {@code name(arg, …, key=value, …)}.
 *
 * <p>Who opens the device first states what it takes, with {@link #checkArgs} and {@link
 * #checkOptions}, and then reads each option by its type. A reader with a default gives the default
 * if the option is not there; the others are for options that must be there. Each throws a {@link
 * StackException} that points at the value if it is wrong.
 */
public final class DeviceCall implements Expression {
  private final String source;
  private final int start;
  private final int end;
  private final String name;
  private final List<Expression> args;
  private final List<Option> options;

  DeviceCall(
      String source, int start, int end, String name, List<Expression> args, List<Option> options) {
    this.source = source;
    this.start = start;
    this.end = end;
    this.name = name;
    this.args = args;
    this.options = options;
  }

  /**
   * A call made by a program. Its source is its canonical text, so that errors can point at it; the
   * arguments are copied into that.
   *
   * @throws IllegalArgumentException if the name is none, or an option is there twice
   */
  public static DeviceCall of(String name, List<Expression> args, List<Option> options) {
    if (!Quoting.isName(name)) {
      throw new IllegalArgumentException(
          "\"" + name + "\" is no name: a name is a letter, then letters, digits, - and _");
    }
    var unread = new DeviceCall("", 0, 0, name, List.copyOf(args), List.copyOf(options));
    return (DeviceCall) Expression.parse(unread.print());
  }

  /** The name of the device, as it was written. */
  public String name() {
    return name;
  }

  /** The devices and paths in the parentheses, in order. */
  public List<Expression> args() {
    return args;
  }

  /** The options, in order; no key is there twice. */
  public List<Option> options() {
    return options;
  }

  /** The option with this key, or null if it is not there. */
  public @Nullable Option option(String key) {
    for (Option option : options) {
      if (option.key().equals(key)) {
        return option;
      }
    }
    return null;
  }

  /**
   * Checks how many arguments there are.
   *
   * @param most {@link Integer#MAX_VALUE} for any number
   * @throws StackException if there are fewer than {@code least} or more than {@code most}
   */
  public void checkArgs(int least, int most) {
    if (args.size() >= least && args.size() <= most) {
      return;
    }
    String wanted =
        most == 0
            ? "no device or path"
            : least == most
                ? devices(least)
                : most == Integer.MAX_VALUE
                    ? "at least " + devices(least)
                    : least + " to " + devices(most);
    String sentence = name + " takes " + wanted + " in its parentheses, but ";
    if (args.size() < least) {
      int parenthesis = end - 1;
      throw new StackException(
          source,
          parenthesis,
          end,
          sentence
              + (args.isEmpty() ? "there is none" : "there are only " + args.size())
              + ": write "
              + (least - args.size() == 1 ? "one" : least - args.size())
              + " more");
    }
    throw args.get(most)
        .error(sentence + "there are " + args.size() + ": remove those from here on");
  }

  private static String devices(int count) {
    return count == 1 ? "one device or path" : count + " devices or paths";
  }

  /**
   * Checks that every option is one of {@code known}.
   *
   * @throws StackException at the first that is not
   */
  public void checkOptions(String... known) {
    for (Option option : options) {
      if (!Arrays.asList(known).contains(option.key())) {
        throw option.keyError(
            name
                + " has no option "
                + Quoting.shown(option.key())
                + Nearest.remedy(option.key(), "its options are", Arrays.asList(known)));
      }
    }
  }

  /** The text of an option; may be empty. */
  public String text(String key, String absent) {
    return read(key, absent, value -> value);
  }

  /** The text of an option that must be there and not be empty. */
  public String text(String key) {
    String value = readNeeded(key, "…", text -> text);
    if (value.isEmpty()) {
      throw optionError(key, key + " is empty: write something after " + key + "=");
    }
    return value;
  }

  /** A {@linkplain Sizes size}, in bytes: 0 or more. */
  public long sizeBytes(String key, long absentBytes) {
    return read(key, absentBytes, Sizes::parse);
  }

  /** A {@linkplain Sizes size} that must be there, in bytes: 0 or more. */
  public long sizeBytes(String key) {
    return readNeeded(key, "64k", Sizes::parse);
  }

  /** A {@linkplain Durations duration}, in nanoseconds: 0 or more. */
  public long durationNanos(String key, long absentNanos) {
    return read(key, absentNanos, Durations::parse);
  }

  /** A {@linkplain Durations duration} that must be there, in nanoseconds: 0 or more. */
  public long durationNanos(String key) {
    return readNeeded(key, "2ms", Durations::parse);
  }

  /** A count, such as {@code 32} or {@code 10k} (which is 10,000), from least to most. */
  public long count(String key, long absent, long least, long most) {
    return read(key, absent, text -> Amounts.count(text, least, most));
  }

  /** A rate, such as {@code 100}, {@code 10k/s} or {@code 6/m}: a number a second, above 0. */
  public double ratePerSecond(String key, double absent) {
    return read(key, absent, Amounts::ratePerSecond);
  }

  /** A rate of bytes, such as {@code 100M} or {@code 100M/s}: bytes a second, above 0. */
  public long bytesPerSecond(String key, long absent) {
    return read(key, absent, Amounts::bytesPerSecond);
  }

  /** A fraction or probability, such as {@code 1%} or {@code 0.01}: 0 to 1. */
  public double fraction(String key, double absent) {
    return read(key, absent, Amounts::fraction);
  }

  /** Byte {@linkplain ByteRange ranges}, such as {@code 1M-2M;8M+4k}; none if not there. */
  public List<ByteRange> ranges(String key) {
    return read(key, List.of(), ByteRange::parseAll);
  }

  /** {@code on} or {@code true}, {@code off} or {@code false}. */
  public boolean onOff(String key, boolean absent) {
    String word = word(key, absent ? "on" : "off", "on", "off", "true", "false");
    return word.equals("on") || word.equals("true");
  }

  /** One of the words {@code allowed}, exactly as they are given. */
  public String word(String key, String absent, String... allowed) {
    return read(key, absent, text -> Amounts.word(text, Arrays.asList(allowed)));
  }

  @Override
  public String source() {
    return source;
  }

  @Override
  public int start() {
    return start;
  }

  @Override
  public int end() {
    return end;
  }

  /** An exception that points at the name. */
  @Override
  public StackException error(String sentence) {
    return new StackException(source, start, start + name.length(), sentence);
  }

  /** An exception that points at the value of an option, or at the name if it is not there. */
  public StackException optionError(String key, String sentence) {
    Option option = option(key);
    return option == null ? error(sentence) : option.error(sentence);
  }

  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof DeviceCall that && print().equals(that.print());
  }

  @Override
  public int hashCode() {
    return print().hashCode();
  }

  /** {@link #print()}. */
  @Override
  public String toString() {
    return print();
  }

  private <T> T read(String key, T absent, Function<String, T> reader) {
    Option option = option(key);
    return option == null ? absent : read(option, reader);
  }

  private <T> T readNeeded(String key, String example, Function<String, T> reader) {
    Option option = option(key);
    if (option == null) {
      throw error(name + " needs the option " + key + ": write " + key + "=" + example);
    }
    return read(option, reader);
  }

  private static <T> T read(Option option, Function<String, T> reader) {
    try {
      return reader.apply(option.value());
    } catch (StackException e) {
      throw option.error(e);
    }
  }
}
