// SPDX-License-Identifier: Apache-2.0
package dev.belay.front;

import dev.belay.Bio;
import dev.belay.CancelFlag;
import dev.belay.Errno;
import dev.belay.Extents;
import dev.belay.Holes;
import dev.belay.IoError;
import dev.belay.Loop;
import dev.belay.Op;
import dev.belay.Outcome;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * One request of a {@link Volume}, on its way. It is done when the I/O is, and not before: {@link
 * #cancel} only raises the request's flag, and so does {@link #orTimeout}. It ends normally with a
 * DONE outcome; or, where it was stopped, with a {@link CancellationException} whose root cause is
 * a {@link CancelledException}; or with a {@link FailedException}. Both carry the outcome, and
 * {@link #outcome} gives it in every case.
 *
 * <p>Dependent stages that are not asynchronous run on the volume's loop, which does nothing else
 * meanwhile: they must be short and must not block. Waiting there for this volume's requests, or
 * for stages that follow from them, would never end, and is refused with an IllegalStateException.
 * Asynchronous ones run on virtual threads.
 */
public final class IoFuture extends CompletableFuture<Outcome> {
  private static final Executor VIRTUAL = Thread::startVirtualThread;

  /** How long a call whose patience is over still waits: what no device has is answered in it. */
  private static final long LAST_LOOK_NANOS = 10_000_000;

  private final Bio bio;
  private final CancelFlag flag;
  private final Op op;
  private final long offsetBytes;
  private final List<MemorySegment> buffers;
  private final boolean copiesOnLoop;

  /** Kept until the request has ended, so that a volume with requests is never a dropped one. */
  private @Nullable Volume volume;

  private @Nullable MemorySegment stand;
  private @Nullable BufferPool pool;
  private volatile @Nullable Outcome outcome;

  /**
   * @param buffers the caller's buffers, one behind the other; none for operations without
   * @param copiesOnLoop whether bytes that were read into bounce memory are copied to the buffers
   *     before the future is done; otherwise by {@link #await}
   */
  IoFuture(
      Volume volume,
      Op op,
      long offsetBytes,
      List<MemorySegment> buffers,
      CancelFlag flag,
      boolean copiesOnLoop) {
    this.volume = volume;
    this.op = op;
    this.offsetBytes = offsetBytes;
    this.buffers = buffers;
    this.flag = flag;
    this.copiesOnLoop = copiesOnLoop;
    bio = new Bio(volume.loop(), this::ended);
  }

  /** Prepares the request and sends it. On the caller's thread. */
  void start(Volume on, long lengthBytes, boolean fua) {
    MemorySegment memory = MemorySegment.NULL;
    boolean isDirect = false;
    if (op.hasBuffer() && lengthBytes > 0) {
      isDirect =
          buffers.size() == 1
              && Bounce.isDirect(buffers.get(0), on.root().limits().memoryAlignmentBytes());
      memory = isDirect ? buffers.get(0) : takeStand(on, lengthBytes);
    }
    bio.prepare(op, on.root(), offsetBytes, lengthBytes, memory, 0, flag);
    bio.setFua(fua);
    if (stand != null && op == Op.WRITE) {
      IoError wrong = Bounce.gather(buffers, bio);
      if (wrong != null) {
        end(giveStandBack(failedClean(lengthBytes, wrong)));
        return;
      }
    }
    if (isDirect) {
      pool = on.pools().begin(memory); // the last that can refuse
    }
    if (!bio.loop().send(bio)) {
      if (pool != null) {
        pool.takeBack(memory.address());
        pool = null;
      }
      IoError closed = new IoError(Errno.EBADF, "the volume is closed");
      end(giveStandBack(failedClean(lengthBytes, closed)));
    }
  }

  private MemorySegment takeStand(Volume on, long lengthBytes) {
    buffers.forEach(Bounce::requireUsable);
    MemorySegment taken = on.bounce().take(lengthBytes);
    stand = taken;
    return taken;
  }

  /** On the loop's thread; whatever is thrown here must not lose the request. */
  private void ended(Bio done) {
    try {
      if (pool != null) {
        pool.end(buffers.get(0).address());
        pool = null;
      }
      Outcome result = done.outcome();
      end(copiesOnLoop ? unload(result) : result);
    } catch (RuntimeException | Error defect) {
      IoError error = new IoError(Errno.EIO, "the result could not be handed over: " + defect);
      end(failed(done.lengthBytes(), Extents.State.UNKNOWN, error));
    }
  }

  /** Copies what was read to the caller's buffers, if it is not there yet. */
  private Outcome unload(Outcome result) {
    if (stand == null) {
      return result;
    }
    IoError wrong = op == Op.READ ? Bounce.scatter(bio, buffers, result) : null;
    return giveStandBack(wrong == null ? result : bufferFailed(result, wrong));
  }

  private Outcome giveStandBack(Outcome result) {
    MemorySegment given = stand;
    if (given != null && volume != null) {
      stand = null;
      volume.bounce().give(given);
    }
    return result;
  }

  private void end(Outcome result) {
    outcome = result;
    if (copiesOnLoop) {
      volume = null;
    }
    switch (result.kind()) {
      case DONE -> super.complete(result);
      case CANCELLED -> super.completeExceptionally(new Stopped(result));
      case FAILED -> super.completeExceptionally(new FailedException(result));
    }
  }

  /** The bytes were read, but could not be handed over. */
  static Outcome bufferFailed(Outcome read, IoError error) {
    return new Outcome(
        Outcome.Kind.FAILED,
        read.lengthBytes(),
        Extents.whole(read.lengthBytes(), Extents.State.UNKNOWN),
        read.reason(),
        error);
  }

  /** Nothing was sent. */
  static Outcome failedClean(long lengthBytes, IoError error) {
    return failed(lengthBytes, Extents.State.CLEAN, error);
  }

  private static Outcome failed(long lengthBytes, Extents.State bytes, IoError error) {
    return new Outcome(
        Outcome.Kind.FAILED, lengthBytes, Extents.whole(lengthBytes, bytes), null, error);
  }

  /**
   * Waits, without pinning a virtual thread's carrier. An interrupt raises the flag, and the wait
   * goes on; the interrupt status is set again on return.
   */
  Outcome await(IoOptions options) throws IOException {
    boolean interrupted = false;
    boolean isBounded = options.patience() != null || options.grace() != null;
    Leaving leaving = isBounded ? new Leaving(options) : null;
    try {
      while (!isDone()) {
        try {
          waitAtMost(leaving == null ? Long.MAX_VALUE : leaving.waitNanos());
        } catch (InterruptedException e) {
          interrupted = true;
          flag.raise(CancelFlag.Reason.INTERRUPT);
        }
      }
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
    return unload(outcome());
  }

  /** When a blocking call leaves a request that is not answered. On the caller's thread. */
  private final class Leaving {
    private final long startNanos = System.nanoTime();
    private final long patienceNanos;
    private final long graceNanos;
    private boolean isAsked;
    private long askedNanos;

    Leaving(IoOptions options) {
      patienceNanos = IoOptions.nanosOf(options.patience());
      graceNanos = IoOptions.nanosOf(options.grace());
    }

    /**
     * How long to wait before asking again: the flag may go up without waking the waiter.
     *
     * @throws AbandonedException if it has waited for long enough
     */
    long waitNanos() throws AbandonedException {
      long now = System.nanoTime();
      long left = left(patienceNanos, now - startNanos);
      if (left <= 0) {
        flag.raise(CancelFlag.Reason.DEADLINE);
      }
      if (!isAsked && flag.isRaised()) {
        isAsked = true;
        askedNanos = now;
      }
      if (!isAsked) {
        return Math.min(left, untilRaisedNanos(now));
      }
      long goneNanos = now - askedNanos;
      left = Math.min(Math.max(left, LAST_LOOK_NANOS - goneNanos), left(graceNanos, goneNanos));
      if (left <= 0) {
        throw abandoned(now - startNanos);
      }
      return left;
    }

    private static long left(long atMostNanos, long goneNanos) {
      return atMostNanos == Long.MAX_VALUE ? Long.MAX_VALUE : atMostNanos - goneNanos;
    }

    private long untilRaisedNanos(long nowNanos) {
      if (graceNanos == Long.MAX_VALUE) {
        return Long.MAX_VALUE;
      }
      long look = Math.clamp(graceNanos / 4, 1_000_000L, 100_000_000L);
      long deadline = flag.deadlineNanos();
      return deadline == Long.MAX_VALUE ? look : Math.min(look, Math.max(1, deadline - nowNanos));
    }
  }

  /** The caller leaves; what stands in for its buffers goes back when the request has ended. */
  private AbandonedException abandoned(long waitedNanos) {
    MemorySegment left = stand;
    Volume on = volume;
    if (left != null && on != null) {
      stand = null;
      var _ = whenComplete((_, _) -> on.bounce().give(left));
    }
    return new AbandonedException(
        String.format(
            "%s of %d bytes at %d was not answered by its device within %s, although it was asked"
                + " to stop; the request and its native memory stay with the volume until it is",
            op, bio.lengthBytes(), offsetBytes, Duration.ofNanos(waitedNanos)),
        this);
  }

  private void waitAtMost(long waitNanos) throws InterruptedException {
    try {
      if (waitNanos == Long.MAX_VALUE) {
        get();
      } else {
        get(waitNanos, TimeUnit.NANOSECONDS);
      }
    } catch (TimeoutException e) {
      // The caller of this looks at the clock and the flag again.
    } catch (ExecutionException | CancellationException e) {
      // The outcome says it.
    }
  }

  /** The request's flag: raise it to ask the request to stop. */
  public CancelFlag flag() {
    return flag;
  }

  /**
   * How the request ended, however it ended.
   *
   * @throws IllegalStateException while it has not
   */
  public Outcome outcome() {
    Outcome result = outcome;
    if (result == null) {
      throw new IllegalStateException("the request is still on its way");
    }
    return result;
  }

  /** What a search for holes that is done has found. */
  Holes holes() {
    outcome();
    return bio.holes();
  }

  /**
   * Raises the request's flag; nothing else. The future is done when the I/O is.
   *
   * @return false if it was done already
   */
  @Override
  public boolean cancel(boolean mayInterruptIfRunning) {
    if (isDone()) {
      return false;
    }
    flag.raise(CancelFlag.Reason.EXPLICIT);
    return true;
  }

  /** Raises the flag when the time is over; the future is done when the I/O is. */
  @Override
  public IoFuture orTimeout(long timeout, TimeUnit unit) {
    CompletableFuture<Outcome> timer = new CompletableFuture<>();
    var unused =
        timer
            .completeOnTimeout(Outcome.done(0), timeout, unit)
            .thenRun(() -> flag.raise(CancelFlag.Reason.DEADLINE));
    // A request that is done is not kept until its time is over.
    unused = whenComplete((result, error) -> timer.cancel(false)).thenRun(() -> {});
    return this;
  }

  /** Not to be had: only the I/O completes its future. */
  @Override
  public boolean complete(Outcome value) {
    throw onlyTheIo();
  }

  /** Not to be had: only the I/O completes its future. */
  @Override
  public boolean completeExceptionally(Throwable ex) {
    throw onlyTheIo();
  }

  /** Not to be had: only the I/O completes its future. */
  @Override
  public IoFuture completeAsync(Supplier<? extends Outcome> supplier, Executor executor) {
    throw onlyTheIo();
  }

  /** Not to be had: only the I/O completes its future. */
  @Override
  public IoFuture completeOnTimeout(Outcome value, long timeout, TimeUnit unit) {
    throw onlyTheIo();
  }

  /** Not to be had: only the I/O completes its future. */
  @Override
  public void obtrudeValue(Outcome value) {
    throw onlyTheIo();
  }

  /** Not to be had: only the I/O completes its future. */
  @Override
  public void obtrudeException(Throwable ex) {
    throw onlyTheIo();
  }

  private static UnsupportedOperationException onlyTheIo() {
    return new UnsupportedOperationException(
        "an IoFuture is completed by its I/O alone; cancel() asks that to stop");
  }

  /**
   * Waits for the I/O.
   *
   * @throws IllegalStateException on the volume's loop, which would wait for itself
   */
  @Override
  public Outcome get() throws InterruptedException, ExecutionException {
    requireWaitable(bio.loop(), this);
    return super.get();
  }

  /** The same, for so long; what is negative is over at once. */
  @Override
  public Outcome get(long timeout, TimeUnit unit)
      throws InterruptedException, ExecutionException, TimeoutException {
    requireWaitable(bio.loop(), this);
    return super.get(timeout, unit);
  }

  /** As {@link #get()}, with a CompletionException where it failed; not interrupted. */
  @Override
  public Outcome join() {
    requireWaitable(bio.loop(), this);
    return super.join();
  }

  /** A stage that follows from this one; it may not be waited for on the loop either. */
  @Override
  public <U> CompletableFuture<U> newIncompleteFuture() {
    return new Following<>(bio.loop());
  }

  @Override
  public Executor defaultExecutor() {
    return VIRTUAL;
  }

  private static void requireWaitable(Loop loop, CompletableFuture<?> awaited) {
    if (loop.isOnLoop() && !awaited.isDone()) {
      throw new IllegalStateException(
          "waiting here would never end: this stage runs on the volume's loop, which alone can"
              + " complete what it waits for; go on with thenCompose, or run the stage elsewhere by"
              + " its Async method");
    }
  }

  /** What comes after a request: stages of it, and stages of these. */
  private static final class Following<T> extends CompletableFuture<T> {
    private final Loop loop;

    Following(Loop loop) {
      this.loop = loop;
    }

    @Override
    public T get() throws InterruptedException, ExecutionException {
      requireWaitable(loop, this);
      return super.get();
    }

    @Override
    public T get(long timeout, TimeUnit unit)
        throws InterruptedException, ExecutionException, TimeoutException {
      requireWaitable(loop, this);
      return super.get(timeout, unit);
    }

    @Override
    public T join() {
      requireWaitable(loop, this);
      return super.join();
    }

    @Override
    public <U> CompletableFuture<U> newIncompleteFuture() {
      return new Following<>(loop);
    }

    @Override
    public Executor defaultExecutor() {
      return VIRTUAL;
    }
  }

  /** Where it was made, on the loop, tells nobody anything, and cancelling must not cost much. */
  private static final class Stopped extends CancellationException {
    private static final long serialVersionUID = 1;

    Stopped(Outcome outcome) {
      super(outcome.toString());
      initCause(CancelledException.withoutTrace(outcome));
    }

    @Override
    public synchronized Throwable fillInStackTrace() {
      return this;
    }
  }
}
