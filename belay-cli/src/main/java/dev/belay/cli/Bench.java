// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.Device;
import dev.belay.Limits;
import dev.belay.Loop;
import dev.belay.stack.BarePath;
import dev.belay.stack.Durations;
import dev.belay.stack.Expression;
import dev.belay.stack.Sizes;
import dev.belay.stack.Stack;
import dev.belay.stack.StackException;
import java.io.IOException;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

/** {@code belay bench}: a workload in fio's words over any stack, alone or against a peer. */
@Command(
    name = "bench",
    description = {
      "Measures a stack with a workload in fio's words.",
      "A file that is missing is made, with --size, and stays; one that no bench has made is"
          + " written to only with --overwrite.",
    },
    sortOptions = false,
    mixinStandardHelpOptions = true)
final class Bench implements Callable<Integer> {
  /** Whom to run in turn with. */
  enum Rival {
    FIO,
    JDK
  }

  @Spec private CommandSpec spec;

  @Parameters(
      paramLabel = "STACK",
      description = "A stack expression, e.g. disk.img, null() or 'linear(memory(size=1G))'.")
  private String stack;

  @Option(
      names = "--rw",
      defaultValue = "randread",
      description = "read, write, rw, randread, randwrite or randrw; default ${DEFAULT-VALUE}.")
  private Workload.Pattern pattern;

  @Option(
      names = "--rwmixread",
      defaultValue = "50",
      description = "How many percent of rw and randrw are reads; default ${DEFAULT-VALUE}.")
  private int readPercent;

  @Option(
      names = "--bs",
      defaultValue = "4k",
      converter = SizeReader.class,
      description = "The length of a request; default ${DEFAULT-VALUE}.")
  private long blockBytes;

  @Option(
      names = "--iodepth",
      defaultValue = "32",
      description = "How many requests a job keeps in flight; default ${DEFAULT-VALUE}.")
  private int depth;

  @Option(
      names = "--numjobs",
      defaultValue = "1",
      description = "How many jobs submit; default ${DEFAULT-VALUE}.")
  private int jobs;

  @Option(
      names = "--runtime",
      defaultValue = "5s",
      converter = TimeReader.class,
      description = "How long to count; a bare number is seconds; default ${DEFAULT-VALUE}.")
  private long runNanos;

  @Option(
      names = "--ramp",
      defaultValue = "2s",
      converter = TimeReader.class,
      description = "How long to run before that; default ${DEFAULT-VALUE}.")
  private long rampNanos;

  @Option(
      names = "--size",
      converter = SizeReader.class,
      description = "Keep to the first so many bytes; default: the whole device.")
  private @Nullable Long spanBytes;

  @Option(
      names = "--rate",
      defaultValue = "0",
      description = {
        "Start so many requests a second, all jobs together, whether earlier ones have ended or"
            + " not (up to the depth). Latency and deadline then count from the moment at which a"
            + " request was meant to start.",
      })
  private double rate;

  @Option(
      names = "--cancel-rate",
      defaultValue = "0",
      description = "Ask this fraction of the requests, 0 to 1, to stop, at a random time.")
  private double cancelShare;

  @Option(
      names = "--cancel-within",
      defaultValue = "0",
      converter = TimeReader.class,
      description = "That time is below this; default: below twice the mean latency.")
  private long cancelWithinNanos;

  @Option(
      names = "--deadline",
      defaultValue = "0",
      converter = TimeReader.class,
      description = "Ask each request to stop after so long, e.g. 50ms.")
  private long deadlineNanos;

  @Option(
      names = "--seed",
      defaultValue = "1",
      description = "Of the offsets, the mix and the cancels; default ${DEFAULT-VALUE}.")
  private long seed;

  @Option(
      names = "--engine",
      defaultValue = "context",
      description = {
        "context: a driven AioContext for each job (default); futures: of one Volume;"
            + " blocking: calls of one Volume on virtual threads;"
            + " jdk: AsynchronousFileChannel on the file.",
      })
  private BenchRun.Way way;

