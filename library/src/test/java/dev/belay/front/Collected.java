// SPDX-License-Identifier: Apache-2.0
package dev.belay.front;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.BooleanSupplier;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;

/** Has the collector run until something is seen, and keeps what Belay's log says meanwhile. */
final class Collected extends Handler implements AutoCloseable {
  private final Logger logger = Logger.getLogger("dev.belay");
  private final Level before = logger.getLevel(); // the simulators turn it off
  private final List<String> lines = new CopyOnWriteArrayList<>();

  Collected() {
    logger.setLevel(Level.ALL);
    logger.addHandler(this);
  }

  /** The lines so far that hold {@code part}. */
  List<String> lines(String part) {
    return lines.stream().filter(line -> line.contains(part)).toList();
  }

  /** Collects until it is so. */
  static void until(String what, BooleanSupplier isSo) throws InterruptedException {
    long deadline = System.nanoTime() + 30_000_000_000L;
    while (!isSo.getAsBoolean()) {
      assertThat(System.nanoTime() - deadline).as(what).isNegative();
      System.gc();
      Thread.sleep(5);
    }
  }

  /** Collects so often that whatever could be noticed has been. */
  static void often() throws InterruptedException {
    for (int i = 0; i < 10; i++) {
      System.gc();
      Thread.sleep(5);
    }
  }

  @Override
  public void publish(LogRecord record) {
    lines.add(record.getMessage());
  }

  @Override
  public void flush() {}

  @Override
  public void close() {
    logger.removeHandler(this);
    logger.setLevel(before);
  }
}
