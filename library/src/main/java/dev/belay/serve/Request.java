// SPDX-License-Identifier: Apache-2.0
package dev.belay.serve;

import dev.belay.Bio;
import dev.belay.CancelFlag;
import dev.belay.Device;
import dev.belay.Errno;
import dev.belay.Extents;
import dev.belay.Holes;
import dev.belay.IoError;
import dev.belay.Op;
import dev.belay.nbd.Nbd;
import dev.belay.nbd.NbdErrors;
import dev.belay.nbd.ReplyWriter;
import dev.belay.nbd.RequestHeader;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * One request of a connection, and what it becomes in the stack: a slot, used again and again by
 * its connection. Only on the loop's thread.
 *
 * <p>Its flag is a child of the connection's, and stays with the slot as long as it is down: nobody
 * outside keeps it, so it can hit no later request.
 */
final class Request {
  /** Nobody's. */
  static final int FREE = 0;

  /** Its payload is being received into its block. */
  static final int RECEIVING = 1;

  /** The stack has it, and its block. */
  static final int IN_STACK = 2;

  /** Its reply waits to be sent. */
  static final int READY = 3;

  /** The wire has its reply, and its block where the reply has a payload. */
  static final int SENDING = 4;

  /** How much is written or read at a time for a command whose bytes the client does not see. */
  private static final int PIECE_BYTES = 1 << 20;

  /** So many extents are in one answer to BLOCK_STATUS. */
  private static final int MOST_EXTENTS = 1024;

  private final Connection connection;
  private final Served served;
  private Bio bio;

  int state = FREE;
  long number;
  Command command = Command.UNKNOWN;
  long cookie;
  long offsetBytes;
  long lengthBytes;
  long arrivedNanos;
  CancelFlag flag;
  private int flags;

  /** Its memory, and what of it counts against the limits; null where it needs none. */
  Blocks.@Nullable Block block;

  int heldBytes;

  /** How much of its payload came. */
  int receivedBytes;

  /** How much of it the stack has done, in pieces where it needs several. */
  private long doneBytes;

  private boolean isFlushing;

  // The reply: an error, or done with a payload.
  int error;
  String sentence = "";

  /** The first byte that was not done, in the export; -1 where that says nothing. */
  long errorOffsetBytes;

  /** How many extents the answer to BLOCK_STATUS has. */
  int extents;

  int payloadBytes;

  /** How much of the payload the wire has taken; -1 as long as not even the header was given. */
  int sentBytes;

  /** The next in the row of free slots, of replies, or of those that are being sent. */
  @Nullable Request next;

  Request(Connection connection, Served served) {
    this.connection = connection;
    this.served = served;
    bio = new Bio(served.loop(), this::ended);
    flag = connection.flag().child();
  }

  /** A request has come. */
  void begin(RequestHeader header, Command command, long number, long nowNanos) {
    this.command = command;
    this.number = number;
    flags = header.flags();
    cookie = header.cookie();
    offsetBytes = header.offsetBytes();
    lengthBytes = header.lengthBytes();
    arrivedNanos = nowNanos;
    receivedBytes = 0;
    doneBytes = 0;
    isFlushing = false;
    error = 0;
    errorOffsetBytes = -1;
    extents = 0;
    payloadBytes = 0;
    sentBytes = -1;
    if (flag.isRaised()) {
      flag = connection.flag().child();
    }
  }

  /** It is answered with an error, and has touched nothing. */
  void refuse(int error, String sentence) {
    this.error = error;
    this.sentence = sentence;
    connection.tally().failed(command);
  }

  // --- Down ---

  /** Sends it into the stack; its payload is there. */
  void start() {
    state = IN_STACK;
    bio = bio.orNew();
    CancelFlag with = flag;
    if (served.deadlineNanos() > 0) {
      with = flag.withDeadline(served.clock(), served.clock().after(served.deadlineNanos()));
    }
    enterPiece(with);
  }

  private void enterPiece(CancelFlag with) {
    Device root = served.root();
    MemorySegment memory = block == null ? MemorySegment.NULL : block.memory;
    long at = offsetBytes + doneBytes;
    long left = lengthBytes - doneBytes;
    switch (command) {
      case READ -> bio.prepare(Op.READ, root, at, left, memory, 0, with);
      case WRITE -> {
        bio.prepare(Op.WRITE, root, at, left, memory, 0, with);
        bio.setFua(has(Nbd.CMD_FLAG_FUA));
      }
      case TRIM -> bio.prepare(Op.DISCARD, root, at, left, MemorySegment.NULL, 0, with);
      case WRITE_ZEROES -> {
        if (has(Nbd.CMD_FLAG_NO_HOLE)) {
          long piece = Math.min(left, PIECE_BYTES);
          bio.prepare(Op.WRITE, root, at, piece, served.zeroes(), 0, with);
        } else {
          bio.prepare(Op.WRITE_ZEROES, root, at, left, MemorySegment.NULL, 0, with);
        }
      }
      case CACHE ->
          bio.prepare(Op.READ, root, at, Math.min(left, pieceBytes(memory)), memory, 0, with);
      case BLOCK_STATUS -> bio.prepare(Op.FIND_HOLES, root, at, left, MemorySegment.NULL, 0, with);
      default -> bio.prepare(Op.FLUSH, root, 0, 0, MemorySegment.NULL, 0, with);
    }
    served.loop().enter(bio);
  }

