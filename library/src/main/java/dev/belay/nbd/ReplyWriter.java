// SPDX-License-Identifier: Apache-2.0
package dev.belay.nbd;

import static dev.belay.nbd.BigEndian.U16;
import static dev.belay.nbd.BigEndian.U32;
import static dev.belay.nbd.BigEndian.U64;

import java.lang.foreign.MemorySegment;

/**
 * Writes the headers of replies, in the form that a session agreed on: simple, structured or
 * extended. Payloads stay where they are; the caller sends them behind their header. Nothing is
 * allocated save for the sentence of an error. Stateless, so for any thread.
 *
 * <p>Each method answers how many bytes it wrote. {@code cookie} and {@code requestOffsetBytes} are
 * the request's; extended headers repeat its offset.
 */
public final class ReplyWriter {
  /** Room enough for the header of any reply that has no sentence, with its fixed payload. */
  public static final int MOST_BYTES = 32 + 14;

  /**
   * How long one extent of BLOCK_STATUS can be where headers are not extended: the last multiple of
   * 64 KiB below 2^32.
   */
  private static final long COMPACT_EXTENT_BYTES = 0xffff_0000L;

  private static final int SIMPLE_BYTES = 16;
  private static final int STRUCTURED_BYTES = 20;
  private static final int EXTENDED_BYTES = 32;

  private final boolean structured;
  private final boolean extended;
  private final int allocationContext;

  /** For the replies of one session. */
  public ReplyWriter(Session session) {
    structured = session.structuredReplies();
    extended = session.extendedHeaders();
    allocationContext = session.allocationContext();
  }

  /** It is done, and there is nothing to send with it: for all but READ and BLOCK_STATUS. */
  public int done(MemorySegment to, long at, long cookie, long requestOffsetBytes) {
    return extended
        ? chunk(to, at, Nbd.REPLY_TYPE_NONE, true, cookie, requestOffsetBytes, 0)
        : simple(to, at, cookie, 0);
  }

  /**
   * The header before bytes that were read. Where replies are not structured, these must be all
   * that the request asked for.
   *
   * @param offsetBytes of these bytes, in the export
   * @param lengthBytes how many will follow; 0 ends the reply without any
   * @param last whether this ends the reply
   */
  public int content(
      MemorySegment to,
      long at,
      long cookie,
      long requestOffsetBytes,
      long offsetBytes,
      int lengthBytes,
      boolean last) {
    if (!structured) {
      return simple(to, at, cookie, 0);
    }
    if (lengthBytes == 0) {
      return chunk(to, at, Nbd.REPLY_TYPE_NONE, true, cookie, requestOffsetBytes, 0);
    }
    long payloadBytes = 8L + lengthBytes;
    int type = Nbd.REPLY_TYPE_OFFSET_CONTENT;
    int head = chunk(to, at, type, last, cookie, requestOffsetBytes, payloadBytes);
    to.set(U64, at + head, offsetBytes);
    return head + 8;
  }

  /**
   * A whole chunk: these bytes read as zeroes. Only where replies are structured.
   *
   * @param lengthBytes above 0, below 2^32
   */
  public int hole(
      MemorySegment to,
      long at,
      long cookie,
      long requestOffsetBytes,
      long offsetBytes,
      long lengthBytes,
      boolean last) {
    int type = Nbd.REPLY_TYPE_OFFSET_HOLE;
    int head = chunk(to, at, type, last, cookie, requestOffsetBytes, 12);
    to.set(U64, at + head, offsetBytes);
    to.set(U32, at + head + 8, (int) lengthBytes);
    return head + 12;
  }

  /**
   * The header before the extents of base:allocation, which ends the reply.
   *
   * @param extents how many will follow, each written by {@link #extent}; above 0
   */
  public int status(MemorySegment to, long at, long cookie, long requestOffsetBytes, int extents) {
    long payloadBytes = extended ? 8 + 16L * extents : 4 + 8L * extents;
    int type = extended ? Nbd.REPLY_TYPE_BLOCK_STATUS_EXT : Nbd.REPLY_TYPE_BLOCK_STATUS;
    int head = chunk(to, at, type, true, cookie, requestOffsetBytes, payloadBytes);
    to.set(U32, at + head, allocationContext);
    if (!extended) {
      return head + 4;
    }
    to.set(U32, at + head + 4, extents);
    return head + 8;
  }

