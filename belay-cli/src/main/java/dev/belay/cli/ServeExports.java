// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.belay.serve.Export;
import dev.belay.stack.Expression;
import dev.belay.stack.Stack;
import dev.belay.stack.StackException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Which stacks are served under which names, as the command line says it. */
final class ServeExports {
  /** What is served where nothing is named. */
  static final String OWN_FILE = "belay.img";

  static final String OWN_STACK = "file(" + OWN_FILE + ", size=1G)";

  static final String NO_DEADLINE =
      "a deadline is above 0: leave it away for none, or give one such as 5s";

  private static final int LONGEST_NAME_BYTES = 4096;

  private ServeExports() {}

  /**
   * An export, its stack checked as far as that goes without opening it.
   *
   * @throws IllegalArgumentException with a sentence
   */
  static Export of(
      String name, String stack, boolean readOnly, @Nullable Duration deadline, String words) {
    if (name.getBytes(UTF_8).length > LONGEST_NAME_BYTES || name.indexOf('\0') >= 0) {
      throw new IllegalArgumentException(
          "the name of an export is at most 4096 bytes of text without NUL");
    }
    if (words.getBytes(UTF_8).length > LONGEST_NAME_BYTES) {
      throw new IllegalArgumentException("a description is at most 4096 bytes");
    }
    Stack.check(Expression.parse(stack));
    return new Export(name, stack, readOnly, deadline, words);
  }

  /** How long a request may take, which is not nothing. */
  static Duration deadline(long nanos) {
    if (nanos <= 0) {
      throw new IllegalArgumentException(NO_DEADLINE);
    }
    return Duration.ofNanos(nanos);
  }

  /**
   * Reads {@code [name=]STACK}: the name is what stands before the first {@code =} that has neither
   * a parenthesis nor a quote before it. No stack has such a sign there, so nothing is ambiguous.
   */
  static Export argument(String text, boolean readOnly, @Nullable Duration deadline) {
    int end = nameEnd(text);
    String name = end < 0 ? "" : text.substring(0, end).strip();
    String stack = text.substring(end + 1);
    try {
      return of(name, stack, readOnly, deadline, "");
    } catch (StackException e) {
      throw end >= 0 && Files.exists(Path.of(text)) ? quoteIt(text, e) : e;
    }
  }

  private static IllegalArgumentException quoteIt(String text, StackException e) {
    return new IllegalArgumentException(
        "\"%s\" is read as NAME=STACK; for the file of that name, quote it once more: '\"%s\"'"
            .formatted(text, text),
        e);
  }

  private static int nameEnd(String text) {
    for (int i = 0; i < text.length(); i++) {
      switch (text.charAt(i)) {
        case '=' -> {
          return i;
        }
        case '(', '"', '\'' -> {
          return -1;
        }
        default -> {
          // part of a name, or of a path
        }
      }
    }
    return -1;
  }

  /** All that were given, in their order; no name twice. */
  static List<Export> arguments(List<String> texts, boolean readOnly, @Nullable Duration deadline) {
    List<Export> exports = new ArrayList<>();
    for (String text : texts) {
      exports.add(argument(text, readOnly, deadline));
    }
    return exports;
  }

  /** Refuses what clients could not tell apart. */
  static void requireNames(List<Export> exports) {
    Set<String> names = new HashSet<>();
    for (Export export : exports) {
      if (!names.add(export.name())) {
        throw new IllegalArgumentException(
            export.name().isEmpty()
                ? "of several stacks only one can be without a name: give the others as NAME=STACK"
                : "two exports have the name \"" + export.name() + "\"");
      }
    }
  }
}
