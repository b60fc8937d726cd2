// SPDX-License-Identifier: Apache-2.0
package dev.belay.scenario;

import dev.belay.net.Address;
import dev.belay.serve.ConnectionReport;
import dev.belay.serve.ConnectionStatus;
import dev.belay.serve.Export;
import dev.belay.serve.NbdServer;
import dev.belay.serve.ServerLog;
import dev.belay.serve.ServerOptions;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.net.URI;
import java.net.UnixDomainSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/** A server that is a program of its own, for tests that kill it or look at its memory. */
final class KilledServer {
  private KilledServer() {}

  /** Says each end of a connection by a line. */
  private static final class Lines implements ServerLog {
    @Override
    public void listening(Address address) {}

    @Override
    public void connected(ConnectionStatus connection) {}

    @Override
    public void refused(String peer, String why, boolean isFault) {
      System.out.println("refused: " + why);
    }

    @Override
    public void ended(ConnectionReport report) {
      System.out.println("ended: " + report.why());
    }

    @Override
    public void note(String sentence) {
      System.out.println("note: " + sentence);
    }
  }

  /**
   * @param args the unix socket's path; how long it waits for clients that are silent, in
   *     milliseconds, 0 for as usual; and then exports: a name, an expression, and so on
   */
  public static void main(String[] args) throws Exception {
    List<Export> exports = new ArrayList<>();
    for (int i = 2; i < args.length; i += 2) {
      exports.add(new Export(args[i], args[i + 1], false, null, ""));
    }
    ServerOptions options = ServerOptions.DEFAULTS;
    Duration patience = Duration.ofMillis(Long.parseLong(args[1]));
    if (!patience.isZero()) {
      options =
          options
              .withHandshakeTimeout(patience)
              .withIdleTimeout(patience)
              .withStallTimeout(patience)
              .withMostBytes(8 << 20, 128 << 20);
    }
    try (NbdServer server = NbdServer.open(exports, options, new Lines())) {
      server.listen(new Address.Unix(args[0]));
      System.out.println("ready");
      Thread.sleep(600_000); // until it is killed
    }
  }

  /** Starts it, and waits until it can be connected to. */
  static Process start(UnixDomainSocketAddress at, long patienceMillis, List<String> exports)
      throws IOException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(
        List.of(
            "-XX:TieredStopAtLevel=1", "-Xmx128m", "-ea", "--enable-native-access=ALL-UNNAMED"));
    command.addAll(
        List.of(
            "-cp", placeOf(NbdServer.class) + File.pathSeparator + placeOf(KilledServer.class)));
    command.addAll(
        List.of(KilledServer.class.getName(), at.toString(), Long.toString(patienceMillis)));
    command.addAll(exports);
    Path errors = Path.of(at + ".errors");
    Process server = new ProcessBuilder(command).redirectError(errors.toFile()).start();
    BufferedReader lines = server.inputReader(StandardCharsets.UTF_8);
    String line = lines.readLine();
    while (line != null && line.startsWith("note: ")) {
      line = lines.readLine();
    }
    if (!"ready".equals(line)) {
      server.destroyForcibly();
      throw new IOException(
          "the server did not come up: it said " + line + ", and " + Files.readString(errors));
    }
    return server;
  }

  private static String placeOf(Class<?> type) {
    URI place = URI.create(type.getProtectionDomain().getCodeSource().getLocation().toString());
    return Path.of(place).toString();
  }
}
