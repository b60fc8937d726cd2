// SPDX-License-Identifier: Apache-2.0
package dev.belay.bench;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Belay's NBD server beside nbdkit's and qemu-nbd's, asked by fio's nbd engine over a unix socket.
 *
 * <p>All servers of a comparison run at the same time, and one of them works: A B A B …, each turn
 * one run of fio. Before the counted turns each has some to warm up, and what is served is written
 * whole. A turn gives the requests a second that fio counted, and the CPU time of the server's
 * program (user and system, all its threads, from /proc) divided by the requests. Printed are the
 * medians over the turns and the median of the ratios to the peer's turn just before, with the
 * least and the most. A turn that lost more than 5 % to other machines (steal) is repeated.
 *
 * <pre>java -cp bench/target/jmh.jar dev.belay.bench.ServedNbd ./belay [memory|file|all] [ROUNDS]
 * [SECONDS]</pre>
 */
public final class ServedNbd {
  private static final long SIZE_BYTES = 1L << 30;
  private static final double MOST_STEAL = 0.05;
  private static final int MOST_TRIES = 3;

  /** What fio is asked to do. */
  private record Shape(String rw, String block, int depth, int jobs) {
    @Override
    public String toString() {
      return "%-9s %-4s depth %3d, %d connection%s"
          .formatted(rw, block, depth, jobs, jobs == 1 ? " " : "s");
    }
  }

  /** What one turn came to. */
  private record Turn(double perSecond, double cpuMicros) {}

  /** A server that runs, with its socket. */
  private record Server(String name, Process program, Path socket) {
    static Server start(String name, Path directory, String... command) throws Exception {
      Path socket = directory.resolve(name + ".sock");
      List<String> words =
          Arrays.stream(command).map(word -> word.replace("SOCKET", socket.toString())).toList();
      Process program =
          new ProcessBuilder(words)
              .redirectErrorStream(true)
              .redirectOutput(directory.resolve(name + ".log").toFile())
              .start();
      for (int i = 0; !Files.exists(socket); i++) {
        if (i == 600 || !program.isAlive()) {
          throw new IOException(
              name + " does not serve:\n" + Files.readString(directory.resolve(name + ".log")));
        }
        Thread.sleep(100);
      }
      Thread.sleep(200);
      return new Server(name, program, socket);
    }

