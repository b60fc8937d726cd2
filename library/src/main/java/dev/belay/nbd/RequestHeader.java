// SPDX-License-Identifier: Apache-2.0
package dev.belay.nbd;

import static dev.belay.nbd.BigEndian.U16;
import static dev.belay.nbd.BigEndian.U32;
import static dev.belay.nbd.BigEndian.U64;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * The header of one request. A server has one a connection and {@linkplain #parse parses} each
 * request into it; a client {@linkplain #write writes} with the static method. Neither allocates.
 * For one thread.
 *
 * <p>A header says itself what is wrong with its request: {@link #error} is what to answer, and
 * {@link #refusal} the sentence that goes with it. The framing holds in all these cases: {@link
 * #payloadBytes} are there to be skipped, unless they are {@linkplain #tooMuch too much} to be
 * borne.
 */
public final class RequestHeader {
  private static final int COMPACT_BYTES = 28;
  private static final int EXTENDED_BYTES = 32;

  private static final int FLAGS_AT = 4;
  private static final int TYPE_AT = 6;
  private static final int COOKIE_AT = 8;
  private static final int OFFSET_AT = 16;
  private static final int LENGTH_AT = 24;

  /** What a BLOCK_STATUS with a payload may carry at most: the length and four contexts. */
  private static final int STATUS_PAYLOAD_BYTES = 8 + 4 * 4;

  private boolean extended;
  private int flags;
  private int type;
  private long cookie;
  private long offsetBytes;
  private long lengthBytes;

  /** How long a request's header is. */
  public static int bytes(boolean extended) {
    return extended ? EXTENDED_BYTES : COMPACT_BYTES;
  }

  /**
   * Reads a header.
   *
   * @param from has {@link #bytes} bytes from {@code at}
   * @return whether it is one; if not, the framing is lost, nothing was changed here, and there is
   *     nothing to do but to close the connection
   */
  public boolean parse(MemorySegment from, long at, boolean extended) {
    int magic = extended ? Nbd.EXTENDED_REQUEST_MAGIC : Nbd.REQUEST_MAGIC;
    if (from.get(U32, at) != magic) {
      return false;
    }
    this.extended = extended;
    flags = Short.toUnsignedInt(from.get(U16, at + FLAGS_AT));
    type = Short.toUnsignedInt(from.get(U16, at + TYPE_AT));
    cookie = from.get(U64, at + COOKIE_AT);
    offsetBytes = from.get(U64, at + OFFSET_AT);
    lengthBytes =
        extended
            ? from.get(U64, at + LENGTH_AT)
            : Integer.toUnsignedLong(from.get(U32, at + LENGTH_AT));
    return true;
  }

  /**
   * Writes a header.
   *
   * @param flags with PAYLOAD_LEN where the headers are extended and a payload follows
   * @param lengthBytes of the payload, or of the range; below 2^32 where not extended
   * @return how many bytes were written
   */
  public static int write(
      MemorySegment to,
      long at,
      boolean extended,
      int type,
      int flags,
      long cookie,
      long offsetBytes,
      long lengthBytes) {
    to.set(U32, at, extended ? Nbd.EXTENDED_REQUEST_MAGIC : Nbd.REQUEST_MAGIC);
    to.set(U16, at + FLAGS_AT, (short) flags);
    to.set(U16, at + TYPE_AT, (short) type);
    to.set(U64, at + COOKIE_AT, cookie);
    to.set(U64, at + OFFSET_AT, offsetBytes);
    if (extended) {
      to.set(U64, at + LENGTH_AT, lengthBytes);
      return EXTENDED_BYTES;
    }
    to.set(U32, at + LENGTH_AT, (int) lengthBytes);
    return COMPACT_BYTES;
  }

  /** A CMD_ constant of {@link Nbd}, or something unknown. */
  public int type() {
    return type;
  }

  /** The CMD_FLAG_ bits. */
  public int flags() {
    return flags;
  }

  /** Whether it has this CMD_FLAG_ bit. */
  public boolean has(int flag) {
    return (flags & flag) != 0;
  }

  /** What the client knows the request by; any value, returned as it came. */
  public long cookie() {
    return cookie;
  }

  /** Where it begins. Unsigned: below 0 is far beyond any end, and {@link #error} says so. */
  public long offsetBytes() {
    return offsetBytes;
  }

  /** How long its range is, or its payload. Unsigned, as the offset. */
  public long lengthBytes() {
    return lengthBytes;
  }

  /** How much follows the header on the wire, also where the request is refused. Unsigned. */
  public long payloadBytes() {
    boolean follows = extended ? (flags & Nbd.CMD_FLAG_PAYLOAD_LEN) != 0 : type == Nbd.CMD_WRITE;
    return follows ? lengthBytes : 0;
  }

  /**
   * Whether the payload is longer than anybody should skip: above the export's largest and above 32
   * MiB. The connection is then to be closed.
   */
  public boolean tooMuch(Session session) {
    long most = Math.max(session.export().largestBytes(), Nbd.DEFAULT_PAYLOAD_BYTES);
    return Long.compareUnsigned(payloadBytes(), most) > 0;
  }

  /**
   * What is wrong with the request by itself.
   *
   * @return 0, or an E constant of {@link Nbd} to answer it with; {@link #refusal} has the sentence
   */
  public int error(Session session) {
    int wrong = kindError(session);
    return wrong != 0 ? wrong : rangeError(session);
  }

  private int kindError(Session session) {
    int allowed = session.has(Nbd.FLAG_SEND_FUA) ? Nbd.CMD_FLAG_FUA : 0;
    int needed = 0;
    switch (type) {
      case Nbd.CMD_READ -> allowed |= session.has(Nbd.FLAG_SEND_DF) ? Nbd.CMD_FLAG_DF : 0;
      case Nbd.CMD_WRITE -> allowed |= extended ? Nbd.CMD_FLAG_PAYLOAD_LEN : 0;
      case Nbd.CMD_DISC -> {
        // It has no reply, so nothing can be wrong with it.
        return 0;
      }
      case Nbd.CMD_FLUSH -> needed = Nbd.FLAG_SEND_FLUSH;
      case Nbd.CMD_TRIM -> needed = Nbd.FLAG_SEND_TRIM;
      case Nbd.CMD_CACHE -> {
        // Clients send it without asking whether it is there.
      }
      case Nbd.CMD_WRITE_ZEROES -> {
        needed = Nbd.FLAG_SEND_WRITE_ZEROES;
        allowed |= Nbd.CMD_FLAG_NO_HOLE;
        allowed |= session.has(Nbd.FLAG_SEND_FAST_ZERO) ? Nbd.CMD_FLAG_FAST_ZERO : 0;
      }
      case Nbd.CMD_BLOCK_STATUS -> {
        allowed |= Nbd.CMD_FLAG_REQ_ONE;
        if (extended && session.has(Nbd.FLAG_BLOCK_STATUS_PAYLOAD)) {
          allowed |= Nbd.CMD_FLAG_PAYLOAD_LEN;
        }
        if (!session.allocation()) {
          return Nbd.EINVAL;
        }
      }
      default -> {
        return Nbd.EINVAL;
      }
    }
    if ((flags & ~allowed) != 0) {
      return Nbd.EINVAL;
    }
    if (writes() && session.has(Nbd.FLAG_READ_ONLY)) {
      return Nbd.EPERM;
    }
    return session.has(needed) ? 0 : Nbd.EINVAL;
  }

  private int rangeError(Session session) {
    switch (type) {
      case Nbd.CMD_DISC -> {
        return 0;
      }
      case Nbd.CMD_FLUSH -> {
        return offsetBytes == 0 && lengthBytes == 0 ? 0 : Nbd.EINVAL;
      }
      case Nbd.CMD_WRITE -> {
        if (extended && (flags & Nbd.CMD_FLAG_PAYLOAD_LEN) == 0) {
          return Nbd.EINVAL;
        }
      }
      case Nbd.CMD_BLOCK_STATUS -> {
        if ((flags & Nbd.CMD_FLAG_PAYLOAD_LEN) != 0) {
          // The range itself is in the payload.
          return lengthBytes >= 8 && lengthBytes <= STATUS_PAYLOAD_BYTES && (lengthBytes & 3) == 0
              ? 0
              : Nbd.EINVAL;
        }
      }
      default -> {}
    }
    return rangeError(session, lengthBytes);
  }

  /**
   * What is wrong with the range, were it so long: for a BLOCK_STATUS whose range is in its
   * payload.
   */
  public int rangeError(Session session, long lengthBytes) {
    ExportFacts export = session.export();
    if (offsetBytes < 0
        || lengthBytes < 0
        || offsetBytes > export.sizeBytes()
        || lengthBytes > export.sizeBytes() - offsetBytes) {
      return type == Nbd.CMD_WRITE || type == Nbd.CMD_WRITE_ZEROES ? Nbd.ENOSPC : Nbd.EINVAL;
    }
    if (((offsetBytes | lengthBytes) & (export.minimumBlockBytes() - 1)) != 0) {
      return Nbd.EINVAL;
    }
    boolean carries = type == Nbd.CMD_READ || type == Nbd.CMD_WRITE;
    if (carries && lengthBytes > export.largestBytes()) {
      // To a client whose reads may come in pieces, it says that it should ask for less.
      return type == Nbd.CMD_READ && session.structuredReplies() ? Nbd.EOVERFLOW : Nbd.EINVAL;
    }
    return 0;
  }

  /** Whether it changes the export. */
  public boolean writes() {
    return type == Nbd.CMD_WRITE || type == Nbd.CMD_TRIM || type == Nbd.CMD_WRITE_ZEROES;
  }

  /** The sentence to {@link #error}; null where that is 0. Allocates. */
  public @Nullable String refusal(Session session) {
    int wrong = kindError(session);
    if (wrong != 0) {
      return kindRefusal(session, wrong);
    }
    return rangeError(session) == 0 ? null : rangeRefusal(session);
  }

  private String kindRefusal(Session session, int wrong) {
    String name = Nbd.commandName(type);
    if (type > Nbd.CMD_BLOCK_STATUS) {
      return "There is no command " + type + ".";
    }
    if (wrong == Nbd.EPERM) {
      return name + " is not allowed: the export is read-only.";
    }
    if (type == Nbd.CMD_BLOCK_STATUS && !session.allocation()) {
      return "BLOCK_STATUS needs base:allocation, which was not selected for this export.";
    }
    if ((type == Nbd.CMD_FLUSH && !session.has(Nbd.FLAG_SEND_FLUSH))
        || (type == Nbd.CMD_TRIM && !session.has(Nbd.FLAG_SEND_TRIM))
        || (type == Nbd.CMD_WRITE_ZEROES && !session.has(Nbd.FLAG_SEND_WRITE_ZEROES))) {
      return "The export does not offer " + name + ".";
    }
    return "The flags 0x%x do not all go with %s on this export.".formatted(flags, name);
  }

  private String rangeRefusal(Session session) {
    String name = Nbd.commandName(type);
    ExportFacts export = session.export();
    if (type == Nbd.CMD_FLUSH) {
      return "FLUSH is of the whole export: offset and length must be 0.";
    }
    if (type == Nbd.CMD_WRITE && extended && (flags & Nbd.CMD_FLAG_PAYLOAD_LEN) == 0) {
      return "WRITE with extended headers needs the flag PAYLOAD_LEN.";
    }
    if (type == Nbd.CMD_BLOCK_STATUS && (flags & Nbd.CMD_FLAG_PAYLOAD_LEN) != 0) {
      return "The payload of BLOCK_STATUS is a length and up to four contexts.";
    }
    String range =
        "%s of %s bytes at %s"
            .formatted(
                name, Long.toUnsignedString(lengthBytes), Long.toUnsignedString(offsetBytes));
    if (offsetBytes < 0
        || lengthBytes < 0
        || offsetBytes > export.sizeBytes()
        || lengthBytes > export.sizeBytes() - offsetBytes) {
      return range + " goes beyond the end, which is at " + export.sizeBytes() + ".";
    }
    if (((offsetBytes | lengthBytes) & (export.minimumBlockBytes() - 1)) != 0) {
      return range + " is not aligned to blocks of " + export.minimumBlockBytes() + " bytes.";
    }
    return range
        + " is longer than the "
        + export.largestBytes()
        + " bytes that one request may have.";
  }
}
