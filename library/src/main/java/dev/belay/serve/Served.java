// SPDX-License-Identifier: Apache-2.0
package dev.belay.serve;

import dev.belay.Clock;
import dev.belay.Device;
import dev.belay.Limits;
import dev.belay.Loop;
import dev.belay.nbd.ExportFacts;
import dev.belay.nbd.Nbd;
import dev.belay.net.Wire;
import dev.belay.stack.Durations;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * One export: its open stack, the loop that runs it, and the connections that use it. On the loop's
 * thread, save what says otherwise.
 */
final class Served {
  private static final int DEFAULT_BLOCK_BYTES = 4096;

  private final Export export;
  private final Loop loop;
  private final Device root;
  private final ServerOptions options;
  private final Budget budget;
  private final ServerLog log;
  private final Runnable left;
  private final ExportFacts facts;
  private final long deadlineNanos;
  private final Blocks blocks;
  private final List<Connection> connections = new ArrayList<>();
  private Traffic past = Traffic.NONE;
  private volatile Counters.OfExport lastCounters;
  private @Nullable MemorySegment zeroes;

  private final LinkedHashSet<Connection> waiting = new LinkedHashSet<>();
  private final AtomicBoolean willTryOn = new AtomicBoolean();

  private boolean isStopping;
  private final CountDownLatch empty = new CountDownLatch(1);
  private long openAtStop;
  private long cancelledAtStop;

  /**
   * @param root the topmost device of the loop, which takes any offset, length and memory
   * @param left told when a connection has ended
   */
  Served(
      Export export,
      Loop loop,
      Device root,
      ServerOptions options,
      Budget budget,
      ServerLog log,
      Runnable left) {
    this.export = export;
    this.loop = loop;
    blocks = new Blocks(loop);
    this.root = root;
    this.options = options;
    this.budget = budget;
    this.log = log;
    this.left = left;
    deadlineNanos = export.deadline() == null ? 0 : Math.max(1, export.deadline().toNanos());
    facts = factsOf(export, root);
    lastCounters =
        new Counters.OfExport(
            export.name(), export.expression(), facts.sizeBytes(), 0, 0, 0, Traffic.NONE);
    budget.addWaker(this::tryOnSoon);
  }

  private static ExportFacts factsOf(Export export, Device root) {
    Limits limits = root.limits();
    int flags =
        Nbd.FLAG_HAS_FLAGS
            | Nbd.FLAG_SEND_FLUSH
            | Nbd.FLAG_SEND_FUA
            | Nbd.FLAG_SEND_DF
            | Nbd.FLAG_CAN_MULTI_CONN
            | Nbd.FLAG_SEND_CACHE;
    flags |=
        export.readOnly()
            ? Nbd.FLAG_READ_ONLY
            : Nbd.FLAG_SEND_TRIM | Nbd.FLAG_SEND_WRITE_ZEROES | Nbd.FLAG_SEND_FAST_ZERO;
    int preferred = DEFAULT_BLOCK_BYTES;
    for (Device lower : root.lowers()) {
      preferred = Math.max(preferred, lower.limits().logicalBlockBytes());
    }
    return new ExportFacts(
        export.name(),
        export.description(),
        limits.sizeBytes(),
        flags,
        limits.logicalBlockBytes(),
        preferred,
        Blocks.LARGEST_BYTES);
  }

  // --- Any thread ---

  Loop loop() {
    return loop;
  }

  Clock clock() {
    return loop.clock();
  }

  Device root() {
    return root;
  }

  Export export() {
    return export;
  }

  ExportFacts facts() {
    return facts;
  }

  ServerOptions options() {
    return options;
  }

  Budget budget() {
    return budget;
  }

  /** How long a request may take; 0 for as long as it takes. */
  long deadlineNanos() {
    return deadlineNanos;
  }

  String deadlineSentence() {
    return Durations.print(deadlineNanos);
  }

  // --- Connections ---

