// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import java.io.FilterWriter;
import java.io.IOException;
import java.io.OutputStream;
import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.io.Writer;
import java.nio.charset.Charset;

/** Says the few signs that a terminal's character set lacks with those that every one has. */
final class PlainWriter extends FilterWriter {
  private static final String SIGNS = "└├│─┼█▓▒░µ…×·–→↑✓✗≤≥";
  private static final String PLAIN = "`||-+#=+.u.x.->^yn<>";

  private PlainWriter(Writer out) {
    super(out);
  }

  /** A writer onto a stream, through this only where the character set makes it needed. */
  static PrintWriter on(OutputStream stream, Charset charset) {
    Writer writer = new OutputStreamWriter(stream, charset);
    boolean isEnough = charset.newEncoder().canEncode(SIGNS);
    return new PrintWriter(isEnough ? writer : new PlainWriter(writer), true);
  }

  @Override
  public void write(int c) throws IOException {
    int sign = SIGNS.indexOf(c);
    out.write(sign < 0 ? c : PLAIN.charAt(sign));
  }

  @Override
  public void write(char[] chars, int offset, int length) throws IOException {
    for (int i = offset; i < offset + length; i++) {
      write(chars[i]);
    }
  }

  @Override
  public void write(String text, int offset, int length) throws IOException {
    for (int i = offset; i < offset + length; i++) {
      write(text.charAt(i));
    }
  }
}
