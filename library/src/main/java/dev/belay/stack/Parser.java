// SPDX-License-Identifier: Apache-2.0
package dev.belay.stack;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Reads an expression, from left to right and once. The calls that are open are a list, not
 * recursion, so that a stack of any depth can be read.
 */
final class Parser {
  private final String text;
  private final ArrayDeque<OpenCall> open = new ArrayDeque<>();
  private int at;

  Parser(String text) {
    this.text = text;
  }

  Expression parse() {
    skipSpace();
    if (atEnd()) {
      throw error(
          at, at, "the expression is empty: write a path, or a device such as memory(size=1M)");
    }
    Expression complete = beginExpression(token("a path or a device"));
    while (!open.isEmpty()) {
      OpenCall call = open.getLast();
      if (complete != null) {
        call.args.add(complete);
        call.state = State.AFTER_ITEM;
      }
      complete = continueCall(call);
    }
    if (complete == null) {
      throw new IllegalStateException("no call is open and no expression is complete");
    }
    checkNothingFollows(complete);
    return complete;
  }

  /** Opens the call that begins with {@code token}, and gives null; or gives the path it is. */
  private @Nullable Expression beginExpression(Token token) {
    skipSpace();
    if (!next('(')) {
      if (token.text.isEmpty()) {
        throw error(token.start, token.end, "the path is empty: write the path of a file");
      }
      return new BarePath(text, token.start, token.end, token.text);
    }
    if (token.quoted || !Quoting.isName(token.text)) {
      String remedy =
          token.quoted
              ? "write the name without quotes, or remove the parenthesis after a path"
              : "a name is a letter, then letters, digits, - and _; a path with parentheses needs"
                  + " quotes";
      throw error(
          token.start,
          token.end,
          Quoting.shown(token.text) + " before a parenthesis is no name of a device: " + remedy);
    }
    open.addLast(new OpenCall(token, at));
    at++;
    return null;
  }

  /** Reads on in a call; gives the expression that is complete by that, if one is. */
  private @Nullable Expression continueCall(OpenCall call) {
    skipSpace();
    if (atEnd()) {
      throw error(
          call.parenthesis,
          call.parenthesis + 1,
          "this parenthesis of "
              + Quoting.shown(call.name.text)
              + " is never closed: write ) where it ends");
    }
    if (next(')') && call.state != State.AFTER_COMMA) {
      at++;
      open.removeLast();
      return call.complete(text, at);
    }
    if (call.state == State.AFTER_ITEM) {
      comma(call);
      return null;
    }
    if (next(')')) {
      throw here("nothing stands between the comma and this parenthesis: remove the comma");
    }
    if (next(',')) {
      throw here("nothing stands before this comma: write an argument there, or remove the comma");
    }
    Token token = token("an argument or an option");
    skipSpace();
    if (next('=')) {
      option(call, token);
      return null;
    }
    if (!call.options.isEmpty()) {
      throw error(
          token.start,
          token.end,
          Quoting.shown(token.text)
              + " stands after an option: write arguments before all options, and an option as"
              + " key=value");
    }
    return beginExpression(token);
  }

  private void comma(OpenCall call) {
    if (!next(',')) {
      String remedy =
          next('=')
              ? "a value or a path with = in it needs quotes"
              : next('(')
                  ? "the value of an option is no device; text with parentheses needs quotes"
                  : "text with spaces or special characters needs quotes";
      throw here("here must be a comma or a ), not " + found() + ": " + remedy);
    }
    at++;
    call.state = State.AFTER_COMMA;
  }

  private void option(OpenCall call, Token key) {
    if (key.quoted || !Quoting.isName(key.text)) {
      throw error(
          key.start,
          key.end,
          Quoting.shown(key.text)
              + " before = is no key of an option: a key is a letter, then letters, digits, - and _"
              + "; a path with = needs quotes");
    }
    if (call.options.containsKey(key.text)) {
      throw error(
          key.start,
          key.end,
          "the option " + Quoting.shown(key.text) + " is here for the second time: write it once");
    }
    at++;
    skipSpace();
    if (atEnd() || next(',') || next(')')) {
      throw error(
          at,
          at,
          "the option "
              + Quoting.shown(key.text)
              + " has no value: write one after =, or \"\" for empty text");
    }
    Token value = token("a value");
    call.options.put(
        key.text, new Option(text, key.start, key.text, value.start, value.end, value.text));
    call.state = State.AFTER_ITEM;
  }

