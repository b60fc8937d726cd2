// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.serve.ServerOptions;
import dev.belay.stack.Durations;
import dev.belay.stack.Sizes;
import dev.belay.stack.StackException;
import java.time.Duration;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The options of {@code belay serve} that say how much clients may have of it. */
final class ServeLimits {
  @Option(
      names = "--connections",
      paramLabel = "N",
      description = "How many clients at a time. Default: 1024")
  private int connections = ServerOptions.DEFAULTS.mostConnections();

  @Option(
      names = "--in-flight",
      paramLabel = "SIZE",
      description = "How much one connection may have in flight. Default: 64M")
  private String inFlight = Sizes.print(ServerOptions.DEFAULTS.mostBytesPerConnection());

  @Option(
      names = "--in-flight-total",
      paramLabel = "SIZE",
      description = "How much all may have in flight, from 128M. Default: 1G")
  private String inFlightTotal = Sizes.print(ServerOptions.DEFAULTS.mostBytes());

  @Option(
      names = "--handshake-timeout",
      paramLabel = "DURATION",
      description = "How long a client may take to choose an export. Default: 10s")
  private @Nullable String handshakeTimeout;

  @Option(
      names = "--idle-timeout",
      paramLabel = "DURATION",
      description = "How long a client may ask for nothing. Default: 0, for ever")
  private @Nullable String idleTimeout;

  @Option(
      names = "--stall-timeout",
      paramLabel = "DURATION",
      description = "How long a client may take for a MiB that is under way. Default: 30s")
  private @Nullable String stallTimeout;

  @Option(
      names = "--unix-mode",
      paramLabel = "MODE",
      description = "Who may connect to unix sockets, in octal. Default: 0600, this user")
  private String unixMode = "0600";

  /** What was given on the command line is wrong; the sentence says how. */
  static final class Misuse extends RuntimeException {
    private static final long serialVersionUID = 1;

    Misuse(String sentence) {
      super(sentence);
    }
  }

  /** All of them. */
  ServerOptions options() {
    try {
      ServerOptions options =
          ServerOptions.DEFAULTS
              .withMostConnections(connections)
              .withMostBytes(
                  size("--in-flight", inFlight), size("--in-flight-total", inFlightTotal))
              .withUnixMode(mode());
      if (handshakeTimeout != null) {
        options = options.withHandshakeTimeout(duration("--handshake-timeout", handshakeTimeout));
      }
      if (idleTimeout != null) {
        options = options.withIdleTimeout(duration("--idle-timeout", idleTimeout));
      }
      if (stallTimeout != null) {
        options = options.withStallTimeout(duration("--stall-timeout", stallTimeout));
      }
      return options;
    } catch (IllegalArgumentException e) {
      throw new Misuse(String.valueOf(e.getMessage()));
    }
  }

  private int mode() {
    if (!unixMode.matches("0?[0-7]{3}")) {
      throw new Misuse("--unix-mode is three octal digits, such as 0660, not " + unixMode);
    }
    return Integer.parseInt(unixMode, 8);
  }

  static long size(String option, String text) {
    try {
      return Sizes.parse(text);
    } catch (StackException e) {
      throw new Misuse(option + ": " + e.sentence());
    }
  }

  static Duration duration(String option, String text) {
    try {
      return Duration.ofNanos(Durations.parse(text));
    } catch (StackException e) {
      throw new Misuse(option + ": " + e.sentence());
    }
  }
}
