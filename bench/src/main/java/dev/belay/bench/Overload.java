// SPDX-License-Identifier: Apache-2.0
package dev.belay.bench;

import dev.belay.CancelFlag;
import dev.belay.Clock;
import dev.belay.Outcome;
import dev.belay.front.AioContext;
import dev.belay.front.IoEvent;
import dev.belay.front.Iocb;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousFileChannel;
import java.nio.channels.CompletionHandler;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayDeque;
import java.util.Locale;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * A device that does 2,000 requests a second is offered 6,000, each of which is of use only within
 * 50 ms. How many of use a second, as a share of what the device does when it is not overloaded?
 *
 * <p>Belay: throttle over memory, where the flag of each request goes up at its deadline. Then with
 * a device below the throttle that takes a millisecond itself: a queue that serves in the order of
 * arrival, and drops what is too late, serves requests that are almost too late, and the deadline
 * catches these below the throttle. A queue that serves the newest first does not have that.
 *
 * <p>The same by AsynchronousFileChannel: it has no slow device, so the executor that does its
 * requests starts 2,000 of them a second, in the order of arrival; the file is in the page cache.
 */
public final class Overload {
  private static final int PER_SECOND = 2_000;
  private static final int OFFERED = 3 * PER_SECOND;
  private static final long USEFUL_NANOS = TimeUnit.MILLISECONDS.toNanos(50);
  private static final long RUN_NANOS = TimeUnit.SECONDS.toNanos(5);

  /** How long it runs before it counts: the queue is as long then as it gets. */
  private static final long RAMP_NANOS = TimeUnit.SECONDS.toNanos(2);

  private static final int BLOCK_BYTES = 4096;
  private static final int BLOCKS = 4096;
  private static final int MOST = 65_536;
  private static final long NO_FLAG = Long.MAX_VALUE;

  private final AioContext context;
  private final long flagNanos;
  private final SplittableRandom random = new SplittableRandom(1);
  private final MemorySegment slab = Arena.ofAuto().allocate(BLOCK_BYTES, BLOCK_BYTES);
  private final ArrayDeque<Iocb> free = new ArrayDeque<>();
  private final Score score = new Score();

  /** What was counted; requests count by when they were meant to start. */
  private static final class Score {
    final long startNanos = System.nanoTime();
    final AtomicLong useful = new AtomicLong();
    final AtomicLong late = new AtomicLong();
    final AtomicLong stopped = new AtomicLong();

    void add(long intendedNanos, boolean done) {
      long now = System.nanoTime();
      long since = now - startNanos;
      if (since < RAMP_NANOS || since > RAMP_NANOS + RUN_NANOS) {
        return;
      }
      if (!done) {
        stopped.incrementAndGet();
      } else if (now - intendedNanos <= USEFUL_NANOS) {
        useful.incrementAndGet();
      } else {
        late.incrementAndGet();
      }
    }

    boolean isOver() {
      return System.nanoTime() - startNanos > RAMP_NANOS + RUN_NANOS;
    }

    double print(String what, double fullPerSecond) {
      double seconds = RUN_NANOS / 1e9;
      double perSecond = useful.get() / seconds;
      System.out.printf(
          Locale.ROOT,
          "%-58s %6.0f useful/s %6.0f late/s %6.0f stopped/s%s%n",
          what,
          perSecond,
          late.get() / seconds,
          stopped.get() / seconds,
          fullPerSecond == 0
              ? ""
              : String.format(Locale.ROOT, "  %5.1f %% of full", 100 * perSecond / fullPerSecond));
      return perSecond;
    }
  }

  private Overload(String stack, long flagNanos) {
    context = AioContext.open(stack, MOST);
    this.flagNanos = flagNanos;
  }

  private void submit(Iocb iocb, long intendedNanos) {
    iocb.setAttachment(intendedNanos);
    if (flagNanos != NO_FLAG) {
      iocb.setFlag(CancelFlag.NEVER.withDeadline(Clock.SYSTEM, intendedNanos + flagNanos));
    }
    iocb.prepareRead((long) random.nextInt(BLOCKS) * BLOCK_BYTES, slab);
    context.submit(iocb);
  }

  private void take(IoEvent event) {
    long intended = (Long) Objects.requireNonNull(event.iocb().attachment());
    score.add(intended, event.outcome().kind() == Outcome.Kind.DONE);
    free.push(event.iocb());
  }

  /** Keeps {@code depth} under way. */
  private Score closed(int depth) throws InterruptedException {
    for (int i = 0; i < depth; i++) {
      free.push(context.newIocb());
    }
    while (!score.isOver()) {
      while (!free.isEmpty()) {
        submit(free.pop(), System.nanoTime());
      }
      context.getEvents(1, depth, RUN_NANOS, this::take);
    }
    context.close();
    return score;
  }

