// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.belay.serve.Export;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class ExportsFileTest {
  @TempDir Path directory;

  private List<Export> read(String text) throws IOException {
    Path path = directory.resolve("exports");
    Files.writeString(path, text);
    return ExportsFile.read(path, false, null);
  }

  @Test
  void sectionsAreExports() throws IOException {
    List<Export> exports =
        read(
            """
            # for people
            [accounts]
            stack = stripe(memory(size=1M), memory(size=1M),
                # also between the lines of a value
                chunk=64k)
            description = the books = all of them
            read-only = on
            deadline = 5s

            []
            stack = null()
            """);
    assertThat(exports)
        .containsExactly(
            new Export(
                "accounts",
                "stripe(memory(size=1M), memory(size=1M), chunk=64k)",
                true,
                Duration.ofSeconds(5),
                "the books = all of them"),
            new Export("", "null()", false, null, ""));
  }

  @Test
  void theCommandLineFillsWhatIsNotSaid() throws IOException {
    Path path = directory.resolve("exports");
    Files.writeString(path, "[a]\nstack=null()\nread-only=off\ndeadline=1ms\n[b]\nstack=null()\n");
    List<Export> exports = ExportsFile.read(path, true, Duration.ofSeconds(1));
    assertThat(exports).allMatch(Export::readOnly);
    assertThat(exports.get(0).deadline()).isEqualTo(Duration.ofMillis(1));
    assertThat(exports.get(1).deadline()).isEqualTo(Duration.ofSeconds(1));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "''|has no export: begin one with its name in brackets",
        "stack = null()|line 1: an export begins with its name in brackets",
        "[a]|line 1: the export [a] has no stack",
        "[a;stack = null()|line 1: the name of an export ends with ]",
        "[a];stack = null();[ a ];stack = null()|line 3: there are two exports with the name \"a\"",
        "[a];stack = null();stack = null()|line 3: stack is there twice",
        "[a];stock = null()|line 2: \"stock\" is nothing that an export has",
        "[a];null()|line 2: \"null()\" is nothing that an export has",
        "[a]; stack = null()|line 2: a line that begins with white space",
        "[a];stack = nul()|line 2: column 1: there is no device nul",
        "[a];stack = null();read-only = maybe|line 3: read-only is on or off",
        "[a];stack = null();deadline = 5|line 3: deadline: 5 has no unit",
        "[a];stack = null();deadline = 0|line 3: a deadline is above 0",
      })
  void aMistakeHasItsLine(String text, String sentence) {
    assertThatThrownBy(() -> read(text.replace(';', '\n')))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("exports")
        .hasMessageContaining(sentence);
  }

  @Test
  void whatIsNoTextIsRefused() throws IOException {
    Path path = directory.resolve("exports");
    Files.write(path, new byte[] {(byte) 0xff, (byte) 0xfe, 0});
    assertThatThrownBy(() -> ExportsFile.read(path, false, null)).hasMessageContaining("UTF-8");
    Files.write(path, new byte[2 << 20]);
    assertThatThrownBy(() -> ExportsFile.read(path, false, null)).hasMessageContaining("1 MiB");
  }

  @Test
  void aNameEndsAtTheFirstSign() {
    assertThat(ServeExports.argument("a=null()", false, null).name()).isEqualTo("a");
    assertThat(ServeExports.argument("a b=c.img", false, null).expression()).isEqualTo("c.img");
    assertThat(ServeExports.argument("=c.img", false, null))
        .isEqualTo(new Export("", "c.img", false, null, ""));
    assertThat(ServeExports.argument("null(size=4k)", false, null).name()).isEmpty();
    assertThat(ServeExports.argument("'a=b.img'", false, null).expression()).isEqualTo("'a=b.img'");
    assertThat(ServeExports.argument("x='a=b.img'", false, null).expression())
        .isEqualTo("'a=b.img'");
  }
}
