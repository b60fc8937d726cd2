// SPDX-License-Identifier: Apache-2.0
package dev.belay.serve;

import dev.belay.Device;
import dev.belay.Limits;
import dev.belay.Loop;
import dev.belay.leaf.LoopSockets;
import dev.belay.net.Address;
import dev.belay.stack.Stack;
import dev.belay.target.Align;
import java.io.IOException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Serves stacks to clients over NBD.
 *
 * <p>Every export has a loop, with a thread of its own, which does everything for all connections
 * of that export: it receives, parses, runs the stack, and sends. Another loop, the desk, accepts
 * connections and greets them, so that a client that is slow to say what it wants costs no one's
 * I/O.
 *
 * <p>The flag of a connection goes up when it ends in any way but a goodbye: closed, reset, silent
 * for too long, against the protocol. Nothing more of its requests is sent to a device then, and
 * each of them still ends exactly once, inside.
 *
 * <p>Thread-safe. Not to be called from a {@link ServerLog}.
 */
public final class NbdServer implements AutoCloseable {
  private static final int MOST_NAME_BYTES = 4096;

  /** How long a loop may take to answer a question. */
  private static final long ANSWER_SECONDS = 10;

  private final List<Served> exports;
  private final Desk desk;
  private final ServerOptions options;
  private final Budget budget;
  private @Nullable Stopping stopping;

  private NbdServer(List<Served> exports, Desk desk, ServerOptions options, Budget budget) {
    this.exports = exports;
    this.desk = desk;
    this.options = options;
    this.budget = budget;
  }

  // --- Opening ---

  /**
   * Opens the stacks and starts their loops. Nobody can connect before {@link #listen}. A stack
   * that has blocks, or wants its memory aligned, gets an {@code align} on top, so that clients may
   * send what they like.
   *
   * @param exports at least one; no name twice
   * @throws dev.belay.stack.StackException if a stack cannot be opened; nothing is left open then
   * @throws IllegalArgumentException if there is no export, or a name twice or too long
   */
  public static NbdServer open(List<Export> exports, ServerOptions options, ServerLog log) {
    check(exports);
    Budget budget = new Budget(options);
    List<Loop> loops = new ArrayList<>();
    try {
      Loop deskLoop = Loop.threaded("desk");
      loops.add(deskLoop);
      List<Desk.Place> places = new ArrayList<>();
      // The desk is asked only when clients are there, and these come only through it.
      Desk[] desk = new Desk[1];
      for (Export each : exports) {
        Loop loop = Loop.threaded(each.name().isEmpty() ? "export" : each.name());
        loops.add(loop);
        Device root = aligned(loop, Stack.build(loop, each.expression()));
        Served served = new Served(each, loop, root, options, budget, log, () -> desk[0].gone());
        places.add(new Desk.Place(served, LoopSockets.of(loop)));
      }
      desk[0] = new Desk(deskLoop, LoopSockets.of(deskLoop), places, options, log);
      loops.forEach(Loop::start);
      List<Served> all = places.stream().map(Desk.Place::served).toList();
      return new NbdServer(all, desk[0], options, budget);
    } catch (RuntimeException | Error e) {
      loops.forEach(loop -> loop.close(0));
      throw e;
    }
  }

  private static void check(List<Export> exports) {
    if (exports.isEmpty()) {
      throw new IllegalArgumentException("there is nothing to serve: give at least one export");
    }
    Set<String> names = new HashSet<>();
    for (Export each : exports) {
      if (!names.add(each.name())) {
        throw new IllegalArgumentException(
            each.name().isEmpty()
                ? "two exports have no name; write NAME=STACK for one of them"
                : "two exports have the name \"" + each.name() + "\"");
      }
      for (String text : List.of(each.name(), each.description())) {
        if (text.getBytes(StandardCharsets.UTF_8).length > MOST_NAME_BYTES) {
          throw new IllegalArgumentException(
              "a name or a description has at most " + MOST_NAME_BYTES + " bytes in UTF-8");
        }
      }
    }
  }

  private static Device aligned(Loop loop, Device root) {
    Limits limits = root.limits();
    return limits.logicalBlockBytes() > 1 || limits.memoryAlignmentBytes() > 1
        ? new Align(loop, root, limits.logicalBlockBytes(), Align.DEFAULT_BOUNCE_BYTES)
        : root;
  }

