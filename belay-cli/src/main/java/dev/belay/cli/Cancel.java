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
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code belay cancel ID …}: raises the flag of what a server has in flight. */
@Command(
    name = "cancel",
    description = "Ask requests that belay's servers have in flight to stop.",
    mixinStandardHelpOptions = true,
    footer = {
      "",
      "An ID is CONNECTION.NUMBER for a request, or CONNECTION for all that it has in",
      "flight now; belay ps shows them. With several servers, PID:ID says which.",
      "Raising a flag is a please: the request is answered when it has stopped, with",
      "an error, or when it is done.",
      "Exit codes: 0 all flags are up, 1 something was not there, 2 called wrongly.",
      "Example: belay cancel 3.1207"
    })
final class Cancel implements Callable<Integer> {
  private static final Pattern ID =
      Pattern.compile("(?:(\\d{1,10}):)?(\\d{1,19}(?:\\.\\d{1,19})?)");

  /** So many of the longest fit into the line that a server reads. */
  private static final int MOST_IN_A_LINE = ControlSocket.LONGEST_LINE_BYTES / 64;

  @Parameters(arity = "1..*", paramLabel = "ID", description = "[PID:]CONNECTION[.NUMBER]")
  private List<String> ids = new ArrayList<>();

  @Option(
      names = "--control",
      paramLabel = "PATH",
      description = "The control socket of the server, as it was given to belay serve.")
  private @Nullable Path control;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() throws IOException {
    List<Matcher> parsed = ids.stream().map(this::parse).toList();
    Servers servers = Servers.find(control);
    Map<Path, List<String>> wanted = new LinkedHashMap<>();
    for (Matcher id : parsed) {
      String pid = id.group(1);
      Path socket = pid == null || control != null ? servers.only(id.group()) : servers.of(pid);
      wanted.computeIfAbsent(socket, key -> new ArrayList<>()).add(id.group(2));
    }
    int code = Main.DONE;
    for (Map.Entry<Path, List<String>> one : wanted.entrySet()) {
      List<String> all = one.getValue();
      for (int i = 0; i < all.size(); i += MOST_IN_A_LINE) {
        List<String> part = all.subList(i, Math.min(all.size(), i + MOST_IN_A_LINE));
        code = Math.max(code, ask(one.getKey(), part));
      }
    }
    return code;
  }

  private Matcher parse(String id) {
    Matcher matcher = ID.matcher(id);
    if (!matcher.matches()) {
      throw new ParameterException(
          spec.commandLine(),
          "\"%s\" is no ID: write CONNECTION.NUMBER, such as 3.17, or CONNECTION; see belay ps"
              .formatted(ServeLines.plain(id)));
    }
    return matcher;
  }

  private int ask(Path socket, List<String> wanted) throws IOException {
    PrintWriter out = spec.commandLine().getOut();
    PrintWriter err = spec.commandLine().getErr();
    Map<String, @Nullable Object> answer =
        ControlCall.ask(socket, "cancel " + String.join(" ", wanted));
    List<?> raised = answer.get("raised") instanceof List<?> list ? list : List.of();
    for (String id : wanted) {
      if (raised.contains(id)) {
        out.println(
            id
                + ": its flag is up; "
                + (id.contains(".") ? "it is" : "all of it is")
                + " answered for when it has stopped, or is done");
      } else {
        err.println("belay: " + id + ": nothing of that name is in flight; it may have ended");
      }
    }
    return raised.containsAll(wanted) ? Main.DONE : Main.FAILED;
  }
}
