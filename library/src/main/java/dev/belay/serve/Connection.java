// SPDX-License-Identifier: Apache-2.0
package dev.belay.serve;

import dev.belay.CancelFlag;
import dev.belay.Errno;
import dev.belay.Extents;
import dev.belay.Timers.Timer;
import dev.belay.nbd.Nbd;
import dev.belay.nbd.ReplyWriter;
import dev.belay.nbd.RequestHeader;
import dev.belay.nbd.Session;
import dev.belay.net.Wire;
import dev.belay.net.WireEnd;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * One client in the transmission phase. Only on the loop's thread.
 *
 * <p>What is received goes into one buffer, from which requests are taken one by one and sent into
 * the stack. A payload is copied from the buffer into the request's block; where much of it is
 * still to come, the rest is received straight into the block. A request for which there is no room
 * (see {@link Budget}) stays in the buffer, and nothing is received until there is: that holds back
 * this client and nobody else.
 *
 * <p>Who has a request's block: from its header on the connection, while it is received the wire;
 * then the stack, until the bio has ended; then, for what was read, the wire again until the reply
 * is sent. Whoever closes waits for all of them.
 *
 * <p>The flag: goes up, for DISCONNECT, at any end but a goodbye. Replies that the wire does not
 * have are forgotten then, the wire is closed, and when that is done and the last bio has ended,
 * the connection is reported and gone. A goodbye (DISC) ends the receiving only; what is
 * outstanding is finished and answered, and then the wire is closed.
 */
final class Connection {
  /** What is received at a time, and what a client may have sent ahead at no cost to its limits. */
  static final int BUFFER_BYTES = 128 << 10;

  /** After so many requests in one turn the others have theirs. */
  private static final int REQUESTS_A_TURN = 64;

  /** A rest of a payload that is received straight into its block. */
  private static final int DIRECT_BYTES = 32 << 10;

  /** What is received where such payloads come one behind the other: little more than a header. */
  private static final int SHORT_RECEIVE_BYTES = 4 << 10;

  private enum Phase {
    SERVING,
    /** The client said goodbye: what is outstanding is finished. */
    DRAINING,
    /** The wire is being closed, or is closed and bios have not ended. */
    CLOSING
  }

  private final Served served;
  private final Wire wire;
  private final Session session;
  private final long number;
  private final boolean isEncrypted;
  private final long acceptedNanos;
  private final CancelFlag flag = new CancelFlag();
  private final Tally tally = new Tally();

  private Phase phase = Phase.SERVING;
  private boolean isStopping;
  private boolean isAborting;
  private boolean isClean;
  private String why = "";
  private boolean isWireClosed;
  private boolean hasPeerGone;

  // What comes. Between start and end the buffer has what is not yet taken.
  private final Arena arena = Arena.ofConfined();
  private final MemorySegment buffer;
  private final int headerBytes;
  private final RequestHeader header = new RequestHeader();
  private final WireEnd intoBuffer = this::intoBuffer;
  private final WireEnd intoBlock = this::intoBlock;
  private int start;
  private int end;
  private boolean isReceiving;
  private boolean comesDirectly;

  /** The request whose payload comes; null where the next is a header, or a payload to skip. */
  private @Nullable Request incoming;

  private long skipBytes;
  private long receivedNanos;
  private final Timer again;

  /** There is no room for the next request: it stays in the buffer, and nothing is received. */
  private boolean isHeld;

  // What is under way.
  private final Replies replies;
  private final Slots slots;
  private int inStack;
  private long requests;

  private final Watchdog watchdog;

  Connection(Served served, Wire wire, Greeted greeted) {
    this.served = served;
    this.wire = wire;
    session = greeted.session();
    number = greeted.number();
    isEncrypted = greeted.isEncrypted();
    acceptedNanos = greeted.acceptedNanos();
    buffer = arena.allocate(BUFFER_BYTES, 4096);
    headerBytes = RequestHeader.bytes(session.extendedHeaders());
    replies = new Replies(this, session, arena);
    slots = new Slots(this, served);
    again = served.loop().timers().newTimer(this::takeAll);
    watchdog = new Watchdog(this, served);
    byte[] leftover = greeted.leftover();
    MemorySegment.copy(MemorySegment.ofArray(leftover), 0, buffer, 0, leftover.length);
    end = leftover.length;
  }

