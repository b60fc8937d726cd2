// SPDX-License-Identifier: Apache-2.0
package dev.belay.stack;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The typed readers: what they give, and where and how they say that something is wrong. */
final class DeviceCallTest {

  @Test
  void readsOptionsByType() {
    DeviceCall call =
        call(
            "fault(a, size=1.5M, delay=2ms, iops=10k/s, bps=100M/s, depth=32, error=1%,"
                + " hang=1M-2M;8M+4k, direct=auto, sync=true, label='a b')");

    assertThat(call.sizeBytes("size")).isEqualTo(3 << 19);
    assertThat(call.durationNanos("delay")).isEqualTo(2_000_000);
    assertThat(call.ratePerSecond("iops", 1)).isEqualTo(10_000);
    assertThat(call.bytesPerSecond("bps", 1)).isEqualTo(100 << 20);
    assertThat(call.count("depth", 1, 1, 4096)).isEqualTo(32);
    assertThat(call.fraction("error", 0)).isEqualTo(0.01);
    assertThat(call.ranges("hang"))
        .containsExactly(new ByteRange(1 << 20, 2 << 20), new ByteRange(8 << 20, (8 << 20) + 4096));
    assertThat(call.word("direct", "on", "auto", "on", "off")).isEqualTo("auto");
    assertThat(call.onOff("sync", false)).isTrue();
    assertThat(call.text("label")).isEqualTo("a b");
  }

