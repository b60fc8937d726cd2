// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import static dev.belay.nbd.Nbd.CMD_BLOCK_STATUS;
import static dev.belay.nbd.Nbd.CMD_READ;
import static dev.belay.nbd.Nbd.REPLY_TYPE_BLOCK_STATUS;
import static dev.belay.nbd.Nbd.REPLY_TYPE_BLOCK_STATUS_EXT;
import static dev.belay.nbd.Nbd.REPLY_TYPE_NONE;
import static dev.belay.nbd.Nbd.REPLY_TYPE_OFFSET_CONTENT;
import static dev.belay.nbd.Nbd.REPLY_TYPE_OFFSET_HOLE;

import dev.belay.Bio;
import dev.belay.Errno;
import dev.belay.nbd.NbdErrors;
import dev.belay.nbd.ReplyHeader;
import dev.belay.nbd.Session;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * What an NBD server sends to a connection of an {@link Nbd} device, taken apart as it comes.
 *
 * <p>Everything is received into one buffer, save the rest of a long payload, which goes straight
 * into the memory of its bio. Each length is checked against what was asked for before a byte is
 * put anywhere. Where nobody waits for a payload any more, it is dropped. Answers are read as a
 * stream, so that their length is no matter of memory.
 */
final class NbdReplies {
  private static final int BUFFER_BYTES = 128 << 10;

  /** A rest of a payload that is at least as long is received where it belongs. */
  private static final long STRAIGHT_BYTES = 16 << 10;

  /** What comes next. */
  private enum Next {
    HEADER,
    /** The part of a chunk that says what the rest is about. */
    FIXED,
    /** Bytes that were read. */
    PAYLOAD,
    EXTENTS
  }

  private final NbdTraffic traffic;
  private final NbdConnection connection;
  private final MemorySegment buffer;
  private @Nullable Session session;
  private @Nullable ReplyHeader header;

  // What was received and not taken apart: from `start` up to `end`.
  private int start;
  private int end;

  private Next next = Next.HEADER;
  private @Nullable NbdRequest request;

  /** How much of the payload is still to come, in this chunk or simple reply. */
  private long payloadBytes;

  private int extents;

  /** Where the next byte of the payload belongs, from the request's first. */
  private long payloadAt;

  private boolean isStraight;
  private String broken = "";

  NbdReplies(NbdTraffic traffic, NbdConnection connection, Arena arena) {
    this.traffic = traffic;
    this.connection = connection;
    buffer = arena.allocate(BUFFER_BYTES, 4096);
  }

  /** A new stream. */
  void begin(Session session) {
    this.session = session;
    header = new ReplyHeader(session);
    end();
  }

  /** Forgets what the stream was at. */
  void end() {
    start = 0;
    end = 0;
    next = Next.HEADER;
    request = null;
    isStraight = false;
    broken = "";
  }

  // --- Where to receive ---

  /** Where the next receive goes; decided here, and valid until {@link #take}. */
  long nextAddress() {
    NbdRequest of = request;
    isStraight =
        next == Next.PAYLOAD
            && payloadBytes >= STRAIGHT_BYTES
            && start == end
            && of != null
            && of.bio != null;
    if (isStraight) {
      return Objects.requireNonNull(Objects.requireNonNull(of).bio).address() + payloadAt;
    }
    if (start == end) {
      start = 0;
      end = 0;
    } else if (end == BUFFER_BYTES) {
      MemorySegment.copy(buffer, start, buffer, 0, end - start);
      end -= start;
      start = 0;
    }
    return buffer.address() + end;
  }

  /** How much it may be at most. Right after {@link #nextAddress}. */
  int nextBytes() {
    return isStraight ? (int) payloadBytes : BUFFER_BYTES - end;
  }

  /** Whether a receive into the memory of the request's bio is under way. */
  boolean isReceivingInto(NbdRequest of) {
    return isStraight && request == of;
  }

  // --- Taking apart ---

  /**
   * Takes in what was received.
   *
   * @return nothing; or what is wrong with it, and then the stream is of no use any more
   */
  String take(int receivedBytes) {
    if (isStraight) {
      isStraight = false;
      moved(receivedBytes);
    } else {
      end += receivedBytes;
    }
    while (broken.isEmpty() && step()) {
      // on
    }
    return broken;
  }

  private int available() {
    return end - start;
  }

  /** Does one thing; false if more has to come first, or the stream is broken. */
  private boolean step() {
    return switch (next) {
      case HEADER -> takeHeader();
      case FIXED -> takeFixed();
      case PAYLOAD -> takePayload();
      case EXTENTS -> takeExtent();
    };
  }

  private boolean breaks(String sentence) {
    broken = sentence;
    return false;
  }

  private ReplyHeader header() {
    return Objects.requireNonNull(header);
  }

  private NbdRequest request() {
    return Objects.requireNonNull(request);
  }

  private boolean takeHeader() {
    ReplyHeader head = header();
    int bytes = head.parse(buffer, start, available());
    if (bytes <= 0) {
      return bytes == 0 ? false : breaks("what should be a reply is none");
    }
    start += bytes;
    NbdRequest of = traffic.requestOf(head.cookie());
    if (of == null || !connection.hasInFlight(of) || of.isAnswered) {
      return breaks("it answers a request that it was not sent, or has answered");
    }
    request = of;
    if (!head.simple()) {
      next = Next.FIXED;
      return fits(of, head)
          || breaks(
              "it answers %s with %s"
                  .formatted(
                      dev.belay.nbd.Nbd.commandName(of.command),
                      dev.belay.nbd.Nbd.chunkName(head.type())));
    }
    boolean carries = of.command == CMD_READ || of.command == CMD_BLOCK_STATUS;
    if (carries && Objects.requireNonNull(session).structuredReplies()) {
      return breaks("it sends a simple reply where a structured one was agreed on");
    }
    if (head.error() != 0) {
      noteError(of, head.error(), "");
    } else if (of.command == CMD_READ) {
      next = Next.PAYLOAD;
      payloadBytes = of.lengthBytes;
      payloadAt = 0;
      return true;
    }
    return endChunk();
  }