  /** Begins to serve. */
  void begin() {
    wire.awaitHangUp(this::hungUp);
    watchdog.begin();
    receivedNanos = nowNanos();
    takeAll();
  }

  // --- Receiving ---

  private void receiveMore() {
    if (isReceiving || phase != Phase.SERVING) {
      return;
    }
    isReceiving = true;
    Request request = incoming;
    if (request != null && request.block != null) {
      int left = (int) request.lengthBytes - request.receivedBytes;
      if (left >= DIRECT_BYTES) {
        comesDirectly = true;
        // No more than what the watchdog wants to see moving.
        int step = Math.min(left, Watchdog.STEP_BYTES);
        wire.receiveAll(request.block.address + request.receivedBytes, step, intoBlock);
        return;
      }
    }
    if (start > 0) {
      // Less than a header is left, for what was whole was taken.
      MemorySegment.copy(buffer, start, buffer, 0, end - start);
      end -= start;
      start = 0;
    }
    int most = comesDirectly && incoming == null ? SHORT_RECEIVE_BYTES : BUFFER_BYTES - end;
    comesDirectly = false;
    wire.receive(buffer.address() + end, most, intoBuffer);
  }

  private void intoBuffer(int result) {
    isReceiving = false;
    if (phase != Phase.SERVING) {
      return;
    }
    if (result <= 0) {
      lost(result);
      return;
    }
    end += result;
    receivedNanos = nowNanos();
    takeAll();
  }

  private void intoBlock(int result) {
    isReceiving = false;
    Request request = incoming;
    if (phase != Phase.SERVING || request == null) {
      return;
    }
    if (result <= 0) {
      lost(result);
      return;
    }
    watchdog.received(result);
    receivedNanos = nowNanos();
    request.receivedBytes += result;
    if (request.receivedBytes == request.lengthBytes) {
      incoming = null;
      send(request);
    }
    takeAll();
  }

  private void lost(int result) {
    close(
        false,
        result == 0
            ? "the client closed it without a goodbye"
            : "it broke: " + Errno.describe(-result));
  }

  private void hungUp(int result) {
    hasPeerGone = result != -Errno.ECANCELED;
    if (hasPeerGone && phase == Phase.SERVING && isHeld) {
      close(false, "the client went away");
    }
  }

  // --- Taking what was received apart ---

  /** Takes all that is there, as far as there is room for it; then more is received. */
  private void takeAll() {
    isHeld = false;
    for (int taken = 0; phase == Phase.SERVING; ) {
      if (skipBytes > 0 || incoming != null) {
        if (start == end) {
          break;
        }
        takePayload();
        continue;
      }
      if (end - start < headerBytes) {
        break;
      }
      if (taken++ == REQUESTS_A_TURN) {
        again.set(nowNanos() + 1);
        return;
      }
      if (!header.parse(buffer, start, session.extendedHeaders())) {
        close(false, "the client sent something that is no request");
        return;
      }
      if (!takeRequest()) {
        isHeld = true;
        if (hasPeerGone) {
          close(false, "the client went away");
        }
        return;
      }
    }
    receiveMore();
  }

  private void takePayload() {
    int there = end - start;
    Request request = incoming;
    if (request == null || request.block == null) {
      int skipped = (int) Math.min(there, skipBytes);
      skipBytes -= skipped;
      start += skipped;
      watchdog.received(skipped);
      return;
    }
    int length = Math.min(there, (int) request.lengthBytes - request.receivedBytes);
    MemorySegment.copy(buffer, start, request.block.memory, request.receivedBytes, length);
    start += length;
    request.receivedBytes += length;
    if (request.receivedBytes == request.lengthBytes) {
      incoming = null;
      send(request);
    }
  }

