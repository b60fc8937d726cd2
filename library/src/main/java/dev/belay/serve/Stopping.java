// SPDX-License-Identifier: Apache-2.0
package dev.belay.serve;

import dev.belay.Bio;
import dev.belay.CancelFlag;
import dev.belay.Op;
import dev.belay.Outcome;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/** How a server stops, once: the first caller does it, the others wait for it. */
final class Stopping {
  /** How long requests whose flag is up, and a last flush, may take. */
  private static final long PATIENCE_NANOS = 10_000_000_000L;

  /** How long clients may take to take the last replies, when all is over. */
  private static final long FAREWELL_NANOS = 1_000_000_000L;

  private final List<Served> exports;
  private final Desk desk;
  private @Nullable StopReport report;

  Stopping(List<Served> exports, Desk desk) {
    this.exports = exports;
    this.desk = desk;
  }

  synchronized StopReport run(Duration grace) {
    if (report != null) {
      return report;
    }
    long startNanos = System.nanoTime();
    int connections = desk.open();
    List<String> troubles = new ArrayList<>();
    desk.closeListeners();
    desk.loop().execute(desk::stop);
    exports.forEach(each -> each.loop().execute(each::stop));
    if (!areEmpty(startNanos, grace.toNanos())) {
      exports.forEach(each -> each.loop().execute(each::abort));
      long abortNanos = System.nanoTime();
      if (!areEmpty(abortNanos, FAREWELL_NANOS)) {
        exports.forEach(each -> each.loop().execute(each::cut));
      }
    }
    // Each on a thread of its own: a device that hangs must not keep other stacks from their end.
    List<CompletableFuture<Ending>> endings =
        exports.stream()
            .map(each -> CompletableFuture.supplyAsync(() -> end(each), Stopping::start))
            .toList();
    desk.loop().close(FAREWELL_NANOS);
    long unanswered = 0;
    long cancelled = 0;
    long finished = 0;
    for (int i = 0; i < exports.size(); i++) {
      Served each = exports.get(i);
      Ending ending = endings.get(i).join();
      int left = ending.left();
      unanswered += left;
      troubles.addAll(ending.troubles());
      long stopped = each.cancelledSinceStop();
      cancelled += stopped;
      finished += Math.max(0, each.openAtStop() - stopped - left);
    }
    report =
        new StopReport(
            System.nanoTime() - startNanos,
            connections,
            finished,
            cancelled,
            unanswered,
            List.copyOf(troubles));
    return report;
  }

  /** How one export ended: how many requests its devices still have, and what went wrong. */
  private record Ending(int left, List<String> troubles) {}

  private static void start(Runnable what) {
    Thread.ofPlatform().daemon().name("belay-stop").start(what);
  }

  /** Waits for the last connection of one export, and flushes and closes its stack. */
  private static Ending end(Served served) {
    List<String> troubles = new ArrayList<>();
    try {
      var _ = served.empty().await(PATIENCE_NANOS, TimeUnit.NANOSECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    flush(served, troubles);
    int left = served.loop().close(PATIENCE_NANOS);
    if (left > 0) {
      troubles.add(
          "%s: %d requests were never answered by its devices, and it is not closed"
              .formatted(name(served), left));
    } else {
      served.blocks().close();
    }
    return new Ending(left, troubles);
  }

  /** Waits for the last connection of each export to end; false if one has not by then. */
  private boolean areEmpty(long sinceNanos, long waitNanos) {
    boolean interrupted = false;
    try {
      for (Served each : exports) {
        for (; ; ) {
          long leftNanos = Math.max(0, waitNanos - (System.nanoTime() - sinceNanos));
          try {
            if (!each.empty().await(leftNanos, TimeUnit.NANOSECONDS)) {
              return false;
            }
            break;
          } catch (InterruptedException e) {
            interrupted = true;
          }
        }
      }
      return true;
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  private static String name(Served served) {
    String name = served.export().name();
    return name.isEmpty() ? "the export " + served.export().expression() : "the export " + name;
  }

  private static void flush(Served served, List<String> troubles) {
    if (served.export().readOnly()) {
      return;
    }
    CompletableFuture<Outcome> flushed = new CompletableFuture<>();
    Bio bio = new Bio(served.loop(), ended -> flushed.complete(ended.outcome()));
    bio.prepare(Op.FLUSH, served.root(), 0, 0, MemorySegment.NULL, 0, CancelFlag.NEVER.child());
    if (!served.loop().send(bio)) {
      return;
    }
    try {
      Outcome outcome = flushed.get(PATIENCE_NANOS, TimeUnit.NANOSECONDS);
      if (outcome.kind() != Outcome.Kind.DONE) {
        troubles.add(name(served) + " could not be flushed: " + outcome);
      }
    } catch (TimeoutException e) {
      troubles.add(name(served) + " was not flushed within 10 s");
    } catch (InterruptedException | ExecutionException e) {
      Thread.currentThread().interrupt();
      troubles.add(name(served) + " was not flushed: the one who waited was interrupted");
    }
  }
}
