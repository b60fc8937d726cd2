// SPDX-License-Identifier: Apache-2.0
package dev.belay.testing;

import dev.belay.Errno;
import dev.belay.nbd.ExportFacts;
import dev.belay.nbd.Nbd;
import dev.belay.nbd.ReplyWriter;
import dev.belay.nbd.RequestHeader;
import dev.belay.nbd.ServerHandshake;
import dev.belay.nbd.Session;
import dev.belay.net.Address;
import dev.belay.net.Gather;
import dev.belay.net.Sender;
import dev.belay.net.Sockets;
import dev.belay.net.Wire;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.function.ToIntFunction;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * An NBD server for tests, on the loop of its sockets: it answers late, in another order, in
 * pieces; it hangs, loses connections, or dies with what is in its cache. Everything follows from
 * the seed.
 */
public final class SimNbd {
  private static final int ALL =
      Nbd.FLAG_HAS_FLAGS
          | Nbd.FLAG_SEND_FLUSH
          | Nbd.FLAG_SEND_FUA
          | Nbd.FLAG_SEND_TRIM
          | Nbd.FLAG_SEND_WRITE_ZEROES
          | Nbd.FLAG_SEND_DF
          | Nbd.FLAG_CAN_MULTI_CONN;

  /** A request that came. */
  public record Received(
      int connection, int type, int flags, long offsetBytes, long lengthBytes, long cookie) {}

  /** What is read back. */
  public final byte[] cache;

  /** What survives {@link #kill}. */
  public final byte[] durable;

  public final List<Received> received = new ArrayList<>();
  private final Sockets sockets;
  private final Address address;
  private final SplittableRandom random;
  private final List<Connection> connections = new ArrayList<>();
  private Sockets.@Nullable Listener listener;
  private int flags = ALL;
  private int largestBytes = 1 << 25;
  private int minimumBytes = 1;
  private long delayNanos = 100_000;
  private int accepted;
  private int reported;
  private boolean hangs;
  private boolean readsNothing;
  private ToIntFunction<Received> errors = request -> 0;
  private UnaryOperator<byte[]> mangling = bytes -> bytes;
  private boolean tellsTwice;

  /** Listens at once. */
  public SimNbd(Sockets sockets, Address address, int sizeBytes, long seed) {
    this.sockets = sockets;
    this.address = address;
    cache = new byte[sizeBytes];
    durable = new byte[sizeBytes];
    random = new SplittableRandom(seed);
    start();
  }

  /** The transmission flags, for handshakes from now on. */
  public SimNbd withFlags(int flags) {
    this.flags = flags;
    return this;
  }

  /** The same with some of all flags taken away. */
  public SimNbd without(int flags) {
    return withFlags(ALL & ~flags);
  }

  /** Block and payload sizes. */
  public SimNbd withBlocks(int minimumBytes, int largestBytes) {
    this.minimumBytes = minimumBytes;
    this.largestBytes = largestBytes;
    return this;
  }

  /** Answers a read with its first half, twice. */
  public SimNbd tellsOnePartTwice() {
    tellsTwice = true;
    return this;
  }

  /** How long a request may take at most. */
  public SimNbd withDelay(long mostNanos) {
    delayNanos = mostNanos;
    return this;
  }

  /** What to answer to a request: 0 to do it, else an error of the protocol. */
  public void answerWith(ToIntFunction<Received> errors) {
    this.errors = errors;
  }

  /** What is done to each reply before it is sent. */
  public void mangle(UnaryOperator<byte[]> how) {
    mangling = how;
  }

  /** Takes requests and answers none, or answers all it has and goes on. */
  public void hang(boolean on) {
    hangs = on;
    if (!on) {
      for (Connection each : List.copyOf(connections)) {
        each.catchUp();
      }
    }
  }

  /** Receives nothing any more, or goes on. */
  public void readNothing(boolean on) {
    readsNothing = on;
    if (!on) {
      for (Connection each : List.copyOf(connections)) {
        each.receive();
      }
    }
  }

