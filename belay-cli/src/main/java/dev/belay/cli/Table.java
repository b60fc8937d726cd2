// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import java.util.ArrayList;
import java.util.List;

/** A table for the terminal: cells are wrapped, so that it fits into 100 columns. */
final class Table {
  private final int[] widths;
  private final List<String> lines = new ArrayList<>();

  Table(int... widths) {
    this.widths = widths;
  }

  Table row(String... cells) {
    List<List<String>> wrapped = new ArrayList<>();
    int height = 1;
    for (int i = 0; i < cells.length; i++) {
      List<String> cell = wrap(cells[i], widths[i]);
      wrapped.add(cell);
      height = Math.max(height, cell.size());
    }
    for (int k = 0; k < height; k++) {
      StringBuilder line = new StringBuilder();
      for (int i = 0; i < cells.length; i++) {
        String part = k < wrapped.get(i).size() ? wrapped.get(i).get(k) : "";
        line.append(i == 0 ? "" : " │ ").append(part).repeat(' ', widths[i] - part.length());
      }
      lines.add(line.toString().stripTrailing());
    }
    return this;
  }

  Table rule() {
    StringBuilder line = new StringBuilder();
    for (int i = 0; i < widths.length; i++) {
      line.append(i == 0 ? "" : "─┼─").repeat('─', widths[i]);
    }
    lines.add(line.toString());
    return this;
  }

  List<String> lines() {
    return lines;
  }

  /** Where a word that is too long is cut: before a capital if there is one, at most at room. */
  private static int hump(String word, int room) {
    for (int i = room; i > 1; i--) {
      if (Character.isUpperCase(word.charAt(i))) {
        return i;
      }
    }
    return room;
  }

  private static List<String> wrap(String text, int width) {
    List<String> parts = new ArrayList<>();
    StringBuilder line = new StringBuilder();
    for (String word : text.split(" ", -1)) {
      String rest = word;
      if (!line.isEmpty() && line.length() + 1 + rest.length() > width) {
        parts.add(line.toString());
        line.setLength(0);
      }
      line.append(line.isEmpty() ? "" : " ");
      while (line.length() + rest.length() > width) {
        int room = hump(rest, width - line.length());
        parts.add(line + rest.substring(0, room));
        rest = rest.substring(room);
        line.setLength(0);
      }
      line.append(rest);
    }
    parts.add(line.toString());
    return parts;
  }
}
