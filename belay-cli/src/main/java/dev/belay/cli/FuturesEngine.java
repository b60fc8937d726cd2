// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.Loop;
import dev.belay.Outcome;
import dev.belay.Timers;
import dev.belay.front.IoFuture;
import dev.belay.front.IoOptions;
import dev.belay.front.Volume;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BiConsumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Futures of one {@link Volume}: the stage behind each future starts the next, as the completion
 * handlers of {@link JdkEngine} do. All of it, but for the first submission, is on the volume's
 * loop.
 */
final class FuturesEngine implements Engine {
  private static final Duration CLOSE = Duration.ofSeconds(10);

  private final Workload workload;
  private final Phase phase;
  private final Volume volume;
  private final Loop loop;
  private final Draw draw;
  private final @Nullable Canceller canceller;
  private final Timers.Timer pace;
  private final AtomicLong shownEnded = new AtomicLong();

  // The loop's thread:
  private final Slot[] slots;
  private final ArrayDeque<Slot> free = new ArrayDeque<>();
  private final Tally tally = new Tally();
  private long startNanos;
  private long begun;

  /**
   * @param open opens the stack as a volume, on a threaded loop that has not started
   */
  FuturesEngine(Workload workload, Phase phase, Loop loop, Function<Loop, Volume> open) {
    this.workload = workload;
    this.phase = phase;
    this.loop = loop;
    draw = new Draw(workload, 0);
    slots = new Slot[workload.depth() * workload.jobs()];
    MemorySegment slab = Buffers.slab(workload, slots.length, 0);
    volume = open.apply(loop);
    loop.execute(() -> Buffers.pin(loop, slab));
    for (int i = 0; i < slots.length; i++) {
      slots[i] = new Slot(Buffers.slice(slab, workload.blockBytes(), i));
    }
    canceller = workload.cancels() ? new Canceller(workload) : null;
    pace = loop.timers().newTimer(this::submitDue);
  }

  @Override
  public void start() {
    loop.execute(
        () -> {
          startNanos = System.nanoTime();
          if (workload.isOpenLoop()) {
            free.addAll(List.of(slots));
            submitDue();
          } else {
            for (Slot slot : slots) {
              slot.submit(startNanos);
            }
          }
        });
  }

  /** Open loop: submits what should have started by now, and comes back for the next. */
  private void submitDue() {
    if (phase.now() == Phase.OVER) {
      return;
    }
    long nowNanos = System.nanoTime();
    while (!free.isEmpty()) {
      long due = startNanos + workload.intendedNanos(begun);
      if (due - nowNanos > 0) {
        pace.set(due);
        return;
      }
      begun++;
      free.pop().submit(due);
    }
  }

  /** A request that is made again and again. */
  private final class Slot implements BiConsumer<@Nullable Outcome, @Nullable Throwable> {
    private final List<MemorySegment> buffer;
    private long intendedAtNanos;
    private @Nullable IoFuture future;
    private Canceller.@Nullable Ask ask;

    Slot(MemorySegment buffer) {
      this.buffer = List.of(buffer);
    }

    void submit(long intended) {
      intendedAtNanos = intended;
      IoOptions options = IoOptions.NONE;
      if (workload.deadlineNanos() > 0) {
        long left = intended + workload.deadlineNanos() - System.nanoTime();
        options = options.withDeadline(Duration.ofNanos(Math.max(0, left)));
      }
      long offset = draw.offsetBytes();
      IoFuture made =
          draw.isRead()
              ? volume.readAsync(offset, buffer, options)
              : volume.writeAsync(offset, buffer, options);
      future = made;
      if (canceller != null) {
        ask = canceller.choose(draw, made.flag(), intended, tally);
      }
      // The next stage is of no interest: this slot looks at the outcome itself.
      CompletableFuture<Outcome> _ = made.whenComplete(this);
    }

    @Override
    public void accept(@Nullable Outcome done, @Nullable Throwable thrown) {
      IoFuture ended = future;
      if (ended == null || !tally.turnTo(phase.now())) {
        return;
      }
      long nowNanos = workload.hasLatency() ? System.nanoTime() : intendedAtNanos;
      count(ended.outcome(), nowNanos);
      shownEnded.lazySet(tally.ended);
      if (workload.isOpenLoop()) {
        free.push(this);
        submitDue();
      } else {
        submit(nowNanos);
      }
    }

    private void count(Outcome outcome, long nowNanos) {
      long tookNanos = nowNanos - intendedAtNanos;
      boolean done = outcome.kind() == Outcome.Kind.DONE;
      if (done && workload.hasLatency()) {
        tally.took(tookNanos);
      }
      tally.ended(outcome, workload.deadlineNanos() == 0 || tookNanos <= workload.deadlineNanos());
      Canceller.Ask asked = ask;
      if (asked != null) {
        ask = null;
        long raisedAtNanos = asked.end();
        if (raisedAtNanos != 0) {
          tally.askedEnded(outcome, nowNanos - raisedAtNanos);
        }
      }
    }
  }

  @Override
  public long ended() {
    return shownEnded.get();
  }

  @Override
  public Tally stop() {
    // Through the loop, so that no completion is being counted while it is read.
    CompletableFuture<Tally> sum = new CompletableFuture<>();
    loop.execute(
        () -> {
          pace.cancel();
          Tally copy = new Tally();
          copy.add(tally);
          sum.complete(copy);
        });
    return sum.join();
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
