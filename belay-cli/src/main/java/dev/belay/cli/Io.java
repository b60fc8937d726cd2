// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.CancelFlag;
import dev.belay.Extents;
import dev.belay.Holes;
import dev.belay.Outcome;
import dev.belay.front.CancelledException;
import dev.belay.front.IoOptions;
import dev.belay.front.Volume;
import dev.belay.stack.Durations;
import dev.belay.stack.Sizes;
import dev.belay.stack.StackException;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code belay io OP STACK}: one operation on a range of a stack, which can be stopped midway. */
@Command(
    name = "io",
    description = {
      "Read, write, verify, discard, zero or flush a stack, and say what was done; or print its"
          + " holes,",
      "which read as zeroes because nothing is stored there."
    },
    mixinStandardHelpOptions = true,
    footer = {
      "",
      "Ctrl-C raises the flag, waits for the answer and says what was done.",
      "Exit codes: 0 done, 1 failed or verified wrong, 2 called wrongly, 3 cancelled.",
      "Example: belay io write a.img --length=1G --cancel-after=200ms"
    })
final class Io implements Callable<Integer> {
  /** What is done to the range. */
  enum Operation {
    read,
    write,
    verify,
    discard,
    zeroes,
    flush,
    holes
  }

  /** What is written, and what verify expects. */
  enum Content {
    stamp,
    zero
  }

  @Parameters(index = "0", paramLabel = "OP", description = "${COMPLETION-CANDIDATES}")
  private Operation operation;

  @Parameters(index = "1", paramLabel = "STACK", description = "A stack expression.")
  private String stack;

  @Option(names = "--offset", paramLabel = "SIZE", description = "Where to begin. Default: 0")
  private String offset = "0";

  @Option(names = "--length", paramLabel = "SIZE", description = "How much. Default: the rest")
  private @Nullable String length;

  @Option(
      names = "--block",
      paramLabel = "SIZE",
      description = "How much one request covers. Default: 1M; discard, zeroes: all")
  private @Nullable String block;

  @Option(names = "--depth", paramLabel = "N", description = "Requests at a time. Default: 8")
  private int depth = 8;

  @Option(
      names = "--pattern",
      description =
          "What is written and expected: ${COMPLETION-CANDIDATES}. stamp marks each sector of 512"
              + " bytes with its offset, the seed and a checksum. Default: stamp")
  private Content content = Content.stamp;

  @Option(names = "--seed", paramLabel = "N", description = "Of the pattern. Default: 1")
  private long seed = 1;

  @Option(
      names = "--file",
      paramLabel = "PATH",
      description = "Where read puts the bytes; from where write, verify take them.")
  private @Nullable Path file;

  @Option(
      names = "--cancel-after",
      paramLabel = "200ms|30M",
      description = "Raise the flag after a time, or when so many bytes are done.")
  private @Nullable String cancelAfter;

  @Option(
      names = "--deadline",
      paramLabel = "DURATION",
      description = "The flag raises itself then; counted from the begin.")
  private @Nullable String deadline;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() throws IOException, InterruptedException {
    if (depth < 1 || depth > 4096) {
      throw wrong("--depth is 1 to 4096, not " + depth);
    }
    if (file != null && operation != Operation.read && !takesContent()) {
      throw wrong("--file is for read, write and verify");
    }
    long begin = size("--offset", offset);
    long wanted = length == null ? -1 : size("--length", length);
    long blockBytes = block == null ? defaultBlockBytes() : size("--block", block);
    Duration after = null;
    long afterBytes = Long.MAX_VALUE;
    if (cancelAfter != null) {
      try {
        after = Duration.ofNanos(Durations.parse(cancelAfter));
      } catch (StackException e) {
        afterBytes = size("--cancel-after", cancelAfter);
      }
    }
    Duration until = deadline == null ? null : Duration.ofNanos(nanos(deadline));
    try (Volume volume = Volume.open(stack)) {
      long rest = Math.max(0, volume.sizeBytes() - begin);
      long bytes = operation == Operation.flush ? 0 : wanted < 0 ? rest : wanted;
      check(volume, begin, bytes, blockBytes);
      CancelFlag flag = new CancelFlag();
      if (until != null) {
        flag = flag.withDeadline(until);
      }
      if (operation == Operation.holes) {
        return printHoles(volume, begin, begin + bytes, flag);
      }
      IoRun run = new IoRun(volume, operation, begin, bytes, blockBytes, depth, flag);
      run.setContent(content, seed);
      try (FileChannel channel = openFile();
          OnExit onExit = OnExit.ask(flag::raise)) {
        run.setFile(channel);
        if (after != null) {
          run.raiseAfter(after);
        }
        run.raiseAfter(afterBytes);
        IoRun.Joined outcome = run.run();
        report(run, outcome, begin, onExit.isAsked());
        return exitCode(run, outcome);
      }
    }
  }

