// SPDX-License-Identifier: Apache-2.0
package dev.belay.stack;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** What holds for all expressions, tried on random ones; the seed is in every message. */
final class ExpressionPropertyTest {
  private static final String[] PIECES = {
    "a",
    "b.img",
    "/dev/sdb",
    "raid5",
    "64k",
    "1M-2M",
    "2ms",
    "(",
    ")",
    ",",
    "=",
    "\"",
    "'",
    "\\",
    "\\u00",
    " ",
    "\n",
    "\t",
    "\u0000",
    "é",
    "\u200b",
    "\ud83d\ude00",
    "\ud800",
    "-",
    "%",
    "…"
  };

  @Test
  void whatIsPrintedReadsBackEqual() {
    for (int seed = 0; seed < 10_000; seed++) {
      Expression expression = expression(new Random(seed), 0);
      String printed = expression.print();

      Expression read = Expression.parse(printed);
      Expression spaced = Expression.parse(spaced(printed, new Random(seed)));

      boolean same = sameParts(read, expression) && sameParts(spaced, expression);
      check(same && read.equals(expression) && spaced.equals(expression), seed, printed);
      check(read.print().equals(printed), seed, printed);
    }
  }

  @Test
  void mistakesAreStackExceptionsWithinTheText() {
    int mistakes = 0;
    for (int seed = 0; seed < 100_000; seed++) {
      var random = new Random(seed);
      String text = mutated(expression(random, 1).print(), random);
      try {
        Expression read = Expression.parse(text);
        check(Expression.parse(read.print()).equals(read), seed, text);
      } catch (StackException e) {
        mistakes++;
        check(0 <= e.start() && e.start() <= e.end() && e.end() <= text.length(), seed, text);
        check(e.picture().chars().filter(c -> c == '\n').count() == 1, seed, text);
        check(!e.sentence().isBlank() && e.text().equals(text), seed, text);
      }
    }
    assertThat(mistakes).isBetween(10_000, 99_999);
  }

  @Test
  void wrongValuesAreStackExceptionsWithinTheValue() {
    String[] written = {"64k", "1.5GiB", "2ms", "10k/s", "1%", "1M-2M;8M+4k", "on", "0.25", "100"};
    int mistakes = 0;
    for (int seed = 0; seed < 40_000; seed++) {
      var random = new Random(seed);
      String value = mutated(written[random.nextInt(written.length)], random);
      var call = DeviceCall.of("fault", List.of(), List.of(Option.of("x", value)));
      try {
        readByType(call, random.nextInt(8));
      } catch (StackException e) {
        mistakes++;
        Option option = call.options().getFirst();
        check(option.valueStart() <= e.start() && e.end() <= option.end(), seed, value);
        check(e.start() <= e.end() && e.text().equals(call.source()), seed, value);
      }
    }
    assertThat(mistakes).isBetween(4_000, 39_999);
  }

  /** Much cheaper than an assertion that holds, of which there would be a million. */
  private static void check(boolean holds, int seed, String text) {
    if (!holds) {
      fail("seed %d: %s", seed, text);
    }
  }

  private static Object readByType(DeviceCall call, int type) {
    return switch (type) {
      case 0 -> call.sizeBytes("x");
      case 1 -> call.durationNanos("x");
      case 2 -> call.ratePerSecond("x", 1);
      case 3 -> call.bytesPerSecond("x", 1);
      case 4 -> call.fraction("x", 1);
      case 5 -> call.ranges("x");
      case 6 -> call.onOff("x", true);
      default -> call.count("x", 0, 0, 1000);
    };
  }

  private static Expression expression(Random random, int depth) {
    if (random.nextInt(4) < depth) {
      return BarePath.of(text(random, 1));
    }
    var args = new ArrayList<Expression>();
    for (int i = random.nextInt(4); i > 0; i--) {
      args.add(expression(random, depth + 1));
    }
    var options = new ArrayList<Option>();
    for (int i = random.nextInt(3); i > 0; i--) {
      options.add(Option.of("key-" + i, text(random, 0)));
    }
    return DeviceCall.of("device" + random.nextInt(3), args, options);
  }

  private static String text(Random random, int least) {
    var text = new StringBuilder();
    for (int i = random.nextInt(least, 5); i > 0; i--) {
      // Mostly what can stand bare, so that both ways of writing are common.
      text.append(PIECES[random.nextInt(random.nextInt(3) > 0 ? 7 : PIECES.length)]);
    }
    return text.toString();
  }

  private static String mutated(String text, Random random) {
    var mutated = new StringBuilder(text);
    for (int i = random.nextInt(1, 4); i > 0; i--) {
      int at = random.nextInt(mutated.length() + 1);
      int end = Math.min(mutated.length(), at + random.nextInt(1, 4));
      switch (random.nextInt(3)) {
        case 0 -> mutated.delete(at, end);
        case 1 -> mutated.insert(at, PIECES[random.nextInt(PIECES.length)]);
        default -> mutated.replace(at, end, PIECES[random.nextInt(PIECES.length)]);
      }
    }
    return mutated.toString();
  }

  /** The same expression with spaces at the places where they mean nothing. */
  private static String spaced(String canonical, Random random) {
    var spaced = new StringBuilder();
    boolean quoted = false;
    for (int i = 0; i < canonical.length(); i++) {
      char c = canonical.charAt(i);
      quoted ^= c == '"' && (!quoted || !isEscaped(canonical, i));
      boolean between = !quoted && "(),=".indexOf(c) >= 0;
      String space = between ? " \n\t ".substring(0, random.nextInt(5)) : "";
      spaced.append(space).append(c).append(space);
    }
    return spaced.toString();
  }

  private static boolean isEscaped(String text, int at) {
    int backslashes = 0;
    while (text.charAt(at - 1 - backslashes) == '\\') {
      backslashes++;
    }
    return backslashes % 2 == 1;
  }

  private static boolean sameParts(Expression a, Expression b) {
    if (a instanceof DeviceCall one && b instanceof DeviceCall other) {
      if (!one.name().equals(other.name()) || !one.options().equals(other.options())) {
        return false;
      }
      for (int i = 0; i < one.args().size(); i++) {
        if (!sameParts(one.args().get(i), other.args().get(i))) {
          return false;
        }
      }
      return one.args().size() == other.args().size();
    }
    return a instanceof BarePath one
        && b instanceof BarePath other
        && one.path().equals(other.path());
  }
}
