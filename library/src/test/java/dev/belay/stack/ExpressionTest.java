// SPDX-License-Identifier: Apache-2.0
package dev.belay.stack;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Reading, printing, and the position and sentence of every mistake. */
final class ExpressionTest {
  private static final Set<String> NAMES =
      Set.of("crypt", "raid5", "raid6", "linear", "memory", "null", "throttle", "delay");

  @ParameterizedTest
  @ValueSource(
      strings = {
        "a.img",
        "/dev/sdb",
        "./x/y-1.img",
        "../a+b@c:d#e;f[1]~%.img",
        "größe.img",
        "memory()",
        "memory(size=1.5G)",
        "crypt(raid5(a.img, b.img, c.img, chunk=64k), key-file=k)",
        "\"with spaces, (parens).img\"",
        "linear(\"a=b.img\", note=\"\")",
        "linear(\"tab\\tnewline\\nquote\\\"backslash\\\\nul\\u0000\")",
        "fault(a.img, hang=1M-2M;8M+4k, error=1%)",
      })
  void canonicalTextPrintsBackToItself(String text) {
    assertThat(Expression.parse(text).print()).isEqualTo(text);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "`  a.img  ` | a.img",
        "\"a.img\" | a.img",
        "'it is' | \"it is\"",
        "raid5 ( a , b,c , chunk = \"64k\" ) | raid5(a, b, c, chunk=64k)",
        "memory(size='64k') | memory(size=64k)",
        "\"\\u0041\" | A",
        "`linear(\n  a.img,\n  start=1M\n)` | linear(a.img, start=1M)",
      })
  void otherTextPrintsTheCanonicalForm(String text, String canonical) {
    Expression expression = Expression.parse(text);

    assertThat(expression.print()).isEqualTo(canonical);
    assertThat(Expression.parse(canonical)).isEqualTo(expression).hasSameHashCodeAs(expression);
  }

  @Test
  void knowsItsPartsAndWhereTheyStand() {
    var crypt = (DeviceCall) Expression.parse(" crypt( raid5(a, \"b c\"), key-file=k)");
    var raid5 = (DeviceCall) crypt.args().getFirst();

    assertThat(crypt.name()).isEqualTo("crypt");
    assertThat(crypt.start()).isEqualTo(1);
    assertThat(crypt.end()).isEqualTo(crypt.source().length());
    assertThat(raid5.args()).containsExactly(BarePath.of("a"), BarePath.of("b c"));
    assertThat(raid5.source().substring(raid5.start(), raid5.end())).isEqualTo("raid5(a, \"b c\")");
    BarePath second = (BarePath) raid5.args().get(1);
    assertThat(raid5.source().substring(second.start(), second.end())).isEqualTo("\"b c\"");
    Option option = crypt.options().getFirst();
    assertThat(option).isEqualTo(Option.of("key-file", "k")).hasToString("key-file=k");
    assertThat(crypt.source().substring(option.start(), option.end())).isEqualTo("key-file=k");
    assertThat(crypt.inTextOrder())
        .containsExactly(crypt, raid5, BarePath.of("a"), BarePath.of("b c"));
  }

  @Test
  void isMadeByProgramsToo() {
    var made =
        DeviceCall.of(
            "linear",
            List.of(DeviceCall.of("memory", List.of(), List.of(Option.of("size", "1M")))),
            List.of(Option.of("start", "4 k")));

    assertThat(made).hasToString("linear(memory(size=1M), start=\"4 k\")");
    assertThat(made.source()).isEqualTo(made.print());
    assertThat(made).isEqualTo(Expression.parse(made.print()));
    assertThat(made.optionError("start", "wrong").start()).isEqualTo(30);
  }

  @Test
  void readsAndPrintsStacksOfAnyDepth() {
    int depth = 20_000;
    String text = "linear(".repeat(depth) + "a.img" + ")".repeat(depth);

    Expression expression = Expression.parse(text, NAMES);

    assertThat(expression.print().equals(text)).isTrue();
    assertThat(expression.inTextOrder().size()).isEqualTo(depth + 1);
    String unclosed = text.substring(0, text.length() - depth / 2);
    assertThat(mistake(unclosed).start()).isEqualTo(depth / 2 * 7 - 1);
  }

  @Test
  void cutsLongWordsInSentences() {
    assertThat(mistake("1" + "x".repeat(10_000) + "(a)").sentence()).hasSizeLessThan(200);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "`` | 0 | 0 | the expression is empty: write a path",
        "`  ` | 2 | 2 | the expression is empty",
        "raid5(a, b | 5 | 6 | this parenthesis of raid5 is never closed: write ) where it ends",
        "crypt(raid5(a, b), k=1 | 5 | 6 | this parenthesis of crypt is never closed",
        "crypt(raid5(a, b, k=1) | 5 | 6 | this parenthesis of crypt is never closed",
        "linear(a)) | 9 | 10 | complete before ): remove this parenthesis, which closes nothing",
        "linear(a) b | 10 | 11 | complete before b: remove the rest, or put both into one device",
        "my disk.img | 3 | 11 | complete before d: remove the rest; a path with spaces",
        "a, b | 1 | 4 | put several devices into one, such as concat(a.img, b.img)",
        "a=b.img | 1 | 7 | an option stands in the parentheses of a device; a path with = needs",
        ") | 0 | 1 | here must be a path or a device, not ): remove this parenthesis",
        "(a) | 0 | 1 | write the name of a device before the parenthesis",
        "linear(a,) | 9 | 10 | nothing stands between the comma and this parenthesis",
        "linear(,a) | 7 | 8 | nothing stands before this comma",
        "linear(a,,b) | 9 | 10 | nothing stands before this comma",
        "linear(a b) | 9 | 10 | here must be a comma or a ), not b: text with spaces or special",
        "linear(=b) | 7 | 8 | write the key of an option before the =",
        "linear(a, start=) | 16 | 16 | the option start has no value: write one after =",
        "linear(a, start=,b) | 16 | 16 | the option start has no value",
        "linear(a, start=1, start=2) | 19 | 24 | start is here for the second time: write it once",
        "linear(start=1, a) | 16 | 17 | a stands after an option: write arguments before all",
        "linear(a, b=c=d) | 13 | 14 | a value or a path with = in it needs quotes",
        "linear(a, b=c(d)) | 13 | 14 | the value of an option is no device",
        "linear(a, 1b=c) | 10 | 12 | 1b before = is no key of an option",
        "linear(a, 'b'=c) | 10 | 13 | b before = is no key of an option",
        "./x(1).img | 0 | 3 | ./x before a parenthesis is no name of a device",
        "'a'(b) | 0 | 3 | write the name without quotes",
        "linear('') | 7 | 9 | the path is empty: write the path of a file",
        "linear('a | 7 | 8 | this quote is never closed: write ' where the text ends",
        "'a\\x' | 2 | 4 | a backslash in quotes begins one of",
        "'a\\ | 2 | 3 | a backslash in quotes begins one of",
        "'\\u00g0' | 1 | 5 | \\u needs four hexadecimal digits",
        "a\\b | 1 | 3 | complete before \\: remove the rest; a path with spaces or special",
        "linear(a\u0000) | 8 | 9 | here must be a comma or a ), not the character U+0000",
        "linear(\u200b) | 7 | 8 | not the character U+200b: text with special characters needs",
      })
  void saysWhatIsWrongAndWhere(String text, int start, int end, String sentence) {
    StackException mistake = mistake(text);

    assertThat(mistake.sentence()).contains(sentence).doesNotContain("\n").doesNotEndWith(".");
    assertThat(mistake.start()).as(mistake.getMessage()).isEqualTo(start);
    assertThat(mistake.end()).as(mistake.getMessage()).isEqualTo(end);
    assertThat(mistake.text()).isEqualTo(text);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "linear(riad5(a)) | 7 | 12 | there is no device riad5: it is probably raid5 (the devices"
            + " are crypt, delay, linear, memory, null, raid5, raid6, throttle)",
        "Crypt(a) | 0 | 5 | there is no device Crypt: it is probably crypt (",
        "thr(a) | 0 | 3 | there is no device thr: it is probably throttle (",
        "zebra(a) | 0 | 5 | there is no device zebra (the devices are crypt,",
        "linear(null) | 7 | 11 | null is a device, but stands here as a file: write null() for the"
            + " device, or ./null for the file",
      })
  void checksNamesOfDevices(String text, int start, int end, String sentence) {
    StackException mistake =
        catchThrowableOfType(StackException.class, () -> Expression.parse(text, NAMES));

    assertThat(mistake.sentence()).startsWith(sentence);
    assertThat(mistake.start()).isEqualTo(start);
    assertThat(mistake.end()).isEqualTo(end);
  }

  @Test
  void acceptsKnownNames() {
    assertThat(Expression.parse("linear(./null)", NAMES)).isInstanceOf(DeviceCall.class);
  }

  @Test
  void drawsTheMistake() {
    assertThat(mistake("linear(a, 1b=c)"))
        .hasMessage(
            """
            column 11: 1b before = is no key of an option: a key is a letter, then letters, digits,\
             - and _; a path with = needs quotes
            linear(a, 1b=c)
                      ^^\
            """);
    assertThat(mistake("linear(a,\n\t1b=c)"))
        .hasMessageStartingWith("line 2, column 2: 1b before")
        .extracting(StackException::picture)
        .isEqualTo(" 1b=c)\n ^^");
    assertThat(mistake("")).hasMessageEndingWith("\n\n^");
  }

  @Test
  void drawsAWindowOfALongText() {
    String text = "linear(" + "x".repeat(300) + " y" + "z".repeat(300) + ")";

    List<String> lines = mistake(text).picture().lines().toList();

    assertThat(lines).hasSize(2);
    assertThat(lines.get(0)).hasSize(98).startsWith("…xxx").endsWith("zzz…");
    assertThat(lines.get(0).charAt(lines.get(1).indexOf('^'))).isEqualTo('y');
  }

  @Test
  void refusesWhatCouldNotBeReadBack() {
    var refused = new ArrayList<String>();
    for (Runnable attempt :
        List.<Runnable>of(
            () -> BarePath.of(""),
            () -> Option.of("a b", "c"),
            () -> DeviceCall.of("1", List.of(), List.of()),
            () ->
                DeviceCall.of(
                    "linear", List.of(), List.of(Option.of("a", "b"), Option.of("a", "c"))))) {
      refused.add(catchThrowableOfType(IllegalArgumentException.class, attempt::run).getMessage());
    }

    assertThat(refused).hasSize(4).doesNotContainNull();
  }

  private static StackException mistake(String text) {
    StackException mistake =
        catchThrowableOfType(StackException.class, () -> Expression.parse(text));
    assertThat(mistake).isNotNull();
    return mistake;
  }
}