  @Option(
      names = "--no-latency",
      description = "Read no clock for each request, as fio's gtod_reduce does.")
  private boolean noLatency;

  @Option(names = "--against", description = "Run fio or jdk in turn, and print the ratios.")
  private @Nullable Rival rival;

  @Option(
      names = "--pairs",
      defaultValue = "5",
      description = "How often to run both; default ${DEFAULT-VALUE}.")
  private int pairs;

  @Option(names = "--overwrite", description = "Write over files that no bench has made.")
  private boolean overwrite;

  @Option(names = "--json", description = "Print JSON.")
  private boolean json;

  @Option(
      names = "--prepared",
      hidden = true,
      description = "From bench to the programs it starts: the files are made, warm, allowed.")
  private boolean prepared;

  @Override
  public Integer call() throws IOException, InterruptedException {
    try {
      Expression expression = Expression.parse(stack);
      Stack.check(expression);
      check(expression);
      if (!prepared) {
        prepareFiles(expression);
      }
      Workload workload = workload(limits(expression));
      if (rival != null) {
        return runAgainst(rival, expression, workload);
      }
      PrintStream progress = BenchRun.isTerminal() ? System.err : null;
      BenchResult result = new BenchRun(expression, workload, way, progress).run();
      print(json ? Json.print(result.json()) : result.text());
      return result.tally().failed > 0 ? Main.FAILED : Main.DONE;
    } catch (IllegalStateException e) {
      throw new Main.Failure(String.valueOf(e.getMessage()));
    }
  }

  private int runAgainst(Rival rival, Expression expression, Workload workload)
      throws IOException, InterruptedException {
    Peer belay = Peer.belay(expression, workload, way);
    Peer peer =
        switch (rival) {
          case FIO -> {
            List<Path> files = BenchFiles.of(expression);
            yield Peer.fio(files.isEmpty() ? null : files.getFirst(), workload);
          }
          case JDK -> {
            Expression file = Expression.parse(quoted(BenchFiles.of(expression).getFirst()));
            yield Peer.belay(file, workload, BenchRun.Way.JDK);
          }
        };
    PrintWriter talk = json ? spec.commandLine().getErr() : spec.commandLine().getOut();
    Against against = new Against(belay, peer, pairs, talk);
    List<Against.Pair> measured = against.run();
    print(json ? Json.print(against.json(measured)) : against.text(measured));
    return Main.DONE;
  }

  private void print(String text) {
    PrintWriter out = spec.commandLine().getOut();
    out.println(text.stripTrailing());
    out.flush();
  }

  private static String quoted(Path path) {
    return BarePath.of(path.toString()).print();
  }

  private ParameterException wrong(String sentence) {
    return new ParameterException(spec.commandLine(), sentence);
  }

  private void require(boolean condition, String sentence) {
    if (!condition) {
      throw wrong(sentence);
    }
  }

  private void check(Expression expression) {
    require(depth >= 1, "--iodepth is at least 1, not " + depth);
    require(jobs >= 1, "--numjobs is at least 1, not " + jobs);
    require(pairs >= 1, "--pairs is at least 1, not " + pairs);
    require(runNanos > 0, "--runtime is above 0: give one such as 5s");
    require(
        readPercent >= 0 && readPercent <= 100,
        "--rwmixread is 0 to 100 percent, not " + readPercent);
    require(rate >= 0, "--rate is 0, for as fast as it goes, or above");
    require(
        cancelShare >= 0 && cancelShare <= 1,
        "--cancel-rate is a fraction from 0 to 1, not " + cancelShare);
    require(blockBytes >= 1 && blockBytes <= 1 << 30, "--bs is 1 byte to 1G, not " + blockBytes);
    boolean isMeasured = cancelShare > 0 || deadlineNanos > 0 || rate > 0;
    require(
        !noLatency || !isMeasured,
        "--no-latency reads no clock, which --rate, --deadline and --cancel-rate need: leave it"
            + " out");
    if (rival != null || way == BenchRun.Way.JDK) {
      checkPeer(expression);
    }
  }

