// SPDX-License-Identifier: Apache-2.0
package dev.belay;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The one thread that owns an open stack: it alone runs map, completions, timers and the leaves'
 * polling, so that none of them needs a lock, and one seed replays them.
 *
 * <p>A <i>threaded</i> loop has a thread of its own, which sleeps when it is idle; any number of
 * threads share the stack. A <i>driven</i> loop is run by the thread that made it, whenever that
 * calls {@link #turn}. Three things cross threads: flags, the mailbox, and finished requests.
 *
 * <p>Submission and completion are loops, not recursion: a device that submits from its map, or
 * completes from an end, only queues. Between every two devices there is one checkpoint, which
 * looks at the flag, the range and the alignment, and counts.
 */
public final class Loop {
  /** How many turns in a row a busy loop may put off the call that sends what it prepared. */
  private static final int BUSY_TURNS = 4;

  /** How often a wake-up that throws is tried by one sender. */
  private static final int WAKE_TRIES = 3;

  /** How long a loop rests after a turn that threw. */
  private static final long REST_NANOS = 1_000_000;

  /** How much is done between two looks at the mailbox, so that nobody keeps others out. */
  private static final int STEPS_A_TURN = 1 << 14;

  private static final int POOL_LARGEST = 4096;

  /**
   * Driven loops that are not closed. Nothing else may refer to one whose program forgot it, while
   * devices still use the memory of its requests: a forgotten loop leaks, it does not corrupt.
   */
  static final Set<Loop> DRIVEN = ConcurrentHashMap.newKeySet();

  private final String name;
  private final Clock clock;
  private final Timers timers = new Timers();
  private final boolean isThreaded;
  private @Nullable Thread owner;
  private Poller poller;
  final List<Device> devices = new ArrayList<>();
  private Consumer<Throwable> defects;

  // The mailbox: a stack of mail that is turned round when it is emptied. Any thread pushes.
  final AtomicReference<@Nullable Mail> mailbox = new AtomicReference<>();
  private final Mail mailboxClosed = new Message(() -> {});
  private final AtomicBoolean isSleeping = new AtomicBoolean();
  private final AtomicBoolean isStarted = new AtomicBoolean();

  // What waits to go down, and what waits to complete. The loop's thread, as all below.
  private @Nullable Bio firstDown;
  private @Nullable Bio lastDown;
  private @Nullable Bio firstUp;
  private @Nullable Bio lastUp;
  private boolean isRunning;
  private int busyTurns;

  private @Nullable Bio pool;
  private int pooled;

  // Requests that were accepted and have not ended.
  private @Nullable Bio[] openBios = new @Nullable Bio[64];
  private int open;
  private int settled;
  private volatile boolean isClosing;
  private final CountDownLatch closed = new CountDownLatch(1);
  private final List<Runnable> farewells = new ArrayList<>();

  private Loop(String name, Clock clock, boolean isThreaded) {
    this.name = name;
    this.clock = clock;
    this.isThreaded = isThreaded;
    owner = isThreaded ? null : Thread.currentThread();
    poller = new Parking();
    defects = new DefectLog(name);
  }

  /** A loop with a thread of its own, which {@link #start} starts when the devices are made. */
  public static Loop threaded(String name) {
    return new Loop(name, Clock.SYSTEM, true);
  }

  /** A loop that the calling thread, which must be a platform thread, runs by {@link #turn}. */
  public static Loop driven() {
    return driven(Clock.SYSTEM);
  }

  /** The same on another clock. */
  public static Loop driven(Clock clock) {
    Loop loop = new Loop("driven", clock, false);
    DRIVEN.add(loop);
    return loop;
  }

  // --- Before it starts ---

  void own(Device device) {
    devices.add(device);
  }

  /** What the loop turns on, which leaves share. */
  public Poller poller() {
    return poller;
  }

  /** Gives the loop another poller, before it starts; the old one is closed. */
  public void setPoller(Poller poller) {
    if (owner != null && isThreaded) {
      throw new IllegalStateException("a loop that runs keeps its poller");
    }
    this.poller.close();
    this.poller = poller;
  }

  /**
   * Where exceptions go that a device or an end threw, which none may; by default to the log. It is
   * also told of a threaded loop that does not turn any more, by a thread of the watchdog's own.
   */
  public void setDefects(Consumer<Throwable> defects) {
    this.defects = defects;
  }

  /** Says that something threw. Never throws, so that no request is lost on the way to it. */
  void report(Throwable defect) {
    try {
      defects.accept(defect);
    } catch (RuntimeException | Error e) {
      // Whoever was to be told cannot be told.
    }
  }

  String name() {
    return name;
  }

  /** Has {@code what} run, on the loop's thread or before it starts, when no request is left. */
  public void beforeClose(Runnable what) {
    farewells.add(what);
  }

  /**
   * Starts the thread of a threaded loop; a driven one is ready as it is.
   *
   * @throws IllegalStateException if it was started before
   */
  public void start() {
    if (isThreaded) {
      if (isStarted.getAndSet(true)) {
        throw new IllegalStateException(
            "the loop " + name + " was started already: one loop has one thread");
      }
      Thread thread =
          Thread.ofPlatform().daemon().name("belay-" + name).unstarted(this::runUntilClosed);
      owner = thread;
      try {
        thread.start();
        Watchdog.SHARED.watch(this, thread);
      } catch (Error e) {
        owner = null; // there is no thread to be had: it is closed as one that never started
        isStarted.set(false);
        throw e;
      }
    }
  }

  // --- Any thread ---

  public Clock clock() {
    return clock;
  }

  public boolean isThreaded() {
    return isThreaded;
  }

  /** Whether the calling thread is the one that runs this loop. */
  public boolean isOnLoop() {
    return Thread.currentThread() == owner;
  }

  /** Whether {@link #close} was called. */
  public boolean isClosing() {
    return isClosing;
  }

  /**
   * Sends a prepared request from any thread. It is accepted, and will end exactly once, unless the
   * answer is false: then the loop is closed, and the request is the caller's again.
   */
  public boolean send(Bio bio) {
    return post(bio);
  }

  /** Has {@code what} run on the loop's thread, soon. False if the loop is closed. */
  public boolean execute(Runnable what) {
    return post(new Message(what));
  }

  private boolean post(Mail mail) {
    for (; ; ) {
      Mail head = mailbox.get();
      if (head == mailboxClosed) {
        return false;
      }
      mail.nextMail = head;
      if (mailbox.compareAndSet(head, mail)) {
        break;
      }
    }
    if (isSleeping.get() && isSleeping.compareAndSet(true, false)) {
      wake();
    }
    return true;
  }

  /** Whoever raises a flag must not hear of a wake-up that fails; the next sender tries again. */
  private void wake() {
    for (int tries = 0; tries < WAKE_TRIES; tries++) {
      try {
        poller.wake();
        return;
      } catch (RuntimeException | Error e) {
        isSleeping.set(true); // it may sleep still
      }
    }
  }

  /** A flag that has bios here went up. From {@link CancelFlag#raise}, on any thread. */
  void flagRaised(Watch watch) {
    if (!watch.inMailbox.getAndSet(true)) {
      post(watch);
    }
  }

  /** Something to run on the loop's thread. */
  static final class Message extends Mail {
    private final Runnable what;

    Message(Runnable what) {
      this.what = what;
    }

    @Override
    void deliver(Loop on) {
      what.run();
    }
  }

  // --- The loop's thread: turning ---

  private void runUntilClosed() {
    while (!isClosing || open > 0 || settleNext()) {
      if (!isClosing || open > 0) {
        turnOn(Long.MAX_VALUE);
      }
    }
    closeAll();
  }

  /** Turns for those who wait for this thread: it goes on, slowly where a defect lasts. */
  private void turnOn(long waitNanos) {
    try {
      turn(waitNanos);
    } catch (RuntimeException | Error defect) {
      report(defect);
      LockSupport.parkNanos(REST_NANOS);
    }
  }

  /**
   * One turn: the mailbox, what the devices have finished, the timers; then what was prepared is
   * sent, and if nothing at all was found, the loop sleeps for at most {@code waitNanos} until
   * something happens.
   *
   * @return whether anything was found before it slept
   * @throws IllegalStateException on another thread than the loop's
   */
  public boolean turn(long waitNanos) {
    checkOnLoop();
    boolean busy = emptyMailbox();
    isRunning = true;
    try {
      busy |= poller.reap() > 0;
    } catch (RuntimeException | Error defect) {
      report(defect);
    }
    busy |= !timers.isEmpty() && timers.expire(clock.nanos(), this) > 0;
    busy |= drain(STEPS_A_TURN);
    if (busy || firstDown != null || firstUp != null) {
      if (waitNanos <= 0 || ++busyTurns >= BUSY_TURNS) {
        busyTurns = 0;
        enterPoller(0);
      }
      return true;
    }
    busyTurns = 0;
    sleep(waitNanos);
    return false;
  }

  private void sleep(long atMostNanos) {
    isRunning = true;
    poller.gather();
    long waitNanos = drain(STEPS_A_TURN) ? 0 : atMostNanos;
    if (waitNanos > 0 && !timers.isEmpty()) {
      waitNanos = Math.min(waitNanos, timers.soonestNanos() - clock.nanos());
    }
    isSleeping.set(waitNanos > 0);
    try {
      enterPoller(mailbox.get() == null ? Math.max(0, waitNanos) : 0);
    } finally {
      isSleeping.set(false);
    }
  }

  /** What completes while the poller enters waits until it is out again, as for a map. */
  private void enterPoller(long waitNanos) {
    isRunning = true;
    try {
      poller.enter(waitNanos);
    } finally {
      drain(STEPS_A_TURN);
    }
  }

  private boolean emptyMailbox() {
    if (mailbox.getPlain() == null) {
      return false;
    }
    Mail mail = mailbox.getAndSet(null);
    Mail turned = null;
    while (mail != null) {
      Mail next = mail.nextMail;
      mail.nextMail = turned;
      turned = mail;
      mail = next;
    }
    while (turned != null) {
      Mail next = turned.nextMail;
      turned.nextMail = null;
      isRunning = true;
      try {
        turned.deliver(this);
      } catch (RuntimeException | Error defect) {
        report(defect);
        turned.undelivered(this, defect);
      }
      drain(STEPS_A_TURN);
      turned = next;
    }
    return true;
  }

  public Timers timers() {
    return timers;
  }

  // --- The loop's thread: down and up ---

  /**
   * Accepts a front's request.
   *
   * @throws IllegalStateException on another thread than the loop's: that one {@linkplain #send
   *     sends} it
   */
  public void enter(Bio bio) {
    checkOnLoop();
    if (open == openBios.length) {
      openBios = Arrays.copyOf(openBios, 2 * open);
    }
    openBios[open] = bio;
    bio.openIndex = open++;
    if (isClosing) {
      bio.flag().raise(CancelFlag.Reason.CLOSE);
    }
    submit(bio);
  }

  private void checkOnLoop() {
    Thread mine = owner;
    if (mine != null && mine != Thread.currentThread()) {
      throw new IllegalStateException(
          "the loop %s belongs to the thread %s, and this is %s"
              .formatted(name, mine.getName(), Thread.currentThread()));
    }
  }

  private void leave(Bio bio) {
    int hole = bio.openIndex;
    Bio last = openBios[--open];
    if (last != null && last != bio) {
      openBios[hole] = last;
      last.openIndex = hole;
    }
    openBios[open] = null;
    bio.openIndex = -1;
  }

  /** How many requests were accepted and have not ended. */
  public int openRequests() {
    return open;
  }

  /** Shows each request that was accepted and has not ended; one may end while it is shown. */
  public void forEachOpen(Consumer<Bio> what) {
    for (int i = open - 1; i >= 0; i--) {
      Bio bio = i < open ? openBios[i] : null;
      if (bio != null) {
        what.accept(bio);
      }
    }
  }

  void submit(Bio bio) {
    bio.activate();
    if (isRunning) {
      if (lastDown == null) {
        firstDown = bio;
      } else {
        lastDown.nextQueued = bio;
      }
      lastDown = bio;
      return;
    }
    isRunning = true;
    forward(bio);
    drain(Integer.MAX_VALUE);
  }

  void completed(Bio bio) {
    if (!bio.endOnce()) {
      return;
    }
    if (lastUp == null) {
      firstUp = bio;
    } else {
      lastUp.nextQueued = bio;
    }
    lastUp = bio;
    if (!isRunning) {
      drain(Integer.MAX_VALUE);
    }
  }

  /**
   * Runs until nothing is left to complete and nothing to send down, or for so many steps.
   *
   * @return whether there was anything
   */
  private boolean drain(int mostSteps) {
    isRunning = true;
    int steps = 0;
    for (; steps < mostSteps; steps++) {
      Bio bio = firstUp;
      if (bio != null) {
        firstUp = bio.nextQueued;
        if (firstUp == null) {
          lastUp = null;
        }
        bio.nextQueued = null;
        finish(bio);
        continue;
      }
      bio = firstDown;
      if (bio == null) {
        break;
      }
      firstDown = bio.nextQueued;
      if (firstDown == null) {
        lastDown = null;
      }
      bio.nextQueued = null;
      forward(bio);
    }
    isRunning = false;
    return steps > 0;
  }

  private void finish(Bio bio) {
    if (bio.openIndex >= 0) {
      leave(bio);
    }
    try {
      bio.runEnd();
    } catch (RuntimeException | Error defect) {
      report(defect);
    }
  }

  /** The checkpoint, and the way down through devices that only remap. */
  private void forward(Bio bio) {
    for (; ; ) {
      if (bio.flag().isRaised()) {
        bio.cancelClean();
        return;
      }
      Device device = bio.device();
      long offset = bio.offsetBytes();
      long length = bio.lengthBytes();
      // Negative numbers and overflows of the sum come out as a violation as well.
      if (((offset | length) & (device.blockMask | Long.MIN_VALUE)) != 0
          || offset > device.sizeBytes - length
          || (bio.address() & device.memoryMask) != 0) {
        refuse(bio, device);
        return;
      }
      device.bios++;
      device.bytes += length;
      try {
        if (device.map(bio) == Verdict.TAKEN) {
          return;
        }
      } catch (RuntimeException | Error defect) {
        report(defect);
        bio.mapThrew(device, defect);
        return;
      }
    }
  }

  private static void refuse(Bio bio, Device device) {
    Limits limits = device.limits();
    String range = bio.op() + " of " + bio.lengthBytes() + " bytes at " + bio.offsetBytes();
    String takes = limits.sizeBytes() + " bytes, blocks of " + limits.logicalBlockBytes();
    String sentence =
        "%s, memory at %#x, does not fit the device %s, which has %s and memory aligned to %d"
            .formatted(range, bio.address(), device.kind(), takes, limits.memoryAlignmentBytes());
    bio.fail(Errno.EINVAL, sentence, Extents.State.CLEAN);
  }

  // --- The loop's thread: the pool of clones ---

  Bio takeFromPool() {
    Bio bio = pool;
    if (bio == null) {
      return new Bio(this);
    }
    pool = bio.nextQueued;
    bio.nextQueued = null;
    pooled--;
    return bio;
  }

  void putIntoPool(Bio bio) {
    if (pooled < POOL_LARGEST) {
      bio.nextQueued = pool;
      pool = bio;
      pooled++;
    }
  }

  // --- Closing ---

  /**
   * Raises the flag of every request, for {@link CancelFlag.Reason#CLOSE}, waits until all have
   * ended, closes the devices from the top down, and gives everything back. Requests that a device
   * never answers keep their buffers, which nobody frees, and their loop, which closes itself when
   * the last of them ends after all.
   *
   * @param graceNanos how long to wait; {@link Long#MAX_VALUE} for as long as it takes
   * @return how many requests were still with a device when the time was over: 0 when it is closed
   */
  public int close(long graceNanos) {
    if (!isThreaded || owner == null) {
      return closeDriven(graceNanos);
    }
    if (isOnLoop()) {
      throw new IllegalStateException("a loop is closed by another thread than its own");
    }
    execute(this::beginClosing);
    boolean interrupted = false;
    long deadline = System.nanoTime() + graceNanos;
    try {
      for (; ; ) {
        long left = graceNanos == Long.MAX_VALUE ? Long.MAX_VALUE : deadline - System.nanoTime();
        try {
          return closed.await(left, TimeUnit.NANOSECONDS) ? 0 : Math.max(1, open);
        } catch (InterruptedException e) {
          interrupted = true;
        }
      }
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  private int closeDriven(long graceNanos) {
    if (closed.getCount() == 0) {
      return 0;
    }
    if (owner != null && !isOnLoop()) {
      throw new IllegalStateException(
          "a driven loop is closed by the thread that drives it, " + owner.getName());
    }
    beginClosing();
    long start = clock.nanos();
    while (open > 0 || settleNext()) {
      long left = graceNanos - (clock.nanos() - start);
      if (left <= 0 && open > 0) {
        return open;
      }
      if (open > 0) {
        turn(left);
      }
    }
    closeAll();
    return 0;
  }

  /** No request is left: the next device, from the top, sends its last. False if none is left. */
  private boolean settleNext() {
    if (settled == devices.size()) {
      return false;
    }
    Device next = devices.get(devices.size() - ++settled);
    closeOne(next::settle);
    return true;
  }

  private void beginClosing() {
    isClosing = true;
    forEachOpen(bio -> bio.flag().raise(CancelFlag.Reason.CLOSE));
  }

  private void closeAll() {
    farewells.forEach(this::closeOne);
    // What was sent before the mailbox closed is accepted, so it has to end before anything closes.
    do {
      while (emptyMailbox() || open > 0) {
        turnOn(open > 0 ? Long.MAX_VALUE : 0);
      }
    } while (!mailbox.compareAndSet(null, mailboxClosed));
    devices.reversed().forEach(device -> closeOne(device::close));
    closeOne(poller::close);
    DRIVEN.remove(this);
    closed.countDown();
  }

  private void closeOne(Runnable close) {
    try {
      close.run();
    } catch (RuntimeException | Error defect) {
      report(defect);
    }
  }
}
