// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.Device;
import dev.belay.Loop;
import dev.belay.front.AioContext;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Driven {@link AioContext}s: each job is a thread with a loop and a stack of its own, which is the
 * cheapest way through Belay there is.
 */
final class DrivenEngine implements Engine {
  private static final long CLOSE_SECONDS = 10;

  private final Workload workload;
  private final Phase phase;
  private final Function<Loop, Device> stack;
  private final @Nullable Canceller canceller;
  private final List<Thread> threads = new ArrayList<>();
  private final List<DrivenJob> jobs = new ArrayList<>();
  private final CountDownLatch submitting;

  /**
   * @param stack makes the devices, on the thread of each job
   */
  DrivenEngine(Workload workload, Phase phase, Function<Loop, Device> stack) {
    this.workload = workload;
    this.phase = phase;
    this.stack = stack;
    canceller = workload.cancels() ? new Canceller(workload) : null;
    submitting = new CountDownLatch(workload.jobs());
  }

  @Override
  public void start() {
    for (int i = 0; i < workload.jobs(); i++) {
      int number = i;
      Thread thread = new Thread(() -> runJob(number), "bench-job-" + i);
      threads.add(thread);
      thread.start();
    }
  }

  private void runJob(int number) {
    Loop loop = Loop.driven();
    try {
      Device root = stack.apply(loop);
      Workload own = workload.withRate(workload.ratePerSecond() / workload.jobs());
      DrivenJob job = new DrivenJob(own, phase, loop, root, canceller, number);
      synchronized (jobs) {
        jobs.add(job);
      }
      job.run();
    } catch (InterruptedException e) {
      // By stop, for a device that does not answer.
    } catch (RuntimeException | Error e) {
      phase.fail(e);
    } finally {
      submitting.countDown();
      int left = loop.close(TimeUnit.SECONDS.toNanos(CLOSE_SECONDS));
      if (left > 0) {
        System.err.println(left + " requests are still with a device that does not answer them.");
      }
    }
  }

  @Override
  public long ended() {
    synchronized (jobs) {
      return jobs.stream().mapToLong(DrivenJob::ended).sum();
    }
  }

  @Override
  public Tally stop() {
    Tally sum = new Tally();
    try {
      if (!submitting.await(1, TimeUnit.SECONDS)) {
        // Asleep over a device that answers nothing: an interrupt gets through once a turn ends.
        synchronized (jobs) {
          jobs.forEach(DrivenJob::wake);
        }
        threads.forEach(Thread::interrupt);
        submitting.await();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    synchronized (jobs) {
      jobs.forEach(job -> sum.add(job.tally()));
    }
    return sum;
  }

  @Override
  public void close() {
    boolean interrupted = false;
    for (Thread thread : threads) {
      try {
        thread.join();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (canceller != null) {
      canceller.close();
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
