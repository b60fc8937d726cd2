// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import static dev.belay.nbd.Nbd.CMD_READ;
import static dev.belay.nbd.Nbd.CMD_TRIM;
import static dev.belay.nbd.Nbd.CMD_WRITE;
import static dev.belay.nbd.Nbd.CMD_WRITE_ZEROES;

import dev.belay.Bio;
import dev.belay.Holes;
import org.jspecify.annotations.Nullable;

/**
 * One request of an {@link Nbd} device on its way: from the moment it has a place in a connection
 * until its answer was taken in. There are as many as may be in flight; they are used again and
 * again. Its bio may have ended long before: then nobody waits for the answer, but it still comes.
 */
final class NbdRequest {
  private static final int INDEX_BITS = 20;

  final int index;

  /** Whose request it is; null where that has ended already, or where this one is free. */
  @Nullable Bio bio;

  int command;
  int commandFlags;
  long offsetBytes;
  long lengthBytes;

  /** How many writes had been acknowledged when a flush came in: those are what it is about. */
  long coveredWrites;

  /** What the answer is recognized by; another one each time it is sent. */
  long cookie;

  /** The connection that has it; null while it waits for one. */
  @Nullable NbdConnection connection;

  /** A flush that will not be believed: writes that it is about may have been lost. */
  boolean isDoomed;

  /** How often it was given to a socket: 0 means that nobody but us has seen it. */
  int timesSent;

  /** The send that it left in, as its connection counts. */
  long sentIn;

  /** The tick of the device's patience at which it was sent. */
  long sentAtTick;

  /** How many bytes of a read, or of an answer about holes, have come. */
  long receivedBytes;

  /** Which parts of a read have come, from its first byte; null while they came in order. */
  @Nullable Holes parts;

  /** Its bio asked to stop while the wire used the bio's memory. */
  boolean mustStop;

  /** The answer is here, but the wire still uses the bio's memory. */
  boolean isAnswered;

  /** The first error that the server told: an errno, 0 for none; and its sentence. */
  int errno;

  String sentence = "";

  // The row that it stands in.
  @Nullable Row row;
  @Nullable NbdRequest previous;
  @Nullable NbdRequest next;

  NbdRequest(int index) {
    this.index = index;
  }

  /** Makes it a new request, for {@code bio}. */
  void begin(Bio bio, int command, int commandFlags) {
    this.bio = bio;
    offsetBytes = bio.offsetBytes();
    lengthBytes = bio.lengthBytes();
    timesSent = 0;
    coveredWrites = 0;
    isDoomed = false;
    becomes(command, commandFlags);
  }

  /** It goes on as another command for the same bio, the answer to which is still to come. */
  void becomes(int command, int commandFlags) {
    this.command = command;
    this.commandFlags = commandFlags;
    receivedBytes = 0;
    mustStop = false;
    isAnswered = false;
    errno = 0;
    sentence = "";
  }

  /** It is about to be sent, once more perhaps: what was heard of it before counts no more. */
  void sent(long inSend, long atTick) {
    cookie = ((cookie >>> INDEX_BITS) + 1) << INDEX_BITS | index;
    timesSent++;
    sentIn = inSend;
    sentAtTick = atTick;
    receivedBytes = 0;
    parts = null;
    isAnswered = false;
    errno = 0;
    sentence = "";
  }

  /** The index in a cookie; not of any request, perhaps, if the cookie is not one of ours. */
  static int indexIn(long cookie) {
    return (int) cookie & ((1 << INDEX_BITS) - 1);
  }

  /** How many bytes of payload it moves, in whichever direction. */
  long payloadBytes() {
    return command == CMD_READ || command == CMD_WRITE ? lengthBytes : 0;
  }

  /** Notes that a part of a read comes, {@code atBytes} from its first byte. */
  void comes(long atBytes, long partBytes) {
    if (parts == null && atBytes != receivedBytes) {
      parts = new Holes();
      parts.add(0, receivedBytes);
    }
    if (parts != null) {
      parts.add(atBytes, atBytes + partBytes);
    }
  }

  /** Whether each byte of a read has come. */
  boolean isWhole() {
    return receivedBytes == lengthBytes && (parts == null || parts.bytes() == lengthBytes);
  }

  /** Whether it changes the medium, perhaps long after its bio has ended. */
  boolean changesMedium() {
    return command == CMD_WRITE || command == CMD_TRIM || command == CMD_WRITE_ZEROES;
  }

  boolean overlaps(long offset, long length) {
    return offset < offsetBytes + lengthBytes && offsetBytes < offset + length;
  }

  /** Requests that wait for the same, in order; each stands in one row at most. */
  static final class Row {
    @Nullable NbdRequest first;
    private @Nullable NbdRequest last;
    private int size;

    int size() {
      return size;
    }

    void add(NbdRequest request) {
      request.row = this;
      request.previous = last;
      request.next = null;
      if (last == null) {
        first = request;
      } else {
        last.next = request;
      }
      last = request;
      size++;
    }

    void remove(NbdRequest request) {
      if (request.row != this) {
        throw new IllegalStateException("the request stands in another row");
      }
      if (request.previous == null) {
        first = request.next;
      } else {
        request.previous.next = request.next;
      }
      if (request.next == null) {
        last = request.previous;
      } else {
        request.next.previous = request.previous;
      }
      request.row = null;
      request.previous = null;
      request.next = null;
      size--;
    }
  }
}
