// SPDX-License-Identifier: Apache-2.0
package dev.belay.stack;

/**
 * A mistake in a stack expression, or in a size, duration or range written on its own: where it is,
 * what is wrong and what would be right.
 *
 * <p>The message is {@code column 9: sentence}, and below it the {@linkplain #picture() picture}.
 */
public final class StackException extends IllegalArgumentException {
  private static final long serialVersionUID = 1L;

  private static final int PICTURE_COLUMNS = 96;
  private static final int PICTURE_COLUMNS_BEFORE = 60;

  /** The text that was read. */
  private final String text;

  /** The place of the mistake, in chars: from {@code start}, up to and without {@code end}. */
  private final int start;

  private final int end;

  private final String sentence;

  /**
   * A mistake in {@code text}, at the chars from {@code start} up to and without {@code end}; both
   * are brought into {@code 0..text.length()}.
   */
  public StackException(String text, int start, int end, String sentence) {
    super(message(text, clip(text, start), clip(text, end), sentence));
    this.text = text;
    this.start = clip(text, start);
    this.end = Math.max(this.start, clip(text, end));
    this.sentence = sentence;
  }

  /** The whole text in which the mistake is. */
  public String text() {
    return text;
  }

  /** Where the mistake begins: a char index, 0 to {@code text().length()}. */
  public int start() {
    return start;
  }

  /** Where the mistake ends, exclusive: {@code start()} to {@code text().length()}. */
  public int end() {
    return end;
  }

  /** Where the mistake begins, counted in characters from 1, in its line. */
  public int column() {
    return column(text, start);
  }

  /** What is wrong and what would be right, without the position. */
  public String sentence() {
    return sentence;
  }

  /** Two lines: the text (its line with the mistake, cut if it is long) and carets below it. */
  public String picture() {
    return picture(text, start, end);
  }

  /** The same mistake, seen in a longer text of which this text is the part from {@code offset}. */
  StackException within(String whole, int offset) {
    return new StackException(whole, offset + start, offset + end, sentence);
  }

  private static int clip(String text, int position) {
    return Math.max(0, Math.min(position, text.length()));
  }

  private static String message(String text, int start, int end, String sentence) {
    var message = new StringBuilder();
    if (text.indexOf('\n') >= 0) {
      long line = 1 + text.substring(0, start).chars().filter(c -> c == '\n').count();
      message.append("line ").append(line).append(", ");
    }
    message.append("column ").append(column(text, start)).append(": ").append(sentence);
    return message.append('\n').append(picture(text, start, end)).toString();
  }

  private static int column(String text, int start) {
    return 1 + text.codePointCount(lineStart(text, start), start);
  }

  private static int lineStart(String text, int position) {
    return text.lastIndexOf('\n', position - 1) + 1;
  }

  private static String picture(String text, int start, int end) {
    int from = lineStart(text, start);
    int newline = text.indexOf('\n', start);
    int to = newline < 0 ? text.length() : newline;
    int[] line = text.substring(from, to).codePoints().map(StackException::visible).toArray();
    int caret = text.codePointCount(from, start);
    int carets = Math.max(1, text.codePointCount(start, Math.max(start, Math.min(end, to))));

    int first = line.length <= PICTURE_COLUMNS ? 0 : Math.max(0, caret - PICTURE_COLUMNS_BEFORE);
    int last = Math.min(line.length, first + PICTURE_COLUMNS);
    var picture = new StringBuilder();
    picture.append(first > 0 ? "…" : "");
    picture.append(new String(line, first, last - first));
    picture.append(last < line.length ? "…" : "");
    picture.append('\n').repeat(' ', caret - first + (first > 0 ? 1 : 0));
    return picture.repeat('^', Math.max(1, Math.min(carets, last - caret))).toString();
  }

  /** A character that takes one column, so that the carets stand below what they mean. */
  private static int visible(int codePoint) {
    return Quoting.needsEscape(codePoint) ? ' ' : codePoint;
  }
}
