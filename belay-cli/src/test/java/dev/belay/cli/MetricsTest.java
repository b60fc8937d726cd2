// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.belay.net.Address;
import dev.belay.serve.Command;
import dev.belay.serve.CommandCounts;
import dev.belay.serve.Counters;
import dev.belay.serve.Latency;
import dev.belay.serve.Traffic;
import java.io.IOException;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

final class MetricsTest {
  private static Counters counters() {
    List<Long> buckets = new ArrayList<>(Collections.nCopies(Latency.BUCKETS, 0L));
    buckets.set(0, 3L);
    buckets.set(5, 4L);
    buckets.set(Latency.BUCKETS - 1, 1L);
    Traffic traffic =
        new Traffic(
            Map.of(
                Command.READ, new CommandCounts(6, 24576, 0, 0),
                Command.WRITE_ZEROES, new CommandCounts(2, 0, 1, 1)),
            new Latency(buckets, 1_500_000_000),
            1,
            2,
            3);
    return new Counters(
        List.of(
            new Counters.OfExport("", "null()", 1 << 20, 2, 3, 1 << 20, traffic),
            new Counters.OfExport("odd\\ \"name\"\n", "null()", 4096, 0, 0, 0, Traffic.NONE)),
        5,
        17,
        4,
        1 << 20);
  }

  @Test
  void theFormatIsPrometheus() {
    Map<String, Double> samples = MetricsText.parse(Metrics.print(counters(), 1.7e9 + 0.25));
    assertThat(samples)
        .containsEntry("belay_connections", 5.0)
        .containsEntry("belay_connections_accepted_total", 17.0)
        .containsEntry("belay_connections_refused_total", 4.0)
        .containsEntry("belay_start_time_seconds", 1_700_000_000.25)
        .containsEntry("belay_in_flight_bytes{export=\"\"}", 1048576.0)
        .containsEntry("belay_requests_in_flight{export=\"\"}", 3.0)
        .containsEntry("belay_requests_total{export=\"\",op=\"read\"}", 6.0)
        .containsEntry("belay_request_bytes_total{export=\"\",op=\"read\"}", 24576.0)
        .containsEntry("belay_request_errors_total{export=\"\",op=\"write_zeroes\"}", 1.0)
        .containsEntry("belay_requests_cancelled_total{export=\"\",op=\"write_zeroes\"}", 1.0)
        .containsEntry("belay_requests_total{export=\"\",op=\"trim\"}", 0.0)
        .containsEntry("belay_cancelled_bytes_total{export=\"\",state=\"clean\"}", 2.0)
        .containsEntry("belay_export_size_bytes{export=\"odd\\\\ \\\"name\\\"\\n\"}", 4096.0);
    String latency = "belay_request_duration_seconds";
    assertThat(samples)
        .containsEntry(latency + "_bucket{export=\"\",le=\"0.000002048\"}", 3.0)
        .containsEntry(latency + "_bucket{export=\"\",le=\"0.000065536\"}", 7.0)
        .containsEntry(latency + "_bucket{export=\"\",le=\"+Inf\"}", 8.0)
        .containsEntry(latency + "_sum{export=\"\"}", 1.5)
        .containsEntry(latency + "_count{export=\"\"}", 8.0);
  }

  private static HttpResponse<String> ask(String uri, HttpRequest.Builder request)
      throws Exception {
    try (HttpClient client = HttpClient.newHttpClient()) {
      return client.send(request.uri(URI.create(uri)).build(), BodyHandlers.ofString());
    }
  }

  @Test
  void aPortAnswersWithThem() throws Exception {
    String text = Metrics.print(counters(), 1);
    try (MetricsPort port = MetricsPort.open(new Address.Tcp("127.0.0.1", 0), () -> text)) {
      HttpResponse<String> found = ask(port.uri(), HttpRequest.newBuilder().GET());
      assertThat(found.statusCode()).isEqualTo(200);
      assertThat(found.headers().firstValue("Content-Type"))
          .hasValue("text/plain; version=0.0.4; charset=utf-8");
      assertThat(found.body()).isEqualTo(text);
      HttpResponse<String> other = ask(port.uri() + "/x", HttpRequest.newBuilder().GET());
      assertThat(other.statusCode()).isEqualTo(404);
      HttpRequest.Builder posted = HttpRequest.newBuilder().POST(BodyPublishers.ofString("x"));
      assertThat(ask(port.uri(), posted).statusCode()).isEqualTo(405);
    }
  }

  @Test
  void aPortInUseIsASentence() throws IOException {
    try (ServerSocket other = new ServerSocket(0, 1, java.net.InetAddress.getLoopbackAddress())) {
      Address.Tcp address = new Address.Tcp("localhost", other.getLocalPort());
      assertThatThrownBy(() -> MetricsPort.open(address, () -> ""))
          .isInstanceOf(IOException.class)
          .hasMessageContaining("--metrics: cannot listen at localhost:")
          .hasMessageContaining("in use");
    }
  }
}
