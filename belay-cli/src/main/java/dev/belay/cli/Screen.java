// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import java.io.Console;
import java.io.PrintWriter;

/** What a command prints to, and what it may do there: colours, and a line that changes. */
final class Screen {
  private static final String RESET = "\u001b[0m";
  private static final long REDRAW_NANOS = 50_000_000;

  private final PrintWriter out;
  private final boolean isLive;
  private final boolean hasColour;
  private long drawnNanos;
  private boolean isDrawn;

  Screen(PrintWriter out, boolean isLive, boolean hasColour) {
    this.out = out;
    this.isLive = isLive;
    this.hasColour = hasColour;
  }

  /** Live and in colour on a terminal; plain elsewhere, and where NO_COLOR or TERM=dumb say so. */
  @SuppressWarnings("SystemConsoleNull") // null it is in a JDK without jdk.internal.le
  static Screen on(PrintWriter out, boolean mayColour) {
    Console console = System.console();
    boolean isTerminal = console != null && console.isTerminal();
    boolean isDumb = "dumb".equals(System.getenv("TERM"));
    String noColour = System.getenv("NO_COLOR");
    boolean wantsColour = mayColour && (noColour == null || noColour.isEmpty());
    return new Screen(out, isTerminal && !isDumb, isTerminal && !isDumb && wantsColour);
  }

  void line(String text) {
    wipe();
    out.println(text);
    out.flush();
  }

  /** Whether there is a line that changes. */
  boolean isLive() {
    return isLive;
  }

  /** Shows a line that the next one replaces; at most 20 a second, and on terminals only. */
  void progress(String what, long part, long whole) {
    live("  " + Picture.bar(part, whole) + " " + what + " " + Units.percent(part, whole));
  }

  /** See {@link #progress}. */
  void live(String text) {
    long now = System.nanoTime();
    if (!isLive || (isDrawn && now - drawnNanos < REDRAW_NANOS)) {
      return;
    }
    drawnNanos = now;
    isDrawn = true;
    out.print("\r" + text + "\u001b[K");
    out.flush();
  }

  /** Takes the line that changes away. */
  void wipe() {
    if (isDrawn) {
      out.print("\r\u001b[K");
      isDrawn = false;
    }
  }

  String bold(String text) {
    return paint("1", text);
  }

  String good(String text) {
    return paint("32", text);
  }

  String bad(String text) {
    return paint("31", text);
  }

  private String paint(String code, String text) {
    return hasColour ? "\u001b[" + code + "m" + text + RESET : text;
  }
}
