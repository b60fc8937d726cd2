// SPDX-License-Identifier: Apache-2.0
package dev.belay.peer;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.net.Address;
import dev.belay.serve.ConnectionReport;
import dev.belay.serve.ConnectionStatus;
import dev.belay.serve.Export;
import dev.belay.serve.NbdServer;
import dev.belay.serve.ServerLog;
import dev.belay.serve.ServerOptions;
import dev.belay.serve.StopReport;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Queue;
import java.util.Random;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.junit.jupiter.api.Assumptions;

/** A server with one export, {@code cargo}, at a unix socket, and what it says of its clients. */
final class Ship implements AutoCloseable {
  static final String NAME = "cargo";

  final Path directory;
  final Path socket;
  final Queue<ConnectionReport> ended = new ConcurrentLinkedQueue<>();
  final Queue<String> refused = new ConcurrentLinkedQueue<>();
  final Queue<String> notes = new ConcurrentLinkedQueue<>();
  private final NbdServer server;
  private boolean isClosed;

  Ship(Path directory, Stacks stack) throws IOException {
    this(directory, stack, ServerOptions.DEFAULTS);
  }

  Ship(Path directory, Stacks stack, ServerOptions options) throws IOException {
    this(directory, List.of(new Export(NAME, stack.make(directory), false, null, "")), options);
  }

  Ship(Path directory, List<Export> exports, ServerOptions options) throws IOException {
    this.directory = directory;
    socket = directory.resolve("nbd.socket");
    server = NbdServer.open(exports, options, new Log());
    server.listen(new Address.Unix(socket.toString()));
  }

  NbdServer server() {
    return server;
  }

  String uri() {
    return uri(NAME);
  }

  String uri(String export) {
    return "nbd+unix:///" + export + "?socket=" + socket;
  }

  Programs.Result run(String... command) throws IOException, InterruptedException {
    return Programs.run(directory, command);
  }

  /** A file of random bytes in the directory. */
  Path random(String name, long bytes, long seed) throws IOException {
    Path path = directory.resolve(name);
    Random random = new Random(seed);
    byte[] piece = new byte[1 << 20];
    try (var out = Files.newOutputStream(path)) {
      for (long at = 0; at < bytes; at += piece.length) {
        random.nextBytes(piece);
        out.write(piece, 0, (int) Math.min(piece.length, bytes - at));
      }
    }
    return path;
  }

  /** What is stored, brought by a peer to a file. */
  Path fetch(String name) throws IOException, InterruptedException {
    Path path = directory.resolve(name);
    run("nbdcopy", uri(), path.toString()).good();
    return path;
  }

  /** Stops it; no client may have had trouble, and the flushes went well. */
  void stop() {
    isClosed = true;
    StopReport report = server.stop(Duration.ofSeconds(10));
    assertThat(report.troubles()).isEmpty();
    assertThat(report.unanswered()).isZero();
    for (ConnectionReport each : ended) {
      assertThat(each.traffic().toString()).as("%s", each).isNotEmpty();
    }
  }

  @Override
  public void close() {
    if (!isClosed) {
      server.close();
    }
  }

  /** Why a test that needs io_uring or the like is passed over. */
  static void assume(boolean holds, String why) {
    Assumptions.assumeTrue(holds, why);
  }

  private final class Log implements ServerLog {
    @Override
    public void listening(Address address) {
      assertThat(address).isNotNull();
    }

    @Override
    public void connected(ConnectionStatus connection) {
      assertThat(connection).isNotNull();
    }

    @Override
    public void refused(String peer, String why, boolean isFault) {
      refused.add(why);
    }

    @Override
    public void ended(ConnectionReport report) {
      ended.add(report);
    }

    @Override
    public void note(String sentence) {
      notes.add(sentence);
    }
  }
}
