// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.stack.StackException;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.Spec;

/**
 * The program's entry. Each command is a class of its own, with a line in {@link #commands}.
 *
 * <p>A command returns its exit code, or throws: a {@link StackException} or {@link
 * ParameterException} where it was called wrongly, a {@link Failure} or {@link IOException} with a
 * sentence where it could not do what it was asked. Nobody is ever shown a stack trace.
 */
@Command(
    name = "belay",
    description = "Block I/O stacks in which every request can be cancelled.",
    version = "belay 0.1.0-SNAPSHOT",
    mixinStandardHelpOptions = true,
    footer = {
      "",
      "Begin with: belay demo",
      "Exit codes: 0 done, 1 failed, 2 called wrongly, 3 cancelled."
    })
public final class Main implements Runnable {
  static final int DONE = 0;
  static final int FAILED = 1;
  static final int MISUSED = 2;
  static final int CANCELLED = 3;

  private static final String LOG_FORMAT = "java.util.logging.SimpleFormatter.format";

  @Spec private CommandSpec spec;

  /** Runs one command and exits with its code. */
  public static void main(String[] args) {
    // What devices log is for a person here: a line each, on standard error.
    if (System.getProperty(LOG_FORMAT) == null) {
      System.setProperty(LOG_FORMAT, "belay: %5$s%n");
    }
    PrintWriter out = PlainWriter.on(System.out, System.out.charset());
    PrintWriter err = PlainWriter.on(System.err, System.err.charset());
    System.exit(run(out, err, args));
  }

  /** Runs one command, in this JVM, and returns its exit code. */
  static int run(PrintWriter out, PrintWriter err, String... args) {
    CommandLine line = commandLine();
    line.setOut(out).setErr(err);
    int code;
    try {
      code = line.execute(args);
    } catch (StackOverflowError | OutOfMemoryError e) {
      err.println("belay: this needs more memory than the program was given: " + e);
      code = FAILED;
    }
    out.flush();
    err.flush();
    return code;
  }

  /** The whole program as picocli sees it. */
  static CommandLine commandLine() {
    CommandLine line = new CommandLine(new Main());
    for (Object command : commands()) {
      line.addSubcommand(command);
    }
    line.setCaseInsensitiveEnumValuesAllowed(true)
        .setAbbreviatedOptionsAllowed(false)
        .setParameterExceptionHandler(Main::misused)
        .setExecutionExceptionHandler(Main::failed);
    return line;
  }

  private static List<Object> commands() {
    return List.of(
        new Demo(),
        new Bench(),
        new Io(),
        new Doctor(),
        new Describe(),
        new Md(),
        new Serve(),
        new Ps(),
        new Cancel(),
        new Completion());
  }

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "Give a command; belay --help lists them.");
  }

  /** Something that could not be done, in one sentence for a person. */
  static final class Failure extends RuntimeException {
    private static final long serialVersionUID = 1;

    Failure(String sentence) {
      super(sentence);
    }
  }

  private static int misused(ParameterException e, String[] args) {
    CommandLine line = e.getCommandLine();
    PrintWriter err = line.getErr();
    err.println("belay: " + sentence(e));
    if (!CommandLine.UnmatchedArgumentException.printSuggestions(e, err)) {
      err.println("See: " + line.getCommandSpec().qualifiedName() + " --help");
    }
    err.flush();
    return MISUSED;
  }

  private static int failed(Exception e, CommandLine line, @Nullable ParseResult parsed) {
    PrintWriter err = line.getErr();
    err.println("belay: " + sentence(e));
    err.flush();
    return e instanceof StackException ? MISUSED : FAILED;
  }

  /** What went wrong, for a person. */
  static String sentence(Throwable e) {
    if (e instanceof UncheckedIOException unchecked && unchecked.getCause() != null) {
      return sentence(unchecked.getCause());
    }
    String said = e.getMessage();
    String name = e.getClass().getSimpleName();
    return switch (e) {
      case java.nio.file.NoSuchFileException _ -> "there is no file or directory " + said;
      case java.nio.file.AccessDeniedException _ -> "this user may not open " + said;
      case java.nio.file.FileAlreadyExistsException _ -> said + " is there already";
      case java.nio.file.FileSystemException _ -> "the file system says: " + said;
      case StackException _, Failure _, ParameterException _, IOException _ ->
          said == null || said.isEmpty() ? name : said;
      case IllegalArgumentException _, IndexOutOfBoundsException _ when said != null -> said;
      default -> "this is a defect of belay, please report it: " + e;
    };
  }
}
