// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import dev.belay.Loop;
import dev.belay.nbd.ClientHandshake;
import dev.belay.nbd.ClientHandshake.Listed;
import dev.belay.nbd.Session;
import dev.belay.net.Sockets;
import dev.belay.net.Wire;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Opens an NBD export, which has to be asked what it is before there can be a device: on a loop of
 * its own, which is gone afterwards, while the caller waits. The connection over which it was asked
 * becomes the device's first, because many a server ends with its last client.
 */
final class NbdOpening {
  private static final int MOST_NAMED = 10;

  /** What a handshake came to. */
  private record Answer(
      @Nullable Wire wire, @Nullable ClientHandshake handshake, String sentence) {}

  private NbdOpening() {}

  /**
   * @param network gives the sockets of a loop
   */
  static Nbd open(Loop loop, NbdOptions options, Function<Loop, Sockets> network)
      throws IOException {
    Sockets home = network.apply(loop);
    Loop own = Loop.threaded("nbd-opening");
    try {
      Sockets sockets = network.apply(own);
      own.start();
      long start = System.nanoTime();
      Answer answer = ask(sockets, options, false);
      boolean isThere = System.nanoTime() - start < Nbd.ATTEMPT_NANOS / 2;
      Wire wire = answer.wire();
      ClientHandshake handshake = answer.handshake();
      if (wire == null || handshake == null) {
        throw new IOException(
            options.uri() + ": " + answer.sentence() + (isThere ? exports(sockets, options) : ""));
      }
      Session session = handshake.session();
      Nbd device;
      try {
        device = new Nbd(loop, home, options, session);
      } catch (IllegalArgumentException e) {
        throw new IOException(options.uri() + ": " + e.getMessage(), e);
      }
      device.awaitFirst();
      on(
          own,
          done -> {
            wire.move(home, arrived -> device.adopt(arrived, session));
            done.complete(answer);
          });
      return device;
    } finally {
      own.close(Long.MAX_VALUE);
    }
  }

  private static Answer ask(Sockets sockets, NbdOptions options, boolean lists) throws IOException {
    return on(
        sockets.loop(),
        done ->
            new NbdGreeting(
                    sockets,
                    options,
                    lists,
                    (wire, handshake, sentence) ->
                        done.complete(new Answer(wire, handshake, sentence)))
                .begin());
  }

  /** What is done on the loop's thread, and waited for. */
  @FunctionalInterface
  private interface Question {
    void ask(CompletableFuture<Answer> done);
  }

  private static Answer on(Loop loop, Question question) throws IOException {
    CompletableFuture<Answer> done = new CompletableFuture<>();
    loop.execute(() -> question.ask(done));
    boolean wasInterrupted = false;
    try {
      for (; ; ) {
        try {
          return done.get(3 * Nbd.ATTEMPT_NANOS, TimeUnit.NANOSECONDS);
        } catch (InterruptedException e) {
          wasInterrupted = true;
        }
      }
    } catch (ExecutionException | TimeoutException e) {
      throw new IOException("the server could not be asked: " + e, e);
    } finally {
      if (wasInterrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  /** Which exports there are, where ours is none of them; else nothing. */
  private static String exports(Sockets sockets, NbdOptions options) throws IOException {
    Answer answer = ask(sockets, options, true);
    Wire wire = answer.wire();
    ClientHandshake handshake = answer.handshake();
    if (wire == null || handshake == null) {
      return "";
    }
    on(sockets.loop(), done -> wire.close(() -> done.complete(answer)));
    List<String> names = handshake.exports().stream().map(Listed::name).toList();
    if (names.contains(options.uri().exportName())) {
      return "";
    }
    if (names.isEmpty()) {
      return " It names no exports";
    }
    List<String> shown = names.subList(0, Math.min(MOST_NAMED, names.size()));
    String rest = names.size() > MOST_NAMED ? " and " + (names.size() - MOST_NAMED) + " more" : "";
    return " It has \"" + String.join("\", \"", shown) + "\"" + rest;
  }
}