  @Test
  void givesTheDefaultOfAnOptionThatIsNotThere() {
    DeviceCall call = call("fault(a)");

    assertThat(call.sizeBytes("size", 7)).isEqualTo(7);
    assertThat(call.durationNanos("delay", 8)).isEqualTo(8);
    assertThat(call.ratePerSecond("iops", 9.5)).isEqualTo(9.5);
    assertThat(call.bytesPerSecond("bps", 10)).isEqualTo(10);
    assertThat(call.count("depth", 0, 1, 2)).isZero();
    assertThat(call.fraction("error", 0.5)).isEqualTo(0.5);
    assertThat(call.ranges("hang")).isEmpty();
    assertThat(call.word("direct", "x", "auto")).isEqualTo("x");
    assertThat(call.onOff("sync", true)).isTrue();
    assertThat(call.onOff("sync", false)).isFalse();
    assertThat(call.text("label", "none")).isEqualTo("none");
    assertThat(call.option("label")).isNull();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "size=64q | 64q |  q | size: q is no unit of size: write a size such as 512, 64k",
        "size=64KB | 64KB | KB | size: KB may mean powers of 1000 or of 1024: write k or KiB for",
        "size=-1 | -1 | -1 | size: -1 is negative: write a size",
        "size=0.3 | 0.3 | 0.3 | size: 0.3 is not a whole number of bytes: write one that is",
        "size='64 q' | '64 q' | '64 q' | size: q is no unit of size",
        "delay=2 | 2 | 2 | delay: 2 has no unit: write 2ms, or another of ns, us, ms, s, m, h",
        "delay=2sec | 2sec | sec | delay: sec is no unit of time: write a duration such as 500us",
        "hang=1M-2M;2M-1Q | | Q | hang: Q is no unit of size",
        "hang=1M-2M;2M-1M | | 2M-1M | hang: 2M-1M has no bytes: the end must be above the start",
        "hang=5 | | 5 | hang: 5 has no - or +: write a range such as 1M-2M, 1M+4k or 1M-",
        "iops=10/d | | /d | iops: /d does not end with /s, /m or /h: write a rate such as",
        "iops=0 | | 0 | iops: 0 would let nothing through: write a rate such as 100, 10k/s or 6/m",
        "bps=0k | | 0k | bps: 0k would let nothing through",
        "bps=5x/s | | x | bps: x is no unit of size",
        "depth=0 | | 0 | depth: 0 is too small: write a count from 1 to 4096",
        "depth=1M | | 1M | depth: 1M is too large: write a count from 1 to 4096",
        "depth=many | | many | depth: many does not begin with a digit: write a count such as 32",
        "error=2 | | 2 | error: 2 is more than the whole: write 0 to 1, or 0% to 100%",
        "error=101% | | 101% | error: 101% is more than the whole",
        "direct=of | | of | direct: of is not possible here: it is probably off (possible are auto,"
            + " off, on)",
        "sync=maybe | | maybe | sync: maybe is not possible here (possible are false, off, on,"
            + " true)",
        "sync='' | | '' | sync: \"\" is not possible here (possible are",
        "label='' | | '' | label is empty: write something after label=",
      })
  void pointsAtAWrongValue(String option, String value, String wrong, String sentence) {
    String text = "fault(a, " + option + ")";
    StackException mistake = mistake(text, DeviceCallTest::readAll);

    assertThat(mistake.sentence()).startsWith(sentence).doesNotContain("\n");
    assertThat(text.substring(mistake.start(), mistake.end())).isEqualTo(wrong);
  }

  @Test
  void saysThatAnOptionIsMissing() {
    String text = "linear(crypt(a))";
    var crypt = (DeviceCall) call(text).args().getFirst();

    var mistake = catchThrowableOfType(StackException.class, () -> crypt.sizeBytes("sector"));

    assertThat(mistake)
        .hasMessage(
            """
            column 8: crypt needs the option sector: write sector=64k
            linear(crypt(a))
                   ^^^^^\
            """);
  }

  @Test
  void saysWhichOptionsThereAre() {
    StackException near =
        mistake("raid5(a, chnuk=64k)", call -> call.checkOptions("chunk", "layout"));
    StackException far = mistake("raid5(a, x=64k)", call -> call.checkOptions("chunk", "layout"));
    StackException none = mistake("null(x=64k)", call -> call.checkOptions());

    assertThat(near.sentence())
        .isEqualTo(
            "raid5 has no option chnuk: it is probably chunk (its options are chunk, layout)");
    assertThat(near.start()).isEqualTo(9);
    assertThat(near.end()).isEqualTo(14);
    assertThat(far.sentence()).isEqualTo("raid5 has no option x (its options are chunk, layout)");
    assertThat(none.sentence()).isEqualTo("null has no option x (it has none)");
    call("raid5(a, chunk=64k)").checkOptions("chunk", "layout");
  }

  @Test
  void saysHowManyArgumentsItTakes() {
    StackException few = mistake("raid5(a, b)", call -> call.checkArgs(3, Integer.MAX_VALUE));
    StackException none = mistake("linear()", call -> call.checkArgs(1, 1));
    StackException many = mistake("linear(a, b, c)", call -> call.checkArgs(1, 1));
    StackException any = mistake("null(a)", call -> call.checkArgs(0, 0));

    assertThat(few.sentence())
        .isEqualTo(
            "raid5 takes at least 3 devices or paths in its parentheses, but there are only 2:"
                + " write one more");
    assertThat(few.start()).isEqualTo(10);
    assertThat(none.sentence())
        .isEqualTo(
            "linear takes one device or path in its parentheses, but there is none: write one"
                + " more");
    assertThat(many.sentence()).contains("but there are 3: remove those from here on");
    assertThat(many.start()).isEqualTo(10);
    assertThat(any.sentence()).contains("takes no device or path in its parentheses");
    call("raid5(a, b)").checkArgs(1, 2);
  }

  @Test
  void pointsForItsOpenerToo() {
    DeviceCall call = call("raid5(a, chunk=3k)");

    assertThat(call.optionError("chunk", "no power of two").start()).isEqualTo(15);
    assertThat(call.optionError("layout", "missing").start()).isZero();
    assertThat(call.args().getFirst().error("no such file").start()).isEqualTo(6);
    assertThat(List.of(call.error("no").end())).containsExactly(5);
  }

  private static void readAll(DeviceCall call) {
    call.sizeBytes("size", 0);
    call.durationNanos("delay", 0);
    call.ranges("hang");
    call.ratePerSecond("iops", 1);
    call.bytesPerSecond("bps", 1);
    call.count("depth", 1, 1, 4096);
    call.fraction("error", 0);
    call.word("direct", "auto", "auto", "on", "off");
    call.onOff("sync", true);
    call.text("label");
  }

  private static DeviceCall call(String text) {
    return (DeviceCall) Expression.parse(text);
  }

  private static StackException mistake(String text, Consumer<DeviceCall> reader) {
    DeviceCall call = call(text);
    StackException mistake = catchThrowableOfType(StackException.class, () -> reader.accept(call));
    assertThat(mistake).as(text).isNotNull();
    return mistake;
  }
}
