// SPDX-License-Identifier: Apache-2.0
package dev.belay.front;

import dev.belay.CancelFlag;
import dev.belay.Device;
import dev.belay.Loop;
import dev.belay.stack.Stack;
import dev.belay.stack.StackException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Asynchronous I/O in the kernel's shape, made sane: submit control blocks, get events. {@link
 * #cancel} returns nothing and only marks the request; its event comes by {@link #getEvents} like
 * every other, once.
 *
 * <p>Over a driven loop, everything but {@code cancel} is for the one thread that drives it, which
 * is the cheapest way there is: submitting runs the stack, and getting events polls the devices.
 * Over a threaded loop, any number of threads may do anything.
 *
 * <p>A context is bounded: it holds {@code capacity} requests, from submission until their event is
 * taken, and then says that it is full.
 */
public final class AioContext implements AutoCloseable {
  /** How long a driven loop sleeps at a time while a cancelled request is waited for. */
  private static final long LOOK_UP_NANOS = 100_000_000;

  private final Loop loop;
  private final Device root;
  private final boolean isShared;
  private final int capacity;
  private final Bounce bounce;
  private final BufferPools pools;

  // Guarded by `lock` over a threaded loop; the loop's thread's own over a driven one.
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition changed = lock.newCondition();
  private final Line submitted = new Line(); // over a threaded loop only
  private final Ready ready = new Ready();
  private int held;
  private boolean isClosed;

  private AioContext(Loop loop, Device root, int capacity, Bounce bounce, BufferPools pools) {
    requireCapacity(capacity);
    this.loop = loop;
    this.root = root;
    this.capacity = capacity;
    isShared = loop.isThreaded();
    this.bounce = bounce;
    this.pools = pools;
  }

  /**
   * Opens the stack that an expression describes, driven by the calling thread, which must be a
   * platform thread and is the one that uses the context.
   *
   * @throws StackException if the text is wrong or a device cannot be opened: where, what, and what
   *     would be right. Nothing is left open then
   */
  public static AioContext open(String expression, int capacity) {
    requireCapacity(capacity);
    if (Thread.currentThread().isVirtual()) {
      throw new IllegalStateException(
          "a driven context stays on one platform thread; on virtual threads, open a Volume");
    }
    Loop loop = Loop.driven();
    return driving(loop, Stack.build(loop, expression), capacity);
  }

  /** A context over a driven loop, which it closes with itself. On the thread that drives it. */
  public static AioContext driving(Loop loop, Device root, int capacity) {
    if (loop.isThreaded()) {
      throw new IllegalArgumentException("the loop has a thread of its own; see Volume");
    }
    int alignment = root.limits().memoryAlignmentBytes();
    return new AioContext(
        loop, root, capacity, new Bounce(alignment), new BufferPools(loop, alignment));
  }

  /** A context over an open volume, for any number of threads; the volume outlives it. */
  public static AioContext over(Volume volume, int capacity) {
    return new AioContext(
        volume.loop(), volume.root(), capacity, volume.bounce(), volume.pools());
  }

  private static void requireCapacity(int capacity) {
    if (capacity < 1) {
      throw new IllegalArgumentException("a context holds at least 1 request, not " + capacity);
    }
  }

  /** A control block for this context. */
  public Iocb newIocb() {
    return new Iocb(this);
  }

  /**
   * Submits a prepared control block.
   *
   * @return false if the context is full: take events first
   * @throws IllegalStateException if the block is submitted already, or the context is closed
   */
  public boolean submit(Iocb iocb) {
    if (iocb.context() != this) {
      throw new IllegalArgumentException("the Iocb was made by another context");
    }
    return isShared ? submitShared(iocb) : submitDriven(iocb);
  }

  /** Submits as many as fit, in order; answers how many. */
  public int submit(List<Iocb> iocbs) {
    int count = 0;
    while (count < iocbs.size() && submit(iocbs.get(count))) {
      count++;
    }
    return count;
  }

  /** Asked before anything changes, so that a refusal leaves everything as it was. */
  private void requireDriver() {
    if (!loop.isOnLoop()) {
      throw new IllegalStateException(
          "a driven context is for the thread that opened it alone, and was used from the thread "
              + Thread.currentThread().getName()
              + "; open a Volume for many threads");
    }
  }

  private boolean submitDriven(Iocb iocb) {
    requireDriver();
    if (!accept(iocb)) {
      return false;
    }
    loop.enter(iocb.bio);
    return true;
  }

  private boolean submitShared(Iocb iocb) {
    lock.lock();
    try {
      if (!accept(iocb)) {
        return false;
      }
    } finally {
      lock.unlock();
    }
    if (!loop.send(iocb.bio)) {
      lock.lock();
      try {
        submitted.remove(iocb);
        iocb.unloaded();
        iocb.state = Iocb.IDLE;
        held--;
      } finally {
        lock.unlock();
      }
      throw new IllegalStateException("the volume below this context is closed");
    }
    return true;
  }