  /** A client has come from the desk. */
  void arrived(Wire wire, Greeted greeted) {
    Connection connection = new Connection(this, wire, greeted);
    connections.add(connection);
    log.connected(connection.toStatus());
    connection.begin();
    if (isStopping) {
      connection.stop();
    }
  }

  /** Nothing is left of a connection. */
  void ended(Connection connection) {
    connections.remove(connection);
    past = past.plus(connection.tally().toTraffic());
    left.run();
    log.ended(connection.toReport());
    if (isStopping && connections.isEmpty()) {
      var _ = toCounters();
    }
    countDownIfEmpty();
  }

  List<Connection> connections() {
    return connections;
  }

  Blocks blocks() {
    return blocks;
  }

  /** Zero bytes to write from; nobody writes into them. */
  MemorySegment zeroes() {
    if (zeroes == null) {
      zeroes = Arena.ofAuto().allocate(Request.zeroesBytes(), 4096);
    }
    return zeroes;
  }

  /** What was done, by those that have ended and those that are there. */
  Traffic traffic() {
    Traffic sum = past;
    for (Connection each : connections) {
      sum = sum.plus(each.tally().toTraffic());
    }
    return sum;
  }

  private int openRequests() {
    int sum = 0;
    for (Connection each : connections) {
      sum += each.slots().used();
    }
    return sum;
  }

  Counters.OfExport toCounters() {
    long heldBytes = 0;
    for (Connection each : connections) {
      heldBytes += each.slots().heldBytes();
    }
    lastCounters =
        new Counters.OfExport(
            export.name(),
            export.expression(),
            facts.sizeBytes(),
            connections.size(),
            openRequests(),
            heldBytes,
            traffic());
    return lastCounters;
  }

  /** What {@link #toCounters} answered last. Any thread. */
  Counters.OfExport lastCounters() {
    return lastCounters;
  }

  /** Raises the flag of a request, or for number 0 of all there are; false if it is not here. */
  boolean cancel(long connection, long request) {
    for (Connection each : connections) {
      if (each.number() == connection) {
        if (request > 0) {
          return each.slots().cancel(request);
        }
        each.slots().cancelAll();
        return true;
      }
    }
    return false;
  }

  // --- Those that wait for memory ---

  void beginWait(Connection connection) {
    waiting.add(connection);
    budget.beginWait();
  }

  void endWait(Connection connection) {
    waiting.remove(connection);
    budget.endWait();
  }

  /** Somebody gave memory back. Any thread. */
  private void tryOnSoon() {
    if (!willTryOn.getAndSet(true)) {
      loop.execute(this::tryOn);
    }
  }

  private void tryOn() {
    willTryOn.set(false);
    for (Connection each : List.copyOf(waiting)) {
      each.tryOn();
    }
  }

  // --- Stopping ---

  /** Lets what is under way finish, and refuses what comes. */
  void stop() {
    isStopping = true;
    openAtStop = openRequests();
    cancelledAtStop = traffic().all().cancelled();
    for (Connection each : List.copyOf(connections)) {
      each.stop();
    }
    countDownIfEmpty();
  }

  /** Stops what is under way. */
  void abort() {
    for (Connection each : List.copyOf(connections)) {
      each.abort();
    }
  }

  /** Ends all connections now. */
  void cut() {
    for (Connection each : List.copyOf(connections)) {
      each.cut("the server stopped, and the client did not take its replies");
    }
  }

  private void countDownIfEmpty() {
    if (isStopping && connections.isEmpty()) {
      empty.countDown();
    }
  }

  /** Opens when the export stops and its last connection has ended. Any thread. */
  CountDownLatch empty() {
    return empty;
  }

  /** How many requests were under way when it was stopped. */
  long openAtStop() {
    return openAtStop;
  }

  /** How many were stopped since. */
  long cancelledSinceStop() {
    return traffic().all().cancelled() - cancelledAtStop;
  }
}