  /** Takes one request, whose header was just read. False, and nothing done, without room. */
  private boolean takeRequest() {
    if (header.type() == Nbd.CMD_DISC) {
      phase = Phase.DRAINING;
      start = end;
      endIfQuiet();
      return true;
    }
    if (header.tooMuch(session)) {
      close(false, "the client sent more with one request than anybody should skip");
      return true;
    }
    Command command = commandOf(header.type());
    int error = isStopping ? Nbd.ESHUTDOWN : errorOf(command);
    boolean isEmpty = header.lengthBytes() == 0 && command != Command.FLUSH;
    int memoryBytes =
        error != 0 || isEmpty ? 0 : Request.memoryBytes(command, header.lengthBytes());
    int blockBytes = memoryBytes == 0 ? 0 : Blocks.blockBytes(memoryBytes);
    if (!slots.takeRoom(blockBytes)) {
      return false;
    }
    Request request = slots.take(blockBytes);
    request.begin(header, command, ++requests, receivedNanos);
    start += headerBytes;
    watchdog.whole();
    if (error == 0 && memoryBytes > 0) {
      error = slots.takeBlock(request, memoryBytes);
    }
    if (error != 0) {
      refuse(request, error);
    } else if (command == Command.WRITE && !isEmpty) {
      request.state = Request.RECEIVING;
      incoming = request;
    } else if (isEmpty) {
      answerEmpty(request);
    } else {
      send(request);
    }
    return true;
  }

  /** What is wrong with what was asked for, before anything is done about it; or 0. */
  private int errorOf(Command command) {
    int error = header.error(session);
    if (error == 0 && command == Command.WRITE_ZEROES && header.has(Nbd.CMD_FLAG_FAST_ZERO)) {
      // Zeroes that must take room are written as bytes, which is never faster than a write.
      boolean isFast = !header.has(Nbd.CMD_FLAG_NO_HOLE) && served.root().zeroesFast();
      return isFast ? 0 : Nbd.ENOTSUP;
    }
    return error;
  }

  private static Command commandOf(int type) {
    return switch (type) {
      case Nbd.CMD_READ -> Command.READ;
      case Nbd.CMD_WRITE -> Command.WRITE;
      case Nbd.CMD_FLUSH -> Command.FLUSH;
      case Nbd.CMD_TRIM -> Command.TRIM;
      case Nbd.CMD_WRITE_ZEROES -> Command.WRITE_ZEROES;
      case Nbd.CMD_CACHE -> Command.CACHE;
      case Nbd.CMD_BLOCK_STATUS -> Command.BLOCK_STATUS;
      default -> Command.UNKNOWN;
    };
  }

  private void refuse(Request request, int error) {
    skipBytes = header.payloadBytes();
    String sentence =
        switch (error) {
          case Nbd.ESHUTDOWN -> "the server is being shut down";
          case Nbd.ENOTSUP -> "zeroes are not written faster than bytes here";
          case Nbd.ENOMEM -> "the server has no memory for it";
          default -> header.refusal(session);
        };
    request.refuse(error, sentence == null ? "" : sentence);
    slots.giveBlock(request);
    replies.add(request);
  }

  /** Nothing is asked for: nothing is done, and that is all there is to it. */
  private void answerEmpty(Request request) {
    if (request.command == Command.BLOCK_STATUS) {
      request.refuse(Nbd.EINVAL, "there is nothing to say about no bytes");
    } else {
      tally.done(request.command, 0);
    }
    replies.add(request);
  }

  private void send(Request request) {
    request.arrivedNanos = receivedNanos;
    inStack++;
    request.start();
  }

  /** A request is over: its slot and its memory are for others. */
  void free(Request request) {
    slots.free(request);
  }

  /** There may be room now for what waits. */
  void tryOn() {
    if (isHeld && phase == Phase.SERVING && !again.isSet()) {
      takeAll();
    }
  }

  // --- Answers ---

