// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.net.Address;
import dev.belay.serve.ConnectionStatus;
import dev.belay.serve.Counters;
import dev.belay.serve.Export;
import dev.belay.serve.Flight;
import dev.belay.serve.NbdServer;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;

/**
 * What a server answers on its control socket: {@code ps} and {@code cancel ID …} with one JSON
 * object, {@code metrics} with Prometheus' text.
 */
final class ControlAnswers implements UnaryOperator<String> {
  private final NbdServer server;
  private final ServePlan plan;
  private final List<Address> listening;
  private final Instant start = Instant.now().truncatedTo(ChronoUnit.MILLIS);

  ControlAnswers(NbdServer server, ServePlan plan, List<Address> listening) {
    this.server = server;
    this.plan = plan;
    this.listening = List.copyOf(listening);
  }

  @Override
  public String apply(String line) {
    String[] words = line.split(" +");
    return switch (words[0]) {
      case "ps" -> Json.print(status()) + "\n";
      case "cancel" -> Json.print(cancel(List.of(words).subList(1, words.length))) + "\n";
      case "metrics" -> metrics();
      default ->
          Json.print(ServeLines.fields("error", "say ps, cancel ID … or metrics, and a new line"))
              + "\n";
    };
  }

  String metrics() {
    return Metrics.print(server.counters(), start.toEpochMilli() / 1000.0);
  }

  private Map<String, Object> cancel(List<String> ids) {
    List<String> raised = new ArrayList<>();
    List<String> missing = new ArrayList<>();
    for (String id : ids) {
      (server.cancel(id) ? raised : missing).add(id);
    }
    Map<String, Object> answer = ServeLines.fields("raised", raised);
    answer.put("missing", missing);
    return answer;
  }

  private Map<String, Object> status() {
    Counters counters = server.counters();
    Map<String, Object> map = ServeLines.fields("pid", ProcessHandle.current().pid());
    map.put("start", start.toString());
    map.put("listening", listening.stream().map(ControlAnswers::whole).toList());
    map.put("openConnections", counters.openConnections());
    map.put("openBytes", counters.openBytes());
    List<Map<String, Object>> exports = new ArrayList<>();
    for (int i = 0; i < counters.exports().size(); i++) {
      exports.add(export(plan.exports().get(i), counters.exports().get(i)));
    }
    map.put("exports", exports);
    map.put("connections", server.connections().stream().map(ControlAnswers::fields).toList());
    map.put("requests", server.inFlight().stream().map(ControlAnswers::fields).toList());
    return map;
  }

  /** As it is found from any directory. */
  private static String whole(Address address) {
    return address instanceof Address.Unix unix
        ? "unix:" + ServeUri.whole(Path.of(unix.path()))
        : address.toString();
  }

  private static Map<String, Object> export(Export export, Counters.OfExport counters) {
    Map<String, Object> map = ServeLines.fields("name", export.name());
    map.put("stack", export.expression());
    map.put("sizeBytes", counters.sizeBytes());
    map.put("readOnly", export.readOnly());
    map.put("openConnections", counters.openConnections());
    map.put("openRequests", counters.openRequests());
    ServeLines.putTraffic(map, counters.traffic());
    return map;
  }

  private static Map<String, Object> fields(ConnectionStatus connection) {
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("id", String.valueOf(connection.connection()));
    map.put("export", connection.export());
    map.put("peer", connection.peer());
    map.put("tls", connection.isEncrypted());
    map.put("ageNanos", connection.ageNanos());
    map.put("openRequests", connection.openRequests());
    map.put("openBytes", connection.openBytes());
    ServeLines.putTraffic(map, connection.traffic());
    return map;
  }

  private static Map<String, Object> fields(Flight flight) {
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("id", flight.id());
    map.put("connection", String.valueOf(flight.connection()));
    map.put("export", flight.export());
    map.put("peer", flight.peer());
    map.put("op", ServeLines.word(flight.command()));
    map.put("offsetBytes", flight.offsetBytes());
    map.put("lengthBytes", flight.lengthBytes());
    map.put("ageNanos", flight.ageNanos());
    map.put("cancelled", flight.isCancelled());
    map.put("where", flight.where());
    return map;
  }
}
