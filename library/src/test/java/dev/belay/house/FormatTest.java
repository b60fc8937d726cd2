// SPDX-License-Identifier: Apache-2.0
package dev.belay.house;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.googlejavaformat.java.Formatter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * Every source is as google-java-format would write it; {@code ./format} at the root makes it so.
 */
final class FormatTest {
  @Test
  void everySourceIsFormatted() throws Exception {
    List<String> unformatted = new ArrayList<>();
    for (Path file : Sources.all()) {
      String text = Files.readString(file);
      if (!new Formatter().formatSourceAndFixImports(text).equals(text)) {
        unformatted.add(Sources.root().relativize(file).toString());
      }
    }
    assertThat(unformatted).as("files to be rewritten by ./format").isEmpty();
  }
}
