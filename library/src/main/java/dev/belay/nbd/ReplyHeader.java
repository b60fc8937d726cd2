// SPDX-License-Identifier: Apache-2.0
package dev.belay.nbd;

import static dev.belay.nbd.BigEndian.U16;
import static dev.belay.nbd.BigEndian.U32;
import static dev.belay.nbd.BigEndian.U64;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;

/**
 * The header of one reply or chunk, at the client's end; one a connection, for one thread. Nothing
 * is allocated.
 *
 * <p>{@link #parse} takes the header. Then come {@link #payloadBytes}, of which the first {@link
 * #fixedBytes} are taken by {@link #parseFixed}; what remains are the bytes that were read ({@link
 * Nbd#REPLY_TYPE_OFFSET_CONTENT}, from {@link #offsetBytes} on), extents to be read with {@link
 * #extentLength} and {@link #extentStates}, or an error's {@link #message}. The payload of a simple
 * reply to READ is the request's length, which only the client knows.
 */
public final class ReplyHeader {
  private static final int SIMPLE_BYTES = 16;
  private static final int STRUCTURED_BYTES = 20;
  private static final int EXTENDED_BYTES = 32;

  private final boolean structured;
  private final boolean extended;
  private final long largestBytes;

  private boolean simple;
  private boolean last;
  private int type;
  private int error;
  private long cookie;
  private long payloadBytes;

  private long offsetBytes;
  private long holeBytes;
  private int messageBytes;
  private int context;

  /** For the replies of one session. */
  public ReplyHeader(Session session) {
    structured = session.structuredReplies();
    extended = session.extendedHeaders();
    largestBytes = session.export().largestBytes();
  }

  /** How many bytes the longest header of this session has. */
  public int mostBytes() {
    return extended ? EXTENDED_BYTES : structured ? STRUCTURED_BYTES : SIMPLE_BYTES;
  }

  /**
   * Reads a header.
   *
   * @param availableBytes how many bytes there are from {@code at}
   * @return how long it was; 0 when more bytes are needed; -1 when it is not one, so that the
   *     framing is lost and the connection is to be closed
   */
  public int parse(MemorySegment from, long at, int availableBytes) {
    if (availableBytes < 4) {
      return 0;
    }
    int magic = from.get(U32, at);
    simple = magic == Nbd.SIMPLE_REPLY_MAGIC && !extended;
    int length;
    if (simple) {
      length = SIMPLE_BYTES;
    } else if (extended && magic == Nbd.EXTENDED_REPLY_MAGIC) {
      length = EXTENDED_BYTES;
    } else if (structured && !extended && magic == Nbd.STRUCTURED_REPLY_MAGIC) {
      length = STRUCTURED_BYTES;
    } else {
      return -1;
    }
    if (availableBytes < length) {
      return 0;
    }
    cookie = from.get(U64, at + 8);
    offsetBytes = 0;
    holeBytes = 0;
    messageBytes = 0;
    context = 0;
    if (simple) {
      error = from.get(U32, at + 4);
      last = true;
      type = Nbd.REPLY_TYPE_NONE;
      payloadBytes = 0;
      return length;
    }
    error = 0;
    last = (from.get(U16, at + 4) & Nbd.REPLY_FLAG_DONE) != 0;
    type = Short.toUnsignedInt(from.get(U16, at + 6));
    payloadBytes =
        extended ? from.get(U64, at + 24) : Integer.toUnsignedLong(from.get(U32, at + 16));
    return isSound() ? length : -1;
  }

  /** Whether the payload's length goes with the type. */
  private boolean isSound() {
    if (payloadBytes < 0) {
      return false;
    }
    return switch (type) {
      case Nbd.REPLY_TYPE_NONE -> payloadBytes == 0 && last;
      case Nbd.REPLY_TYPE_OFFSET_CONTENT ->
          payloadBytes > 8 && payloadBytes <= Math.max(largestBytes, 1 << 25) + 8;
      case Nbd.REPLY_TYPE_OFFSET_HOLE -> payloadBytes == 12;
      case Nbd.REPLY_TYPE_BLOCK_STATUS ->
          !extended && payloadBytes >= 12 && payloadBytes % 8 == 4 && payloadBytes <= 4 + (8 << 20);
      case Nbd.REPLY_TYPE_BLOCK_STATUS_EXT ->
          extended
              && payloadBytes >= 24
              && payloadBytes % 16 == 8
              && payloadBytes <= 8 + (16 << 20);
      case Nbd.REPLY_TYPE_ERROR -> payloadBytes >= 6 && payloadBytes <= 1 << 16;
      case Nbd.REPLY_TYPE_ERROR_OFFSET -> payloadBytes >= 14 && payloadBytes <= 1 << 16;
      default ->
          (type & Nbd.REPLY_TYPE_FLAG_ERROR) != 0 && payloadBytes >= 6 && payloadBytes <= 1 << 16;
    };
  }

