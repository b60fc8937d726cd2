// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import static dev.belay.nbd.Nbd.FLAG_CAN_MULTI_CONN;
import static dev.belay.nbd.Nbd.FLAG_READ_ONLY;
import static dev.belay.nbd.Nbd.FLAG_SEND_FLUSH;
import static dev.belay.nbd.Nbd.FLAG_SEND_TRIM;
import static dev.belay.nbd.Nbd.FLAG_SEND_WRITE_ZEROES;

import dev.belay.Bio;
import dev.belay.CancelFlag;
import dev.belay.Cutter;
import dev.belay.Device;
import dev.belay.Errno;
import dev.belay.Extents.State;
import dev.belay.Held;
import dev.belay.Limits;
import dev.belay.Loop;
import dev.belay.Op;
import dev.belay.Verdict;
import dev.belay.nbd.ExportFacts;
import dev.belay.nbd.Session;
import dev.belay.net.Sockets;
import dev.belay.net.Wire;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * {@code nbd("nbd+unix:///NAME?socket=PATH", connections=1, depth=128, timeout=0, reconnect=30s,
 * tls=DIRECTORY, read-only=off, trust=off)}: an export of an NBD server.
 *
 * <p>Bios go to the connection with the fewest in flight, at most {@code depth} and about 8 MiB of
 * payload to each; the rest is parked. Long ones are cut. Where the server does not declare that
 * several connections see one cache, there is only one.
 *
 * <p>What it does with the flag: it is looked at last when the socket asks what there is to send;
 * up to there a bio is clean. The protocol cannot take anything back, so what was sent ends at
 * once, CANCELLED and unknown, whether or not the server ever answers. Its answer is still awaited,
 * counted among those in flight, and dropped; until it comes, bios that overlap a write that was
 * given up in this way wait, so that it cannot come late and undo a newer one. Where the socket is
 * just reading from, or writing into, the bio's memory, the bio ends when it is done with that; if
 * a server stops the socket there and nobody else waits for that connection, it is given up.
 *
 * <p>A lost connection is made again, for {@code reconnect} long; meanwhile bios wait, and can be
 * stopped. What was sent and not answered is sent again: a read, since it changes nothing, and also
 * a write, zeroes, a discard: the same bytes to the same range, for which nobody has been told yet
 * that they are there. That is safe if the server no longer works on what came over the lost
 * connection once it answers over a new one, as it does when it died, and when it ends a
 * connection's requests with the connection. A server that lives on and carries out an old write
 * still later, behind a newer one, cannot be guarded against by any client; {@code reconnect=0}
 * never sends anything twice. A flush fails if writes that it is about were acknowledged over a
 * connection before any was lost: see {@link NbdLedger}; {@code trust=on} says that the server
 * keeps them. If the export is another one afterwards, in size or in what it can do, nothing is
 * sent to it.
 */
public final class Nbd extends Device {
  /** How much payload a connection has in flight. */
  static final long WINDOW_BYTES = 8 << 20;

  /** How long one attempt to connect may take, with its handshake. */
  static final long ATTEMPT_NANOS = TimeUnit.SECONDS.toNanos(10);

  private static final int PIECE_BYTES = 256 << 10;
  private static final long RANGE_BYTES = 128L << 20;
  private static final long HOLES_BYTES = 1L << 30;

  private final Sockets sockets;
  private final NbdOptions options;
  private final ExportFacts facts;
  private final boolean knowsHoles;
  private final long pieceBytes;
  private final NbdTraffic traffic;
  private final Cutter pieces;
  private final Cutter ranges;
  private final Cutter zeroWrites;
  private final Arena arena = Arena.ofShared();
  private MemorySegment zeroes = MemorySegment.NULL;
  private @Nullable Bio farewell;

  /**
   * A device whose export is known already; it connects when the loop turns. Before the loop
   * starts.
   *
   * @param known what the export was when it was looked at; it must still be that
   */
  public Nbd(Loop loop, Sockets sockets, NbdOptions options, Session known) {
    super(loop, "nbd", limits(known.export()), List.of());
    this.sockets = sockets;
    this.options = options;
    facts = known.export();
    knowsHoles = known.allocation();
    pieceBytes = limits().largestTransferBytes();
    int count = has(FLAG_CAN_MULTI_CONN) ? options.connections() : 1;
    traffic = new NbdTraffic(this, count, arena);
    pieces = piece -> cut(piece, pieceBytes);
    ranges = piece -> cut(piece, largestBytes(piece.op()));
    zeroWrites =
        piece -> {
          piece.setOp(Op.WRITE).setBuffer(zeroes, 0);
          return cut(piece, pieceBytes);
        };
    loop.execute(this::connect);
  }

  private static Limits limits(ExportFacts facts) {
    int block = facts.minimumBlockBytes();
    long largest = Math.min(PIECE_BYTES, Integer.toUnsignedLong(facts.largestBytes()));
    return new Limits(
        facts.sizeBytes() - facts.sizeBytes() % block,
        block,
        1,
        Math.max(block, largest - largest % block));
  }