  /** Whether a chunk of this type may come in an answer to the request. */
  private static boolean fits(NbdRequest of, ReplyHeader head) {
    return switch (head.type()) {
      case REPLY_TYPE_OFFSET_CONTENT, REPLY_TYPE_OFFSET_HOLE -> of.command == CMD_READ;
      case REPLY_TYPE_BLOCK_STATUS, REPLY_TYPE_BLOCK_STATUS_EXT -> of.command == CMD_BLOCK_STATUS;
      default -> head.failed() || head.type() == REPLY_TYPE_NONE;
    };
  }

  private boolean takeFixed() {
    ReplyHeader head = header();
    int bytes = head.fixedBytes();
    if (available() < bytes) {
      return false;
    }
    if (!head.parseFixed(buffer, start)) {
      return breaks("the chunk " + dev.belay.nbd.Nbd.chunkName(head.type()) + " is malformed");
    }
    NbdRequest of = request();
    if (head.failed()) {
      noteError(of, head.error(), head.message(buffer, start));
    }
    start += bytes;
    return switch (head.type()) {
      case REPLY_TYPE_OFFSET_CONTENT -> {
        next = Next.PAYLOAD;
        payloadBytes = head.payloadBytes() - bytes;
        yield place(head.offsetBytes(), payloadBytes);
      }
      case REPLY_TYPE_OFFSET_HOLE -> takeHole(head.offsetBytes(), head.holeBytes());
      case REPLY_TYPE_BLOCK_STATUS, REPLY_TYPE_BLOCK_STATUS_EXT -> {
        next = Next.EXTENTS;
        extents = head.extents();
        Session agreed = Objects.requireNonNull(session);
        yield (agreed.allocation() && head.context() == agreed.allocationContext())
            || breaks("it tells of a context " + head.context() + " that was not agreed on");
      }
      default -> endChunk();
    };
  }

  private static void noteError(NbdRequest of, int error, String sentence) {
    if (of.errno == 0) {
      of.errno = NbdErrors.toErrno(error);
      of.sentence = sentence;
    }
  }

  // --- Reads ---

  /** Checks that a part of what was read lies within what was asked for. */
  private boolean place(long offset, long lengthBytes) {
    NbdRequest of = request();
    payloadAt = offset - of.offsetBytes;
    if (offset < of.offsetBytes
        || payloadAt > of.lengthBytes - lengthBytes
        || of.receivedBytes > of.lengthBytes - lengthBytes) {
      return breaks(
          "it sends %d bytes of %d for a read of %d bytes at %d, of which it has sent %d"
              .formatted(lengthBytes, offset, of.lengthBytes, of.offsetBytes, of.receivedBytes));
    }
    of.comes(payloadAt, lengthBytes);
    return true;
  }

  private boolean takePayload() {
    int bytes = (int) Math.min(available(), payloadBytes);
    if (bytes > 0) {
      putInto(request(), payloadAt, bytes);
      start += bytes;
      moved(bytes);
      return true;
    }
    return false;
  }

  private void moved(int bytes) {
    request().receivedBytes += bytes;
    payloadAt += bytes;
    payloadBytes -= bytes;
    if (payloadBytes == 0) {
      endChunk();
    }
  }

  private void putInto(NbdRequest of, long at, int bytes) {
    Bio bio = of.bio;
    if (bio == null) {
      return;
    }
    try {
      MemorySegment.copy(buffer, start, bio.buffer(), bio.bufferOffsetBytes() + at, bytes);
    } catch (RuntimeException e) {
      noteBuffer(of, e);
    }
  }

  private boolean takeHole(long offset, long lengthBytes) {
    NbdRequest of = request();
    if (!place(offset, lengthBytes)) {
      return false;
    }
    of.receivedBytes += lengthBytes;
    Bio bio = of.bio;
    if (bio != null) {
      try {
        bio.buffer().asSlice(bio.bufferOffsetBytes() + payloadAt, lengthBytes).fill((byte) 0);
      } catch (RuntimeException e) {
        noteBuffer(of, e);
      }
    }
    return endChunk();
  }

  private static void noteBuffer(NbdRequest of, RuntimeException e) {
    of.errno = Errno.EFAULT;
    of.sentence = "the buffer of the read cannot be used: " + e;
  }

  // --- Holes ---

  private boolean takeExtent() {
    ReplyHeader head = header();
    if (extents == 0) {
      return endChunk();
    }
    if (available() < head.extentBytes()) {
      return false;
    }
    long length = head.extentLength(buffer, start);
    int states = head.extentStates(buffer, start);
    start += head.extentBytes();
    extents--;
    if (length <= 0) {
      return breaks("it tells of an extent of " + length + " bytes");
    }
    traffic.extent(request(), length, states);
    return true;
  }

  // --- The end of a chunk ---

  private boolean endChunk() {
    next = Next.HEADER;
    if (!header().last()) {
      return true;
    }
    NbdRequest of = request();
    request = null;
    if (of.command == CMD_READ && of.errno == 0 && !of.isWhole()) {
      return breaks(
          "it ends the answer to a read of %d bytes after %d%s"
              .formatted(
                  of.lengthBytes,
                  of.receivedBytes,
                  of.parts == null ? "" : ", some of them twice, or in too many pieces"));
    }
    connection.answered(of);
    return true;
  }
}
