// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.net.Address;
import dev.belay.serve.Command;
import dev.belay.serve.CommandCounts;
import dev.belay.serve.ConnectionReport;
import dev.belay.serve.ConnectionStatus;
import dev.belay.serve.StopReport;
import dev.belay.serve.Traffic;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** How the events of a server read: as sentences, and as the fields of objects. */
final class ServeLines {
  private ServeLines() {}

  /** What a connection did, in one line. */
  static String ended(ConnectionReport report) {
    StringBuilder text = new StringBuilder(connection(report.connection(), report.peer()));
    text.append(report.isEncrypted() ? ", TLS" : "");
    text.append(report.export().isEmpty() ? "" : ", " + quoted(report.export()));
    text.append(": ended after ").append(Units.nanos(report.ageNanos()));
    text.append(", ").append(report.why()).append(": ").append(traffic(report.traffic()));
    return plain(text.toString());
  }

  static String refused(String peer, String why) {
    return plain(peer + ": refused, " + why);
  }

  private static String connection(long number, String peer) {
    return "connection " + number + ", " + peer;
  }

  /** The commands with their counts, then what went wrong and what was stopped. */
  static String traffic(Traffic traffic) {
    List<String> parts = new ArrayList<>();
    for (Command command : Command.values()) {
      CommandCounts counts = traffic.of(command);
      if (counts.requests() > 0) {
        parts.add(
            counts.requests()
                + " "
                + counted(command, counts.requests() == 1)
                + (counts.bytes() > 0 && command != Command.BLOCK_STATUS
                    ? " (" + Units.bytes(counts.bytes()) + ")"
                    : ""));
      }
    }
    StringBuilder text =
        new StringBuilder(parts.isEmpty() ? "no requests" : String.join(", ", parts));
    CommandCounts all = traffic.all();
    if (all.errors() > 0) {
      text.append("; ").append(all.errors()).append(" failed");
    }
    if (all.cancelled() > 0) {
      text.append("; ").append(all.cancelled()).append(" cancelled: ");
      text.append(Units.bytes(traffic.cancelledDoneBytes())).append(" done, ");
      text.append(Units.bytes(traffic.cancelledCleanBytes())).append(" clean, ");
      text.append(Units.bytes(traffic.cancelledUnknownBytes())).append(" unknown");
    }
    return text.toString();
  }

  /** What stopping came to, without its troubles. */
  static String stopped(StopReport report) {
    return "stopped in %s: %d connection%s, %d request%s finished, %d cancelled%s%s"
        .formatted(
            Units.nanos(report.tookNanos()),
            report.connections(),
            report.connections() == 1 ? "" : "s",
            report.finished(),
            report.finished() == 1 ? "" : "s",
            report.cancelled(),
            report.unanswered() == 0
                ? ""
                : ", " + report.unanswered() + " never answered by their device",
            report.troubles().isEmpty() ? "; every stack is flushed and closed" : "");
  }

  private static String counted(Command command, boolean isOne) {
    return switch (command) {
      case READ -> isOne ? "read" : "reads";
      case WRITE -> isOne ? "write" : "writes";
      case FLUSH -> isOne ? "flush" : "flushes";
      case TRIM -> isOne ? "trim" : "trims";
      case WRITE_ZEROES -> isOne ? "write of zeroes" : "writes of zeroes";
      case CACHE -> "cache";
      case BLOCK_STATUS -> "block status";
      case UNKNOWN -> "unknown";
    };
  }

  /** As metrics and objects have it: {@code write_zeroes}. */
  static String word(Command command) {
    return command.name().toLowerCase(Locale.ROOT);
  }

  static Map<String, Object> fields(Address address) {
    return fields("address", address.toString());
  }

  static Map<String, Object> fields(ConnectionStatus status) {
    Map<String, Object> map = fields("connection", status.connection());
    map.put("peer", status.peer());
    map.put("export", status.export());
    map.put("tls", status.isEncrypted());
    return map;
  }

  static Map<String, Object> fields(ConnectionReport report) {
    Map<String, Object> map = fields("connection", report.connection());
    map.put("peer", report.peer());
    map.put("export", report.export());
    map.put("tls", report.isEncrypted());
    map.put("ageNanos", report.ageNanos());
    map.put("clean", report.isClean());
    map.put("why", report.why());
    putTraffic(map, report.traffic());
    return map;
  }

  static Map<String, Object> fields(StopReport report) {
    Map<String, Object> map = fields("tookNanos", report.tookNanos());
    map.put("connections", report.connections());
    map.put("finished", report.finished());
    map.put("cancelled", report.cancelled());
    map.put("unanswered", report.unanswered());
    map.put("troubles", report.troubles());
    return map;
  }

  /** Puts what was done by command, and what was stopped. */
  static void putTraffic(Map<String, Object> map, Traffic traffic) {
    Map<String, Object> commands = new LinkedHashMap<>();
    for (Command command : Command.values()) {
      CommandCounts counts = traffic.of(command);
      if (counts.requests() > 0) {
        Map<String, Object> one = fields("requests", counts.requests());
        one.put("bytes", counts.bytes());
        one.put("errors", counts.errors());
        one.put("cancelled", counts.cancelled());
        commands.put(word(command), one);
      }
    }
    map.put("requests", commands);
    map.put("cancelledDoneBytes", traffic.cancelledDoneBytes());
    map.put("cancelledCleanBytes", traffic.cancelledCleanBytes());
    map.put("cancelledUnknownBytes", traffic.cancelledUnknownBytes());
  }

  static Map<String, Object> fields(String key, Object value) {
    Map<String, Object> map = new LinkedHashMap<>();
    map.put(key, value);
    return map;
  }

  static String quoted(String name) {
    return "\"" + name + "\"";
  }

  /** Without the control characters that a client may have put into what is shown of it. */
  static String plain(String text) {
    StringBuilder safe = new StringBuilder(text.length());
    text.codePoints()
        .forEach(
            c -> {
              int type = Character.getType(c);
              boolean isShown =
                  type != Character.CONTROL
                      && type != Character.FORMAT
                      && type != Character.SURROGATE
                      && type != Character.LINE_SEPARATOR
                      && type != Character.PARAGRAPH_SEPARATOR;
              safe.appendCodePoint(isShown ? c : '?');
            });
    return safe.toString();
  }
}
