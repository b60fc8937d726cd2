// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.serve.Export;
import dev.belay.stack.Durations;
import dev.belay.stack.StackException;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * A file with several exports, a section each:
 *
 * <pre>
 * # what clients ask for
 * [accounts]
 * stack = raid5(a.img, b.img, c.img,
 *               chunk=64k)
 * description = the books of 2026
 * read-only = on
 * deadline = 5s
 * </pre>
 *
 * A line that begins with white space goes on with the value above it; one that begins with # is
 * for people. {@code []} is the export without a name. Relative paths in a stack are relative to
 * the working directory of the program, not to the file.
 */
final class ExportsFile {
  private static final long MOST_BYTES = 1 << 20;
  private static final String KEYS = "stack, description, read-only and deadline";

  private final String fileName;
  private final List<Export> exports = new ArrayList<>();

  /** The section that is being read: its name, where it began, its values and their lines. */
  private @Nullable String section;

  private int sectionLine;
  private final TreeMap<String, String> values = new TreeMap<>();
  private final TreeMap<String, Integer> lines = new TreeMap<>();

  private ExportsFile(String fileName) {
    this.fileName = fileName;
  }

  /**
   * Reads the exports of a file.
   *
   * @param readOnly for all of them, whatever the file says
   * @param deadline of those that the file gives none
   * @throws IllegalArgumentException with the line and a sentence
   */
  static List<Export> read(Path path, boolean readOnly, @Nullable Duration deadline)
      throws IOException {
    ExportsFile file = new ExportsFile(path.toString());
    if (Files.isRegularFile(path) && Files.size(path) > MOST_BYTES) {
      throw new IllegalArgumentException(path + " is larger than a file of exports may be: 1 MiB");
    }
    String text;
    try {
      text = Files.readString(path);
    } catch (CharacterCodingException e) {
      throw new IllegalArgumentException(path + " is not text in UTF-8", e);
    }
    file.readAll(text.lines().toList());
    if (file.exports.isEmpty()) {
      throw new IllegalArgumentException(
          path
              + " has no export: begin one with its name in brackets, [disk], and a line"
              + " stack = disk.img");
    }
    return file.exports.stream().map(e -> withDefaults(e, readOnly, deadline)).toList();
  }

  private static Export withDefaults(Export e, boolean readOnly, @Nullable Duration deadline) {
    return new Export(
        e.name(),
        e.expression(),
        e.readOnly() || readOnly,
        e.deadline() == null ? deadline : e.deadline(),
        e.description());
  }

  private void readAll(List<String> all) {
    String key = "";
    for (int i = 0; i < all.size(); i++) {
      String line = all.get(i);
      String words = line.strip();
      int number = i + 1;
      if (words.isEmpty() || words.startsWith("#")) {
        continue;
      }
      if (Character.isWhitespace(line.charAt(0))) {
        if (key.isEmpty()) {
          throw wrong(number, "a line that begins with white space goes on with a value above it");
        }
        values.merge(key, words, (a, b) -> a + " " + b);
      } else if (words.startsWith("[")) {
        endSection();
        begin(words, number);
        key = "";
      } else {
        key = value(words, number);
      }
    }
    endSection();
  }

  private void begin(String words, int number) {
    if (!words.endsWith("]")) {
      throw wrong(number, "the name of an export ends with ]: [disk]");
    }
    String name = words.substring(1, words.length() - 1).strip();
    if (exports.stream().anyMatch(e -> e.name().equals(name))) {
      throw wrong(number, "there are two exports with the name \"" + name + "\"");
    }
    section = name;
    sectionLine = number;
  }

  private String value(String words, int number) {
    if (section == null) {
      throw wrong(number, "an export begins with its name in brackets: [disk]");
    }
    int equals = words.indexOf('=');
    String key = equals < 0 ? words : words.substring(0, equals).strip();
    if (equals < 0 || !List.of("stack", "description", "read-only", "deadline").contains(key)) {
      throw wrong(number, "\"" + key + "\" is nothing that an export has: it has " + KEYS);
    }
    if (values.put(key, words.substring(equals + 1).strip()) != null) {
      throw wrong(number, key + " is there twice");
    }
    lines.put(key, number);
    return key;
  }

  private void endSection() {
    String name = section;
    if (name == null) {
      return;
    }
    String stack = values.getOrDefault("stack", "");
    if (stack.isEmpty()) {
      throw wrong(sectionLine, "the export [" + name + "] has no stack: stack = disk.img");
    }
    String description = values.getOrDefault("description", "");
    exports.add(
        at("stack", () -> ServeExports.of(name, stack, isReadOnly(), deadline(), description)));
    values.clear();
    lines.clear();
    section = null;
  }

  private boolean isReadOnly() {
    return switch (values.getOrDefault("read-only", "off")) {
      case "on", "true", "yes" -> true;
      case "off", "false", "no" -> false;
      default -> throw wrong(lines.getOrDefault("read-only", 0), "read-only is on or off");
    };
  }

  private @Nullable Duration deadline() {
    String text = values.get("deadline");
    if (text == null) {
      return null;
    }
    try {
      return ServeExports.deadline(Durations.parse(text));
    } catch (StackException e) {
      throw wrong(lines.getOrDefault("deadline", 0), "deadline: " + e.sentence());
    } catch (IllegalArgumentException e) {
      throw wrong(lines.getOrDefault("deadline", 0), e.getMessage());
    }
  }

  private Export at(String key, java.util.function.Supplier<Export> made) {
    try {
      return made.get();
    } catch (Misplaced e) {
      throw e;
    } catch (IllegalArgumentException e) {
      throw wrong(lines.getOrDefault(key, sectionLine), String.valueOf(e.getMessage()));
    }
  }

  /** A mistake whose line is known. */
  private static final class Misplaced extends IllegalArgumentException {
    private static final long serialVersionUID = 1;

    Misplaced(String sentence) {
      super(sentence);
    }
  }

  private Misplaced wrong(int line, @Nullable String sentence) {
    return new Misplaced(fileName + ", line " + line + ": " + sentence);
  }
}