  private static long pieceBytes(MemorySegment memory) {
    return memory.byteSize();
  }

  /** How much memory it needs, for how long it is. */
  static int memoryBytes(Command command, long lengthBytes) {
    return switch (command) {
      case READ, WRITE -> (int) lengthBytes;
      case CACHE -> (int) Math.min(lengthBytes, PIECE_BYTES);
      case BLOCK_STATUS -> MOST_EXTENTS * 16;
      default -> 0;
    };
  }

  static int zeroesBytes() {
    return PIECE_BYTES;
  }

  private boolean has(int commandFlag) {
    return (flags & commandFlag) != 0;
  }

  // --- Up ---

  private void ended(Bio bio) {
    if (bio.isDone()) {
      done(bio);
    } else if (bio.isCancelled()) {
      cancelled(bio);
    } else {
      failed(bio);
    }
  }

  private void done(Bio bio) {
    if (!isFlushing) {
      doneBytes += bio.lengthBytes();
      if (doneBytes < lengthBytes) {
        enterPiece(bio.flag());
        return;
      }
      // A write carries its own durability; the others have no bio that could.
      if (has(Nbd.CMD_FLAG_FUA) && (command == Command.TRIM || command == Command.WRITE_ZEROES)) {
        isFlushing = true;
        bio.prepare(Op.FLUSH, served.root(), 0, 0, MemorySegment.NULL, 0, bio.flag());
        served.loop().enter(bio);
        return;
      }
    }
    connection.tally().done(command, lengthBytes);
    if (command == Command.READ) {
      payloadBytes = (int) lengthBytes;
    } else if (command == Command.BLOCK_STATUS && block != null) {
      writeExtents(bio.holes(), block.memory);
    }
    connection.answered(this);
  }

  /** Holes and what lies between them, until the end, or what is known, or there is no room. */
  private void writeExtents(Holes holes, MemorySegment to) {
    ReplyWriter writer = connection.writer();
    int most = has(Nbd.CMD_FLAG_REQ_ONE) ? 1 : MOST_EXTENTS;
    long known = holes.endBytes() == 0 ? lengthBytes : Math.min(lengthBytes, holes.endBytes());
    int next = 0;
    for (long at = 0; at < known && extents < most; extents++) {
      boolean isHole = next < holes.size() && holes.startBytes(next) <= at;
      long until = known;
      if (next < holes.size()) {
        until = Math.min(known, isHole ? holes.endBytes(next) : holes.startBytes(next));
      }
      long length = Math.min(until - at, writer.mostExtentBytes());
      int states = isHole ? Nbd.STATE_HOLE | Nbd.STATE_ZERO : 0;
      payloadBytes += writer.extent(to, payloadBytes, length, states);
      at += length;
      if (isHole && at == holes.endBytes(next)) {
        next++;
      }
    }
  }

  private void cancelled(Bio bio) {
    Extents extents = bio.extents();
    long after = lengthBytes - doneBytes - bio.lengthBytes();
    connection.tally().cancelled(command, extents, doneBytes, isFlushing ? 0 : after);
    CancelFlag.Reason reason = Objects.requireNonNullElse(bio.flag().reason(), CLOSING);
    error = Nbd.EIO;
    switch (reason) {
      case DEADLINE ->
          sentence = "stopped: its deadline of " + served.deadlineSentence() + " passed";
      case CLOSE -> {
        error = Nbd.ESHUTDOWN;
        sentence = "stopped: the server is being shut down";
      }
      default -> sentence = "stopped: somebody asked the server to";
    }
    errorOffsetBytes = firstNotDone(extents);
    connection.answered(this);
  }

  private static final CancelFlag.Reason CLOSING = CancelFlag.Reason.CLOSE;

  private void failed(Bio bio) {
    connection.tally().failed(command);
    IoError said = bio.error();
    error = NbdErrors.ofErrno(said == null ? Errno.EIO : said.errno());
    sentence = said == null ? "a device failed it" : said.sentence();
    errorOffsetBytes = firstNotDone(bio.extents());
    connection.answered(this);
  }

  private long firstNotDone(Extents extents) {
    for (Extents.Extent each : extents.list()) {
      if (each.state() != Extents.State.DONE) {
        return offsetBytes + doneBytes + each.offsetBytes();
      }
    }
    return -1;
  }

  /** Nobody's again: it refers to no memory and no flag but its own. */
  void release() {
    bio.release();
    block = null;
    heldBytes = 0;
    sentence = "";
    state = FREE;
  }

  /** The device that has it now, as far as its own bio tells. */
  String deviceName() {
    return bio.device().kind();
  }

  /** What it is in the stack. */
  Bio bio() {
    return bio;
  }
}
