// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Every option wrong once: a sentence, an exit code, and nothing that listens. */
final class ServeBadInputTest {
  @TempDir Path directory;

  @BeforeEach
  void makeFiles() throws Exception {
    Files.createDirectory(directory.resolve("empty"));
    Files.writeString(directory.resolve("bad.conf"), "[a]\nstack = nul()\n");
    Files.writeString(directory.resolve("plain"), "precious");
  }

  private static Arguments wrong(String call, String sentence) {
    return Arguments.of(call, 2, sentence);
  }

  private static Arguments failing(String call, String sentence) {
    return Arguments.of(call, 1, sentence);
  }

  static Stream<Arguments> calls() {
    return Stream.of(
        wrong("nul()", "there is no device nul"),
        wrong("a=nul()", "there is no device nul"),
        wrong("null() null()", "only one can be without a name"),
        wrong("a=null() a=null()", "two exports have the name \"a\""),
        wrong("DIR/gone.img", "there is no file"),
        failing("--exports=DIR/gone.conf", "there is no file or directory"),
        wrong("--exports=DIR/bad.conf", "line 2: column 1: there is no device nul"),
        wrong("null() --unix=", "1 to 107 bytes"),
        wrong("null() --unix=DIR/" + "x".repeat(108), "1 to 107 bytes"),
        wrong("null() --tcp=10809", "--tcp: \"10809\" is not HOST:PORT"),
        wrong("null() --tcp=localhost:99999", "is not HOST:PORT"),
        wrong("null() --tcp=:10809", "--plaintext if everybody may"),
        wrong("null() --tcp=0.0.0.0:10809", "is reached by other machines"),
        wrong("null() --tcp=[::]:10809", "is reached by other machines"),
        wrong("null() --deadline=5", "--deadline: 5 has no unit"),
        wrong("null() --deadline=0", "a deadline is above 0"),
        wrong("null() --connections=0", "at least 1 connection"),
        wrong("null() --connections=many", "--connections"),
        wrong("null() --in-flight=1k", "at least 1 MiB"),
        wrong("null() --in-flight=lots", "--in-flight: "),
        wrong("null() --in-flight-total=1M", "at least 128 MiB"),
        wrong("null() --handshake-timeout=0", "the handshake needs some time"),
        wrong("null() --idle-timeout=1us", "from 1 ms"),
        wrong("null() --stall-timeout=x", "--stall-timeout: "),
        wrong("null() --grace=10", "--grace: 10 has no unit"),
        wrong("null() --unix-mode=rw", "three octal digits"),
        wrong("null() --unix-mode=0999", "three octal digits"),
        wrong("null() --log=xml", "--log is text or json"),
        wrong("null() --metrics=9100", "--metrics: \"9100\" is not HOST:PORT"),
        wrong("null() --control=DIR/" + "x".repeat(100), "too long for the control socket"),
        wrong("null() --tls=maybe", "--tls is required, offered or off"),
        wrong("null() --tls=required", "needs --tls-certificates"),
        wrong("null() --tls-certificates=DIR/empty", "ca-cert.pem is missing"),
        wrong("null() --tls-certificates=DIR/gone", "is no directory"),
        wrong("null() --no-client-certificates", "give --tls-certificates"),
        wrong("null() --run=", "--run: give a command"),
        wrong("null() --nope", "--nope"));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("calls")
  void aMistakeIsASentence(String call, int code, String sentence) {
    List<String> args = new ArrayList<>(List.of("serve"));
    for (String word : call.split(" ")) {
      args.add(word.replace("DIR", directory.toString()));
    }
    if (args.stream().noneMatch(arg -> arg.startsWith("--unix"))) {
      args.add("--unix=" + directory.resolve("s"));
    }
    Run run = Run.of(args.toArray(String[]::new));
    assertThat(run.err()).startsWith("belay: ").contains(sentence);
    assertThat(run.code()).isEqualTo(code);
    assertThat(run.out()).isEmpty();
    MainTest.assertNoTrace(run);
    assertThat(directory.resolve("s")).doesNotExist();
  }

  @Test
  void aControlPathThatIsSomethingElseStays() {
    Run run =
        Run.of(
            "serve",
            "null()",
            "--unix=" + directory.resolve("s"),
            "--control=" + directory.resolve("plain"));
    assertThat(run.code()).isEqualTo(1);
    assertThat(run.err()).contains("is there already, and is no control socket");
    assertThat(directory.resolve("plain")).hasContent("precious");
    assertThat(directory.resolve("s")).doesNotExist();
  }

  @Test
  void whoAsksNobodyIsToldSo() {
    Path gone = directory.resolve("gone");
    for (String[] call : new String[][] {{"ps"}, {"ps", "--metrics"}, {"cancel", "1.2"}}) {
      List<String> args = new ArrayList<>(List.of(call));
      args.add("--control=" + gone);
      Run run = Run.of(args.toArray(String[]::new));
      assertThat(run.err()).startsWith("belay: there is no control socket " + gone);
      assertThat(run.code()).isEqualTo(1);
    }
    assertThat(Run.of("ps", "--json", "--metrics").code()).isEqualTo(2);
    assertThat(Run.of("cancel").code()).isEqualTo(2);
    Run run = Run.of("cancel", "a.b", "--control=" + gone);
    assertThat(run.err()).contains("\"a.b\" is no ID").contains("see belay ps");
    assertThat(run.code()).isEqualTo(2);
  }
}