  /** The stack is done with a request; what is to be answered is in it. */
  void answered(Request request) {
    inStack--;
    if (phase == Phase.CLOSING) {
      free(request);
      finishIfOver();
      return;
    }
    if (request.payloadBytes == 0) {
      slots.giveBlock(request);
    }
    replies.add(request);
    tryOn();
  }

  /** The wire has taken replies, or takes none any more. */
  void sent(int result) {
    if (phase == Phase.CLOSING) {
      return;
    }
    if (result < 0) {
      close(false, "nothing more could be sent to the client: " + Errno.describe(-result));
      return;
    }
    endIfQuiet();
    tryOn();
  }

  // --- The end ---

  /** The server stops: what is under way is finished, what comes now is refused. */
  void stop() {
    isStopping = true;
    endIfQuiet();
  }

  /** The grace is over: what is under way is stopped, and answered. */
  void abort() {
    isAborting = true;
    flag.raise(CancelFlag.Reason.CLOSE);
    endIfQuiet();
  }

  /** Ends it now, whatever is under way. */
  void cut(String why) {
    close(false, why);
  }

  private void endIfQuiet() {
    if (phase == Phase.DRAINING && slots.used() == 0) {
      close(true, "the client said goodbye");
    } else if (phase == Phase.SERVING && isStopping && slots.used() == 0) {
      close(true, "the server stopped");
    } else if (phase == Phase.SERVING && isAborting && slots.used() == 1 && incoming != null) {
      close(false, "the server stopped");
    }
  }

  /** Ends it. Unless nothing was outstanding, the flag goes up: nothing more is sent anywhere. */
  private void close(boolean isClean, String why) {
    if (phase == Phase.CLOSING) {
      return;
    }
    boolean saidGoodbye = phase == Phase.DRAINING;
    phase = Phase.CLOSING;
    this.isClean = isClean;
    this.why = why;
    if (!saidGoodbye) {
      flag.raise(CancelFlag.Reason.DISCONNECT);
    }
    again.cancel();
    watchdog.end();
    replies.drop();
    slots.endWait();
    wire.close(this::wireClosed);
  }

  private void wireClosed() {
    isWireClosed = true;
    if (incoming != null) {
      tally.cancelled(
          incoming.command, Extents.whole(0, Extents.State.CLEAN), 0, incoming.lengthBytes);
      free(incoming);
      incoming = null;
    }
    finishIfOver();
  }

  private void finishIfOver() {
    if (isWireClosed && inStack == 0) {
      if (slots.used() != 0 || slots.heldBytes() != 0) {
        throw new IllegalStateException(
            "%d requests and %d bytes are left of a connection that has ended"
                .formatted(slots.used(), slots.heldBytes()));
      }
      arena.close();
      served.ended(this);
    }
  }

  // --- Questions ---

  CancelFlag flag() {
    return flag;
  }

  Tally tally() {
    return tally;
  }

  Wire wire() {
    return wire;
  }

  ReplyWriter writer() {
    return replies.writer();
  }

  long number() {
    return number;
  }

  long nowNanos() {
    return served.clock().nanos();
  }

  /** Whether replies still go anywhere. */
  boolean maySend() {
    return phase != Phase.CLOSING;
  }

  /** Whether it is the client's turn to send: the rest of a request, or of a payload. */
  boolean awaitsRest() {
    return isReceiving && (incoming != null || skipBytes > 0 || end > start);
  }

  /** Whether nothing at all is under way: nor is it the server that has no room for a request. */
  boolean isIdle() {
    return slots.used() == 0 && !isHeld;
  }

  Replies replies() {
    return replies;
  }

  Slots slots() {
    return slots;
  }

  ConnectionReport toReport() {
    return new ConnectionReport(
        number,
        wire.peer(),
        session.export().name(),
        isEncrypted,
        nowNanos() - acceptedNanos,
        tally.toTraffic(),
        isClean,
        why);
  }

  ConnectionStatus toStatus() {
    return new ConnectionStatus(
        number,
        wire.peer(),
        session.export().name(),
        isEncrypted,
        nowNanos() - acceptedNanos,
        slots.used(),
        slots.heldBytes(),
        tally.toTraffic());
  }
}