  private int printHoles(Volume volume, long begin, long end, CancelFlag flag) throws IOException {
    PrintWriter out = spec.commandLine().getOut();
    long found = 0;
    long at = begin;
    try (OnExit onExit = OnExit.ask(flag::raise)) {
      while (at < end && !onExit.isAsked()) {
        Holes holes = volume.findHoles(at, end - at, IoOptions.NONE.withFlag(flag));
        for (int i = 0; i < holes.size(); i++) {
          long length = holes.endBytes(i) - holes.startBytes(i);
          out.printf("  %14d + %d%n", at + holes.startBytes(i), length);
        }
        found += holes.bytes();
        // Where there are more than fit into one answer, it says from where on to ask again.
        at = holes.endBytes() == Long.MAX_VALUE ? end : at + holes.endBytes();
      }
    } catch (CancelledException e) {
      // What was found before is true.
    }
    out.printf("%s of %s are holes%n", Units.bytes(found), Units.bytes(at - begin));
    out.flush();
    return at < end ? Main.CANCELLED : Main.DONE;
  }

  private boolean takesContent() {
    return operation == Operation.write || operation == Operation.verify;
  }

  private long defaultBlockBytes() {
    return switch (operation) {
      case read, write, verify, flush -> 1 << 20;
      case discard, zeroes, holes -> Long.MAX_VALUE;
    };
  }

  private void check(Volume volume, long begin, long bytes, long blockBytes) {
    int unit = volume.limits().logicalBlockBytes();
    if (begin > volume.sizeBytes() || bytes > volume.sizeBytes() - begin) {
      throw wrong(
          "%d bytes at %d are not inside the stack, which has %d bytes"
              .formatted(bytes, begin, volume.sizeBytes()));
    }
    boolean isWhole = blockBytes == Long.MAX_VALUE || blockBytes % unit == 0;
    if (begin % unit != 0 || bytes % unit != 0 || !isWhole || blockBytes < 1) {
      throw wrong(
          "this stack has blocks of %d bytes: --offset, --length and --block are multiples of it,"
                  .formatted(unit)
              + " or put align(…) around the stack");
    }
  }

  private @Nullable FileChannel openFile() throws IOException {
    if (file == null) {
      return null;
    }
    return operation == Operation.read
        ? FileChannel.open(
            file,
            StandardOpenOption.WRITE,
            StandardOpenOption.CREATE,
            StandardOpenOption.TRUNCATE_EXISTING)
        : FileChannel.open(file, StandardOpenOption.READ);
  }

  private long size(String option, String text) {
    try {
      return Sizes.parse(text);
    } catch (StackException e) {
      throw wrong(option + ": " + e.sentence());
    }
  }

  private long nanos(String text) {
    try {
      return Durations.parse(text);
    } catch (StackException e) {
      throw wrong("--deadline: " + e.sentence());
    }
  }

  private ParameterException wrong(String sentence) {
    return new ParameterException(spec.commandLine(), sentence);
  }

  private static int exitCode(IoRun run, IoRun.Joined outcome) {
    return switch (outcome.kind()) {
      case DONE -> run.wrongSectors() == 0 ? Main.DONE : Main.FAILED;
      case CANCELLED -> run.wrongSectors() == 0 ? Main.CANCELLED : Main.FAILED;
      case FAILED -> Main.FAILED;
    };
  }

  private void report(IoRun run, IoRun.Joined outcome, long begin, boolean wasAskedToExit) {
    PrintWriter out = spec.commandLine().getOut();
    String why = outcome.kind() == Outcome.Kind.DONE ? null : String.valueOf(outcome.reason());
    out.printf(
        "%s %s of %s at %d: %s%s in %s%n",
        operation,
        Units.bytes(outcome.lengthBytes()),
        stack,
        begin,
        outcome.kind(),
        why == null || why.equals("null") ? "" : " (" + why.toLowerCase(Locale.ROOT) + ")",
        Units.nanos(run.tookNanos()));
    if (outcome.error() != null) {
      out.println("  error: " + outcome.error());
    }
    if (wasAskedToExit) {
      out.println("  interrupted: the flag was raised, and this is the answer");
    }
    if (run.flagToEndNanos() >= 0) {
      out.println(
          "  completed " + Units.nanos(run.flagToEndNanos()) + " after the flag was raised");
    }
    if (outcome.kind() != Outcome.Kind.DONE && outcome.lengthBytes() > 0) {
      out.printf(
          "  %s done, %s clean, %s unknown%n",
          Units.bytes(outcome.bytes(Extents.State.DONE)),
          Units.bytes(outcome.bytes(Extents.State.CLEAN)),
          Units.bytes(outcome.bytes(Extents.State.UNKNOWN)));
      out.println("  [" + Picture.bar(outcome.extents(), outcome.lengthBytes()) + "]");
      out.println("   " + Picture.LEGEND);
      list(out, outcome.extents(), begin);
    }
    if (operation == Operation.verify) {
      out.println(
          run.wrongSectors() == 0
              ? "  verified: all that was read is as it should be"
              : "  wrong: " + run.wrongSectors() + " blocks, the first: " + run.firstWrong());
    }
    out.flush();
  }

  private static void list(PrintWriter out, List<Extents.Extent> extents, long begin) {
    int most = 12;
    for (Extents.Extent extent : extents.subList(0, Math.min(most, extents.size()))) {
      out.printf(
          "  %14d + %-12d %s%n",
          begin + extent.offsetBytes(),
          extent.lengthBytes(),
          extent.state().name().toLowerCase(Locale.ROOT));
    }
    if (extents.size() > most) {
      out.println("  … and " + (extents.size() - most) + " more");
    }
  }
}
