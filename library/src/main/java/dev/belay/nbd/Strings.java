// SPDX-License-Identifier: Apache-2.0
package dev.belay.nbd;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** Strings as the protocol has them: UTF-8 without NUL, at most 4096 bytes. */
final class Strings {
  private static final int MOST_SHOWN = 1000;
  private static final int MOST_QUOTED = 200;

  private Strings() {}

  /** The bytes of a string, cut where a character ends to at most so many, and at a NUL. */
  static byte[] cut(String text, int mostBytes) {
    int nul = text.indexOf('\0');
    ByteBuffer bytes = ByteBuffer.allocate(Math.max(0, mostBytes));
    var encoder = StandardCharsets.UTF_8.newEncoder();
    encoder.onMalformedInput(CodingErrorAction.REPLACE);
    encoder.encode(CharBuffer.wrap(text, 0, nul < 0 ? text.length() : nul), bytes, true);
    return Arrays.copyOf(bytes.array(), bytes.position());
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

  /** A name that somebody else chose, in quotes, made fit for a line of a log and not too long. */
  static String quoted(String text) {
    return '"' + line(text, MOST_QUOTED) + '"';
  }

  /** What somebody else wrote, made fit for a line of a log or a terminal, and not too long. */
  static String shown(ByteBuffer from) {
    int length = Math.min(from.remaining(), Nbd.STRING_BYTES);
    String text =
        StandardCharsets.UTF_8.decode(from.slice(from.position(), length)).toString().strip();
    return line(text, MOST_SHOWN);
  }

  private static String line(String text, int most) {
    StringBuilder line = new StringBuilder(Math.min(text.length(), most));
    text.codePoints()
        .limit(most)
        .forEach(c -> line.appendCodePoint(Character.isISOControl(c) ? ' ' : c));
    return line.toString();
  }
}
