// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** {@code belay serve} on a thread of the test's JVM; an interrupt tells it to stop. */
final class Serving implements AutoCloseable {
  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();
  private final Path control;
  private final Thread thread;
  private volatile int code = -1;

  private Serving(Path directory, List<String> args) {
    control = directory.resolve("control");
    List<String> all = new ArrayList<>(List.of("serve", "--control=" + control));
    all.addAll(args);
    thread =
        Thread.ofPlatform()
            .daemon()
            .start(
                () ->
                    code =
                        Main.run(
                            new PrintWriter(out),
                            new PrintWriter(err),
                            all.toArray(String[]::new)));
  }

  /** Starts it, and waits until clients can connect. */
  static Serving start(Path directory, String... args) throws InterruptedException {
    Serving serving = new Serving(directory, List.of(args));
    Program.await(() -> serving.said().contains("ready") || !serving.thread.isAlive());
    assertThat(serving.thread.isAlive()).as(serving.said()).isTrue();
    return serving;
  }

  /** All that it has printed. */
  String said() {
    return out.toString() + err;
  }

  /** The TCP port at which it listens. */
  int port() {
    Matcher matcher = Pattern.compile("nbds?://localhost(?::(\\d+))?/").matcher(said());
    assertThat(matcher.find()).as(said()).isTrue();
    return matcher.group(1) == null ? 10809 : Integer.parseInt(matcher.group(1));
  }

  /** Another command that talks to it. */
  Run ask(String... args) {
    List<String> all = new ArrayList<>(List.of(args));
    all.add("--control=" + control);
    return Run.of(all.toArray(String[]::new));
  }

  Map<String, Double> metrics() {
    return MetricsText.parse(ask("ps", "--metrics").out());
  }

  /** Tells it to stop, and waits for its exit code. */
  int stop() throws InterruptedException {
    thread.interrupt();
    Program.await(() -> !thread.isAlive());
    return code;
  }

  @Override
  public void close() {
    try {
      stop();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }
}