  private void checkNothingFollows(Expression complete) {
    skipSpace();
    if (atEnd()) {
      return;
    }
    String remedy =
        switch (text.charAt(at)) {
          case ')' -> "remove this parenthesis, which closes nothing";
          case ',' -> "put several devices into one, such as concat(a.img, b.img)";
          case '=' -> "an option stands in the parentheses of a device; a path with = needs quotes";
          default ->
              complete instanceof BarePath
                  ? "remove the rest; a path with spaces or special characters needs quotes"
                  : "remove the rest, or put both into one device";
        };
    throw error(at, text.length(), "the expression is complete before " + found() + ": " + remedy);
  }

  /** A run of bare characters, or a text in quotes; {@code wanted} says what it would be. */
  private Token token(String wanted) {
    if (!atEnd() && (next('"') || next('\''))) {
      return quoted();
    }
    int start = at;
    while (!atEnd() && Quoting.isBare(text.codePointAt(at))) {
      at += Character.charCount(text.codePointAt(at));
    }
    if (at > start) {
      return new Token(start, at, text.substring(start, at), false);
    }
    String remedy =
        switch (text.charAt(at)) {
          case '(' -> "write the name of a device before the parenthesis";
          case ')' -> "remove this parenthesis";
          case ',' -> "remove this comma";
          case '=' -> "write the key of an option before the =";
          default -> "text with special characters needs quotes";
        };
    throw here("here must be " + wanted + ", not " + found() + ": " + remedy);
  }

  private Token quoted() {
    int start = at;
    char quote = text.charAt(at++);
    var value = new StringBuilder();
    while (!atEnd()) {
      char c = text.charAt(at++);
      if (c == quote) {
        return new Token(start, at, value.toString(), true);
      }
      value.append(c == '\\' ? escaped() : c);
    }
    throw error(
        start, start + 1, "this quote is never closed: write " + quote + " where the text ends");
  }

  /** The character that the escape after a backslash stands for. */
  private char escaped() {
    int backslash = at - 1;
    char c = atEnd() ? ' ' : text.charAt(at++);
    return switch (c) {
      case '"', '\'', '\\' -> c;
      case 'n' -> '\n';
      case 'r' -> '\r';
      case 't' -> '\t';
      case 'u' -> fourHexDigits(backslash);
      default ->
          throw error(
              backslash,
              at,
              "a backslash in quotes begins one of \\\" \\' \\\\ \\n"
                  + " \\r"
                  + " \\t and \\uXXXX: write \\\\ for a backslash");
    };
  }

  private char fourHexDigits(int backslash) {
    int value = 0;
    for (int i = 0; i < 4; i++) {
      int digit = atEnd() ? -1 : hexDigit(text.charAt(at));
      if (digit < 0) {
        throw error(backslash, at, "\\u needs four hexadecimal digits, such as \\u00e9");
      }
      value = (value << 4) | digit;
      at++;
    }
    return (char) value;
  }

  private static int hexDigit(char c) {
    return c < 128 ? Character.digit(c, 16) : -1;
  }

  private void skipSpace() {
    while (!atEnd() && Quoting.isSpace(text.charAt(at))) {
      at++;
    }
  }

  private boolean atEnd() {
    return at >= text.length();
  }

  private boolean next(char c) {
    return at < text.length() && text.charAt(at) == c;
  }

  /** How the next character is named in a sentence. */
  private String found() {
    int codePoint = text.codePointAt(at);
    return Quoting.needsEscape(codePoint)
        ? "the character U+" + Integer.toHexString(0x10000 | codePoint).substring(1)
        : Character.toString(codePoint);
  }

  private StackException here(String sentence) {
    return error(at, at + Character.charCount(text.codePointAt(at)), sentence);
  }

  private StackException error(int start, int end, String sentence) {
    return new StackException(text, start, end, sentence);
  }

  /** A bare or quoted text, and where it stands. */
  private record Token(int start, int end, String text, boolean quoted) {}

  private enum State {
    AFTER_PARENTHESIS,
    AFTER_ITEM,
    AFTER_COMMA
  }

  /** A call that is being read. */
  private static final class OpenCall {
    final Token name;
    final int parenthesis;
    final List<Expression> args = new ArrayList<>();
    final Map<String, Option> options = new LinkedHashMap<>();
    State state = State.AFTER_PARENTHESIS;

    OpenCall(Token name, int parenthesis) {
      this.name = name;
      this.parenthesis = parenthesis;
    }

    DeviceCall complete(String source, int end) {
      return new DeviceCall(
          source, name.start, end, name.text, List.copyOf(args), List.copyOf(options.values()));
    }
  }
}
