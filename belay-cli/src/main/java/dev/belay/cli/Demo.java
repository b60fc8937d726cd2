// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.belay.CancelFlag;
import dev.belay.stack.Sizes;
import dev.belay.stack.StackException;
import java.io.IOException;
import java.io.PrintWriter;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.function.Function;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/**
 * {@code belay demo}: a large read and a large write of a real file, stopped midway, by Belay and
 * by what the JDK has. Every figure is measured in the run that prints it.
 */
@Command(
    name = "demo",
    description = "Stop a large read and a large write of a real file midway, and see the truth.",
    mixinStandardHelpOptions = true,
    footer = {
      "",
      "Makes one file in a directory of its own, and takes it away again, on Ctrl-C as well.",
      "Exit codes: 0 all that belay said was true, 1 it was not, or the demo could not run."
    })
final class Demo implements Callable<Integer> {
  private static final long SMALLEST_BYTES = 8 << 20;
  private static final long LARGEST_BYTES = 1 << 30;
  private static final int BUFFER_ALIGNMENT = 4096;

  @Option(
      names = "--dir",
      paramLabel = "PATH",
      description = "Where the file is made. Default: the current directory")
  private Path directory = Path.of(".");

  @Option(
      names = "--size",
      paramLabel = "SIZE",
      description = "How large it is at most, 8M to 1G; less on a slow disk. Default: 256M")
  private String size = "256M";

  @Option(
      names = "--engine",
      paramLabel = "ENGINE",
      description = "auto, uring or threads. Default: auto")
  private String engine = "auto";

  @Option(names = "--no-color", description = "No colours. So does NO_COLOR=1.")
  private boolean plain;

  @Spec private CommandSpec spec;

  private Screen screen = new Screen(new PrintWriter(System.out, true, UTF_8), false, false);

  @Override
  @SuppressWarnings("try") // the exit is asked by being there
  public Integer call() throws IOException, InterruptedException {
    screen = Screen.on(spec.commandLine().getOut(), !plain);
    long wanted = wantedBytes();
    if (!List.of("auto", "uring", "threads").contains(engine)) {
      throw new ParameterException(
          spec.commandLine(), "--engine is auto, uring or threads, not " + engine);
    }
    if (!Files.isDirectory(directory)) {
      throw new ParameterException(
          spec.commandLine(), "--dir: there is no directory " + directory + ": name one");
    }
    CancelFlag flag = new CancelFlag();
    try (OnExit onExit = OnExit.ask(flag::raise);
        DemoFile file = DemoFile.make(directory, wanted, flag)) {
      return show(file, flag);
    }
  }

  private long wantedBytes() {
    long bytes;
    try {
      bytes = Sizes.parse(size);
    } catch (StackException e) {
      throw new ParameterException(spec.commandLine(), "--size: " + e.sentence());
    }
    if (bytes < SMALLEST_BYTES || bytes > LARGEST_BYTES) {
      throw new ParameterException(
          spec.commandLine(), "--size is 8M to 1G, and " + size + " is not");
    }
    // The buffer of native memory counts against the largest heap.
    long room = Runtime.getRuntime().maxMemory() / 2;
    long fitting = Math.max(SMALLEST_BYTES, Math.min(bytes, room));
    return fitting - fitting % (2L * DemoFile.PROBE_BYTES);
  }

  private Integer show(DemoFile file, CancelFlag flag) throws IOException, InterruptedException {
    stopIfAsked(flag);
    MemorySegment buffer = Arena.ofAuto().allocate(file.sizeBytes(), BUFFER_ALIGNMENT);
    screen.line("A file of " + Units.bytes(file.sizeBytes()) + ": " + file.path());
    screen.line("A stack over it, as a stripe over its two halves:");
    screen.line("  " + file.expression(engine).replace(file.path().toString(), "demo.img"));
    Shot read;
    Shot write;
    try (DemoBelay belay = new DemoBelay(file, engine, buffer, screen, flag)) {
      screen.line("");
      screen.line(screen.bold("A read, stopped"));
      read = belay.read();
      stopIfAsked(flag);
      screen.line("");
      screen.line(screen.bold("A write, stopped"));
      write = belay.write();
    }
    stopIfAsked(flag);
    screen.line("");
    screen.line(screen.bold("The same with what the JDK has, on the same file"));
    DemoJdk jdk = new DemoJdk(file, buffer, screen);
    List<Shot> reads = new ArrayList<>(List.of(read));
    List<Shot> writes = new ArrayList<>(List.of(write));
    for (boolean mayInterrupt : new boolean[] {false, true}) {
      reads.add(jdk.read(mayInterrupt));
      stopIfAsked(flag);
      writes.add(jdk.write(mayInterrupt));
      stopIfAsked(flag);
    }
    reads.add(jdk.interrupted());
    stopIfAsked(flag);
    List<String> names =
        List.of(
            "Belay, CancelFlag.raise()",
            "Asynchronous FileChannel, cancel(false)",
            "Asynchronous FileChannel, cancel(true)",
            "FileChannel, interrupted");
    table("read", names, reads);
    table("write", names.subList(0, 3), writes);
    boolean isTrue = read.truth().startsWith("yes") && write.truth().startsWith("yes");
    return isTrue ? Main.DONE : Main.FAILED;
  }

  private static void stopIfAsked(CancelFlag flag) {
    if (flag.isRaised()) {
      throw new Main.Failure("the demo was stopped; its file is gone");
    }
  }

  /** What was measured, side by side. */
  private void table(String what, List<String> names, List<Shot> shots) {
    int[] widths = new int[1 + shots.size()];
    Arrays.fill(widths, 19);
    widths[0] = 14;
    Table table = new Table(widths);
    List<String> head = new ArrayList<>(names);
    head.addFirst("a " + what);
    table.row(head.toArray(String[]::new)).rule();
    row(table, "asked at", shots, Shot::reached);
    row(table, "asking took", shots, shot -> Units.nanos(shot.askingNanos()));
    row(table, "answer after", shots, shot -> Units.nanos(shot.answerNanos()));
    row(table, "it said", shots, Shot::said);
    row(table, "moved after the answer", shots, shot -> Units.bytes(shot.movedAfterBytes()));
    row(table, "moved in all", shots, shot -> Units.bytes(shot.movedBytes()));
    row(table, "was it true", shots, Shot::truth);
    row(table, "others on the same file", shots, Shot::others);
    screen.line("");
    table.lines().forEach(screen::line);
  }

  private static void row(
      Table table, String label, List<Shot> shots, Function<Shot, String> cell) {
    List<String> cells = new ArrayList<>(shots.stream().map(cell).toList());
    cells.addFirst(label);
    table.row(cells.toArray(String[]::new));
  }
}
