// SPDX-License-Identifier: Apache-2.0
package dev.belay.serve;

import dev.belay.nbd.ReplyWriter;
import dev.belay.nbd.Session;
import dev.belay.net.Gather;
import dev.belay.net.Sender;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * The replies of one connection on their way out. What became ready in one turn of the loop leaves
 * in one piece: headers, written one behind the other right before they are sent, and payloads,
 * sent from the blocks that they were read into. Only on the loop's thread.
 */
final class Replies implements Sender {
  /** A client that does not take so much in its time takes nothing: see the stall time. */
  private static final int MOST_SEND_BYTES = 2 << 20;

  private static final int HEAD_BYTES = 16 << 10;

  /** Room for a sentence, and what is around it. */
  private static final int ERROR_BYTES = 512;

  private final Connection connection;
  private final ReplyWriter writer;
  private final boolean hasChunks;
  private final MemorySegment heads;

  private @Nullable Request first;
  private @Nullable Request last;

  /** Those that the wire has, in order. The last of them may have more to send. */
  private @Nullable Request firstSending;

  private @Nullable Request lastSending;
  private int partBytes;
  private boolean isAsked;
  private boolean isSending;

  /** Goes up with each send, so that one that lasts can be told from many. */
  private int sends;

  Replies(Connection connection, Session session, Arena arena) {
    this.connection = connection;
    writer = new ReplyWriter(session);
    hasChunks = session.structuredReplies();
    heads = arena.allocate(HEAD_BYTES, 64);
  }

  /** Puts a reply at the end of the row. */
  void add(Request request) {
    request.state = Request.READY;
    request.next = null;
    if (last == null) {
      first = request;
    } else {
      last.next = request;
    }
    last = request;
    ask();
  }

  private void ask() {
    if (!isAsked && !isSending) {
      isAsked = true;
      connection.wire().wantSend(this);
    }
  }

  @Override
  public void gather(Gather into) {
    isAsked = false;
    if (isSending || !connection.maySend()) {
      return;
    }
    long nowNanos = connection.nowNanos();
    int headStart = 0;
    int headEnd = 0;
    long bytes = 0;
    while (first != null && into.room() >= 3 && bytes < MOST_SEND_BYTES) {
      Request request = first;
      if (request.sentBytes < 0) {
        if (HEAD_BYTES - headEnd < (request.error == 0 ? ReplyWriter.MOST_BYTES : ERROR_BYTES)) {
          break;
        }
        int length = write(request, headEnd);
        headEnd += length;
        bytes += length;
        request.sentBytes = 0;
        connection.tally().took(nowNanos - request.arrivedNanos);
      }
      int left = request.payloadBytes - request.sentBytes;
      int part = (int) Math.min(left, Math.max(0, MOST_SEND_BYTES - bytes));
      if (part > 0 && request.block != null) {
        if (headEnd > headStart) {
          into.add(heads.address() + headStart, headEnd - headStart);
          headStart = headEnd;
        }
        into.add(request.block.address + request.sentBytes, part);
        bytes += part;
      }
      moveToSending(request);
      partBytes = part;
      if (part < left) {
        break;
      }
    }
    if (headEnd > headStart) {
      into.add(heads.address() + headStart, headEnd - headStart);
    }
    if (bytes > 0) {
      isSending = true;
      sends++;
    }
  }

  private void moveToSending(Request request) {
    first = request.next;
    if (first == null) {
      last = null;
    }
    request.next = null;
    request.state = Request.SENDING;
    if (lastSending == null) {
      firstSending = request;
    } else {
      lastSending.next = request;
    }
    lastSending = request;
  }

  private int write(Request request, long at) {
    long cookie = request.cookie;
    long offset = request.offsetBytes;
    if (request.error != 0) {
      return request.errorOffsetBytes >= 0 && hasChunks
          ? writer.errorAt(
              heads,
              at,
              ERROR_BYTES,
              cookie,
              offset,
              request.error,
              request.sentence,
              request.errorOffsetBytes,
              true)
          : writer.error(heads, at, ERROR_BYTES, cookie, offset, request.error, request.sentence);
    }
    return switch (request.command) {
      case READ -> writer.content(heads, at, cookie, offset, offset, request.payloadBytes, true);
      case BLOCK_STATUS -> writer.status(heads, at, cookie, offset, request.extents);
      default -> writer.done(heads, at, cookie, offset);
    };
  }

  /** What writes the extents of an answer to BLOCK_STATUS. */
  ReplyWriter writer() {
    return writer;
  }

  @Override
  public void sent(int result) {
    isSending = false;
    Request request = firstSending;
    firstSending = null;
    Request lastOne = lastSending;
    lastSending = null;
    while (request != null) {
      Request next = request.next;
      request.next = null;
      if (result == 0
          && request == lastOne
          && connection.maySend() // else nobody would ever take it from the row
          && putBack(request)) {
        break;
      }
      connection.free(request);
      request = next;
    }
    connection.sent(result);
    if (first != null && connection.maySend()) {
      ask();
    }
  }

  /** Puts one that has more to send back to the front of the row. */
  private boolean putBack(Request request) {
    request.sentBytes += partBytes;
    if (request.sentBytes == request.payloadBytes) {
      return false;
    }
    request.state = Request.READY;
    request.next = first;
    first = request;
    if (last == null) {
      last = request;
    }
    return true;
  }

  /** Forgets what the wire does not have: the connection is closed, nobody is answered any more. */
  void drop() {
    Request request = first;
    first = null;
    last = null;
    while (request != null) {
      Request next = request.next;
      request.next = null;
      connection.free(request);
      request = next;
    }
  }

  boolean isSending() {
    return isSending;
  }

  /** Goes up with each send. */
  int sends() {
    return sends;
  }
}
