// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What a server has in flight, as a table for people. */
final class PsText {
  private static final String[] HEAD = {
    "ID", "EXPORT", "PEER", "OP", "OFFSET", "LENGTH", "AGE", "WHERE"
  };

  private final Map<String, @Nullable Object> answer;
  private final String prefix;

  /** With several servers, the number of the program stands before each ID. */
  PsText(Map<String, @Nullable Object> answer, boolean isOneOfSeveral) {
    this.answer = answer;
    prefix = isOneOfSeveral ? text(answer, "pid") + ":" : "";
  }

  List<String> lines() {
    List<Map<?, ?>> connections = list(answer, "connections");
    List<Map<?, ?>> requests = list(answer, "requests");
    List<String> lines = new ArrayList<>();
    lines.add(
        "belay serve, pid %s, at %s: %d connection%s, %d request%s in flight"
            .formatted(
                text(answer, "pid"),
                String.join(", ", strings(answer.get("listening"))),
                connections.size(),
                connections.size() == 1 ? "" : "s",
                requests.size(),
                requests.size() == 1 ? "" : "s"));
    List<String[]> rows = new ArrayList<>(List.<String[]>of(HEAD));
    for (Map<?, ?> request : requests) {
      rows.add(request(request));
    }
    for (Map<?, ?> connection : connections) {
      String id = text(connection, "id");
      if (requests.stream().noneMatch(request -> text(request, "connection").equals(id))) {
        rows.add(idle(connection));
      }
    }
    if (rows.size() > 1) {
      lines.addAll(table(rows));
    }
    return lines;
  }

  private String[] request(Map<?, ?> request) {
    boolean isCancelled = Boolean.TRUE.equals(request.get("cancelled"));
    return new String[] {
      prefix + text(request, "id"),
      text(request, "export"),
      text(request, "peer"),
      text(request, "op"),
      text(request, "offsetBytes"),
      Units.bytes(number(request, "lengthBytes")),
      Units.nanos(number(request, "ageNanos")),
      (isCancelled ? "cancelled, " : "") + text(request, "where")
    };
  }

  private String[] idle(Map<?, ?> connection) {
    return new String[] {
      prefix + text(connection, "id"),
      text(connection, "export"),
      text(connection, "peer") + (Boolean.TRUE.equals(connection.get("tls")) ? ", TLS" : ""),
      "-",
      "",
      "",
      Units.nanos(number(connection, "ageNanos")),
      "nothing in flight"
    };
  }

  /** As wide as what is in it. */
  private static List<String> table(List<String[]> rows) {
    int[] widths = new int[HEAD.length];
    for (String[] row : rows) {
      for (int i = 0; i < row.length; i++) {
        widths[i] = Math.max(widths[i], row[i].length());
      }
    }
    List<String> lines = new ArrayList<>();
    for (String[] row : rows) {
      StringBuilder line = new StringBuilder();
      for (int i = 0; i < row.length; i++) {
        boolean isNumber = i == 4 || i == 5 || i == 6;
        int pad = widths[i] - row[i].length();
        line.append(i == 0 ? "" : "  ");
        line.repeat(' ', isNumber ? pad : 0).append(row[i]).repeat(' ', isNumber ? 0 : pad);
      }
      lines.add(line.toString().stripTrailing());
    }
    return lines;
  }

  private static List<Map<?, ?>> list(Map<?, ?> map, String key) {
    List<Map<?, ?>> found = new ArrayList<>();
    if (map.get(key) instanceof List<?> list) {
      for (Object each : list) {
        if (each instanceof Map<?, ?> one) {
          found.add(one);
        }
      }
    }
    return found;
  }

  private static List<String> strings(@Nullable Object list) {
    return list instanceof List<?> all
        ? all.stream().map(each -> ServeLines.plain(String.valueOf(each))).toList()
        : List.of();
  }

  private static String text(Map<?, ?> map, String key) {
    Object value = map.get(key);
    return value == null ? "" : ServeLines.plain(value.toString());
  }

  private static long number(Map<?, ?> map, String key) {
    return map.get(key) instanceof Number number ? number.longValue() : 0;
  }
}
