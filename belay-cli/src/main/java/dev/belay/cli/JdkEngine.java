// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.Outcome;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousFileChannel;
import java.nio.channels.CompletionHandler;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * The peer: the same workload by the JDK's {@link AsynchronousFileChannel} with O_DIRECT, as well
 * made as it can be. The channel does each request with a blocking call on a thread of its pool, so
 * the pool has as many threads as there may be requests, and no more; buffers are aligned, direct
 * and used again; the completion handler starts the next request, which the same thread then takes
 * up without a switch.
 *
 * <p>A deadline is only judged, and there are no cancels: the channel has no request that could be
 * stopped without closing the channel.
 */
final class JdkEngine implements Engine {
  /** Requests share a few tallies, so that their threads seldom meet at one. */
  private static final int TALLIES = 16;

  private final Workload workload;
  private final Phase phase;
  private final ExecutorService pool;
  private final AsynchronousFileChannel channel;
  private final List<Draw> draws;
  private final List<Tally> tallies = new ArrayList<>();
  private final List<Slot> slots = new ArrayList<>();
  private final LinkedBlockingQueue<Slot> free = new LinkedBlockingQueue<>();
  private @Nullable Thread pacer;

  JdkEngine(Workload workload, Phase phase, Path file) throws IOException {
    this.workload = workload;
    this.phase = phase;
    int requests = workload.depth() * workload.jobs();
    pool = Executors.newFixedThreadPool(requests, Thread.ofPlatform().daemon().factory());
    Set<OpenOption> options = new HashSet<>();
    options.add(StandardOpenOption.READ);
    options.add(BenchFiles.directOption());
    if (workload.pattern().writes()) {
      options.add(StandardOpenOption.WRITE);
    }
    channel = AsynchronousFileChannel.open(file, options, pool);
    draws = Draw.perRequest(workload);
    for (int i = 0; i < TALLIES; i++) {
      tallies.add(new Tally());
    }
    for (int i = 0; i < requests; i++) {
      slots.add(new Slot(i));
    }
  }

  @Override
  public void start() {
    if (!workload.isOpenLoop()) {
      long nowNanos = System.nanoTime();
      slots.forEach(slot -> slot.submit(nowNanos));
      return;
    }
    free.addAll(slots);
    pacer = Thread.ofPlatform().daemon().name("bench-pacer").start(this::pace);
  }

  private void pace() {
    long startNanos = System.nanoTime();
    try {
      for (long number = 0; phase.now() != Phase.OVER; number++) {
        long due = startNanos + workload.intendedNanos(number);
        for (long left = due - System.nanoTime(); left > 0; left = due - System.nanoTime()) {
          LockSupport.parkNanos(left);
        }
        Slot slot = free.poll(100, TimeUnit.MILLISECONDS);
        while (slot == null && phase.now() != Phase.OVER) {
          slot = free.poll(100, TimeUnit.MILLISECONDS);
        }
        if (slot != null) {
          slot.submit(due);
        }
      }
    } catch (InterruptedException e) {
      // By close: the run is over.
    }
  }

  /** A request that is made again and again. */
  private final class Slot implements CompletionHandler<Integer, @Nullable Void> {
    private final Draw draw;
    private final ByteBuffer buffer;
    private final Tally tally;
    private long intendedAtNanos;

    Slot(int number) {
      draw = draws.get(number);
      tally = tallies.get(number % TALLIES);
      var slab = Buffers.slab(workload, 1, number);
      buffer = Buffers.slice(slab, workload.blockBytes(), 0).asByteBuffer();
    }

    void submit(long intended) {
      intendedAtNanos = intended;
      buffer.clear();
      long offset;
      boolean isRead;
      synchronized (draw) {
        offset = draw.offsetBytes();
        isRead = draw.isRead();
      }
      if (isRead) {
        channel.read(buffer, offset, null, this);
      } else {
        channel.write(buffer, offset, null, this);
      }
    }

    @Override
    public void completed(Integer bytes, @Nullable Void none) {
      long nowNanos = workload.hasLatency() ? System.nanoTime() : intendedAtNanos;
      synchronized (tally) {
        if (tally.turnTo(phase.now())) {
          count(bytes, nowNanos - intendedAtNanos);
        }
      }
      next(nowNanos);
    }

    private void count(int bytes, long tookNanos) {
      if (bytes != workload.blockBytes()) {
        tally.ended++;
        tally.failed("a request moved only " + bytes + " bytes");
        return;
      }
      if (workload.hasLatency()) {
        tally.took(tookNanos);
      }
      if (workload.deadlineNanos() == 0) {
        tally.done(bytes);
      } else {
        tally.ended(Outcome.done(bytes), tookNanos <= workload.deadlineNanos());
      }
    }

    @Override
    public void failed(Throwable why, @Nullable Void none) {
      synchronized (tally) {
        if (tally.turnTo(phase.now())) {
          tally.ended++;
          tally.failed(String.valueOf(why));
        }
      }
      if (channel.isOpen()) {
        next(System.nanoTime());
      }
    }

    private void next(long nowNanos) {
      if (phase.now() == Phase.OVER) {
        return;
      }
      if (workload.isOpenLoop()) {
        free.add(this);
      } else {
        submit(nowNanos);
      }
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
    if (pacer != null) {
      pacer.interrupt();
    }
    try {
      channel.close();
      pool.shutdown();
      if (!pool.awaitTermination(10, TimeUnit.SECONDS)) {
        System.err.println("AsynchronousFileChannel's threads still wait for the file.");
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