  /** Starts {@link #OFFERED} a second, whatever becomes of them. */
  private Score open() throws InterruptedException {
    for (int i = 0; i < MOST; i++) {
      free.push(context.newIocb());
    }
    long number = 0;
    while (!score.isOver()) {
      long due = score.startNanos + number * 1_000_000_000L / OFFERED;
      long now = System.nanoTime();
      if (due - now <= 0 && !free.isEmpty()) {
        submit(free.pop(), due);
        number++;
      } else if (context.held() > 0) {
        context.getEvents(1, MOST, Math.clamp(due - now, 100_000, 1_000_000), this::take);
      } else {
        LockSupport.parkNanos(due - now);
      }
    }
    context.close();
    return score;
  }

  /** The JDK's channel, over an executor that is as slow as the throttle. */
  private static final class Channel implements CompletionHandler<Integer, Long>, AutoCloseable {
    private final LinkedBlockingQueue<Runnable> queue = new LinkedBlockingQueue<>();
    private final ExecutorService threads =
        Executors.newFixedThreadPool(4, Thread.ofPlatform().daemon().factory());
    private final Score score = new Score();
    private final Path file;
    private final AsynchronousFileChannel channel;
    private final Thread pace = new Thread(this::pace, "slow-device");

    Channel() throws IOException {
      file = Files.createTempFile("overload", ".img");
      Files.write(file, new byte[BLOCKS * BLOCK_BYTES]);
      channel =
          AsynchronousFileChannel.open(
              file, java.util.Set.of(StandardOpenOption.READ), new Slow(queue, threads));
      pace.setDaemon(true);
      pace.start();
    }

    private void pace() {
      try {
        long due = System.nanoTime();
        for (; ; ) {
          Runnable next = queue.take();
          due = Math.max(due + 1_000_000_000L / PER_SECOND, System.nanoTime() - 10_000_000);
          for (long left = due - System.nanoTime(); left > 0; left = due - System.nanoTime()) {
            LockSupport.parkNanos(left);
          }
          threads.execute(next);
        }
      } catch (InterruptedException e) {
        // By close.
      }
    }

    Score run() {
      SplittableRandom random = new SplittableRandom(1);
      for (long number = 0; !score.isOver(); number++) {
        long due = score.startNanos + number * 1_000_000_000L / OFFERED;
        for (long left = due - System.nanoTime(); left > 0; left = due - System.nanoTime()) {
          LockSupport.parkNanos(left);
        }
        ByteBuffer buffer = ByteBuffer.allocate(BLOCK_BYTES);
        channel.read(buffer, (long) random.nextInt(BLOCKS) * BLOCK_BYTES, due, this);
      }
      return score;
    }

    @Override
    public void completed(Integer bytes, Long intendedNanos) {
      score.add(intendedNanos, true);
    }

    @Override
    public void failed(Throwable why, @Nullable Long intendedNanos) {
      if (!score.isOver()) {
        System.err.println(why);
      }
    }

    @Override
    public void close() throws IOException {
      pace.interrupt();
      queue.clear();
      threads.shutdownNow();
      channel.close();
      Files.delete(file);
    }
  }

  /** Puts every request into the queue of the slow device. */
  private static final class Slow extends java.util.concurrent.AbstractExecutorService {
    private final LinkedBlockingQueue<Runnable> queue;
    private final ExecutorService threads;

    Slow(LinkedBlockingQueue<Runnable> queue, ExecutorService threads) {
      this.queue = queue;
      this.threads = threads;
    }

    @Override
    public void execute(Runnable command) {
      queue.add(command);
    }

    @Override
    public void shutdown() {
      threads.shutdown();
    }

    @Override
    public java.util.List<Runnable> shutdownNow() {
      return threads.shutdownNow();
    }

    @Override
    public boolean isShutdown() {
      return threads.isShutdown();
    }

    @Override
    public boolean isTerminated() {
      return threads.isTerminated();
    }

    @Override
    public boolean awaitTermination(long timeout, TimeUnit unit) throws InterruptedException {
      return threads.awaitTermination(timeout, unit);
    }
  }

  private static void belay(String device, String order) throws InterruptedException {
    String rate = ", iops=" + PER_SECOND + ", burst=10ms, order=" + order + ")";
    String stack = "throttle(" + device + rate;
    System.out.println(stack);
    double full = new Overload(stack, NO_FLAG).closed(32).print("  full load, not overloaded", 0);
    new Overload(stack, USEFUL_NANOS)
        .open()
        .print("  three times that, flags up at the deadline", full);
    new Overload(stack, NO_FLAG).open().print("  three times that, flags never raised", full);
  }

  /** No arguments. */
  public static void main(String[] args) throws IOException, InterruptedException {
    for (String order : new String[] {"oldest", "newest"}) {
      belay("memory(size=16M)", order);
      belay("delay(memory(size=16M), read=1ms)", order);
    }
    try (Channel channel = new Channel()) {
      channel.run().print("AsynchronousFileChannel, three times that", PER_SECOND);
    }
    System.exit(0); // the channel's own threads may still wait
  }
}
