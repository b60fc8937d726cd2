// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code belay ps}: what is in flight in the servers of this user, and who waits for it. */
@Command(
    name = "ps",
    description = "Show what belay's servers have in flight, and which layer has it.",
    mixinStandardHelpOptions = true,
    footer = {
      "",
      "Shows all servers of this user, or the one of --control. An ID is what",
      "belay cancel takes: a request, or with one number, all that a connection does.",
      "Exit codes: 0 shown, 1 a server does not answer, 2 called wrongly."
    })
final class Ps implements Callable<Integer> {
  @Option(
      names = "--control",
      paramLabel = "PATH",
      description = "The control socket of one server, as it was given to belay serve.")
  private @Nullable Path control;

  @Option(names = "--json", description = "Print one JSON object instead.")
  private boolean json;

  @Option(names = "--metrics", description = "Print the counters in Prometheus' text format.")
  private boolean metrics;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() throws IOException {
    PrintWriter out = spec.commandLine().getOut();
    if (json && metrics) {
      throw new ParameterException(
          spec.commandLine(), "--json and --metrics: the counters are in both, choose one");
    }
    Servers servers = Servers.find(control);
    if (metrics) {
      out.print(ControlCall.text(servers.only("--metrics"), "metrics"));
      return Main.DONE;
    }
    List<Map<String, @Nullable Object>> answers = new ArrayList<>();
    int code = Main.DONE;
    for (Path socket : servers.sockets()) {
      try {
        answers.add(ControlCall.ask(socket, "ps"));
      } catch (IOException e) {
        // The others are shown all the same.
        spec.commandLine().getErr().println("belay: " + Main.sentence(e));
        code = Main.FAILED;
      }
    }
    if (json) {
      Map<String, Object> all = new LinkedHashMap<>();
      all.put("servers", answers);
      out.println(Json.print(all));
      return code;
    }
    if (servers.sockets().isEmpty()) {
      out.println("no server of this user is running; belay serve starts one");
    }
    for (Map<String, @Nullable Object> answer : answers) {
      new PsText(answer, servers.sockets().size() > 1).lines().forEach(out::println);
    }
    return code;
  }
}