  /**
   * Looks at the export, over a connection that the device goes on with. Blocks, for about 10
   * seconds at most. Before the loop starts, or on its thread.
   *
   * @throws IOException with a sentence: nobody listens there, there is no such export, TLS is
   *     wanted, this is no NBD server
   */
  public static Nbd open(Loop loop, NbdOptions options) throws IOException {
    return NbdOpening.open(loop, options, LoopSockets::of);
  }

  /** The first connection comes by {@link #adopt}. Before the loop starts. */
  void awaitFirst() {
    traffic.first().await();
  }

  /** Goes on with a wire on which the handshake has been done, instead of a first connection. */
  void adopt(Wire wire, Session session) {
    if (loop().isClosing()) {
      wire.close(() -> {});
    } else {
      traffic.first().begin(wire, session);
    }
  }

  private void connect() {
    if (!loop().isClosing()) {
      traffic.connect();
    }
  }

  /** Whether the export has a transmission flag. */
  boolean has(int flag) {
    return (facts.flags() & flag) != 0;
  }

  Sockets sockets() {
    return sockets;
  }

  NbdOptions options() {
    return options;
  }

  // --- Down ---

  @Override
  public Verdict map(Bio bio) {
    Op op = bio.op();
    if (bio == farewell) {
      traffic.leave(bio::complete);
    } else if (op.changesMedium() && (options.readOnly() || has(FLAG_READ_ONLY))) {
      String who = options.readOnly() ? "was opened" : "is exported";
      bio.fail(Errno.EROFS, options.uri() + " " + who + " read-only", State.CLEAN);
    } else if (isForNothing(op) || (bio.lengthBytes() == 0 && op != Op.FLUSH)) {
      bio.complete();
    } else if (op == Op.WRITE_ZEROES && !has(FLAG_SEND_WRITE_ZEROES)) {
      if (zeroes.byteSize() == 0) {
        zeroes = arena.allocate(pieceBytes, 4096);
      }
      bio.split(zeroWrites);
    } else if (bio.lengthBytes() > largestBytes(op)) {
      bio.split(op.hasBuffer() ? pieces : ranges);
    } else {
      NbdLedger.arrived(bio);
      traffic.take(bio);
    }
    return Verdict.TAKEN;
  }

  /** Whether the server cannot be asked for it, and that does not matter. */
  private boolean isForNothing(Op op) {
    return switch (op) {
      case FLUSH -> !has(FLAG_SEND_FLUSH);
      case DISCARD -> !has(FLAG_SEND_TRIM);
      case FIND_HOLES -> !knowsHoles;
      default -> false;
    };
  }

  private long largestBytes(Op op) {
    return switch (op) {
      case READ, WRITE, FLUSH -> pieceBytes;
      case DISCARD, WRITE_ZEROES -> RANGE_BYTES;
      case FIND_HOLES -> HOLES_BYTES;
    };
  }

  private long cut(Bio piece, long largest) {
    piece.remap(this, piece.offsetBytes());
    return Math.min(largest, piece.lengthBytes());
  }

  /** Why an export is not the one that was opened; empty if it is. */
  String objection(ExportFacts now) {
    if (now.sizeBytes() != facts.sizeBytes()) {
      return "%s has %d bytes now, and had %d when it was opened"
          .formatted(options.uri(), now.sizeBytes(), facts.sizeBytes());
    }
    if (now.flags() != facts.flags()) {
      return "%s can do other things now than when it was opened: its flags are %#x, and were %#x"
          .formatted(options.uri(), now.flags(), facts.flags());
    }
    if (now.minimumBlockBytes() > facts.minimumBlockBytes()
        || Integer.compareUnsigned(now.largestBytes(), (int) pieceBytes) < 0) {
      return "%s takes blocks of %d to %d bytes now, and of %d to %d when it was opened"
          .formatted(
              options.uri(),
              now.minimumBlockBytes(),
              Integer.toUnsignedLong(now.largestBytes()),
              facts.minimumBlockBytes(),
              Integer.toUnsignedLong(facts.largestBytes()));
    }
    return "";
  }

  // --- What it says of itself, and its end ---

  @Override
  public String status() {
    boolean isHeldDown = has(FLAG_CAN_MULTI_CONN) || options.connections() == 1;
    String one = isHeldDown ? "" : "; the server does not allow several connections";
    return options.uri() + ", " + traffic.status() + one;
  }

  @Override
  public void showHeld(Held held) {
    traffic.showHeld(held);
  }

  @Override
  public boolean zeroesFast() {
    return has(FLAG_SEND_WRITE_ZEROES);
  }

  /** Goodbyes are said, and the wires closed, before the memory that they use is freed. */
  @Override
  public void settle() {
    Bio last = new Bio(loop(), ended -> {});
    farewell = last;
    last.prepare(Op.FLUSH, this, 0, 0, MemorySegment.NULL, 0, CancelFlag.NEVER);
    loop().enter(last);
  }

  @Override
  public void close() {
    arena.close();
  }
}