  private boolean accept(Iocb iocb) {
    if (isClosed) {
      throw new IllegalStateException("the context is closed");
    }
    if (iocb.state != Iocb.IDLE) {
      throw new IllegalStateException("the Iocb is submitted already, and its event not yet taken");
    }
    if (held == capacity) {
      return false;
    }
    iocb.load();
    iocb.state = Iocb.SUBMITTED;
    held++;
    if (isShared) {
      submitted.add(iocb);
    }
    return true;
  }

  /** A request has ended. On the loop's thread. */
  void ended(Iocb iocb) {
    if (!isShared) {
      iocb.state = Iocb.READY;
      ready.add(iocb);
      return;
    }
    lock.lock();
    try {
      submitted.remove(iocb);
      iocb.state = Iocb.READY;
      ready.add(iocb);
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  private IoEvent take(Iocb iocb) {
    ready.remove(iocb);
    held--;
    IoEvent event = iocb.toEvent();
    iocb.state = Iocb.IDLE;
    return event;
  }

  /**
   * Takes events, in the order in which requests ended.
   *
   * @param least waits until there are so many, or {@code timeout} is over, or the context is idle
   * @param most takes no more than these
   * @throws InterruptedException if the thread is interrupted while it waits; no event is lost. A
   *     driven loop that sleeps in the kernel notices an interrupt with the next event, or when the
   *     timeout is over: give one where that matters
   */
  public List<IoEvent> getEvents(int least, int most, Duration timeout)
      throws InterruptedException {
    List<IoEvent> events = new ArrayList<>();
    getEvents(least, most, TimeUnit.NANOSECONDS.convert(timeout), events::add);
    return events;
  }

  /** The same, giving each event to {@code taker}; answers how many. */
  public int getEvents(int least, int most, long timeoutNanos, Consumer<IoEvent> taker)
      throws InterruptedException {
    return isShared
        ? getShared(least, most, timeoutNanos, taker)
        : getDriven(least, most, timeoutNanos, taker);
  }

  private int getDriven(int least, int most, long timeoutNanos, Consumer<IoEvent> taker)
      throws InterruptedException {
    requireDriver();
    if (ready.size < least) {
      turnUntil(least, timeoutNanos);
    } else if (ready.size < most && held > ready.size) {
      loop.turn(0);
    }
    int count = 0;
    for (Iocb iocb = ready.first(); iocb != null && count < most; iocb = ready.first()) {
      count++;
      taker.accept(take(iocb));
    }
    return count;
  }

  private void turnUntil(int least, long timeoutNanos) throws InterruptedException {
    long start = loop.clock().nanos();
    long left = timeoutNanos;
    while (ready.size < least && held > ready.size) {
      if (Thread.interrupted()) {
        throw new InterruptedException();
      }
      loop.turn(left);
      if (ready.size < least && timeoutNanos != Long.MAX_VALUE) {
        left = timeoutNanos - (loop.clock().nanos() - start);
        if (left <= 0) {
          return;
        }
      }
    }
  }

  private int getShared(int least, int most, long timeoutNanos, Consumer<IoEvent> taker)
      throws InterruptedException {
    List<IoEvent> events = new ArrayList<>(Math.min(most, capacity));
    lock.lockInterruptibly();
    try {
      long left = timeoutNanos;
      while (ready.size < least && held > ready.size && left > 0) {
        left = changed.awaitNanos(left);
      }
      for (Iocb iocb = ready.first(); iocb != null && events.size() < most; iocb = ready.first()) {
        events.add(take(iocb));
      }
      changed.signalAll(); // who waits for more than there can be now has to see it
    } finally {
      lock.unlock();
    }
    events.forEach(taker);
    return events.size();
  }

  /**
   * Asks a request to stop. Only marks it: returns nothing, waits for nothing, fails never; whether
   * it was stopped, its event says. Any thread, any time. It means the request that the control
   * block holds now; whoever reuses blocks and cancels late keeps {@link Iocb#flag} instead.
   */
  public void cancel(Iocb iocb) {
    iocb.flagForCancel().raise(CancelFlag.Reason.EXPLICIT);
  }

  /**
   * Asks a request to stop, waits for its event, and hands back that event itself, which {@link
   * #getEvents} then does not give.
   *
   * @return null if the request is not under way: its event was taken by somebody else
   */
  public @Nullable IoEvent cancelAndWait(Iocb iocb) throws InterruptedException {
    cancel(iocb);
    if (!isShared) {
      requireDriver();
      while (iocb.state == Iocb.SUBMITTED) {
        if (Thread.interrupted()) {
          throw new InterruptedException();
        }
        loop.turn(LOOK_UP_NANOS);
      }
      return iocb.state == Iocb.READY ? take(iocb) : null;
    }
    lock.lockInterruptibly();
    try {
      while (iocb.state == Iocb.SUBMITTED) {
        changed.await();
      }
      return iocb.state == Iocb.READY ? take(iocb) : null;
    } finally {
      lock.unlock();
    }
  }

  /**
   * Makes a pool of native buffers that devices can be given as they are, and that are registered
   * with the kernel where it takes them. Over a driven loop, on its thread.
   *
   * @param bufferBytes the size of each, above 0
   * @param count how many, above 0
   */
  public BufferPool newBuffers(long bufferBytes, int count) {
    if (!isShared) {
      requireDriver();
    }
    return pools.newPool(bufferBytes, count);
  }

  /** How many requests are held: submitted, or ended and not yet taken. */
  public int held() {
    if (!isShared) {
      requireDriver();
      return held;
    }
    lock.lock();
    try {
      return held;
    } finally {
      lock.unlock();
    }
  }

  /** How many requests it can hold. */
  public int capacity() {
    return capacity;
  }

  /** The kernel's name for {@link #close}. */
  public void destroy() {
    close();
  }

  /**
   * Asks every request to stop and waits until all have ended. Events that nobody took are dropped.
   * Over a driven loop, closes the loop and its devices as well.
   */
  @Override
  public void close() {
    close(null);
  }

  /**
   * The same, but waits no longer than {@code grace} for devices that do not answer.
   *
   * @return how many requests are still with a device: 0 when the context is closed; else their
   *     memory stays with the stack
   */
  public int close(@Nullable Duration grace) {
    long graceNanos = grace == null ? Long.MAX_VALUE : TimeUnit.NANOSECONDS.convert(grace);
    if (!isShared) {
      requireDriver();
      isClosed = true;
      return loop.close(graceNanos);
    }
    boolean interrupted = false;
    lock.lock();
    try {
      isClosed = true;
      for (Iocb iocb = submitted.first; iocb != null; iocb = iocb.next) {
        iocb.flagForCancel().raise(CancelFlag.Reason.CLOSE);
      }
      long left = graceNanos;
      while (submitted.size > 0 && left > 0) {
        try {
          left = changed.awaitNanos(left);
        } catch (InterruptedException e) {
          interrupted = true;
        }
      }
      return submitted.size;
    } finally {
      lock.unlock();
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  Loop loop() {
    return loop;
  }

  Device root() {
    return root;
  }

  Bounce bounce() {
    return bounce;
  }

  BufferPools pools() {
    return pools;
  }

  /**
   * Control blocks whose requests have ended, in order: a ring of a power of two. One that is taken
   * out of turn leaves a gap.
   */
  private static final class Ready {
    private @Nullable Iocb[] ring = new @Nullable Iocb[16];
    private int head;
    private int tail;
    int size;

    void add(Iocb iocb) {
      if (tail - head == ring.length) {
        widen();
      }
      iocb.place = tail;
      ring[tail++ & (ring.length - 1)] = iocb;
      size++;
    }

    @Nullable Iocb first() {
      return size == 0 ? null : ring[head & (ring.length - 1)];
    }

    void remove(Iocb iocb) {
      ring[iocb.place & (ring.length - 1)] = null;
      size--;
      while (head != tail && ring[head & (ring.length - 1)] == null) {
        head++;
      }
    }

    /** Leaves the gaps out, and makes room for as many again. */
    private void widen() {
      @Nullable Iocb[] old = ring;
      int end = tail;
      int from = head;
      ring = new @Nullable Iocb[Math.max(16, Integer.highestOneBit(size) << 2)];
      head = 0;
      tail = 0;
      size = 0;
      for (int i = from; i != end; i++) {
        Iocb iocb = old[i & (old.length - 1)];
        if (iocb != null) {
          add(iocb);
        }
      }
    }
  }

  /** Control blocks in a row. */
  private static final class Line {
    @Nullable Iocb first;
    private @Nullable Iocb last;
    int size;

    void add(Iocb iocb) {
      iocb.previous = last;
      if (last != null) {
        last.next = iocb;
      } else {
        first = iocb;
      }
      last = iocb;
      size++;
    }

    void remove(Iocb iocb) {
      if (iocb.previous != null) {
        iocb.previous.next = iocb.next;
      } else {
        first = iocb.next;
      }
      if (iocb.next != null) {
        iocb.next.previous = iocb.previous;
      } else {
        last = iocb.previous;
      }
      iocb.previous = null;
      iocb.next = null;
      size--;
    }
  }
}
