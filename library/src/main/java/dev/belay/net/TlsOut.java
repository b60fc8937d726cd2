// SPDX-License-Identifier: Apache-2.0
package dev.belay.net;

import java.nio.ByteBuffer;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLEngineResult;
import javax.net.ssl.SSLEngineResult.HandshakeStatus;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;

/**
 * What goes out on an encrypted wire: who asked to send, what was gathered from it and is not yet
 * encrypted, and the records that the wire below sends.
 */
final class TlsOut {
  private static final int RECORD_BYTES = 16 << 10;

  /** What a record's head, padding and check add to it at most. */
  private static final int RECORD_EXTRA_BYTES = 1 << 10;

  private final int largeBytes;
  private final Gather gathered = new Gather();
  private final ByteBuffer[] plain = new ByteBuffer[Gather.MOST_RANGES];
  private int first;
  private int count;
  private @Nullable Sender asked;
  private @Nullable Sender gatheredFrom;
  private TlsRoom records;

  /**
   * Encrypts small pieces at first.
   *
   * @param smallBytes how much at a time
   * @param largeBytes how much once it is needed
   * @param packetBytes what the engine wants to have for one record
   */
  TlsOut(int smallBytes, int largeBytes, int packetBytes) {
    this.largeBytes = largeBytes;
    records = new TlsRoom(Math.max(roomFor(smallBytes), packetBytes));
  }

  private static int roomFor(int plainBytes) {
    return plainBytes / RECORD_BYTES * (RECORD_BYTES + RECORD_EXTRA_BYTES);
  }

  /** Somebody has something to send. */
  void ask(Sender sender) {
    asked = sender;
  }

  boolean isAsked() {
    return asked != null;
  }

  /** Whether something was gathered whose end was not told. */
  boolean isUnderWay() {
    return gatheredFrom != null;
  }

  /** Whether something of it is not yet encrypted. */
  boolean hasPlain() {
    return gatheredFrom != null && first < count;
  }

  /** Forgets the records of before. */
  void begin() {
    records.bytes.clear();
  }

  long address() {
    return records.address;
  }

  /** How many bytes of records there are to send. */
  int recordBytes() {
    return records.bytes.position();
  }

  /** Asks whoever asked; answers whether it has something. */
  boolean gather() {
    Sender from = asked;
    if (from == null) {
      return false;
    }
    asked = null;
    gathered.clear();
    from.gather(gathered);
    first = 0;
    count = gathered.count();
    gatheredFrom = count > 0 ? from : null;
    for (int i = 0; i < count; i++) {
      plain[i] = TlsRoom.view(gathered.address(i), gathered.lengthBytes(i));
    }
    boolean isLarge = gathered.bytes() > records.bytes.capacity();
    if (isLarge && recordBytes() == 0 && records.bytes.capacity() < largeBytes) {
      records.close();
      records = new TlsRoom(roomFor(largeBytes));
    }
    return count > 0;
  }

  /**
   * Makes records of what the engine has to say, and then of what there is to send, as long as
   * there is room.
   *
   * @param mayGather whether anything but the engine's own may go
   * @return false where the peer takes no more
   */
  boolean encrypt(SSLEngine engine, boolean mayGather) throws SSLException {
    for (; ; ) {
      SSLEngineResult result;
      if (engine.getHandshakeStatus() == HandshakeStatus.NEED_WRAP) {
        result = engine.wrap(plain, 0, 0, records.bytes);
      } else if (mayGather && (hasPlain() || (!isUnderWay() && gather()))) {
        result = engine.wrap(plain, first, count - first, records.bytes);
        if (result.getStatus() == SSLEngineResult.Status.CLOSED) {
          return false;
        }
      } else {
        return true;
      }
      while (first < count && !plain[first].hasRemaining()) {
        plain[first++] = records.bytes; // no view of memory that is given back
      }
      if (result.bytesProduced() == 0) {
        return true; // the room is full
      }
    }
  }

  /** Tells whoever something was gathered from how it ended. */
  void tell(int result) {
    Sender told = gatheredFrom;
    gatheredFrom = null;
    if (told != null) {
      told.sent(result);
    }
  }

  void close() {
    records.close();
  }
}
