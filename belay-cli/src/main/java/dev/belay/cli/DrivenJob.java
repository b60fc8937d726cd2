// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.CancelFlag;
import dev.belay.Clock;
import dev.belay.Device;
import dev.belay.Loop;
import dev.belay.Outcome;
import dev.belay.front.AioContext;
import dev.belay.front.IoEvent;
import dev.belay.front.Iocb;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * One job over a driven loop. The whole path from an event to the next submission is here, and in
 * the plain case (no clock, no cancels, no deadline) it allocates nothing of its own.
 *
 * <p>On its own thread, but for {@link #ended} and {@link #wake}.
 */
final class DrivenJob implements Consumer<IoEvent> {
  /** How long a wait for events lasts at most where something else than an event can end it. */
  private static final long LOOK_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

  /** A request that is used again and again. */
  private static final class Slot {
    final Iocb iocb;
    final MemorySegment buffer;

    /** When it was meant to start; 0 where nobody wants to know. */
    long intendedAtNanos;

    Canceller.@Nullable Ask ask;

    Slot(Iocb iocb, MemorySegment buffer) {
      this.iocb = iocb;
      this.buffer = buffer;
    }
  }

  private final Workload workload;
  private final Phase phase;
  private final Loop loop;
  private final AioContext context;
  private final @Nullable Canceller canceller;
  private final Draw draw;
  private final Tally tally = new Tally();
  private final AtomicLong shownEnded = new AtomicLong();

  /** Nothing but DONE is of interest, and no clock is read. */
  private final boolean isPlain;

  private final boolean isOpenLoop;
  private final int blockBytes;
  private final long deadlineNanos;
  private final Slot[] slots;

  /** Slots that wait for their time, in an open loop. */
  private final ArrayDeque<Slot> free = new ArrayDeque<>();

  private boolean isOver;

  DrivenJob(
      Workload workload,
      Phase phase,
      Loop loop,
      Device root,
      @Nullable Canceller canceller,
      int number) {
    this.workload = workload;
    this.phase = phase;
    this.loop = loop;
    this.canceller = canceller;
    draw = new Draw(workload, number);
    blockBytes = workload.blockBytes();
    deadlineNanos = workload.deadlineNanos();
    isOpenLoop = workload.isOpenLoop();
    isPlain = !workload.hasLatency() && canceller == null && deadlineNanos == 0 && !isOpenLoop;
    context = AioContext.driving(loop, root, workload.depth());
    MemorySegment slab = Buffers.slab(workload, workload.depth(), number);
    Buffers.pin(loop, slab);
    slots = new Slot[workload.depth()];
    for (int i = 0; i < slots.length; i++) {
      Slot slot = new Slot(context.newIocb(), Buffers.slice(slab, blockBytes, i));
      slot.iocb.setAttachment(slot);
      slots[i] = slot;
    }
  }

  /** Submits and takes events until the phase is over. */
  void run() throws InterruptedException {
    // A device that answers nothing would hold a plain wait for ever; stop() ends that by a wake.
    long waitNanos = isPlain ? Long.MAX_VALUE : LOOK_NANOS;
    long startNanos = System.nanoTime();
    long begun = 0;
    if (isOpenLoop) {
      free.addAll(Arrays.asList(slots));
    } else {
      for (Slot slot : slots) {
        submit(slot, workload.hasLatency() ? System.nanoTime() : 0);
      }
    }
    for (; ; ) {
      if (!tally.turnTo(phase.now())) {
        break;
      }
      if (isOpenLoop) {
        begun = submitDue(startNanos, begun);
        waitNanos = free.isEmpty() ? LOOK_NANOS : untilNextNanos(startNanos, begun);
      }
      if (context.held() > 0) {
        context.getEvents(1, slots.length, waitNanos, this);
      } else if (waitNanos > 0) {
        LockSupport.parkNanos(waitNanos);
      }
      shownEnded.lazySet(tally.ended);
    }
    isOver = true;
  }

  private long untilNextNanos(long startNanos, long begun) {
    long due = startNanos + workload.intendedNanos(begun);
    return Math.clamp(due - System.nanoTime(), 0, LOOK_NANOS);
  }

  /** Submits what should have started by now, as far as there are free slots; answers the count. */
  private long submitDue(long startNanos, long begun) {
    long number = begun;
    long nowNanos = System.nanoTime();
    while (!free.isEmpty()) {
      long due = startNanos + workload.intendedNanos(number);
      if (due - nowNanos > 0) {
        break;
      }
      number++;
      submit(free.pop(), due);
    }
    return number;
  }

  private void submit(Slot slot, long intendedAtNanos) {
    Iocb iocb = slot.iocb;
    slot.intendedAtNanos = intendedAtNanos;
    if (draw.isRead()) {
      iocb.prepareRead(draw.offsetBytes(), slot.buffer);
    } else {
      iocb.prepareWrite(draw.offsetBytes(), slot.buffer);
    }
    if (deadlineNanos > 0) {
      iocb.setFlag(CancelFlag.NEVER.withDeadline(Clock.SYSTEM, intendedAtNanos + deadlineNanos));
    }
    context.submit(iocb);
    if (canceller != null) {
      slot.ask = canceller.choose(draw, iocb.flag(), intendedAtNanos, tally);
    }
  }

  /** An event: counts it, and starts the next request in its place. */
  @Override
  public void accept(IoEvent event) {
    Slot slot = (Slot) Objects.requireNonNull(event.iocb().attachment());
    if (isPlain) {
      if (event.result() == blockBytes) {
        tally.done(blockBytes);
      } else {
        tally.ended(event.outcome(), true);
      }
      if (!isOver) {
        submit(slot, 0);
      }
      return;
    }
    long nowNanos = System.nanoTime();
    count(slot, event, nowNanos);
    if (isOver) {
      return;
    }
    if (isOpenLoop) {
      free.push(slot);
    } else {
      submit(slot, nowNanos);
    }
  }

  private void count(Slot slot, IoEvent event, long nowNanos) {
    long tookNanos = nowNanos - slot.intendedAtNanos;
    if (event.result() == blockBytes) {
      tally.took(tookNanos);
    }
    Canceller.Ask ask = slot.ask;
    if (ask == null && deadlineNanos == 0 && event.result() == blockBytes) {
      tally.done(blockBytes);
      return;
    }
    Outcome outcome = event.outcome();
    tally.ended(outcome, deadlineNanos == 0 || tookNanos <= deadlineNanos);
    if (ask != null) {
      slot.ask = null;
      long raisedAtNanos = ask.end();
      if (raisedAtNanos != 0) {
        tally.askedEnded(outcome, nowNanos - raisedAtNanos);
      }
    }
  }

  /** Has the running wait look round. Any thread. */
  void wake() {
    loop.execute(() -> {});
  }

  /** How many have ended in this phase, about. Any thread. */
  long ended() {
    return shownEnded.get();
  }

  /** What was counted, once {@link #run} is over. */
  Tally tally() {
    return tally;
  }
}