    /** User and system time so far, in clock ticks of 10 ms; of the program that serves. */
    long ticks() throws IOException {
      long pid = program.pid();
      String stat = Files.readString(Path.of("/proc/" + pid + "/stat"));
      String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1);
      return Long.parseLong(fields[11]) + Long.parseLong(fields[12]);
    }
  }

  private final String fio;
  private final int rounds;
  private final int seconds;

  private ServedNbd(int rounds, int seconds) {
    fio = "fio";
    this.rounds = rounds;
    this.seconds = seconds;
  }

  /** Runs the comparisons that are asked for, and prints a line for each. */
  public static void main(String[] args) throws Exception {
    if (args.length == 0) {
      System.err.println("ServedNbd BELAY [memory|file|all] [ROUNDS] [SECONDS]");
      System.exit(2);
    }
    String what = args.length > 1 ? args[1] : "all";
    int rounds = args.length > 2 ? Integer.parseInt(args[2]) : 5;
    int seconds = args.length > 3 ? Integer.parseInt(args[3]) : 5;
    ServedNbd bench = new ServedNbd(rounds, seconds);
    Path directory = Files.createTempDirectory("served");
    System.out.printf("%d rounds of %d s%n", rounds, seconds);
    if (!what.equals("file")) {
      bench.memory(args[0], directory);
    }
    if (!what.equals("memory")) {
      bench.file(args[0], directory);
    }
    System.exit(0);
  }

  private void memory(String belay, Path directory) throws Exception {
    Server ours =
        Server.start("belay", directory, belay, "serve", "memory(size=1G)", "--unix", "SOCKET");
    Server peer = Server.start("nbdkit", directory, "nbdkit", "-f", "-U", "SOCKET", "memory", "1G");
    try {
      System.out.println("memory, against nbdkit");
      List<Shape> shapes = new ArrayList<>();
      for (int jobs : new int[] {1, 4}) {
        for (String rw : new String[] {"randread", "randwrite"}) {
          for (int depth : new int[] {1, 32, 128}) {
            shapes.add(new Shape(rw, "4k", depth, jobs));
          }
        }
      }
      shapes.add(new Shape("read", "1M", 8, 1));
      shapes.add(new Shape("write", "1M", 8, 1));
      compare(ours, peer, shapes);
    } finally {
      ours.program().destroy();
      peer.program().destroy();
    }
  }

  private void file(String belay, Path directory) throws Exception {
    Path mine = noise(Path.of("served-belay.img"));
    Path theirs = noise(Path.of("served-qemu.img"));
    Server ours =
        Server.start(
            "belay-file",
            directory,
            belay,
            "serve",
            "file(" + mine + ", engine=uring)",
            "--unix",
            "SOCKET");
    Server peer =
        Server.start(
            "qemu-nbd",
            directory,
            ("qemu-nbd -t -e 16 -f raw --cache=none --aio=io_uring -k SOCKET " + theirs)
                .split(" ", -1));
    try {
      System.out.println("a file by io_uring, against qemu-nbd");
      List<Shape> shapes = new ArrayList<>();
      for (String rw : new String[] {"randread", "randwrite"}) {
        for (int depth : new int[] {1, 32, 128}) {
          shapes.add(new Shape(rw, "4k", depth, 1));
        }
      }
      compare(ours, peer, shapes);
    } finally {
      ours.program().destroy();
      peer.program().destroy();
      Files.deleteIfExists(mine);
      Files.deleteIfExists(theirs);
    }
  }

  /** A file of noise, read once whole past the page cache. */
  private static Path noise(Path path) throws Exception {
    run("dd", "if=/dev/urandom", "of=" + path, "bs=1M", "count=1024", "conv=fsync");
    run("dd", "if=" + path, "of=/dev/null", "bs=1M", "iflag=direct");
    return path;
  }

  private void compare(Server ours, Server peer, List<Shape> shapes) throws Exception {
    for (Server each : List.of(ours, peer)) {
      fio(each, new Shape("write", "1M", 8, 1), 0);
      for (String rw : new String[] {"randread", "randwrite"}) {
        fio(each, new Shape(rw, "4k", 32, 1), each == ours ? 10 : 3);
      }
    }
    for (Shape shape : shapes) {
      fio(ours, shape, 2);
      List<Turn> our = new ArrayList<>();
      List<Turn> their = new ArrayList<>();
      for (int round = 0; round < rounds; round++) {
        their.add(turn(peer, shape));
        our.add(turn(ours, shape));
      }
      List<Double> speed = new ArrayList<>();
      List<Double> cost = new ArrayList<>();
      for (int i = 0; i < rounds; i++) {
        speed.add(our.get(i).perSecond() / their.get(i).perSecond());
        cost.add(our.get(i).cpuMicros() / their.get(i).cpuMicros());
      }
      System.out.printf(
          Locale.ROOT,
          "%s | kIOPS %6.1f of %6.1f: %s | CPU us %5.2f of %5.2f: %s%n",
          shape,
          median(our.stream().map(Turn::perSecond).toList()) / 1000,
          median(their.stream().map(Turn::perSecond).toList()) / 1000,
          spread(speed),
          median(our.stream().map(Turn::cpuMicros).toList()),
          median(their.stream().map(Turn::cpuMicros).toList()),
          spread(cost));
    }
  }

  private Turn turn(Server server, Shape shape) throws Exception {
    for (int attempt = 1; ; attempt++) {
      long[] before = machine();
      Turn turn = fio(server, shape, seconds);
      long[] after = machine();
      double steal = (double) (after[0] - before[0]) / Math.max(1, after[1] - before[1]);
      if (steal <= MOST_STEAL || attempt == MOST_TRIES) {
        return turn;
      }
    }
  }

  /** One run; 0 seconds: as long as it takes to go over all of it once. */
  private Turn fio(Server server, Shape shape, int runSeconds) throws Exception {
    List<String> words =
        new ArrayList<>(
            List.of(
                fio,
                "--name=a",
                "--ioengine=nbd",
                "--uri=nbd+unix:///?socket=" + server.socket(),
                "--rw=" + shape.rw(),
                "--bs=" + shape.block(),
                "--iodepth=" + shape.depth(),
                "--numjobs=" + shape.jobs(),
                "--size=" + SIZE_BYTES,
                "--norandommap=1",
                "--randrepeat=0",
                "--gtod_reduce=1",
                "--group_reporting",
                "--output-format=json"));
    if (runSeconds > 0) {
      words.addAll(List.of("--time_based", "--runtime=" + runSeconds));
    }
    long ticks = server.ticks();
    String said = run(words.toArray(String[]::new));
    ticks = server.ticks() - ticks;
    String side = shape.rw().contains("read") ? "read" : "write";
    String part = said.substring(said.indexOf("\"" + side + "\" : {"));
    double requests = number(part, "total_ios");
    return new Turn(number(part, "iops"), ticks * 10_000.0 / requests);
  }

  private static double number(String json, String key) throws IOException {
    Matcher found = Pattern.compile("\"" + key + "\" : ([0-9.]+)").matcher(json);
    if (!found.find()) {
      throw new IOException("fio said nothing of " + key + ":\n" + json);
    }
    return Double.parseDouble(found.group(1));
  }

  private static String run(String... words) throws Exception {
    Process program =
        new ProcessBuilder(words).redirectError(ProcessBuilder.Redirect.DISCARD).start();
    String said = new String(program.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    if (!program.waitFor(10, TimeUnit.MINUTES) || program.exitValue() != 0) {
      throw new IOException(String.join(" ", words) + " failed:\n" + said);
    }
    return said;
  }

  /** Time stolen and time in all, of the whole machine, in ticks. */
  private static long[] machine() throws IOException {
    String first = Files.readAllLines(Path.of("/proc/stat")).getFirst();
    String[] fields = first.trim().split(" +", -1);
    long sum = 0;
    for (int i = 1; i < fields.length; i++) {
      sum += Long.parseLong(fields[i]);
    }
    return new long[] {Long.parseLong(fields[8]), sum};
  }

  private static double median(List<Double> values) {
    List<Double> sorted = new ArrayList<>(values);
    Collections.sort(sorted);
    return sorted.get(sorted.size() / 2);
  }

  private static String spread(List<Double> ratios) {
    return String.format(
        Locale.ROOT,
        "%.3f (%.3f to %.3f)",
        median(ratios),
        Collections.min(ratios),
        Collections.max(ratios));
  }
}
