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
 *
 * <p>A context over a driven loop has to be closed by the thread that drives it. Nobody else can do
 * that, so one that the program drops leaks, its files and memory with it, and the log says where
 * it was opened; while a device has a request of it, it is not even noticed. A context over a
 * volume may be dropped: it keeps the volume, and nothing else.
 */
public final class AioContext implements AutoCloseable {
  /** How long a driven loop sleeps at a time while a cancelled request is waited for. */
  private static final long LOOK_UP_NANOS = 100_000_000;

  private static final String STAYS =
      "Only the thread that drove it may close it, so its devices stay open, and their memory"
          + " taken: close a context on its thread, best by try-with-resources";

  private final Loop loop;
  private final Device root;
  private final boolean isShared;
  private final int capacity;
  private final Bounce bounce;
  private final BufferPools pools;

  // Guarded by `lock` over a threaded loop; the loop's thread's own over a driven one.
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition changed = lock.newCondition();
  private final IocbLine submitted = new IocbLine(); // over a threaded loop only
  private final ReadyRing ready = new ReadyRing();
  private int held;
  private boolean isClosed;

  /** What keeps the volume below open; null over a driven loop. */
  @SuppressWarnings("unused")
  private final @Nullable Volume volume;

  /** Over a driven loop only, for a volume closes itself. */
  private final @Nullable Dropped dropped;

  private AioContext(Loop loop, Device root, int capacity, String name) {
    requireCapacity(capacity);
    this.loop = loop;
    this.root = root;
    this.capacity = capacity;
    isShared = false;
    volume = null;
    bounce = new Bounce(root.limits().memoryAlignmentBytes());
    pools = new BufferPools(loop, root.limits().memoryAlignmentBytes());
    dropped = Dropped.watch(this, "the driven context " + name, STAYS, () -> !loop.isClosing());
  }

  private AioContext(Volume volume, int capacity) {
    requireCapacity(capacity);
    this.volume = volume;
    this.capacity = capacity;
    loop = volume.loop();
    root = volume.root();
    isShared = true;
    bounce = volume.bounce();
    pools = volume.pools();
    dropped = null;
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
    return driving(loop, Stack.build(loop, expression), capacity, expression);
  }

  /** A context over a driven loop, which it closes with itself. On the thread that drives it. */
  public static AioContext driving(Loop loop, Device root, int capacity) {
    return driving(loop, root, capacity, root.toString());
  }

  private static AioContext driving(Loop loop, Device root, int capacity, String name) {
    if (loop.isThreaded()) {
      throw new IllegalArgumentException("the loop has a thread of its own; see Volume");
    }
    return new AioContext(loop, root, capacity, name);
  }

