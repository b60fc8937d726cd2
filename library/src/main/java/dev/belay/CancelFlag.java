// SPDX-License-Identifier: Apache-2.0
package dev.belay;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * "Please stop", said of every request that carries this flag.
 *
 * <p>The flag is monotonic: it goes up once and never comes down. Raising it is one store; it never
 * blocks, never allocates, never fails, returns nothing, and may be done any number of times, from
 * any thread, before, during or after the request. It completes nothing by itself: each request
 * still comes back exactly once, and its {@link Outcome} says whether it was stopped. The flag is
 * an object, not a number: one that is kept and raised long after its request hits nothing else.
 *
 * <p>A {@linkplain #child child} is up when it was raised itself or when its parent is up; raising
 * a parent is as cheap as raising any other flag, however many children it has. A flag with a
 * {@linkplain #withDeadline deadline} raises itself.
 *
 * <p>Thread-safe.
 */
public final class CancelFlag {
  /** Why a flag went up. The first reason is kept. */
  public enum Reason {
    /** Somebody asked. */
    EXPLICIT,
    /** The flag's deadline passed. */
    DEADLINE,
    /** The thread that waited for the request was interrupted. */
    INTERRUPT,
    /** The scope that the request belonged to ended. */
    SCOPE,
    /** The client that the request came from went away. */
    DISCONNECT,
    /** What the request was submitted to is being closed. */
    CLOSE
  }

  /*
   * state: NEVER, DOWN, DOWN_LOOK_UP (down itself, but a parent or a deadline counts as well), or
   * RAISED + the reason's ordinal. The usual look is one load and one comparison.
   *
   * Raising stores the state and then reads `watches`; a loop that parks a bio publishes its watch
   * and then looks at the state. Both orders are sequentially consistent, so at least one of the
   * two sees the other, and no wake-up is lost.
   */
  private static final int NEVER_STATE = -1;
  private static final int DOWN = 0;
  private static final int DOWN_LOOK_UP = 1;
  private static final int RAISED = 2;
  private static final long NO_DEADLINE = Long.MAX_VALUE;
  private static final Reason[] REASONS = Reason.values();
  private static final VarHandle STATE;
  private static final VarHandle CHANGING;

  static {
    try {
      STATE = MethodHandles.lookup().findVarHandle(CancelFlag.class, "state", int.class);
      CHANGING = MethodHandles.lookup().findVarHandle(CancelFlag.class, "isChanging", int.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  /** The flag that is never up: raising it has no effect. What a shielded bio carries. */
  public static final CancelFlag NEVER =
      new CancelFlag(NEVER_STATE, null, Clock.SYSTEM, NO_DEADLINE);

  @SuppressWarnings("unused") // by STATE
  private int state;

  private final @Nullable CancelFlag parent;
  private final Clock clock;
  private final long deadlineNanos;

  /** One watch for each loop that holds bios of this flag; changed while {@code isChanging}. */
  private volatile @Nullable Watch watches;

  /**
   * 1 while a loop changes {@code watches}. Not this flag's monitor, which is the caller's as well:
   * whoever held it while it waited for a request would keep the loop from completing that request.
   */
  @SuppressWarnings("unused") // by CHANGING
  private int isChanging;

  /** A new flag, down, that stands alone. */
  public CancelFlag() {
    this(DOWN, null, Clock.SYSTEM, NO_DEADLINE);
  }

  private CancelFlag(int state, @Nullable CancelFlag parent, Clock clock, long deadlineNanos) {
    this.state = state;
    this.parent = parent;
    this.clock = clock;
    this.deadlineNanos = deadlineNanos;
  }

  /** A new flag that is up as soon as this one is; raising it leaves this one alone. */
  public CancelFlag child() {
    if (this == NEVER) {
      return new CancelFlag();
    }
    return new CancelFlag(DOWN_LOOK_UP, this, clock, NO_DEADLINE);
  }

  /** A child that also raises itself, for {@link Reason#DEADLINE}, when {@code delay} is over. */
  public CancelFlag withDeadline(Duration delay) {
    return withDeadline(Clock.SYSTEM, Clock.SYSTEM.after(TimeUnit.NANOSECONDS.convert(delay)));
  }

  /**
   * A child that also raises itself, for {@link Reason#DEADLINE}, once {@code clock} has reached
   * {@code deadlineNanos}. The clock must be the one of the loops that the flag is used with.
   */
  public CancelFlag withDeadline(Clock clock, long deadlineNanos) {
    CancelFlag above = this == NEVER ? null : this;
    return new CancelFlag(DOWN_LOOK_UP, above, Objects.requireNonNull(clock), deadlineNanos);
  }

  /** Raises the flag: {@link Reason#EXPLICIT}. */
  public void raise() {
    raise(Reason.EXPLICIT);
  }

  /** Raises the flag. If it is up already, nothing happens, and the first reason stays. */
  @SuppressWarnings("EnumOrdinal") // one word holds the state and the reason
  public void raise(Reason reason) {
    int seen = (int) STATE.getOpaque(this);
    if (seen >= RAISED || seen == NEVER_STATE) {
      return;
    }
    if (STATE.compareAndSet(this, seen, RAISED + reason.ordinal())) {
      for (Watch watch = watches; watch != null; watch = watch.nextOfFlag) {
        watch.loop.flagRaised(watch);
      }
    }
  }

  /** Whether the flag, or one above it, is up. */
  public boolean isRaised() {
    int seen = (int) STATE.getOpaque(this);
    if (seen <= DOWN) {
      return false;
    }
    return seen >= RAISED || lookUp();
  }

  /** Why the flag is up; null while it is down. */
  public @Nullable Reason reason() {
    if (!isRaised()) {
      return null;
    }
    return REASONS[(int) STATE.getVolatile(this) - RAISED];
  }

  /** The soonest deadline of this flag and those above it, on their clock; MAX_VALUE for none. */
  public long deadlineNanos() {
    long soonest = NO_DEADLINE;
    for (CancelFlag flag = this; flag != null; flag = flag.parent) {
      soonest = Math.min(soonest, flag.deadlineNanos);
    }
    return soonest;
  }

  @Nullable CancelFlag parent() {
    return parent;
  }

  /** This flag's own deadline, not its parents'; MAX_VALUE for none. */
  long ownDeadlineNanos() {
    return deadlineNanos;
  }

  private boolean lookUp() {
    for (CancelFlag flag = this; flag != null; flag = flag.parent) {
      int seen = (int) STATE.getOpaque(flag);
      if (seen >= RAISED) {
        latch(flag, seen);
        return true;
      }
      if (flag.deadlineNanos != NO_DEADLINE && flag.isOver()) {
        flag.raise(Reason.DEADLINE);
        latch(flag, (int) STATE.getVolatile(flag));
        return true;
      }
    }
    return false;
  }

  /** Looks must not fail, as nobody who looks could do anything about it: not yet, then. */
  private boolean isOver() {
    try {
      return clock.nanos() - deadlineNanos >= 0;
    } catch (RuntimeException | Error e) {
      return false;
    }
  }

  /** Remembers in this flag, and in those between, that {@code above} is up, for later looks. */
  private void latch(CancelFlag above, int raised) {
    for (CancelFlag flag = this; flag != null && flag != above; flag = flag.parent) {
      STATE.compareAndSet(flag, DOWN_LOOK_UP, raised);
    }
  }

  /** The watch of {@code loop} on this flag, or null. On the loop's thread. */
  @Nullable Watch watchOf(Loop loop) {
    for (Watch watch = watches; watch != null; watch = watch.nextOfFlag) {
      if (watch.loop == loop) {
        return watch;
      }
    }
    return null;
  }

  /** Publishes a watch. The caller looks at the flag again afterwards. */
  void publish(Watch watch) {
    beginChange();
    watch.nextOfFlag = watches;
    watches = watch;
    endChange();
    VarHandle.fullFence();
  }

  /**
   * Takes a watch off. A raiser that still sees it wakes its loop for nothing, which is allowed.
   */
  void unpublish(Watch gone) {
    beginChange();
    Watch head = watches;
    if (head == gone) {
      watches = gone.nextOfFlag;
    } else {
      Watch before = head;
      while (before != null && before.nextOfFlag != gone) {
        before = before.nextOfFlag;
      }
      if (before != null) {
        before.nextOfFlag = gone.nextOfFlag;
      }
    }
    endChange();
  }

  /** Loops only, for a few instructions each, so that the wait for another loop is short. */
  @SuppressWarnings("ThreadPriorityCheck") // correct without it, and sooner over with it
  private void beginChange() {
    for (int tries = 0; !CHANGING.compareAndSet(this, 0, 1); tries++) {
      if (tries < 100) {
        Thread.onSpinWait();
      } else {
        Thread.yield();
      }
    }
  }

  private void endChange() {
    CHANGING.setRelease(this, 0);
  }

  @Override
  public String toString() {
    Reason reason = reason();
    String seen = reason == null ? "down" : "raised: " + reason;
    return "CancelFlag[" + (this == NEVER ? "never" : seen) + "]";
  }
}
