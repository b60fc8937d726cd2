// SPDX-License-Identifier: Apache-2.0
package dev.belay.serve;

import dev.belay.Loop;
import dev.belay.nbd.ExportFacts;
import dev.belay.nbd.ServerHandshake;
import dev.belay.net.Address;
import dev.belay.net.Sockets;
import dev.belay.net.Tls;
import dev.belay.net.Wire;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * Where clients are greeted, on a loop of its own: so that one that is slow to say what it wants,
 * or shakes hands for long, costs no one's I/O. Those who said it are moved to the loop of their
 * export. On the desk's thread, save what says otherwise.
 */
final class Desk implements ServerHandshake.Exports {
  /** Who says nothing for so long loses its place to a newcomer, where there is no other. */
  private static final long WORDLESS_NANOS = 1_000_000_000L;

  /** Where an export's clients are moved to. */
  record Place(Served served, Sockets sockets) {}

  private final Loop loop;
  private final Sockets sockets;
  private final List<Place> places;
  private final ServerOptions options;
  private final ServerLog log;
  private final Set<Greeting> greetings = new LinkedHashSet<>();
  private final List<Sockets.Listener> listeners = new ArrayList<>();
  private final AtomicInteger open = new AtomicInteger();
  private final AtomicLong accepted = new AtomicLong();
  private final AtomicLong refused = new AtomicLong();
  private boolean isStopping;
  private boolean isFull;

  Desk(Loop loop, Sockets sockets, List<Place> places, ServerOptions options, ServerLog log) {
    this.loop = loop;
    this.sockets = sockets;
    this.places = List.copyOf(places);
    this.options = options;
    this.log = log;
  }

  /** Listens at one more address. Any thread. */
  Address listen(Address address) throws IOException {
    Sockets.Listener listener = sockets.listen(address, options.unixMode(), this::accepted);
    synchronized (listeners) {
      listeners.add(listener);
    }
    log.listening(listener.address());
    return listener.address();
  }

  /** A client has come. */
  void accepted(Wire wire) {
    long number = accepted.incrementAndGet();
    int now = open.incrementAndGet();
    if (isStopping || (now > options.mostConnections() && !sendsSilentOneAway())) {
      refused.incrementAndGet();
      if (!isFull && !isStopping) {
        // Once for each time that it is full: a crowd must not fill the log.
        isFull = true;
        log.refused(
            wire.peer(), "there are " + (now - 1) + " connections, and more are not allowed", true);
      }
      wire.close(this::gone);
      return;
    }
    isFull = false;
    greetings.add(new Greeting(this, wire, number));
  }

  /** The one that has been silent for longest makes room; false where all are served, or new. */
  private boolean sendsSilentOneAway() {
    Greeting oldest = greetings.isEmpty() ? null : greetings.iterator().next();
    if (oldest == null || oldest.ageNanos() < WORDLESS_NANOS) {
      return false;
    }
    oldest.makeRoom();
    return true;
  }

  @Override
  public List<ExportFacts> list() {
    List<ExportFacts> all = new ArrayList<>();
    for (Place each : places) {
      all.add(each.served.facts());
    }
    return all;
  }

  @Override
  public @Nullable ExportFacts find(String name) {
    for (Place each : places) {
      if (each.served.export().name().equals(name)) {
        return each.served.facts();
      }
    }
    return name.isEmpty() && places.size() == 1 ? places.getFirst().served.facts() : null;
  }

  /** A client said what it wants, and nothing is under way on its wire. */
  void serve(Greeting from, Wire wire, Greeted greeted) {
    greetings.remove(from);
    String name = greeted.session().export().name();
    for (Place each : places) {
      if (each.served.export().name().equals(name)) {
        try {
          wire.move(each.sockets, moved -> each.served.arrived(moved, greeted));
        } catch (IllegalArgumentException e) {
          // The kernel gave a ring to one of the two loops, and none to the other.
          log.note("A client could not be handed to its export: " + e.getMessage() + ".");
          wire.close(this::gone);
        }
        return;
      }
    }
    throw new IllegalStateException("an export was found and is gone: " + name);
  }

  /** A client is sent away. */
  void refused(Greeting from, String peer, String why, boolean isFault) {
    greetings.remove(from);
    refused.incrementAndGet();
    log.refused(peer, why, isFault);
  }

  /** Nothing is left of a client. Any thread. */
  void gone() {
    open.decrementAndGet();
  }

  /** Takes no more clients, and sends those away who have not said what they want. */
  void stop() {
    isStopping = true;
    for (Greeting each : List.copyOf(greetings)) {
      each.stop();
    }
  }

  /** Listens no longer. Any thread. */
  void closeListeners() {
    synchronized (listeners) {
      listeners.forEach(Sockets.Listener::close);
      listeners.clear();
    }
  }

  Loop loop() {
    return loop;
  }

  ServerOptions options() {
    return options;
  }

  @Nullable Tls tls() {
    return options.tls();
  }

  ServerHandshake.Tls tlsMode() {
    if (options.tls() == null) {
      return ServerHandshake.Tls.OFF;
    }
    return options.isTlsRequired() ? ServerHandshake.Tls.REQUIRED : ServerHandshake.Tls.OFFERED;
  }

  /** How many clients are there, in all. Any thread. */
  int open() {
    return open.get();
  }

  long acceptedCount() {
    return accepted.get();
  }

  long refusedCount() {
    return refused.get();
  }
}