  private void checkPeer(Expression expression) {
    List<String> leaves = BenchFiles.leaves(expression);
    boolean isOneFile = leaves.equals(List.of("file"));
    require(
        cancelShare == 0,
        "neither fio nor AsynchronousFileChannel can be asked to stop a request: leave out"
            + " --cancel-rate");
    require(
        rival == null || deadlineNanos == 0,
        "fio and AsynchronousFileChannel know no deadline: leave out --deadline");
    if (rival == Rival.FIO) {
      require(
          isOneFile || leaves.equals(List.of("null")),
          "fio can do the same only on one file, or on null(); this stack stands on " + leaves);
      require(
          Peer.isInstalled("fio"), "fio is not installed: apt-get install fio (or your system's)");
    } else {
      require(
          isOneFile,
          "AsynchronousFileChannel can do the same only on one file; this stack stands on "
              + leaves);
    }
  }

  private void prepareFiles(Expression expression) throws IOException {
    require(
        !pattern.writes() || overwrite || !BenchFiles.leaves(expression).contains("nbd"),
        "this bench would write noise over a remote export: say --overwrite if nobody needs what is"
            + " in it");
    for (Path path : BenchFiles.of(expression)) {
      if (!Files.exists(path)) {
        if (spanBytes == null) {
          throw wrong("there is no file " + path + ": give --size to have one made");
        }
        BenchFiles.make(path, spanBytes);
        spec.commandLine().getErr().println(BenchFiles.madeSentence(path, spanBytes));
      } else if (pattern.writes() && !overwrite) {
        String why = BenchFiles.whyNotWrite(path);
        require(why.isEmpty(), why);
      }
      BenchFiles.warm(path, spanBytes == null ? Long.MAX_VALUE : spanBytes);
    }
  }

  private static Limits limits(Expression expression) {
    Loop loop = Loop.driven();
    Device root = Stack.build(loop, expression);
    Limits limits = root.limits();
    loop.close(0);
    return limits;
  }

  private Workload workload(Limits limits) {
    long span = spanBytes == null ? limits.sizeBytes() : spanBytes;
    require(
        span <= limits.sizeBytes(),
        "--size " + Sizes.print(span) + " is beyond the stack's " + sizeOf(limits));
    require(
        span >= blockBytes,
        "a request of " + Sizes.print(blockBytes) + " does not fit into " + Sizes.print(span));
    require(
        blockBytes % limits.logicalBlockBytes() == 0,
        "--bs is a multiple of the stack's block, " + limits.logicalBlockBytes() + " bytes");
    return new Workload(
        pattern,
        readPercent,
        (int) blockBytes,
        depth,
        jobs,
        rampNanos,
        runNanos,
        span,
        rate,
        cancelShare,
        cancelWithinNanos,
        deadlineNanos,
        seed,
        !noLatency);
  }

  private static String sizeOf(Limits limits) {
    return Sizes.print(limits.sizeBytes());
  }

  /** Reads {@code 4k}. */
  static final class SizeReader implements ITypeConverter<Long> {
    @Override
    public Long convert(String text) {
      try {
        return Sizes.parse(text);
      } catch (StackException e) {
        throw new TypeConversionException(e.sentence());
      }
    }
  }

  /** Reads {@code 5s}, and a bare number as seconds, which is what fio means by it. */
  static final class TimeReader implements ITypeConverter<Long> {
    @Override
    public Long convert(String text) {
      try {
        return Durations.parse(text.matches("[0-9.]+") ? text + "s" : text);
      } catch (StackException e) {
        throw new TypeConversionException(e.sentence());
      }
    }
  }
}
