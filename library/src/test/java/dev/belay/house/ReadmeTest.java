// SPDX-License-Identifier: Apache-2.0
package dev.belay.house;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The Java example of the README compiles, runs, and prints what the README says it prints. */
final class ReadmeTest {
  @TempDir Path directory;

  @Test
  void theExampleRuns() throws Exception {
    Path readme = Sources.root().resolve("README.md");
    String text = Files.readString(readme);
    Path source = directory.resolve("Example.java");
    Files.writeString(source, block(text, "java"));
    ByteArrayOutputStream said = new ByteArrayOutputStream();
    int status =
        ToolProvider.getSystemJavaCompiler()
            .run(
                null,
                said,
                said,
                "-cp",
                System.getProperty("java.class.path"),
                "-d",
                directory.toString(),
                source.toString());
    assertThat(status).as(said.toString(StandardCharsets.UTF_8)).isZero();

    Path output = directory.resolve("output.txt");
    ProcessBuilder builder =
        new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "--enable-native-access=ALL-UNNAMED",
            "-cp",
            directory + java.io.File.pathSeparator + System.getProperty("java.class.path"),
            "Example");
    builder.directory(directory.toFile()).redirectErrorStream(true).redirectOutput(output.toFile());
    java.lang.Process child = builder.start();
    assertThat(child.waitFor(60, TimeUnit.SECONDS)).isTrue();
    String printed = Files.readString(output);
    assertThat(child.exitValue()).as(printed).isZero();
    assertThat(lines(printed)).hasSameSizeAs(lines(block(text, "text")).toList());
    assertThat(printed).startsWith(lines(block(text, "text")).findFirst().orElseThrow());
    assertThat(printed).contains("CANCELLED (EXPLICIT)");
  }

  private static Stream<String> lines(String text) {
    return text.lines().filter(line -> !line.isBlank());
  }

  private static String block(String text, String language) {
    Matcher found = Pattern.compile("```" + language + "\n(.*?)```", Pattern.DOTALL).matcher(text);
    assertThat(found.find()).as("the README has a block of " + language).isTrue();
    return found.group(1);
  }
}
