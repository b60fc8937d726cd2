// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.net.Address;
import dev.belay.serve.Export;
import dev.belay.serve.ServerOptions;
import dev.belay.stack.StackException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code belay serve}: stacks as exports of an NBD server, until it is told to stop. */
@Command(
    name = "serve",
    description = "Serve stacks over NBD to qemu, Linux, fio, nbdcopy and every other client.",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    footer = {
      "",
      "With no stack: the file belay.img in the working directory, made with 1 GiB",
      "if it is not there. With no address: the unix socket belay.sock there.",
      "NAME ends at the first = that has no parenthesis or quote before it.",
      "",
      "SIGTERM or Ctrl-C stops it: what runs is finished, or cancelled when the",
      "grace is over, and every stack is flushed. The second signal cancels at",
      "once, the third leaves at once.",
      "Exit codes: 0 stopped, 1 failed, 2 called wrongly, 3 stopped, and requests",
      "had to be cancelled; with --run, that of the command.",
      "Example: belay serve disk='stripe(a.img, b.img)' --unix disk.sock"
    })
final class Serve implements Callable<Integer> {
  /** What sockaddr_un has room for. */
  private static final int LONGEST_SOCKET_BYTES = 107;

  @Parameters(
      arity = "0..*",
      paramLabel = "[NAME=]STACK",
      description = "A stack expression, and the name that clients ask for. Default: no name")
  private List<String> stacks = new ArrayList<>();

  @Option(
      names = "--exports",
      paramLabel = "FILE",
      description = "A file of exports, a section each: [name], stack=, read-only=, deadline=, …")
  private @Nullable Path exportsFile;

  @Option(
      names = "--unix",
      paramLabel = "PATH",
      description = "Listen at a unix socket; more than once if you like.")
  private List<String> unixPaths = new ArrayList<>();

  @Option(
      names = "--tcp",
      paramLabel = "HOST:PORT",
      description =
          "Listen at a TCP port, 10809 being NBD's; more than once if you like. Beyond loopback"
              + " only with --tls required, or --plaintext")
  private List<String> tcpAddresses = new ArrayList<>();

  @Option(names = "--read-only", description = "Clients may only read.")
  private boolean readOnly;

  @Option(
      names = "--deadline",
      paramLabel = "DURATION",
      description = "How long a request may take until it is cancelled, e.g. 5s. Default: for ever")
  private @Nullable String deadline;

  @Mixin private ServeLimits limits = new ServeLimits();

  @ArgGroup(validate = false, heading = "%nEncryption:%n")
  private ServeTls tls = new ServeTls();

  @Option(
      names = "--grace",
      paramLabel = "DURATION",
      description = "How long requests may run on when it is stopped. Default: 10s")
  private String grace = "10s";

  @Option(
      names = "--run",
      paramLabel = "COMMAND",
      description =
          "Run this in a shell once clients can connect, then stop, with its exit code. It finds"
              + " the address in $uri, and in $unixsocket or $port")
  private @Nullable String command;

  @Option(
      names = "--log",
      paramLabel = "KIND",
      description = "text, for people, or json, an object a line. Default: text")
  private String log = "text";

  @Option(
      names = "--metrics",
      paramLabel = "HOST:PORT",
      description = "Answer at http://HOST:PORT/metrics, for Prometheus.")
  private @Nullable String metrics;

  @Option(
      names = "--control",
      paramLabel = "PATH",
      description = "Where the socket is that belay ps and cancel talk to. Default: they find it")
  private @Nullable Path control;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() throws IOException, InterruptedException {
    boolean isJson = log.equals("json");
    if (!isJson && !log.equals("text")) {
      throw wrong("--log is text or json, not " + log);
    }
    if (command != null && command.isBlank()) {
      throw wrong("--run: give a command, such as 'nbdinfo $uri'");
    }
    try {
      Duration until = deadline == null ? null : ServeLimits.duration("--deadline", deadline);
      if (until != null && until.isZero()) {
        throw wrong("--deadline: " + ServeExports.NO_DEADLINE);
      }
      Duration patience = ServeLimits.duration("--grace", grace);
      List<Address> addresses = addresses();
      Address.Tcp port = metrics == null ? null : tcp("--metrics", metrics);
      if (control != null) {
        ControlPlace.checkLength(control);
      }
      ServerOptions options = tls.apply(limits.options(), addresses);
      List<Export> exports = exports(until);
      ServePlan plan =
          new ServePlan(exports, options, addresses, tls, isJson, control, port, patience, command);
      CommandLine line = spec.commandLine();
      return new ServeRun(plan, command == null ? line.getOut() : line.getErr()).run();
    } catch (ServeLimits.Misuse e) {
      throw wrong(e.getMessage());
    }
  }

  private List<Export> exports(@Nullable Duration until) throws IOException {
    List<Export> exports = new ArrayList<>();
    try {
      exports.addAll(ServeExports.arguments(stacks, readOnly, until));
      if (exportsFile != null) {
        exports.addAll(ExportsFile.read(exportsFile, readOnly, until));
      }
      ServeExports.requireNames(exports);
    } catch (StackException e) {
      throw e;
    } catch (IllegalArgumentException e) {
      throw wrong(e.getMessage());
    }
    if (exports.isEmpty()) {
      boolean isThere = Files.exists(Path.of(ServeExports.OWN_FILE));
      String stack = isThere ? ServeExports.OWN_FILE : ServeExports.OWN_STACK;
      exports.add(new Export("", stack, readOnly, until, "a file of belay's own"));
    }
    return exports;
  }

  private List<Address> addresses() {
    List<Address> addresses = new ArrayList<>();
    for (String path : unixPaths) {
      addresses.add(new Address.Unix(checkedPath(path)));
    }
    for (String text : tcpAddresses) {
      addresses.add(tcp("--tcp", text));
    }
    if (addresses.isEmpty() && command == null) {
      addresses.add(new Address.Unix("belay.sock"));
    }
    return addresses;
  }

  private String checkedPath(String path) {
    int length = path.getBytes(StandardCharsets.UTF_8).length;
    if (length == 0 || length > LONGEST_SOCKET_BYTES || path.indexOf('\0') >= 0) {
      throw wrong(
          "--unix: the path of a socket has 1 to %d bytes, and this one %d: %s"
              .formatted(LONGEST_SOCKET_BYTES, length, ServeLines.plain(path)));
    }
    return path;
  }

  private Address.Tcp tcp(String option, String text) {
    try {
      return Address.tcp(text);
    } catch (IllegalArgumentException e) {
      throw wrong(option + ": " + e.getMessage());
    }
  }

  private ParameterException wrong(@Nullable String sentence) {
    return new ParameterException(spec.commandLine(), String.valueOf(sentence));
  }
}