  /** Listens again. */
  public void start() {
    try {
      listener = sockets.listen(address, 0600, wire -> connections.add(new Connection(wire)));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Listens no more. */
  public void deafen() {
    if (listener != null) {
      listener.close();
      listener = null;
    }
  }

  /** Closes all connections; what was not carried out never is. */
  public void drop() {
    for (Connection each : List.copyOf(connections)) {
      each.close();
    }
  }

  /** Dies: what was not flushed is lost. */
  public void kill() {
    deafen();
    drop();
    System.arraycopy(durable, 0, cache, 0, cache.length);
  }

  public int openConnections() {
    return connections.size();
  }

  /** How many connections there have been. */
  public int accepted() {
    return accepted;
  }

  /** What an export of this server is, as a client without another look would know it. */
  public Session session() {
    return new Session(facts(), true, true, true, 1);
  }

  private ExportFacts facts() {
    return new ExportFacts(
        "disk", "", cache.length + reported, flags, minimumBytes, 4096, largestBytes);
  }

  /** Says that the export has another size from now on. */
  public void pretendLarger(int bytes) {
    reported = bytes;
  }

  private final class Connection implements Sender {
    private final Wire wire;
    private final int number = accepted++;
    private final MemorySegment space = Arena.ofAuto().allocate(32 << 10);
    private final ServerHandshake handshake =
        new ServerHandshake(
            new ServerHandshake.Exports() {
              @Override
              public List<ExportFacts> list() {
                return List.of(facts());
              }

              @Override
              public @Nullable ExportFacts find(String name) {
                return name.equals("disk") ? facts() : null;
              }
            },
            ServerHandshake.Tls.OFF);
    private final RequestHeader header = new RequestHeader();
    private final ArrayDeque<MemorySegment> out = new ArrayDeque<>();
    private final List<Runnable> held = new ArrayList<>();
    private byte[] bytes = new byte[0];
    private @Nullable ReplyWriter writer;
    private @Nullable MemorySegment sending;
    private boolean isReceiving;
    private boolean isClosed;

    Connection(Wire wire) {
      this.wire = wire;
      greet();
      receive();
    }

    void receive() {
      if (!isReceiving && !isClosed && !readsNothing) {
        isReceiving = true;
        wire.receive(space.address(), (int) space.byteSize(), this::received);
      }
    }

    private void received(int result) {
      isReceiving = false;
      if (isClosed) {
        return;
      }
      if (result == -Errno.ECANCELED) { // the loop closes, and has closed the wire
        isClosed = true;
        return;
      }
      if (result <= 0) {
        close();
        return;
      }
      int before = bytes.length;
      bytes = Arrays.copyOf(bytes, before + result);
      MemorySegment.copy(space, ValueLayout.JAVA_BYTE, 0, bytes, before, result);
      if (writer == null) {
        greet();
      }
      while (writer != null && !isClosed && takeRequest()) {
        // on
      }
      receive();
    }

    private void greet() {
      for (; ; ) {
        byte[] say = handshake.output();
        if (say.length > 0) {
          send(say);
        }
        if (handshake.state() == ServerHandshake.State.SERVING) {
          writer = new ReplyWriter(handshake.session());
          return;
        }
        if (handshake.state() != ServerHandshake.State.OPEN) {
          close();
          return;
        }
        int took = handshake.take(MemorySegment.ofArray(bytes), 0, bytes.length);
        bytes = Arrays.copyOfRange(bytes, took, bytes.length);
        if (took == 0) {
          return;
        }
      }
    }

    private boolean takeRequest() {
      boolean extended = handshake.session().extendedHeaders();
      int head = RequestHeader.bytes(extended);
      if (bytes.length < head) {
        return false;
      }
      if (!header.parse(MemorySegment.ofArray(bytes), 0, extended)) {
        throw new AssertionError("what should be a request is none");
      }
      int payload = header.type() == Nbd.CMD_WRITE ? (int) header.lengthBytes() : 0;
      if (bytes.length < head + payload) {
        return false;
      }
      byte[] content = Arrays.copyOfRange(bytes, head, head + payload);
      bytes = Arrays.copyOfRange(bytes, head + payload, bytes.length);
      Received request =
          new Received(
              number,
              header.type(),
              header.flags(),
              header.offsetBytes(),
              header.lengthBytes(),
              header.cookie());
      if (header.error(handshake.session()) != 0) {
        throw new AssertionError(request + " is not allowed");
      }
      received.add(request);
      if (request.type == Nbd.CMD_DISC) {
        close();
        return false;
      }
      Runnable carryOut = () -> carryOut(request, content);
      if (hangs) {
        held.add(carryOut);
      } else {
        later(carryOut);
      }
      return true;
    }

    private void later(Runnable what) {
      sockets
          .loop()
          .timers()
          .newTimer(what)
          .set(sockets.loop().clock().nanos() + random.nextLong(delayNanos + 1));
    }

    void catchUp() {
      held.forEach(this::later);
      held.clear();
    }

    private void carryOut(Received request, byte[] content) {
      if (isClosed) {
        return;
      }
      if (hangs) {
        held.add(() -> carryOut(request, content));
        return;
      }
      int at = (int) request.offsetBytes;
      int end = at + (int) request.lengthBytes;
      MemorySegment reply = MemorySegment.ofArray(new byte[512 + 2 * (end - at) + 4096]);
      int error = errors.applyAsInt(request);
      ReplyWriter to = Objects.requireNonNull(writer);
      int bytes;
      if (error != 0) {
        String why = "the test wants it";
        bytes = to.error(reply, 0, 400, request.cookie, request.offsetBytes, error, why);
      } else {
        bytes =
            switch (request.type) {
              case Nbd.CMD_READ -> read(to, reply, request, at, end);
              case Nbd.CMD_BLOCK_STATUS -> status(to, reply, request, at, end);
              default -> {
                change(request, content, at, end);
                yield to.done(reply, 0, request.cookie, request.offsetBytes);
              }
            };
      }
      send(mangling.apply(reply.asSlice(0, bytes).toArray(ValueLayout.JAVA_BYTE)));
    }

    private void change(Received request, byte[] content, int at, int end) {
      switch (request.type) {
        case Nbd.CMD_WRITE -> System.arraycopy(content, 0, cache, at, content.length);
        case Nbd.CMD_WRITE_ZEROES, Nbd.CMD_TRIM -> Arrays.fill(cache, at, end, (byte) 0);
        case Nbd.CMD_FLUSH -> System.arraycopy(cache, 0, durable, 0, cache.length);
        default -> throw new AssertionError("an unknown command");
      }
      if ((request.flags & Nbd.CMD_FLAG_FUA) != 0) {
        System.arraycopy(cache, at, durable, at, end - at);
      }
    }

    /** In up to four pieces, of which those that are zeroes may be holes. */
    private int read(ReplyWriter to, MemorySegment reply, Received request, int at, int end) {
      int from = at;
      int bytes = 0;
      if (tellsTwice) {
        int half = (end - at) / 2;
        for (int i = 0; i < 2; i++) {
          bytes += to.content(reply, bytes, request.cookie, at, at, half, i == 1) + half;
        }
        return bytes;
      }
      while (from < end) {
        int until = random.nextInt(4) == 0 ? from + 1 + random.nextInt(end - from) : end;
        boolean isLast = until == end;
        if (isZero(from, until) && random.nextBoolean()) {
          bytes += to.hole(reply, bytes, request.cookie, at, from, until - from, isLast);
        } else {
          bytes += to.content(reply, bytes, request.cookie, at, from, until - from, isLast);
          MemorySegment.copy(MemorySegment.ofArray(cache), from, reply, bytes, until - from);
          bytes += until - from;
        }
        from = until;
        if (bytes > reply.byteSize() - 128 - (end - from)) {
          throw new AssertionError("too many pieces");
        }
      }
      return bytes;
    }

    private int status(ReplyWriter to, MemorySegment reply, Received request, int at, int end) {
      int block = 4096;
      boolean isHole = isZero(at, Math.min(end, at + block));
      int until = Math.min(end, at + block);
      while (until < end && isZero(until, Math.min(end, until + block)) == isHole) {
        until = Math.min(end, until + block);
      }
      int bytes = to.status(reply, 0, request.cookie, at, 1);
      int states = isHole ? Nbd.STATE_HOLE | Nbd.STATE_ZERO : 0;
      return bytes + to.extent(reply, bytes, until - at, states);
    }

    private boolean isZero(int from, int until) {
      for (int i = from; i < until; i++) {
        if (cache[i] != 0) {
          return false;
        }
      }
      return true;
    }

    private void send(byte[] reply) {
      if (!isClosed && reply.length > 0) {
        MemorySegment copy = Arena.ofAuto().allocate(reply.length);
        MemorySegment.copy(reply, 0, copy, ValueLayout.JAVA_BYTE, 0, reply.length);
        out.add(copy);
        wire.wantSend(this);
      }
    }

    @Override
    public void gather(Gather into) {
      sending = out.poll();
      if (sending != null) {
        into.add(sending.address(), (int) sending.byteSize());
      }
    }

    @Override
    public void sent(int result) {
      sending = null;
      if (isClosed || result == -Errno.ECANCELED) {
        return;
      }
      if (result < 0) {
        close();
      } else if (!out.isEmpty()) {
        wire.wantSend(this);
      }
    }

    void close() {
      if (!isClosed) {
        isClosed = true;
        connections.remove(this);
        wire.close(() -> {});
      }
    }
  }
}
