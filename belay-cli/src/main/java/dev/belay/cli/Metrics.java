// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.serve.Command;
import dev.belay.serve.CommandCounts;
import dev.belay.serve.Counters;
import dev.belay.serve.Counters.OfExport;
import dev.belay.serve.Latency;
import dev.belay.serve.Traffic;
import java.math.BigDecimal;
import java.util.List;
import java.util.Locale;
import java.util.function.ToLongFunction;

/**
 * The counters of a server in Prometheus' text exposition format, version 0.0.4, with names by its
 * conventions: base units, {@code _total} behind what only grows.
 */
final class Metrics {
  /** What HTTP calls the format. */
  static final String CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

  private final StringBuilder text = new StringBuilder();
  private final List<OfExport> exports;

  private Metrics(Counters counters) {
    exports = counters.exports();
  }

  /**
   * All of them.
   *
   * @param startSeconds when the program began, since 1970
   */
  static String print(Counters counters, double startSeconds) {
    Metrics metrics = new Metrics(counters);
    metrics.connections(counters, startSeconds);
    metrics.commands();
    metrics.cancelled();
    metrics.latency();
    return metrics.text.toString();
  }

  private void connections(Counters counters, double startSeconds) {
    family("belay_connections", "gauge", "Connections open now, those still being greeted too.");
    sample("belay_connections", "", counters.openConnections());
    family("belay_connections_accepted_total", "counter", "Connections ever accepted.");
    sample("belay_connections_accepted_total", "", counters.acceptedConnections());
    family("belay_connections_refused_total", "counter", "Connections that never used an export.");
    sample("belay_connections_refused_total", "", counters.refusedConnections());
    family("belay_in_flight_bytes", "gauge", "Memory that requests hold now.");
    each("belay_in_flight_bytes", OfExport::openBytes);
    family("belay_start_time_seconds", "gauge", "When the server began, since 1970.");
    line("belay_start_time_seconds", "", BigDecimal.valueOf(startSeconds).toPlainString());
    family("belay_export_size_bytes", "gauge", "How large an export is.");
    each("belay_export_size_bytes", OfExport::sizeBytes);
    family("belay_export_connections", "gauge", "Connections that use an export now.");
    each("belay_export_connections", OfExport::openConnections);
    family("belay_requests_in_flight", "gauge", "Requests received and not answered yet.");
    each("belay_requests_in_flight", OfExport::openRequests);
  }

  private void commands() {
    family(
        "belay_requests_total",
        "counter",
        "Requests that were answered, or whose client had gone.");
    eachCommand("belay_requests_total", CommandCounts::requests);
    family("belay_request_bytes_total", "counter", "Bytes that the requests done covered.");
    eachCommand("belay_request_bytes_total", CommandCounts::bytes);
    family("belay_request_errors_total", "counter", "Requests that failed or were not fit.");
    eachCommand("belay_request_errors_total", CommandCounts::errors);
    family(
        "belay_requests_cancelled_total",
        "counter",
        "Requests stopped: by a deadline, by hand, by a client that went, by the server's end.");
    eachCommand("belay_requests_cancelled_total", CommandCounts::cancelled);
  }

  private void cancelled() {
    String name = "belay_cancelled_bytes_total";
    family(
        name,
        "counter",
        "Bytes of the requests stopped: done, never sent to a device (clean), or unknown.");
    for (OfExport export : exports) {
      Traffic traffic = export.traffic();
      String label = label("export", export.name());
      sample(name, label + ",state=\"done\"", traffic.cancelledDoneBytes());
      sample(name, label + ",state=\"clean\"", traffic.cancelledCleanBytes());
      sample(name, label + ",state=\"unknown\"", traffic.cancelledUnknownBytes());
    }
  }

  private void latency() {
    String name = "belay_request_duration_seconds";
    family(name, "histogram", "From a request's last byte received to its reply made ready.");
    for (OfExport export : exports) {
      Latency latency = export.traffic().latency();
      String label = label("export", export.name());
      long sum = 0;
      for (int i = 0; i < Latency.BUCKETS - 1; i++) {
        sum += latency.counts().get(i);
        sample(name + "_bucket", label + "," + le(seconds(Latency.endNanos(i))), sum);
      }
      sample(name + "_bucket", label + "," + le("+Inf"), latency.count());
      line(name + "_sum", label, seconds(latency.sumNanos()));
      sample(name + "_count", label, latency.count());
    }
  }

  private static String le(String bound) {
    return "le=\"" + bound + "\"";
  }

  private static String seconds(long nanos) {
    return nanos == 0 ? "0" : BigDecimal.valueOf(nanos, 9).stripTrailingZeros().toPlainString();
  }

  private void family(String name, String type, String help) {
    text.append("# HELP ").append(name).append(' ').append(help).append('\n');
    text.append("# TYPE ").append(name).append(' ').append(type).append('\n');
  }

  private void each(String name, ToLongFunction<OfExport> value) {
    for (OfExport export : exports) {
      sample(name, label("export", export.name()), value.applyAsLong(export));
    }
  }

  private void eachCommand(String name, ToLongFunction<CommandCounts> value) {
    for (OfExport export : exports) {
      for (Command command : Command.values()) {
        String op = command.name().toLowerCase(Locale.ROOT);
        String labels = label("export", export.name()) + "," + label("op", op);
        sample(name, labels, value.applyAsLong(export.traffic().of(command)));
      }
    }
  }

  private void sample(String name, String labels, long value) {
    line(name, labels, String.valueOf(value));
  }

  private void line(String name, String labels, String value) {
    text.append(name);
    if (!labels.isEmpty()) {
      text.append('{').append(labels).append('}');
    }
    text.append(' ').append(value).append('\n');
  }

  private static String label(String name, String value) {
    String safe = value.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n");
    return name + "=\"" + safe + "\"";
  }
}