  /** A context over an open volume, for any number of threads; the volume outlives it. */
  public static AioContext over(Volume volume, int capacity) {
    return new AioContext(volume, capacity);
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
              + ", from which it may only cancel; open a Volume for many threads");
    }
  }

  private boolean submitDriven(Iocb iocb) {
    requireDriver();
    if (!accept(iocb)) {
      return false;
    }
    if (load(iocb)) {
      enter(iocb);
    }
    return true;
  }

  private void enter(Iocb iocb) {
    try {
      loop.enter(iocb.bio);
    } catch (RuntimeException | Error e) {
      withdraw(iocb); // whatever is thrown there, is thrown before the loop has the request
      throw e;
    }
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
    if (load(iocb) && !loop.send(iocb.bio)) {
      withdraw(iocb);
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
    if (held >= capacity) {
      return false;
    }
    ready.reserve(held + 1);
    iocb.renewFlag();
    iocb.state = Iocb.SUBMITTED;
    held++;
    if (isShared) {
      submitted.add(iocb);
    }
    return true;
  }

  /** Makes the request of an accepted block; false if it has ended already. */
  private boolean load(Iocb iocb) {
    try {
      if (iocb.load()) {
        return true;
      }
    } catch (RuntimeException | Error e) {
      withdraw(iocb);
      throw e;
    }
    ended(iocb);
    return false;
  }

  /** An accepted block was not sent after all: nothing of it stays. */
  private void withdraw(Iocb iocb) {
    iocb.unload();
    if (!isShared) {
      iocb.state = Iocb.IDLE;
      held--;
      return;
    }
    lock.lock();
    try {
      submitted.remove(iocb);
      iocb.state = Iocb.IDLE;
      held--;
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  /** A request has ended. On the loop's thread, or its submitter's if it was never sent. */
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

  /** Over a driven loop: the event of a block that is ready, which is idle from now on. */
  private IoEvent take(Iocb iocb) {
    IoEvent event = iocb.toEvent();
    ready.remove(iocb);
    held--;
    iocb.state = Iocb.IDLE;
    return event;
  }

  /** Over a threaded loop, under the lock: takes a block out of what is ready. */
  private void detach(Iocb iocb, IocbLine taken) {
    ready.remove(iocb);
    held--;
    iocb.state = Iocb.TAKEN;
    taken.add(iocb);
  }

  /** Over a threaded loop, under no lock: makes the events, and gives each to the taker. */
  private int handOver(IocbLine taken, Consumer<IoEvent> taker) {
    int count = 0;
    try {
      for (Iocb iocb = taken.first; iocb != null; iocb = taken.first) {
        IoEvent event = iocb.toEvent();
        taken.remove(iocb);
        iocb.state = Iocb.IDLE;
        count++;
        taker.accept(event);
      }
    } finally {
      if (taken.size > 0) {
        putBack(taken);
      }
    }
    return count;
  }

  /** Something was thrown: what was not handed over is what others find first. */
  private void putBack(IocbLine taken) {
    lock.lock();
    try {
      held += taken.size;
      ready.reserve(held);
      for (Iocb iocb = taken.last(); iocb != null; iocb = taken.last()) {
        taken.remove(iocb);
        iocb.state = Iocb.READY;
        ready.addFirst(iocb);
      }
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  /**
   * Takes events, in the order in which requests ended. An interrupt and a timeout take none.
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
    getEvents(least, most, IoOptions.nanosOf(timeout), events::add);
    return events;
  }

  /**
   * The same, giving each event to {@code taker}; answers how many. An event is handed over, and
   * its block idle, once the taker was called with it. Whatever the taker throws is thrown on; the
   * events after that stay, before all others, for the next that asks, even if the context holds
   * more than its capacity then.
   */
  public int getEvents(int least, int most, long timeoutNanos, Consumer<IoEvent> taker)
      throws InterruptedException {
    long timeout = Math.max(0, timeoutNanos);
    return isShared
        ? getShared(least, most, timeout, taker)
        : getDriven(least, most, timeout, taker);
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
    IocbLine taken = new IocbLine();
    lock.lockInterruptibly();
    try {
      long left = timeoutNanos;
      while (ready.size < least && held > ready.size && left > 0) {
        requireNotOnLoop();
        left = changed.awaitNanos(left);
      }
      for (Iocb iocb = ready.first(); iocb != null && taken.size < most; iocb = ready.first()) {
        detach(iocb, taken);
      }
    } finally {
      lock.unlock();
    }
    return handOver(taken, taker);
  }

  private void requireNotOnLoop() {
    if (loop.isOnLoop()) {
      throw new IllegalStateException(
          "waiting here would never end: this is the volume's loop, which alone can complete what"
              + " is waited for; wait on another thread, or ask with a timeout of 0");
    }
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
    IocbLine taken = new IocbLine();
    lock.lockInterruptibly();
    try {
      while (iocb.state == Iocb.SUBMITTED) {
        requireNotOnLoop();
        changed.await();
      }
      if (iocb.state != Iocb.READY) {
        return null;
      }
      detach(iocb, taken);
    } finally {
      lock.unlock();
    }
    List<IoEvent> event = new ArrayList<>(1);
    handOver(taken, event::add);
    return event.get(0);
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
    long graceNanos = IoOptions.nanosOf(grace);
    if (dropped != null) {
      requireDriver();
      isClosed = true;
      int left = loop.close(graceNanos);
      dropped.closed();
      return left;
    }
    boolean interrupted = false;
    long start = System.nanoTime();
    lock.lock();
    try {
      if (submitted.size > 0) {
        requireNotOnLoop();
      }
      isClosed = true;
      for (Iocb iocb = submitted.first; iocb != null; iocb = iocb.next) {
        iocb.flagForCancel().raise(CancelFlag.Reason.CLOSE);
      }
      long left = graceNanos;
      while (submitted.size > 0 && left > 0) {
        try {
          changed.awaitNanos(left);
        } catch (InterruptedException e) {
          interrupted = true;
        }
        left = graceNanos == Long.MAX_VALUE ? left : graceNanos - (System.nanoTime() - start);
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
}
