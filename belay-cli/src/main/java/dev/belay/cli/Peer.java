// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.stack.Expression;
import java.io.File;
import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * One side of a comparison: a program of its own that does the workload and prints JSON. Belay and
 * the JDK's channel each get a fresh JVM, so that neither finds the other's compiled code or heap,
 * and so that the CPU time of the whole program is that side's alone.
 */
final class Peer {
  /**
   * What one run gave.
   *
   * @param cpuNanosPerIo user and system
   */
  record Figures(double iops, double cpuNanosPerIo, Map<String, @Nullable Object> json) {}

  private final String name;
  private final List<String> command;
  private final boolean isFio;

  private Peer(String name, List<String> command, boolean isFio) {
    this.name = name;
    this.command = command;
    this.isFio = isFio;
  }

  String name() {
    return name;
  }

  List<String> command() {
    return command;
  }

  /** This program, in a JVM like this one. */
  static Peer belay(Expression expression, Workload workload, BenchRun.Way way) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    for (String arg : ManagementFactory.getRuntimeMXBean().getInputArguments()) {
      // Agents and debuggers are this JVM's own.
      if (!arg.startsWith("-agent") && !arg.startsWith("-javaagent")) {
        command.add(arg);
      }
    }
    command.add("-cp");
    command.add(System.getProperty("java.class.path"));
    command.add(Main.class.getName());
    command.add("bench");
    command.add(expression.print());
    command.addAll(options(workload));
    command.addAll(
        List.of("--engine", way.name().toLowerCase(Locale.ROOT), "--json", "--prepared"));
    String name = way == BenchRun.Way.JDK ? "jdk" : "belay";
    return new Peer(name, command, false);
  }

  private static List<String> options(Workload workload) {
    List<String> options =
        new ArrayList<>(
            List.of(
                "--rw=" + workload.pattern().name().toLowerCase(Locale.ROOT),
                "--rwmixread=" + workload.readPercent(),
                "--bs=" + workload.blockBytes(),
                "--iodepth=" + workload.depth(),
                "--numjobs=" + workload.jobs(),
                "--ramp=" + workload.rampNanos() + "ns",
                "--runtime=" + workload.runNanos() + "ns",
                "--size=" + workload.spanBytes(),
                "--rate=" + workload.ratePerSecond(),
                "--seed=" + workload.seed()));
    if (!workload.hasLatency()) {
      options.add("--no-latency");
    }
    return options;
  }

  /**
   * fio, with its fastest settings: registered file and buffers, no random map, no scrambling of
   * write buffers, and no clock for each request where Belay reads none either.
   *
   * @param file null for fio's null engine
   */
  static Peer fio(@Nullable Path file, Workload workload) {
    List<String> command =
        new ArrayList<>(
            List.of(
                "fio",
                "--name=belay",
                "--rw=" + workload.pattern().name().toLowerCase(Locale.ROOT),
                "--rwmixread=" + workload.readPercent(),
                "--bs=" + workload.blockBytes(),
                "--iodepth=" + workload.depth(),
                "--numjobs=" + workload.jobs(),
                "--group_reporting",
                "--time_based",
                "--ramp_time=" + workload.rampNanos() / 1_000_000 + "ms",
                "--runtime=" + workload.runNanos() / 1_000_000 + "ms",
                "--size=" + workload.spanBytes(),
                "--norandommap",
                "--randrepeat=0",
                "--randseed=" + workload.seed(),
                "--scramble_buffers=0",
                "--output-format=json"));
    if (file == null) {
      command.add("--ioengine=null");
    } else {
      command.addAll(
          List.of(
              "--ioengine=io_uring",
              "--fixedbufs",
              "--registerfiles",
              "--direct=1",
              "--allow_file_create=0",
              "--filename=" + file.toString().replace(":", "\\:")));
    }
    if (!workload.hasLatency()) {
      command.add("--gtod_reduce=1");
    }
    if (workload.isOpenLoop()) {
      command.add("--rate_iops=" + Math.round(workload.ratePerSecond() / workload.jobs()));
    }
    return new Peer("fio", command, true);
  }

  /** Whether a program of this name is on the PATH. */
  static boolean isInstalled(String program) {
    String path = System.getenv("PATH");
    for (String dir : (path == null ? "" : path).split(File.pathSeparator, -1)) {
      if (!dir.isEmpty() && Path.of(dir, program).toFile().canExecute()) {
        return true;
      }
    }
    return false;
  }

  /**
   * Runs it.
   *
   * @throws IOException if it cannot be run, fails, or prints something else
   */
  Figures run() throws IOException, InterruptedException {
    Process program =
        new ProcessBuilder(command)
            .redirectInput(Redirect.from(new File("/dev/null")))
            .redirectError(Redirect.INHERIT)
            .start();
    String printed;
    try (var stream = program.getInputStream()) {
      printed = new String(stream.readAllBytes(), StandardCharsets.UTF_8);
    }
    int code = program.waitFor();
    if (code != 0) {
      throw new IOException(
          name + " ended with code " + code + ": " + printed.strip() + "\n  " + shownCommand());
    }
    Map<String, @Nullable Object> json;
    try {
      json = JsonReader.parseObject(printed);
    } catch (IllegalArgumentException e) {
      throw new IOException(name + " printed " + e.getMessage(), e);
    }
    return isFio
        ? fioFigures(json)
        : new Figures(
            JsonReader.number(json, "iops"), JsonReader.number(json, "cpuNanosPerIo"), json);
  }

  /**
   * fio's own account. Its CPU figures are the job's, from getrusage, without the main program that
   * collects them: what is left out is a little, and in fio's favour.
   */
  static Figures fioFigures(Map<String, @Nullable Object> json) throws IOException {
    if (!(json.get("jobs") instanceof List<?> jobs)
        || jobs.isEmpty()
        || !(jobs.getFirst() instanceof Map<?, ?> first)) {
      throw new IOException("fio printed JSON without jobs");
    }
    @SuppressWarnings("unchecked") // objects are made by JsonReader with string keys
    Map<String, @Nullable Object> job = (Map<String, @Nullable Object>) first;
    if (JsonReader.number(job, "error") != 0) {
      throw new IOException(
          "fio's job failed with errno " + (long) JsonReader.number(job, "error"));
    }
    double ios =
        JsonReader.number(job, "read", "total_ios") + JsonReader.number(job, "write", "total_ios");
    double iops = JsonReader.number(job, "read", "iops") + JsonReader.number(job, "write", "iops");
    double percent = JsonReader.number(job, "usr_cpu") + JsonReader.number(job, "sys_cpu");
    double cpuNanos = percent / 100 * JsonReader.number(job, "job_runtime") * 1e6;
    return new Figures(iops, ios == 0 ? 0 : cpuNanos / ios, job);
  }

  /** The command as one would type it. */
  String shownCommand() {
    StringBuilder to = new StringBuilder();
    for (String word : command) {
      boolean isPlain = word.matches("[A-Za-z0-9_./:=,+-]+");
      to.append(to.isEmpty() ? "" : " ");
      to.append(isPlain ? word : "'" + word.replace("'", "'\\''") + "'");
    }
    return to.toString();
  }
}
