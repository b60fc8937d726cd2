// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class ServeTest {
  private static final String MEMORY = "memory(size=1M)";

  /** A device that keeps writes for as long as a test can want. */
  private static final String SLOW = "delay(memory(size=1M), write=1h)";

  @TempDir Path directory;

  private Serving serve(String... args) throws InterruptedException {
    List<String> all = new ArrayList<>(List.of(args));
    all.add("--unix=" + socket());
    return Serving.start(directory, all.toArray(String[]::new));
  }

  private Path socket() {
    return directory.resolve("s");
  }

  @Test
  void aStackIsServedUntilItIsToldToStop() throws Exception {
    try (Serving serving = serve(MEMORY)) {
      assertThat(serving.said())
          .contains("export \"\": memory(size=1M), 1 MiB")
          .contains("nbdinfo 'nbd+unix:///?socket=" + socket() + "'", "nbdcopy", "qemu-img");
      assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(socket())))
          .isEqualTo("rw-------");
      byte[] hello = "any offset, any length".getBytes(UTF_8);
      try (TinyClient client = TinyClient.unix(socket(), "")) {
        client.write(1, 12345, hello);
        assertThat(client.reply(1)).isZero();
        assertThat(client.read(2, 12345, hello.length)).isEqualTo(hello);
        Run ps = serving.ask("ps");
        assertThat(ps.out())
            .contains("at unix:" + socket() + ": 1 connection, 0 requests in flight")
            .containsPattern("(?m)^1 .*nothing in flight$");
        client.sayGoodbye();
      }
      Program.await(() -> serving.said().contains("ended after"));
      assertThat(serving.said()).contains("1 read (22 B), 1 write (22 B)");
      assertThat(serving.metrics())
          .containsEntry("belay_requests_total{export=\"\",op=\"write\"}", 1.0)
          .containsEntry("belay_request_bytes_total{export=\"\",op=\"read\"}", 22.0)
          .containsEntry("belay_request_duration_seconds_count{export=\"\"}", 2.0)
          .containsEntry("belay_connections_accepted_total", 1.0);
      assertThat(serving.stop()).isZero();
      assertThat(serving.said()).contains("stopped in").contains("every stack is flushed");
    }
    assertThat(directory).isEmptyDirectory();
  }

  @Test
  void whatIsInFlightIsShownAndCancelled() throws Exception {
    try (Serving serving = serve("slow=" + SLOW, "--grace=0");
        TinyClient client = TinyClient.unix(socket(), "slow")) {
      for (int i = 1; i <= 3; i++) {
        client.write(i, 4096L * i, new byte[4096]);
      }
      Program.await(() -> serving.ask("ps").out().contains("3 requests in flight"));
      Run ps = serving.ask("ps");
      Matcher rows =
          Pattern.compile("(?m)^(1\\.\\d+) +slow +.* write +(\\d+) +4 KiB .*delay")
              .matcher(ps.out());
      List<String> ids = rows.results().map(row -> row.group(1)).toList();
      assertThat(ids).as(ps.out()).hasSize(3);

      Run cancel = serving.ask("cancel", ids.get(1));
      assertThat(cancel.code()).as(cancel.all()).isZero();
      assertThat(cancel.out()).contains(ids.get(1) + ": its flag is up");
      assertThat(client.reply(2)).isEqualTo(TinyClient.EIO);
      Run again = serving.ask("cancel", ids.get(1), "77.1");
      assertThat(again.code()).isEqualTo(1);
      assertThat(again.err())
          .contains(ids.get(1) + ": nothing of that name is in flight; it may have ended")
          .contains("77.1: nothing of that name");
      assertThat(serving.ask("ps", "--json").out())
          .contains("\"op\":\"write\"", "\"lengthBytes\":4096", "\"cancelled\":1");

      assertThat(serving.ask("cancel", "1").out()).contains("1: its flag is up; all of it");
      assertThat(List.of(reply(client), reply(client))).containsExactlyInAnyOrder("5:1", "5:3");
      assertThat(serving.metrics())
          .containsEntry("belay_requests_cancelled_total{export=\"slow\",op=\"write\"}", 3.0)
          .containsEntry("belay_cancelled_bytes_total{export=\"slow\",state=\"clean\"}", 12288.0);
    }
  }

  private static String reply(TinyClient client) throws Exception {
    long[] cookie = new long[1];
    int error = client.reply(cookie);
    return error + ":" + cookie[0];
  }

  @Test
  void aDeadlineCancels() throws Exception {
    try (Serving serving = serve(SLOW, "--deadline=50ms");
        TinyClient client = TinyClient.unix(socket(), "")) {
      client.write(1, 0, new byte[512]);
      assertThat(client.reply(1)).isEqualTo(TinyClient.EIO);
      assertThat(serving.metrics())
          .containsEntry("belay_requests_cancelled_total{export=\"\",op=\"write\"}", 1.0);
    }
  }

  @Test
  void whatIsInFlightAtTheEndIsCancelledAfterTheGrace() throws Exception {
    try (Serving serving = serve(SLOW, "--grace=20ms");
        TinyClient client = TinyClient.unix(socket(), "")) {
      client.write(1, 0, new byte[512]);
      Program.await(() -> serving.ask("ps").out().contains("1 request in flight"));
      assertThat(serving.stop()).isEqualTo(3);
      assertThat(serving.said())
          .contains("1 connection, 0 requests finished, 1 cancelled")
          .contains("1 write; 1 cancelled: 0 B done, 512 B clean, 0 B unknown");
    }
  }

  @Test
  void aClientThatGoesAwayIsReported() throws Exception {
    try (Serving serving = serve(SLOW)) {
      try (TinyClient client = TinyClient.unix(socket(), "")) {
        client.write(1, 0, new byte[65536]);
        Program.await(() -> serving.ask("ps").out().contains("1 request in flight"));
      }
      Program.await(() -> serving.said().contains("ended after"));
      assertThat(serving.said()).contains("1 cancelled: 0 B done, 64 KiB clean, 0 B unknown");
      assertThat(serving.stop()).isZero();
    }
  }

  @Test
  void aLogOfObjectsIsThat() throws Exception {
    try (Serving serving = serve(MEMORY, "--log=json")) {
      TinyClient.unix(socket(), "").close();
      Program.await(() -> serving.said().contains("\"ended\""));
      serving.stop();
      List<Map<String, Object>> events =
          serving.said().lines().map(JsonReader::parseObject).toList();
      assertThat(events)
          .extracting(event -> event.get("event"))
          .containsExactly("listening", "ready", "connected", "ended", "stopped");
      assertThat(events).allMatch(event -> event.get("time").toString().endsWith("Z"));
      assertThat(events.get(1).get("uris").toString()).contains("nbd+unix:///?socket=");
      assertThat(events.get(3)).containsEntry("clean", false).containsEntry("connection", 1L);
    }
  }

  @Test
  void manyExportsAreServedAtManyAddresses() throws Exception {
    Path conf = directory.resolve("conf");
    Files.writeString(conf, "[b]\nstack = " + MEMORY + "\nread-only = on\n");
    try (Serving serving =
        serve("a=" + MEMORY, "--exports=" + conf, "--tcp=localhost:0", "--metrics=localhost:0")) {
      byte[] one = {1};
      try (TinyClient client = TinyClient.tcp(serving.port(), "a")) {
        client.write(1, 0, one);
        assertThat(client.reply(1)).isZero();
      }
      try (TinyClient client = TinyClient.unix(socket(), "a")) {
        assertThat(client.read(1, 0, 1)).isEqualTo(one);
      }
      try (TinyClient client = TinyClient.unix(socket(), "b")) {
        client.write(1, 0, one);
        assertThat(client.reply(1)).isEqualTo(1); // EPERM
      }
      Matcher uri = Pattern.compile("metrics: (http://\\S+)").matcher(serving.said());
      assertThat(uri.find()).isTrue();
      try (HttpClient http = HttpClient.newHttpClient()) {
        HttpResponse<String> found =
            http.send(
                HttpRequest.newBuilder(URI.create(uri.group(1))).build(),
                HttpResponse.BodyHandlers.ofString());
        assertThat(MetricsText.parse(found.body()))
            .containsEntry("belay_export_size_bytes{export=\"b\"}", 1048576.0);
      }
    }
  }

  @Test
  void whatIsInUseStays() throws Exception {
    try (Serving serving = serve(MEMORY)) {
      Run second = Run.of("serve", MEMORY, "--unix=" + socket());
      assertThat(second.code()).isEqualTo(1);
      assertThat(second.err()).startsWith("belay: ").contains("in use").contains("" + socket());
      MainTest.assertNoTrace(second);
      Run sameControl =
          Run.of(
              "serve",
              MEMORY,
              "--unix=" + directory.resolve("t"),
              "--control=" + directory.resolve("control"));
      assertThat(sameControl.code()).isEqualTo(1);
      assertThat(sameControl.err()).contains("is there already");
      assertThat(directory.resolve("t")).doesNotExist();
      TinyClient.unix(socket(), "").close();
      assertThat(serving.ask("ps").code()).isZero();
    }
    Run nowhere = Run.of("serve", MEMORY, "--unix=" + directory.resolve("no/s"));
    assertThat(nowhere.code()).isEqualTo(1);
    assertThat(nowhere.err()).startsWith("belay: ").contains("no/s");
    try (ServerSocket other = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      Run taken = Run.of("serve", MEMORY, "--tcp=127.0.0.1:" + other.getLocalPort());
      assertThat(taken.code()).isEqualTo(1);
      assertThat(taken.err()).startsWith("belay: ").contains("127.0.0.1:" + other.getLocalPort());
    }
  }

  @Test
  void aCommandRunsAndItsCodeIsTheAnswer() throws Exception {
    Path said = directory.resolve("said");
    Run run =
        Run.of(
            "serve",
            MEMORY,
            "--control=" + directory.resolve("c"),
            "--run=test -S \"$unixsocket\" && echo \"$uri\" > " + said + "; exit 7");
    assertThat(run.code()).as(run.all()).isEqualTo(7);
    assertThat(run.out()).isEmpty();
    assertThat(run.err()).contains("ready", "stopped in");
    String uri = Files.readString(said).strip();
    assertThat(uri).startsWith("nbd+unix:///?socket=/");
    assertThat(Path.of(uri.substring(uri.indexOf('=') + 1)).getParent()).doesNotExist();
    assertThat(directory.resolve("c")).doesNotExist();
  }

  @Test
  void nbdinfoSeesWhatIsServed() throws Exception {
    assumeThat(Path.of("/usr/bin/nbdinfo")).exists();
    try (Serving serving = serve("a=" + MEMORY, "b=" + MEMORY, "--read-only")) {
      Path said = directory.resolve("said");
      Process info =
          new ProcessBuilder("nbdinfo", "--list", "--json", "nbd+unix:///?socket=" + socket())
              .redirectErrorStream(true)
              .redirectOutput(said.toFile())
              .start();
      assertThat(info.waitFor(30, TimeUnit.SECONDS)).isTrue();
      assertThat(Files.readString(said))
          .contains("\"export-name\": \"a\"", "\"export-name\": \"b\"")
          .contains("\"export-size\": 1048576", "\"is_read_only\": true");
      assertThat(serving.stop()).isZero();
    }
  }
}