  /**
   * One extent.
   *
   * @param lengthBytes above 0, at most {@link #mostExtentBytes}
   * @param states STATE_ constants of {@link Nbd}
   */
  public int extent(MemorySegment to, long at, long lengthBytes, int states) {
    if (extended) {
      to.set(U64, at, lengthBytes);
      to.set(U64, at + 8, Integer.toUnsignedLong(states));
      return 16;
    }
    to.set(U32, at, (int) lengthBytes);
    to.set(U32, at + 4, states);
    return 8;
  }

  /** How long one extent can be. */
  public long mostExtentBytes() {
    return extended ? Long.MAX_VALUE : COMPACT_EXTENT_BYTES;
  }

  /** How much room one extent takes. */
  public int extentBytes() {
    return extended ? 16 : 8;
  }

  /**
   * It failed; this ends the reply.
   *
   * @param roomBytes of {@code to} from {@code at}, at least {@link #MOST_BYTES}; the sentence is
   *     cut to it
   * @param error an E constant of {@link Nbd}, not 0
   * @param sentence for people; not sent where replies are simple; may be empty
   */
  public int error(
      MemorySegment to,
      long at,
      int roomBytes,
      long cookie,
      long requestOffsetBytes,
      int error,
      String sentence) {
    if (!structured) {
      return simple(to, at, cookie, error);
    }
    int head = extended ? EXTENDED_BYTES : STRUCTURED_BYTES;
    byte[] text = Strings.cut(sentence, Math.min(Nbd.STRING_BYTES, roomBytes - head - 6));
    chunk(to, at, Nbd.REPLY_TYPE_ERROR, true, cookie, requestOffsetBytes, 6 + text.length);
    return head + message(to, at + head, error, text);
  }

  /**
   * It failed from an offset on. Only where replies are structured.
   *
   * @param offsetBytes in the export, within the request
   * @param last whether this ends the reply
   * @see #error
   */
  public int errorAt(
      MemorySegment to,
      long at,
      int roomBytes,
      long cookie,
      long requestOffsetBytes,
      int error,
      String sentence,
      long offsetBytes,
      boolean last) {
    int head = extended ? EXTENDED_BYTES : STRUCTURED_BYTES;
    byte[] text = Strings.cut(sentence, Math.min(Nbd.STRING_BYTES, roomBytes - head - 14));
    int type = Nbd.REPLY_TYPE_ERROR_OFFSET;
    chunk(to, at, type, last, cookie, requestOffsetBytes, 14 + text.length);
    int end = head + message(to, at + head, error, text);
    to.set(U64, at + end, offsetBytes);
    return end + 8;
  }

  private static int message(MemorySegment to, long at, int error, byte[] text) {
    to.set(U32, at, error);
    to.set(U16, at + 4, (short) text.length);
    MemorySegment.copy(MemorySegment.ofArray(text), 0, to, at + 6, text.length);
    return 6 + text.length;
  }

  private static int simple(MemorySegment to, long at, long cookie, int error) {
    to.set(U32, at, Nbd.SIMPLE_REPLY_MAGIC);
    to.set(U32, at + 4, error);
    to.set(U64, at + 8, cookie);
    return SIMPLE_BYTES;
  }

  private int chunk(
      MemorySegment to,
      long at,
      int type,
      boolean last,
      long cookie,
      long requestOffsetBytes,
      long payloadBytes) {
    to.set(U32, at, extended ? Nbd.EXTENDED_REPLY_MAGIC : Nbd.STRUCTURED_REPLY_MAGIC);
    to.set(U16, at + 4, (short) (last ? Nbd.REPLY_FLAG_DONE : 0));
    to.set(U16, at + 6, (short) type);
    to.set(U64, at + 8, cookie);
    if (extended) {
      to.set(U64, at + 16, requestOffsetBytes);
      to.set(U64, at + 24, payloadBytes);
      return EXTENDED_BYTES;
    }
    to.set(U32, at + 16, (int) payloadBytes);
    return STRUCTURED_BYTES;
  }
}
