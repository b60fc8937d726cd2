// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.net.Address;
import dev.belay.serve.ConnectionReport;
import dev.belay.serve.ConnectionStatus;
import dev.belay.serve.Counters;
import dev.belay.serve.ServerLog;
import java.io.PrintWriter;
import java.time.Instant;
import java.time.LocalTime;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.time.temporal.ChronoUnit;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.jspecify.annotations.Nullable;

/**
 * What {@code belay serve} says while it runs: lines for people with the time before them, or one
 * JSON object a line; and on a terminal, a line below them that shows what goes on.
 *
 * <p>The server's threads only put lines into a row; a thread of this prints them. If nobody takes
 * them, or refusals come by the thousand, what does not fit is counted and not kept.
 */
final class ServeLog implements ServerLog, AutoCloseable {
  private static final int MOST_LINES = 1024;
  private static final int MOST_REFUSALS_A_SECOND = 10;
  private static final long STATUS_NANOS = 500_000_000;
  private static final int MOST_ROUNDS_AT_END = 50;

  private static final DateTimeFormatter CLOCK = DateTimeFormatter.ofPattern("HH:mm:ss");

  private final boolean isJson;
  private final Screen screen;
  private final ArrayBlockingQueue<String> lines = new ArrayBlockingQueue<>(MOST_LINES);
  private final AtomicLong lost = new AtomicLong();
  private final AtomicLong refusals = new AtomicLong();
  private final AtomicLong refusalsSecond = new AtomicLong();
  private final Thread printer;
  private final DeviceNotes deviceNotes = new DeviceNotes();
  private volatile @Nullable Supplier<Counters> counters;
  private volatile boolean isOver;

  /** Kept here, because the log manager does not. */
  private final Logger devices = Logger.getLogger("dev.belay");

  private final boolean wentUp = devices.getUseParentHandlers();

  ServeLog(PrintWriter out, boolean isJson) {
    this.isJson = isJson;
    screen = Screen.on(out, false);
    devices.setUseParentHandlers(false);
    devices.addHandler(deviceNotes);
    printer = Thread.ofPlatform().daemon().name("belay-log").start(this::print);
  }

  /** From now on, on a terminal, the line below the others shows these. */
  void showStatus(Supplier<Counters> source) {
    if (screen.isLive() && !isJson) {
      counters = source;
    }
  }

  boolean isJson() {
    return isJson;
  }

  /** A line for people as it is; nothing in JSON. */
  void say(String text) {
    if (!isJson) {
      add(text);
    }
  }

  /** A line for people with the time, or an object with these fields. */
  void event(String name, Map<String, Object> fields, String text) {
    add(isJson ? object(name, fields) : timed(text));
  }

  private void json(String name, Map<String, Object> fields) {
    if (isJson) {
      add(object(name, fields));
    }
  }

  private static String timed(String text) {
    return CLOCK.format(LocalTime.now(ZoneId.systemDefault())) + " " + text;
  }

  private static String object(String name, Map<String, Object> fields) {
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("time", Instant.now().truncatedTo(ChronoUnit.MILLIS).toString());
    map.put("event", name);
    map.putAll(fields);
    return Json.print(map);
  }

  private void add(String line) {
    if (!lines.offer(line)) {
      lost.incrementAndGet();
    }
  }

  @Override
  public void listening(Address address) {
    event("listening", ServeLines.fields(address), "listening at " + address);
  }

  @Override
  public void connected(ConnectionStatus connection) {
    json("connected", ServeLines.fields(connection));
  }

  @Override
  public void refused(String peer, String why, boolean isFault) {
    if (isFault && !mayTellRefusal()) {
      lost.incrementAndGet();
      return;
    }
    Map<String, Object> fields = ServeLines.fields("peer", peer);
    fields.put("why", why);
    if (isFault) {
      event("refused", fields, ServeLines.refused(peer, why));
    } else {
      json("asked", fields);
    }
  }

  private boolean mayTellRefusal() {
    long second = System.nanoTime() / 1_000_000_000;
    if (refusalsSecond.getAndSet(second) != second) {
      refusals.set(0);
    }
    return refusals.incrementAndGet() <= MOST_REFUSALS_A_SECOND;
  }

  @Override
  public void ended(ConnectionReport report) {
    event("ended", ServeLines.fields(report), ServeLines.ended(report));
  }

  @Override
  public void note(String sentence) {
    event("note", ServeLines.fields("sentence", sentence), ServeLines.plain(sentence));
  }

  /** What devices have to say, a member that fails for instance. */
  private final class DeviceNotes extends Handler {
    @Override
    public void publish(LogRecord event) {
      if (event.getLevel().intValue() >= Level.WARNING.intValue()) {
        note(String.valueOf(event.getMessage()));
      }
    }

    @Override
    public void flush() {}

    @Override
    public void close() {}
  }

  private @Nullable String next() {
    try {
      return lines.poll(isOver ? 0 : STATUS_NANOS / 2, TimeUnit.NANOSECONDS);
    } catch (InterruptedException e) {
      return null; // it is over
    }
  }

  private void tellLost() {
    long missing = lost.getAndSet(0);
    if (missing > 0) {
      screen.line(
          isJson
              ? object("lost", ServeLines.fields("lines", missing))
              : timed(missing + " more lines were not kept"));
    }
  }

  private void print() {
    ServeStatus status = new ServeStatus();
    long drawn = System.nanoTime();
    while (!isOver || !lines.isEmpty()) {
      String line = next();
      if (line != null) {
        screen.line(line);
        continue;
      }
      tellLost();
      Supplier<Counters> source = counters;
      if (source != null && !isOver && System.nanoTime() - drawn >= STATUS_NANOS) {
        drawn = System.nanoTime();
        screen.live(status.line(source.get(), drawn));
      }
    }
    tellLost();
    screen.wipe();
  }

  /** No status line any more: what follows are the last words. */
  void endStatus() {
    counters = null;
  }

  /** Prints what is there, for as long as somebody takes it. */
  @Override
  public void close() {
    devices.removeHandler(deviceNotes);
    devices.setUseParentHandlers(wentUp);
    isOver = true;
    printer.interrupt();
    try {
      printer.join(MOST_ROUNDS_AT_END * 100L);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
