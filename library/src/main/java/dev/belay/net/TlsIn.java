// SPDX-License-Identifier: Apache-2.0
package dev.belay.net;

import java.nio.ByteBuffer;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLEngineResult;
import javax.net.ssl.SSLException;

/** What has come on an encrypted wire and was not taken yet: records, and the rest of one. */
final class TlsIn {
  private final ByteBuffer[] places = new ByteBuffer[2];
  private TlsRoom records; // its bytes from position to limit are not yet decrypted
  private ByteBuffer spill; // decrypted and not yet taken, from position to limit
  private boolean lacksBytes = true;

  /**
   * With what came before.
   *
   * @param roomBytes how much besides
   * @param plainBytes the most that a record holds
   */
  TlsIn(byte[] before, int roomBytes, int plainBytes) {
    records = new TlsRoom(before.length + roomBytes);
    records.bytes.put(before).flip();
    spill = ByteBuffer.allocate(plainBytes).limit(0);
  }

  /** Whether nothing can be decrypted before more has come. */
  boolean lacksBytes() {
    return lacksBytes;
  }

  /** Whether something decrypted waits to be taken. */
  boolean isSpilling() {
    return spill.hasRemaining();
  }

  /** Whether something is here that may still be taken. */
  boolean isEmpty() {
    return !spill.hasRemaining() && (lacksBytes || !records.bytes.hasRemaining());
  }

  /** Makes room for more records, of so many bytes in all; answers for how many. */
  int makeRoom(int wholeBytes) {
    ByteBuffer bytes = records.bytes;
    if (bytes.capacity() < wholeBytes) {
      TlsRoom larger = new TlsRoom(wholeBytes);
      larger.bytes.put(bytes).flip();
      records.close();
      records = larger;
    } else if (bytes.position() > 0) {
      bytes.compact().flip();
    }
    return records.bytes.capacity() - records.bytes.limit();
  }

  /** Where the next bytes go. */
  long address() {
    return records.address + records.bytes.limit();
  }

  /** So many were put there. */
  void arrived(int count) {
    records.bytes.limit(records.bytes.limit() + count);
    lacksBytes = false;
  }

  /** Moves what was decrypted before. */
  void take(ByteBuffer into) {
    int count = Math.min(spill.remaining(), into.remaining());
    if (count > 0) {
      into.put(into.position(), spill, spill.position(), count);
      into.position(into.position() + count);
      spill.position(spill.position() + count);
    }
  }

  /** Decrypts a record into {@code into}, and what does not fit into the spill, which is empty. */
  SSLEngineResult unwrap(SSLEngine engine, ByteBuffer into) throws SSLException {
    places[0] = into;
    places[1] = spill.clear();
    try {
      SSLEngineResult result = engine.unwrap(records.bytes, places);
      lacksBytes = result.getStatus() == SSLEngineResult.Status.BUFFER_UNDERFLOW;
      return result;
    } finally {
      spill.flip();
      places[0] = spill;
    }
  }

  /** Has the spill hold so much; false if it does already, so that that is not the trouble. */
  boolean enlargeSpill(int plainBytes) {
    if (plainBytes <= spill.capacity()) {
      return false;
    }
    spill = ByteBuffer.allocate(plainBytes).limit(0);
    return true;
  }

  void close() {
    records.close();
  }
}