  /**
   * Takes connections at one more address.
   *
   * @return where it listens, with the port that port 0 became
   * @throws IOException with a sentence: the address is in use, not of this machine, not permitted;
   *     or it is reached by other machines, and there is neither TLS nor the option to do without
   */
  public Address listen(Address address) throws IOException {
    if (address instanceof Address.Tcp tcp
        && !options.allowsPlaintextTcp()
        && (options.tls() == null || !options.isTlsRequired())
        && !isLoopback(tcp.host())) {
      throw new IOException(
          "%s is reached by other machines: serve it with TLS that is demanded of every client, or"
                  .formatted(tcp)
              + " say in so many words that plaintext is allowed, or listen at localhost or at a"
              + " unix socket");
    }
    return desk.listen(address);
  }

  private static boolean isLoopback(String host) throws IOException {
    if (host.isEmpty()) {
      return false;
    }
    try {
      for (InetAddress each : InetAddress.getAllByName(host)) {
        if (!each.isLoopbackAddress()) {
          return false;
        }
      }
      return true;
    } catch (UnknownHostException e) {
      throw new IOException("the host " + host + " is not known here", e);
    }
  }

  // --- Questions ---

  /** The connections that use an export now, by number. */
  public List<ConnectionStatus> connections() {
    List<ConnectionStatus> all = new ArrayList<>();
    for (Served each : exports) {
      all.addAll(
          ask(
              each,
              () -> each.connections().stream().map(Connection::toStatus).toList(),
              List.of()));
    }
    all.sort(Comparator.comparingLong(ConnectionStatus::connection));
    return List.copyOf(all);
  }

  /** The requests under way, the oldest first. */
  public List<Flight> inFlight() {
    List<Flight> all = new ArrayList<>();
    for (Served each : exports) {
      all.addAll(ask(each, () -> Flights.of(each), List.of()));
    }
    all.sort(Comparator.comparingLong(Flight::ageNanos).reversed());
    return List.copyOf(all);
  }

  /**
   * Raises the flag of a request, or of all requests that a connection has under way; those that
   * come later are not meant. What they are answered with says whether that stopped them.
   *
   * @param id CONNECTION.NUMBER of a request, or CONNECTION
   * @return false if there is none of that name (any more)
   */
  public boolean cancel(String id) {
    int dot = id.indexOf('.');
    long connection;
    long request;
    try {
      connection = Long.parseLong(dot < 0 ? id : id.substring(0, dot));
      request = dot < 0 ? 0 : Long.parseLong(id.substring(dot + 1));
    } catch (NumberFormatException e) {
      return false;
    }
    for (Served each : exports) {
      if (ask(each, () -> each.cancel(connection, request), false)) {
        return true;
      }
    }
    return false;
  }

  /** What was done so far, as of one moment for each export. */
  public Counters counters() {
    List<Counters.OfExport> all = new ArrayList<>();
    for (Served each : exports) {
      all.add(ask(each, each::toCounters, each.lastCounters()));
    }
    long openBytes = 0;
    for (Counters.OfExport each : all) {
      openBytes += each.openBytes();
    }
    return new Counters(all, desk.open(), desk.acceptedCount(), desk.refusedCount(), openBytes);
  }

  /** Has the loop of an export answer; {@code otherwise} where it is closed. */
  private static <T> T ask(Served served, Supplier<T> question, T otherwise) {
    CompletableFuture<T> answer = new CompletableFuture<>();
    boolean isSent =
        served
            .loop()
            .execute(
                () -> {
                  try {
                    answer.complete(question.get());
                  } catch (RuntimeException e) {
                    answer.completeExceptionally(e);
                  }
                });
    boolean interrupted = false;
    try {
      while (isSent) {
        try {
          return answer.get(ANSWER_SECONDS, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
          interrupted = true;
        }
      }
      return otherwise;
    } catch (ExecutionException e) {
      throw new IllegalStateException("a loop could not answer", e.getCause());
    } catch (TimeoutException e) {
      return otherwise;
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  // --- Stopping ---

  /**
   * Takes no new connections; lets the requests under way finish; raises the flags of those that
   * have not when the grace is over, and waits until they have ended; closes the connections;
   * flushes every stack, and closes it. Requests that arrive meanwhile are answered with ESHUTDOWN.
   * Who calls it a second time waits for the first to end and gets the same report.
   */
  public StopReport stop(Duration grace) {
    Stopping mine;
    synchronized (this) {
      if (stopping == null) {
        stopping = new Stopping(exports, desk);
      }
      mine = stopping;
    }
    return mine.run(grace);
  }

  /** {@link #stop} without any grace. */
  @Override
  public void close() {
    stop(Duration.ZERO);
  }

  @Override
  public String toString() {
    return "NbdServer["
        + exports.size()
        + " exports, "
        + budget.sharedTakenBytes()
        + " bytes lent]";
  }
}
