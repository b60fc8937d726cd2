// SPDX-License-Identifier: Apache-2.0
package dev.belay.nbd;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** Bytes that are to be sent, in network byte order; grows. */
final class Outgoing {
  private byte[] bytes = new byte[64];
  private int length;

  boolean isEmpty() {
    return length == 0;
  }

  Outgoing u16(int value) {
    return u8(value >>> 8).u8(value);
  }

  Outgoing u32(int value) {
    return u16(value >>> 16).u16(value);
  }

  Outgoing u64(long value) {
    return u32((int) (value >>> 32)).u32((int) value);
  }

  private Outgoing u8(int value) {
    room(1);
    bytes[length++] = (byte) value;
    return this;
  }

  /** A string without its length. */
  Outgoing text(String text) {
    return raw(text.getBytes(StandardCharsets.UTF_8));
  }

  Outgoing raw(byte[] more) {
    room(more.length);
    System.arraycopy(more, 0, bytes, length, more.length);
    length += more.length;
    return this;
  }

  private void room(int more) {
    if (length + more > bytes.length) {
      bytes = Arrays.copyOf(bytes, Math.max(length + more, 2 * bytes.length));
    }
  }

  /** All of it, which is not here any more then. */
  byte[] take() {
    byte[] all = Arrays.copyOf(bytes, length);
    length = 0;
    bytes = new byte[64];
    return all;
  }
}
