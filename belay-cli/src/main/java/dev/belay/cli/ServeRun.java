// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.net.Address;
import dev.belay.serve.ConnectionStatus;
import dev.belay.serve.Counters.OfExport;
import dev.belay.serve.Export;
import dev.belay.serve.NbdServer;
import dev.belay.serve.StopReport;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * One server from its start to its end. The first signal stops it, the second raises all flags, the
 * third leaves at once.
 */
final class ServeRun {
  private static final int MOST_SHOWN = 8;

  private final ServePlan plan;
  private final PrintWriter out;
  private final CountDownLatch told = new CountDownLatch(1);
  private final AtomicInteger signals = new AtomicInteger();
  private final List<Address> listening = new ArrayList<>();
  private volatile @Nullable NbdServer server;
  private @Nullable ControlSocket control;
  private @Nullable MetricsPort metrics;

  ServeRun(ServePlan plan, PrintWriter out) {
    this.plan = plan;
    this.out = out;
  }

  /** Serves until it is told to stop, or the command has ended; gives the exit code. */
  @SuppressWarnings("try") // the signals are heard by being there
  int run() throws IOException {
    try (ServeRoom room = ServeRoom.of(plan);
        ServeLog log = new ServeLog(out, plan.isJson());
        Signals heard = Signals.hear(this::signalled)) {
      boolean isNew =
          plan.exports().getFirst().expression().equals(ServeExports.OWN_STACK)
              && !Files.exists(Path.of(ServeExports.OWN_FILE));
      NbdServer opened = NbdServer.open(plan.exports(), plan.options(), log);
      server = opened;
      if (isNew) {
        log.say(ServeExports.OWN_FILE + " was made: 1 GiB, sparse; it stays");
      }
      try {
        int code = serve(opened, room, log);
        log.endStatus();
        // Until the last request has ended, belay ps can ask for what is awaited.
        StopReport report = opened.stop(plan.grace());
        tell(log, report);
        return code != Main.DONE ? code : code(report);
      } finally {
        opened.close();
        closeDoors();
      }
    }
  }

  private void closeDoors() {
    if (metrics != null) {
      metrics.close();
    }
    if (control != null) {
      control.close();
    }
  }

  private int serve(NbdServer opened, ServeRoom room, ServeLog log) throws IOException {
    for (Address address : room.addresses()) {
      listening.add(opened.listen(address));
    }
    ControlAnswers answers = new ControlAnswers(opened, plan, listening);
    openControl(answers, log);
    Address.Tcp port = plan.metrics();
    if (port != null) {
      metrics = MetricsPort.open(port, answers::metrics);
    }
    tellReady(opened, log);
    String command = plan.command();
    if (command != null) {
      return new ServeCommand(command, uris().getFirst(), listening.getFirst()).run(told);
    }
    log.showStatus(opened::counters);
    try {
      told.await();
    } catch (InterruptedException e) {
      // Whoever runs this inside a larger program tells it so.
    }
    return Main.DONE;
  }

  private void openControl(ControlAnswers answers, ServeLog log) throws IOException {
    Path given = plan.control();
    if (given != null) {
      control = ControlSocket.open(given, answers);
      return;
    }
    try {
      ControlPlace place = ControlPlace.ofUser(System.getenv());
      Path path = place.ownSocket();
      place.sockets();
      control = ControlSocket.open(path, answers);
    } catch (IOException e) {
      log.note("there is no control socket, so belay ps cannot ask: " + Main.sentence(e));
    }
  }

  private List<String> uris() {
    List<String> uris = new ArrayList<>();
    for (Export export : plan.exports()) {
      for (Address address : listening) {
        uris.add(ServeUri.of(address, export.name(), plan.tls()));
      }
    }
    return uris;
  }

  private void tellReady(NbdServer opened, ServeLog log) {
    List<OfExport> exports = opened.counters().exports();
    for (int i = 0; i < exports.size() && i < MOST_SHOWN; i++) {
      Export export = plan.exports().get(i);
      log.say(
          "export %s: %s, %s%s"
              .formatted(
                  ServeLines.quoted(ServeLines.plain(export.name())),
                  ServeLines.plain(export.expression()),
                  Units.bytes(exports.get(i).sizeBytes()),
                  export.readOnly() ? ", read-only" : ""));
    }
    if (exports.size() > MOST_SHOWN) {
      log.say("and " + (exports.size() - MOST_SHOWN) + " more exports");
    }
    List<String> uris = uris();
    log.say("  nbdinfo '" + uris.getFirst() + "'");
    if (plan.command() == null) {
      log.say("  nbdcopy '" + uris.getFirst() + "' copy.img");
      log.say("  qemu-img convert -f raw -O qcow2 '" + uris.getFirst() + "' copy.qcow2");
    }
    for (String uri : uris.subList(1, Math.min(uris.size(), MOST_SHOWN))) {
      log.say("  " + uri);
    }
    if (plan.tls().isRequired() && plan.tls().clientCertificates() == null) {
      log.say("  each with tls-certificates=DIR, where the client has its own");
    }
    Map<String, Object> fields = ServeLines.fields("uris", uris);
    fields.put("pid", ProcessHandle.current().pid());
    fields.put("control", control == null ? "" : control.path().toString());
    fields.put("metrics", metrics == null ? "" : metrics.uri());
    if (metrics != null) {
      log.say("metrics: " + metrics.uri());
    }
    log.event(
        "ready",
        fields,
        "ready" + (plan.command() == null ? ": Ctrl-C stops it, belay ps shows what it does" : ""));
  }

  private void signalled() {
    int count = signals.incrementAndGet();
    told.countDown();
    NbdServer running = server;
    if (count == 2 && running != null) {
      for (ConnectionStatus connection : running.connections()) {
        running.cancel(String.valueOf(connection.connection()));
      }
    } else if (count > 2) {
      Runtime.getRuntime().halt(Main.FAILED);
    }
  }

  private static void tell(ServeLog log, StopReport report) {
    log.event("stopped", ServeLines.fields(report), ServeLines.stopped(report));
    for (String trouble : report.troubles()) {
      log.say("  " + ServeLines.plain(trouble));
    }
  }

  private static int code(StopReport report) {
    if (!report.troubles().isEmpty() || report.unanswered() > 0) {
      return Main.FAILED;
    }
    return report.cancelled() > 0 ? Main.CANCELLED : Main.DONE;
  }
}
