// SPDX-License-Identifier: Apache-2.0
package dev.belay.testing;

import dev.belay.Loop;
import dev.belay.Timers;
import dev.belay.net.Address;
import dev.belay.net.Sockets;
import dev.belay.net.Wire;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.function.Consumer;

/**
 * A network in memory, for driven loops that one thread drives: wires whose bytes come in pieces of
 * any size, a little later, through the loops' timers, and that hold only so much before a sender
 * is stuck. Everything follows from the seed, so on virtual time a run can be replayed.
 */
public final class Pipes {
  private final SplittableRandom random;
  private final Map<Address, Door> doors = new HashMap<>();
  private final Map<Loop, Ends> ends = new IdentityHashMap<>();
  private final List<PipeWire> open = new ArrayList<>();
  private int bufferBytes = 64 << 10;
  private int pieceBytes = 16 << 10;
  private long latencyNanos = 20_000;
  private int ports = 40_000;
  private boolean endsWell;

  public Pipes(long seed) {
    random = new SplittableRandom(seed);
  }

  /** How much a direction holds; of what is connected from now on. */
  public Pipes withBuffer(int bytes) {
    bufferBytes = bytes;
    return this;
  }

  /** The largest piece that is taken or received at once; 1 shows every byte by itself. */
  public Pipes withPieces(int largestBytes) {
    pieceBytes = largestBytes;
    return this;
  }

  /** How long each step may take at most. */
  public Pipes withLatency(long mostNanos) {
    latencyNanos = mostNanos;
    return this;
  }

  /**
   * What a wire was sending when it was closed counts as sent: the kernel was done with it before
   * it noticed.
   */
  public Pipes withLateSuccess() {
    endsWell = true;
    return this;
  }

  boolean endsWell() {
    return endsWell;
  }

  int bufferBytes() {
    return bufferBytes;
  }

  long delayNanos() {
    return random.nextLong(latencyNanos + 1);
  }

  /** How much is moved where so much could be. */
  int pieceBytes(int possibleBytes) {
    int most = Math.min(possibleBytes, pieceBytes);
    return most <= 1 || random.nextBoolean() ? most : 1 + random.nextInt(most);
  }

  /** The sockets of a loop in this network; always the same. */
  public Sockets of(Loop loop) {
    return ends.computeIfAbsent(loop, Ends::new);
  }

  /** Two connected wires on one loop. */
  public PipeWire[] pair(Loop loop) {
    return pair(loop, loop);
  }

  /** Two connected wires on two loops. */
  public PipeWire[] pair(Loop one, Loop other) {
    return pair(one, other, "a local program, 1", "a local program, 2");
  }

  private PipeWire[] pair(Loop one, Loop other, String oneName, String otherName) {
    of(one);
    of(other);
    PipeWire[] both = PipeWire.pair(this, one, other, oneName, otherName);
    open.add(both[0]);
    open.add(both[1]);
    return both;
  }

  /** How many wires are not closed. */
  public int openWires() {
    return open.size();
  }

  void forget(PipeWire wire) {
    open.remove(wire);
  }

  private static final class Door implements Sockets.Listener {
    private final Pipes pipes;
    private final Address address;
    private final Loop loop;
    private final Consumer<Wire> accepted;

    Door(Pipes pipes, Address address, Loop loop, Consumer<Wire> accepted) {
      this.pipes = pipes;
      this.address = address;
      this.loop = loop;
      this.accepted = accepted;
    }

    @Override
    public Address address() {
      return address;
    }

    @Override
    public void close() {
      pipes.doors.remove(address, this);
    }
  }

  /** What one loop has in the network. */
  private final class Ends implements Sockets {
    private final Loop loop;

    Ends(Loop loop) {
      this.loop = loop;
      loop.beforeClose(this::farewell);
    }

    private void farewell() {
      doors.values().removeIf(door -> door.loop == loop);
      for (PipeWire wire : List.copyOf(open)) {
        if (wire.loop() == loop) {
          wire.farewell();
        }
      }
    }

    @Override
    public Loop loop() {
      return loop;
    }

    @Override
    public Listener listen(Address address, int unixMode, Consumer<Wire> accepted)
        throws IOException {
      Address at = address;
      if (address instanceof Address.Tcp tcp && tcp.port() == 0) {
        at = new Address.Tcp(tcp.host(), ports++);
      }
      Door door = new Door(Pipes.this, at, loop, accepted);
      if (doors.putIfAbsent(at, door) != null) {
        throw new IOException(at + " is in use");
      }
      return door;
    }

    @Override
    public void connect(Address address, long timeoutNanos, Connected end) {
      after(loop, () -> knock(address, end));
    }

    private void knock(Address address, Connected end) {
      Door door = doors.get(address);
      if (door == null) {
        end.ended(null, "nobody listens at " + address);
        return;
      }
      boolean isLocal = address instanceof Address.Unix;
      String client = isLocal ? "a local program, " + ports++ : "192.0.2.1:" + ports++;
      PipeWire[] both = pair(loop, door.loop, client, address.toString());
      after(door.loop, () -> door.accepted.accept(both[1]));
      end.ended(both[0], "");
    }

    private void after(Loop on, Runnable what) {
      Timers.Timer timer = on.timers().newTimer(what);
      timer.set(on.clock().nanos() + delayNanos());
    }
  }
}
