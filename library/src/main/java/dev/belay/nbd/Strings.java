// SPDX-License-Identifier: Apache-2.0
package dev.belay.nbd;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/** Strings as the protocol has them: UTF-8 without NUL, at most 4096 bytes. */
final class Strings {
  private Strings() {}

  /** The bytes of a string, cut where a character ends to at most so many, and at a NUL. */
  static byte[] cut(String text, int mostBytes) {
    int nul = text.indexOf('\0');
    ByteBuffer bytes = ByteBuffer.allocate(Math.max(0, mostBytes));
    var encoder = StandardCharsets.UTF_8.newEncoder();
    encoder.onMalformedInput(java.nio.charset.CodingErrorAction.REPLACE);
    encoder.encode(CharBuffer.wrap(text, 0, nul < 0 ? text.length() : nul), bytes, true);
    return java.util.Arrays.copyOf(bytes.array(), bytes.position());
  }

  /** The string of so many bytes, which are taken; null where they are not one by the rules. */
  static @Nullable String take(ByteBuffer from, int lengthBytes) {
    ByteBuffer bytes = from.slice(from.position(), lengthBytes);
    from.position(from.position() + lengthBytes);
    if (lengthBytes > Nbd.STRING_BYTES) {
      return null;
    }
    try {
      String text = StandardCharsets.UTF_8.newDecoder().decode(bytes).toString();
      return text.indexOf('\0') < 0 ? text : null;
    } catch (CharacterCodingException e) {
      return null;
    }
  }

  /** What somebody else wrote, made fit for a line of a log or a terminal, and not too long. */
  static String shown(ByteBuffer from) {
    int length = Math.min(from.remaining(), Nbd.STRING_BYTES);
    String text =
        StandardCharsets.UTF_8.decode(from.slice(from.position(), length)).toString().strip();
    StringBuilder line = new StringBuilder(text.length());
    text.codePoints()
        .limit(1000)
        .forEach(c -> line.appendCodePoint(Character.isISOControl(c) ? ' ' : c));
    return line.toString();
  }
}
