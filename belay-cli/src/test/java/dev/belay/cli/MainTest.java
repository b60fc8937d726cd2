// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import picocli.CommandLine;

/** What every command has: help, sentences for mistakes, exit codes, no stack trace. */
final class MainTest {
  @Test
  void everyCommandHasHelp() {
    for (String name : Main.commandLine().getSubcommands().keySet()) {
      Run run = Run.of(name, "--help");
      assertThat(run.code()).as(name).isZero();
      assertThat(run.out()).as(name).contains("Usage: belay " + name);
    }
    assertThat(Run.of("--help").out()).contains("describe").contains("Exit codes");
    assertThat(Run.of("--version").out()).startsWith("belay 0.");
  }

  @Test
  void everyOptionAndParameterIsDescribed() {
    for (CommandLine command : Main.commandLine().getSubcommands().values()) {
      assertThat(command.getCommandSpec().args())
          .as(command.getCommandName())
          .allMatch(arg -> arg.description().length > 0);
    }
  }

  static Stream<Arguments> nasty() {
    return Stream.of(
        Arguments.of("nothing", new String[] {}),
        Arguments.of("no command", new String[] {"dscribe"}),
        Arguments.of("an empty command", new String[] {""}),
        Arguments.of("no stack", new String[] {"describe"}),
        Arguments.of("an empty stack", new String[] {"describe", ""}),
        Arguments.of("two stacks", new String[] {"describe", "null()", "null()"}),
        Arguments.of("an unknown option", new String[] {"describe", "--nope", "null()"}),
        Arguments.of("an unknown device", new String[] {"describe", "nul()"}),
        Arguments.of("an open parenthesis", new String[] {"describe", "linear(null()"}),
        Arguments.of("control characters", new String[] {"describe", "a\u0000b\u001b[31m"}),
        Arguments.of("too large", new String[] {"describe", "memory(size=99999999T)"}),
        Arguments.of("a bad size", new String[] {"describe", "null(size=-1)"}),
        Arguments.of("no such shell", new String[] {"completion", "fish"}));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("nasty")
  void aMistakeIsASentenceAndExitCode2(String what, String[] args) {
    Run run = Run.of(args);
    assertThat(run.code()).as(run.all()).isEqualTo(2);
    assertThat(run.out()).isEmpty();
    assertThat(run.err()).startsWith("belay: ");
    assertNoTrace(run);
  }

  static void assertNoTrace(Run run) {
    assertThat(run.all())
        .doesNotContain("\tat ")
        .doesNotContain("Exception")
        .doesNotContain("null:");
  }

  @Test
  void aMistakeInAStackShowsWhere() {
    Run run = Run.of("describe", "linear(null(), ofset=4k)");
    assertThat(run.code()).isEqualTo(2);
    assertThat(run.err()).contains("column 16").contains("offset").contains("^^^^^");
  }

  @Test
  void theCompletionScriptKnowsTheCommands() {
    Run bash = Run.of("completion", "bash");
    assertThat(bash.code()).isZero();
    assertThat(bash.out()).contains("describe").contains("complete -F");
    assertThat(Run.of("completion", "zsh").out()).contains("bashcompinit").contains("describe");
  }

  @Test
  void aPoorTerminalGetsPlainSigns() {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (PrintWriter out = PlainWriter.on(bytes, StandardCharsets.US_ASCII)) {
      out.print("├─ █░ 3 µs ┼ ✓ ≥");
    }
    assertThat(bytes.toString(StandardCharsets.US_ASCII)).isEqualTo("|- #. 3 us + y >");
  }
}