  /** How much of the payload is to be given to {@link #parseFixed}; all of an error's. */
  public int fixedBytes() {
    return switch (type) {
      case Nbd.REPLY_TYPE_NONE -> 0;
      case Nbd.REPLY_TYPE_OFFSET_CONTENT -> 8;
      case Nbd.REPLY_TYPE_OFFSET_HOLE -> 12;
      case Nbd.REPLY_TYPE_BLOCK_STATUS -> 4;
      case Nbd.REPLY_TYPE_BLOCK_STATUS_EXT -> 8;
      default -> (int) payloadBytes;
    };
  }

  /**
   * Reads the first part of the payload.
   *
   * @param from has {@link #fixedBytes} bytes from {@code at}
   * @return whether it is sound; if not, the framing is lost
   */
  public boolean parseFixed(MemorySegment from, long at) {
    switch (type) {
      case Nbd.REPLY_TYPE_NONE -> {
        return true;
      }
      case Nbd.REPLY_TYPE_OFFSET_CONTENT -> offsetBytes = from.get(U64, at);
      case Nbd.REPLY_TYPE_OFFSET_HOLE -> {
        offsetBytes = from.get(U64, at);
        holeBytes = Integer.toUnsignedLong(from.get(U32, at + 8));
        return holeBytes > 0;
      }
      case Nbd.REPLY_TYPE_BLOCK_STATUS -> context = from.get(U32, at);
      case Nbd.REPLY_TYPE_BLOCK_STATUS_EXT -> {
        context = from.get(U32, at);
        return Integer.toUnsignedLong(from.get(U32, at + 4)) == extents();
      }
      default -> {
        error = from.get(U32, at);
        messageBytes = Short.toUnsignedInt(from.get(U16, at + 4));
        boolean withOffset = type == Nbd.REPLY_TYPE_ERROR_OFFSET;
        if (messageBytes > payloadBytes - (withOffset ? 14 : 6)) {
          return false;
        }
        if (withOffset) {
          offsetBytes = from.get(U64, at + 6 + messageBytes);
        }
        // An error must have a number; without one it is still an error.
        error = error == 0 ? Nbd.EINVAL : error;
      }
    }
    return true;
  }

  /** Whether it is a simple reply: complete, but for the bytes of a READ without error. */
  public boolean simple() {
    return simple;
  }

  /** Whether it ends the reply. */
  public boolean last() {
    return last;
  }

  /** A REPLY_TYPE_ constant; NONE for a simple reply. */
  public int type() {
    return type;
  }

  /** Whether it is a chunk of an error, of whatever type. */
  public boolean failed() {
    return error != 0 || (type & Nbd.REPLY_TYPE_FLAG_ERROR) != 0;
  }

  /** The error as the server sent it, 0 for none; of a chunk after {@link #parseFixed}. */
  public int error() {
    return error;
  }

  /** The request's. */
  public long cookie() {
    return cookie;
  }

  /** How much follows the header; 0 for a simple reply, also to READ. */
  public long payloadBytes() {
    return payloadBytes;
  }

  /** Where in the export the content, the hole or the error begins. Unsigned. */
  public long offsetBytes() {
    return offsetBytes;
  }

  /** How many bytes read as zeroes. */
  public long holeBytes() {
    return holeBytes;
  }

  /** The context that the extents are of. */
  public int context() {
    return context;
  }

  /** How many extents follow the fixed part. */
  public int extents() {
    return (int) (extended ? (payloadBytes - 8) / 16 : (payloadBytes - 4) / 8);
  }

  /** How many bytes an extent has on the wire. */
  public int extentBytes() {
    return extended ? 16 : 8;
  }

  /** The length of the extent that lies at {@code at}. Unsigned; 0 breaks the rules. */
  public long extentLength(MemorySegment from, long at) {
    return extended ? from.get(U64, at) : Integer.toUnsignedLong(from.get(U32, at));
  }

  /** The STATE_ bits of the extent that lies at {@code at}. */
  public int extentStates(MemorySegment from, long at) {
    return extended ? (int) from.get(U64, at + 8) : from.get(U32, at + 4);
  }

  /**
   * What the server says of the error, made fit to be shown; empty for nothing. Allocates.
   *
   * @param at where the payload begins, as it was for {@link #parseFixed}
   */
  public String message(MemorySegment from, long at) {
    if (messageBytes == 0) {
      return "";
    }
    byte[] text = new byte[messageBytes];
    MemorySegment.copy(from, at + 6, MemorySegment.ofArray(text), 0, messageBytes);
    return Strings.shown(ByteBuffer.wrap(text));
  }
}
