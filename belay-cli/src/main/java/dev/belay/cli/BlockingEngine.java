// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.CancelFlag;
import dev.belay.Outcome;
import dev.belay.front.CancelledException;
import dev.belay.front.FailedException;
import dev.belay.front.IoOptions;
import dev.belay.front.Volume;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/** Blocking calls of one {@link Volume}, each on a virtual thread that does nothing else. */
final class BlockingEngine implements Engine {
  private static final Duration CLOSE = Duration.ofSeconds(10);

  /** Threads share a few tallies, so that they seldom meet at one and memory stays small. */
  private static final int TALLIES = 8;

  private final Workload workload;
  private final Phase phase;
  private final Volume volume;
  private final MemorySegment slab;
  private final @Nullable Canceller canceller;
  private final AtomicLong tickets = new AtomicLong();
  private final List<Draw> draws;
  private final List<Tally> tallies = new ArrayList<>();
  private final List<Thread> threads = new ArrayList<>();
  private final long startNanos = System.nanoTime();

  BlockingEngine(Workload workload, Phase phase, Volume volume) {
    this.workload = workload;
    this.phase = phase;
    this.volume = volume;
    slab = Buffers.slab(workload, workload.depth() * workload.jobs(), 0);
    volume.loop().execute(() -> Buffers.pin(volume.loop(), slab));
    draws = Draw.perRequest(workload);
    canceller = workload.cancels() ? new Canceller(workload) : null;
    for (int i = 0; i < TALLIES; i++) {
      tallies.add(new Tally());
    }
  }

  @Override
  public void start() {
    for (int i = 0; i < workload.depth() * workload.jobs(); i++) {
      int number = i;
      threads.add(Thread.ofVirtual().start(() -> run(number)));
    }
  }

  private void run(int number) {
    Draw draw = draws.get(number);
    MemorySegment buffer = Buffers.slice(slab, workload.blockBytes(), number);
    Tally tally = tallies.get(number % TALLIES);
    try {
      while (phase.now() != Phase.OVER) {
        long intended = waitForTurn();
        if (phase.now() != Phase.OVER) {
          once(draw, List.of(buffer), tally, intended);
        }
      }
    } catch (IOException | RuntimeException | Error e) {
      phase.fail(e);
    }
  }

  /** Open loop: takes the next start and waits for it. Answers when the request should start. */
  private long waitForTurn() {
    if (!workload.isOpenLoop()) {
      return workload.hasLatency() ? System.nanoTime() : 0;
    }
    long due = startNanos + workload.intendedNanos(tickets.getAndIncrement());
    for (long left = due - System.nanoTime();
        left > 0 && phase.now() != Phase.OVER;
        left = due - System.nanoTime()) {
      LockSupport.parkNanos(Math.min(left, 100_000_000));
    }
    return due;
  }

  private void once(Draw draw, List<MemorySegment> buffer, Tally tally, long intended)
      throws IOException {
    IoOptions options = IoOptions.NONE;
    Canceller.Ask ask = null;
    if (canceller != null) {
      CancelFlag flag = new CancelFlag();
      synchronized (draw) {
        ask = canceller.choose(draw, flag, intended, tally);
      }
      options = ask == null ? options : options.withFlag(flag);
    }
    if (workload.deadlineNanos() > 0) {
      long left = intended + workload.deadlineNanos() - System.nanoTime();
      options = options.withDeadline(Duration.ofNanos(Math.max(0, left)));
    }
    Outcome outcome = call(draw, buffer, options);
    long nowNanos = workload.hasLatency() ? System.nanoTime() : intended;
    long raisedAtNanos = ask == null ? 0 : ask.end();
    boolean inTime =
        workload.deadlineNanos() == 0 || nowNanos - intended <= workload.deadlineNanos();
    synchronized (tally) {
      if (!tally.turnTo(phase.now())) {
        return;
      }
      if (outcome.kind() == Outcome.Kind.DONE && workload.hasLatency()) {
        tally.took(nowNanos - intended);
      }
      tally.ended(outcome, inTime);
      if (raisedAtNanos != 0) {
        tally.askedEnded(outcome, nowNanos - raisedAtNanos);
      }
    }
  }

  private Outcome call(Draw draw, List<MemorySegment> buffer, IoOptions options)
      throws IOException {
    long offset;
    boolean isRead;
    synchronized (draw) {
      offset = draw.offsetBytes();
      isRead = draw.isRead();
    }
    try {
      return isRead ? volume.read(offset, buffer, options) : volume.write(offset, buffer, options);
    } catch (CancelledException e) {
      return e.outcome();
    } catch (FailedException e) {
      return e.outcome();
    }
  }

  @Override
  public long ended() {
    long sum = 0;
    for (Tally tally : tallies) {
      synchronized (tally) {
        sum += tally.ended;
      }
    }
    return sum;
  }

  @Override
  public Tally stop() {
    Tally sum = new Tally();
    for (Tally tally : tallies) {
      synchronized (tally) {
        tally.stop();
        sum.add(tally);
      }
    }
    return sum;
  }

  @Override
  public void close() {
    int left = volume.close(CLOSE);
    if (left > 0) {
      System.err.println(left + " requests are still with a device that does not answer them.");
    }
    if (canceller != null) {
      canceller.close();
    }
  }
}
