// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import dev.belay.Bio;
import dev.belay.BioEnd;
import dev.belay.CancelFlag;
import dev.belay.Extents;
import dev.belay.Inside;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.leaf.UringFile;
import dev.belay.sim.Plan.Ask;
import dev.belay.testing.Recording;
import dev.belay.testing.SimMedium;
import dev.belay.testing.Steps;
import dev.belay.uring.RingWeather;
import dev.belay.uring.RingWeather.Knob;
import dev.belay.uring.SimKernel;
import dev.belay.uring.SimSent;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * Plays a plan over a ring: makes the requests, raises flags, pulls the plug, and holds every
 * completion and every byte against the laws. The first thing that is wrong is a {@link Violation}.
 */
final class RingRun {
  private static final int GRANULE = SimMedium.GRANULE_BYTES;
  private static final int TURNS_AT_MOST = 400_000;

  /** Within this time the kernel is asked to stop what a flag went up of. */
  private static final long ATTENTION_NANOS = 200_000_000;

  /** After so many turns without an end, a kernel that refuses everything is not waited for. */
  private static final int VAIN_TURNS = 600;

  private static final long GRACE_NANOS = 30_000_000_000L;

  /** Far more than any run needs. */
  private static final int MOST_TURNS_TO_CLOSE = 1_000_000;

  private final RingPlan plan;
  private final Buffers buffers;
  private final MemorySegment space;
  private final Steps steps = new Steps();
  private final List<SimMedium> media = new ArrayList<>();
  private final List<Model> models = new ArrayList<>();
  private final List<CancelFlag> shared = new ArrayList<>();
  private final Open[] places;
  private RingRig rig;
  private int openCount;
  private int nextAsk;
  private int ended;
  private int turns;
  private int vainTurns;
  private int endedBefore;
  private boolean isCrashed;
  private boolean isLooking;
  private long stepsBefore;
  private long lastRaise = -1;
  private long wokenNanos = -1;
  private boolean hasLost;
  private @Nullable Throwable wrong;

  /** A place for one request at a time. */
  private final class Open implements BioEnd {
    final int place;
    final SimSent sent = new SimSent();
    Bio bio;
    boolean isOpen;
    int ask;
    int file;
    int granule;
    int count;
    int began;
    long bufferOffset;
    long raisedNanos;
    CancelFlag flag = CancelFlag.NEVER;

    Open(int place) {
      this.place = place;
      bio = new Bio(rig.loop, this);
    }

    @Override
    public void ended(Bio done) {
      if (rig.isClosed) {
        return; // of a machine that has lost its power
      }
      try {
        RingRun.this.ended(this);
      } catch (RuntimeException e) {
        note(e);
      }
    }
  }

  /**
   * @param buffers for one run at a time
   * @param space the kernel's memory, likewise
   */
  RingRun(RingPlan plan, Buffers buffers, MemorySegment space) {
    this.plan = plan;
    this.buffers = buffers;
    this.space = space;
    for (int i = 0; i < plan.sharedFlags(); i++) {
      shared.add(new CancelFlag());
    }
    rig = newRig();
    for (SimMedium medium : media) {
      models.add(new Model(medium.granules(), plan.crashAtStep() >= 0));
    }
    places = new Open[plan.openAtMost()];
    for (int i = 0; i < places.length; i++) {
      places[i] = new Open(i);
    }
  }

  private RingRig newRig() {
    RingRig made = new RingRig(plan, steps, media, space, buffers.memory());
    made.loop.setDefects(this::note);
    made.setRecorder(this::sending);
    made.kernel.onStuck(this::goesOn);
    return made;
  }

  /** Plays it once, and answers how many requests it made. */
  int play() {
    try {
      look(true);
      stepsBefore = steps.count();
      for (Plan.Raise raise : plan.raises()) {
        CancelFlag flag = shared.get(raise.flag());
        steps.plan(stepsBefore + raise.atStep(), () -> raise(flag));
      }
      if (plan.crashAtStep() >= 0) {
        steps.plan(stepsBefore + plan.crashAtStep(), this::pullThePlug);
      }
      if (playAsks()) {
        steps.forget();
        look(false);
        finish();
      }
    } catch (Violation e) {
      rig.abandon();
      throw e;
    }
    return nextAsk;
  }

  /** How many steps the requests took. */
  long stepsTaken() {
    return steps.count() - stepsBefore;
  }

  private void raise(CancelFlag flag) {
    lastRaise = steps.count();
    if (rig.kernel.isWaiting() && Inside.isWatched(flag, rig.loop)) {
      wokenNanos = rig.clock.nowNanos();
    }
    flag.raise();
  }

  private void note(Throwable defect) {
    if (wrong == null) {
      wrong = defect;
    }
  }

  /** Law 3: the leaf has looked at the flag a moment ago. */
  private void sending(Bio bio, long offsetBytes, long lengthBytes) {
    Bio root = Recording.rootOf(bio);
    long now = steps.count(); // a look at a deadline is a step, in which the flag may have gone up
    if (root.flag().isRaised() && lastRaise < now) {
      note(new Violation("law 3: " + bio + " is sent after its flag was up"));
    }
    for (Open open : places) {
      if (open.bio == root) {
        rig.kernel.willSend(open.sent);
        steps.step();
        return;
      }
    }
    rig.kernel.willSend(new SimSent()); // a look at everything
  }

  private void check() {
    if (wrong != null) {
      Throwable first = wrong;
      wrong = null;
      throw first instanceof Violation violation
          ? violation
          : new Violation("a defect: " + first, first);
    }
    if (!rig.kernel.violations().isEmpty()) {
      throw new Violation(rig.kernel.violations().get(0));
    }
    if (++turns > TURNS_AT_MOST) {
      throw new Violation("it turns and turns: " + openRequests());
    }
    checkAttention();
  }

  /** Law 11: what the kernel has is watched, so that it is asked to stop it. */
  private void checkAttention() {
    if (isLooking || plan.weather().of(Knob.REFUSES_FOR) > 0 || rig.kernel.dropped() > 0) {
      return;
    }
    long now = rig.clock.nowNanos();
    for (Open open : places) {
      if (!open.isOpen || !open.flag.isRaised()) {
        continue;
      }
      if (open.raisedNanos < 0) {
        open.raisedNanos = now;
      } else if (open.sent.pending > 0
          && open.sent.aborts == 0
          && now - open.raisedNanos > ATTENTION_NANOS) {
        throw new Violation(
            "the flag of request " + open.ask + " is up, and the kernel was not asked to stop it");
      }
    }
  }

  /** One turn. False if nothing will ever happen any more, for a reason that is allowed. */
  private boolean turn() {
    rig.kernel.tick();
    try {
      rig.loop.turn(Long.MAX_VALUE);
    } catch (SimKernel.Stuck e) {
      throw new Violation("law 2: " + openRequests(), e);
    }
    if (hasLost) {
      return false;
    }
    if (wokenNanos >= 0 && !isCrashed && rig.clock.nowNanos() > wokenNanos) {
      throw new Violation("the loop slept on although a flag that it watches went up");
    }
    wokenNanos = -1;
    vainTurns = ended == endedBefore ? vainTurns + 1 : 0;
    endedBefore = ended;
    return vainTurns < VAIN_TURNS || !rig.kernel.isRefusingForEver();
  }

  /** The loop sleeps, and nothing will happen by itself: what hangs is let go. */
  private boolean goesOn() {
    if (isCrashed) {
      return true;
    }
    checkAsked();
    if (rig.kernel.release()) {
      return true;
    }
    hasLost = rig.kernel.dropped() > 0;
    return hasLost;
  }

  /** What hangs was asked to stop, if its flag is up: nothing else could be waited for. */
  private void checkAsked() {
    for (Open open : places) {
      if (open.isOpen && open.flag.isRaised() && open.sent.pending > 0 && open.sent.aborts == 0) {
        note(
            new Violation(
                "request "
                    + open.ask
                    + " hangs, its flag is up, and the kernel was not asked to stop"));
      }
    }
  }

  private String openRequests() {
    StringBuilder text = new StringBuilder(openCount + " requests are open:");
    for (Open open : places) {
      text.append(open.isOpen ? " " + open.ask : "");
    }
    return text.toString();
  }

  // --- The requests ---

  /** False if the ring is not to be used any more. */
  private boolean playAsks() {
    List<Ask> asks = plan.asks();
    int last = plan.closeAfter() < 0 ? asks.size() : Math.min(asks.size(), plan.closeAfter() + 1);
    for (; ; ) {
      while (nextAsk < last && openCount < places.length && !isCrashed && wrong == null) {
        submit(nextAsk++);
      }
      if (nextAsk == last && !isCrashed && (openCount == 0 || plan.closeAfter() >= 0)) {
        break;
      }
      boolean goesOn = turn();
      check();
      if (isCrashed) {
        restart();
      } else if (!goesOn) {
        giveUp();
        return false;
      }
    }
    check();
    if (plan.closeAfter() < 0) {
      return true;
    }
    if (rig.kernel.isRefusingForEver() || plan.weather().of(Knob.DROPS) > 0) {
      giveUp();
      return false;
    }
    finish();
    rig = newRig();
    for (Open open : places) {
      open.bio = new Bio(rig.loop, open);
    }
    return true;
  }

  private void submit(int number) {
    Ask ask = plan.asks().get(number);
    int index = 0;
    while (places[index].isOpen) {
      index++;
    }
    Open open = places[index];
    open.isOpen = true;
    open.ask = number;
    open.raisedNanos = -1;
    openCount++;
    locate(open, ask);
    Model model = models.get(open.file);
    open.flag = flag(ask);
    open.sent.clear();
    buffers.checkIdle((long) index * Buffers.PLACE_BYTES, Buffers.PLACE_BYTES / 2);
    boolean hasBuffer = ask.op().hasBuffer();
    if (ask.op() == Op.WRITE) {
      for (int i = 0; i < open.count; i++) {
        long value = Model.valueOf(Op.WRITE, number, open.granule + i);
        buffers.set(open.bufferOffset + (long) i * GRANULE, value);
      }
    } else if (hasBuffer) {
      buffers.fillUnread(open.bufferOffset, (long) open.count * GRANULE);
    }
    open.began = model.tick();
    if (ask.op().changesMedium()) {
      model.changeBegins(ask.op(), number, open.granule, open.count);
    }
    UringFile file = rig.files.get(open.file);
    open.bio.prepare(
        ask.op(),
        file,
        (long) open.granule * GRANULE,
        (long) open.count * GRANULE,
        hasBuffer ? buffers.memory() : MemorySegment.NULL,
        hasBuffer ? open.bufferOffset : 0,
        open.flag);
    open.bio.setFua(isFua(ask));
    if (ask.raiseAfterSteps() >= 0) {
      CancelFlag flag = open.flag;
      steps.plan(steps.count() + ask.raiseAfterSteps(), () -> raise(flag));
    }
    if (!ask.bySend()) {
      rig.loop.enter(open.bio);
    } else if (!rig.loop.send(open.bio)) {
      throw new Violation("an open loop refused a request");
    }
  }

  private void locate(Open open, Ask ask) {
    open.file = ask.at() % plan.files();
    open.granule = 0;
    open.count = 0;
    open.bufferOffset = (long) open.place * Buffers.PLACE_BYTES + GRANULE * (ask.at() % 7L);
    if (ask.op() == Op.FLUSH) {
      return;
    }
    SimMedium medium = media.get(open.file);
    int blockGranules = medium.blockGranules();
    int blocks = medium.granules() / blockGranules;
    int block = ask.at() / 2 % blocks;
    int count = Math.min((ask.granules() + blockGranules - 1) / blockGranules, blocks - block);
    open.granule = block * blockGranules;
    open.count = Math.min(count * blockGranules, Buffers.PLACE_BYTES / 2 / GRANULE);
  }

  private CancelFlag flag(Ask ask) {
    CancelFlag common = shared.get(ask.flag() % shared.size());
    CancelFlag flag =
        switch (ask.whose()) {
          case OWN -> new CancelFlag();
          case SHARED -> common;
          case CHILD_OF_SHARED -> common.child();
        };
    return ask.deadlineNanos() < 0
        ? flag
        : flag.withDeadline(rig.clock, rig.clock.nowNanos() + ask.deadlineNanos());
  }

  private static boolean isFua(Ask ask) {
    return ask.fua() && (ask.op() == Op.WRITE || ask.op() == Op.WRITE_ZEROES);
  }

  // --- Their ends ---

  private void ended(Open open) {
    if (!open.isOpen) {
      throw new Violation("law 2: request " + open.ask + " was completed twice");
    }
    open.isOpen = false;
    openCount--;
    ended++;
    Ask ask = plan.asks().get(open.ask);
    Outcome outcome = open.bio.outcome();
    try {
      checkOutcome(ask, outcome, open.sent);
      settle(open, ask, outcome);
    } catch (Violation e) {
      throw new Violation("request " + open.ask + ", " + outcome + ": " + e.getMessage(), e);
    }
    if (ask.op().hasBuffer()) {
      buffers.giveBack(open.bufferOffset, (long) open.count * GRANULE);
    }
  }

  private void checkOutcome(Ask ask, Outcome outcome, SimSent sent) {
    Op op = ask.op();
    boolean isWhole = outcome.doneBytes() == outcome.lengthBytes();
    if (sent.pending > 0) {
      throw new Violation("law 9: it was completed, and the kernel still has some of it");
    }
    switch (outcome.kind()) {
      case DONE -> {
        require(isWhole, "law 4: done, but not all of its bytes");
        require(sent.failed == 0, "law 5: done, but the kernel said that it failed");
        require(sent.taken > 0 || op == Op.DISCARD, "law 4: done, but nothing was sent");
      }
      case CANCELLED -> {
        require(outcome.reason() != null, "law 8: cancelled, but its flag is down");
        require(outcome.error() == null, "law 6: cancelled, with an error");
        require(op == Op.FLUSH || !isWhole, "law 4: cancelled, but everything was done");
      }
      case FAILED -> {
        require(outcome.error() != null, "failed without an error");
        require(
            sent.failed > 0 || rig.kernel.hasRefusedForGood(),
            "failed, but the kernel did not: " + outcome.error());
      }
    }
    // What is done and was to be durable is unknown as long as it is not.
    require(
        outcome.unknownBytes() == 0 || sent.inexact + sent.failed > 0 || isFua(ask),
        "law 4: bytes are unknown, but the kernel did all that it was asked for");
    require(
        sent.taken > 0 || op == Op.DISCARD || outcome.cleanBytes() == outcome.lengthBytes(),
        "law 4: nothing was sent, but not all is clean");
  }

  private static void require(boolean holds, String otherwise) {
    if (!holds) {
      throw new Violation(otherwise);
    }
  }

  private void settle(Open open, Ask ask, Outcome outcome) {
    Model model = models.get(open.file);
    model.tick();
    if (ask.op() == Op.FLUSH) {
      if (outcome.kind() == Outcome.Kind.DONE) {
        model.flushEnds(open.began);
      }
      return;
    }
    int oldest = open.began;
    for (Open other : places) {
      boolean counts = other.isOpen && other.file == open.file;
      oldest = counts ? Math.min(oldest, other.began) : oldest;
    }
    for (Extents.Extent extent : outcome.extents().list()) {
      if (extent.offsetBytes() % GRANULE != 0 || extent.lengthBytes() % GRANULE != 0) {
        throw new Violation("the extent " + extent + " ends within a block");
      }
      int first = (int) (extent.offsetBytes() / GRANULE);
      int count = (int) (extent.lengthBytes() / GRANULE);
      if (ask.op() == Op.READ) {
        settleRead(open, first, count, extent.state());
      } else {
        int granule = open.granule + first;
        model.changeEnds(open.ask, granule, count, extent.state(), isFua(ask), open.began, oldest);
      }
    }
  }

  private void settleRead(Open open, int first, int count, Extents.State state) {
    for (int i = first; i < first + count; i++) {
      long found = buffers.get(open.bufferOffset + (long) i * GRANULE);
      if (state == Extents.State.DONE) {
        models.get(open.file).readFound(open.granule + i, found, open.began);
      } else if (state == Extents.State.CLEAN && found != Buffers.UNREAD) {
        throw new Violation("the buffer was touched at " + i * GRANULE + ", which is clean");
      }
    }
  }

  // --- Power loss, closing, and looking at everything ---

  private void pullThePlug() {
    isCrashed = true;
    rig.kernel.switchOff();
  }

  private void restart() {
    SplittableRandom random = new SplittableRandom(plan.seed());
    media.forEach(medium -> medium.losePower(random));
    models.forEach(Model::losePower);
    for (Open open : places) {
      buffers.giveBack((long) open.place * Buffers.PLACE_BYTES, Buffers.PLACE_BYTES);
      open.isOpen = false;
    }
    openCount = 0;
    isCrashed = false;
    rig.abandon();
    rig = newRig();
    for (Open open : places) {
      open.bio = new Bio(rig.loop, open);
    }
    look(false);
  }

  /** The kernel has lost completions, or refuses everything: what it never took ends clean. */
  private void giveUp() {
    int left;
    try {
      left = rig.loop.close(GRACE_NANOS);
    } catch (SimKernel.Stuck e) {
      throw new Violation("law 12: closing never ends: " + openRequests(), e);
    }
    rig.isClosed = left == 0;
    check();
    for (Open open : places) {
      boolean mayStay = open.sent.lost > 0 || open.sent.pending > 0;
      if (open.isOpen && !mayStay) {
        throw new Violation("law 12: closed, and request " + open.ask + ", never sent, is open");
      }
    }
    if (left == 0) {
      checkNothingIsLeft();
    }
    rig.abandon();
    for (int i = 0; i < places.length; i++) {
      buffers.giveBack((long) i * Buffers.PLACE_BYTES, Buffers.PLACE_BYTES);
    }
  }

  private void finish() {
    int left;
    try {
      rig.loop.close(0);
      for (int turns = 0; rig.loop.openRequests() > 0; turns++) {
        if (turns == MOST_TURNS_TO_CLOSE) {
          throw new Violation("law 12: closing goes round and round: " + openRequests());
        }
        rig.loop.turn(Long.MAX_VALUE);
      }
      left = rig.loop.close(Long.MAX_VALUE);
    } catch (SimKernel.Stuck e) {
      throw new Violation("law 12: closing never ends: " + openRequests(), e);
    }
    rig.isClosed = true;
    check();
    if (left != 0 || openCount != 0 || rig.loop.openRequests() != 0) {
      throw new Violation("law 12: the loop is closed, and " + openRequests());
    }
    if (rig.kernel.pending() != 0) {
      throw new Violation("the loop is closed, and the kernel still has something");
    }
    checkNothingIsLeft();
  }

  private void checkNothingIsLeft() {
    for (Open open : places) {
      if (Inside.isWatched(open.flag, rig.loop)) {
        throw new Violation("nothing is open, and the flag of a request is still watched");
      }
      buffers.checkIdle((long) open.place * Buffers.PLACE_BYTES, Buffers.PLACE_BYTES);
    }
    for (CancelFlag flag : shared) {
      if (Inside.isWatched(flag, rig.loop)) {
        throw new Violation("nothing is open, and a shared flag is still watched");
      }
    }
  }

  /** Reads all files in calm weather: at first to learn them, later to compare. */
  private void look(boolean isFirst) {
    isLooking = true;
    rig.setWeather(RingWeather.calm());
    for (int file = 0; file < plan.files(); file++) {
      look(file, isFirst);
    }
    rig.setWeather(plan.weather());
    isLooking = false;
  }

  private void look(int file, boolean isFirst) {
    Model model = models.get(file);
    UringFile device = rig.files.get(file);
    int block = media.get(file).blockGranules();
    int chunk = Buffers.PLACE_BYTES / GRANULE / block * block;
    for (int granule = 0; granule < model.granules(); granule += chunk) {
      int count = Math.min(chunk, model.granules() - granule);
      boolean[] isEnded = new boolean[1];
      Bio bio = new Bio(rig.loop, done -> isEnded[0] = true);
      long bytes = (long) count * GRANULE;
      MemorySegment memory = buffers.memory();
      bio.prepare(Op.READ, device, (long) granule * GRANULE, bytes, memory, 0, new CancelFlag());
      rig.loop.enter(bio);
      while (!isEnded[0]) {
        turn();
        check();
      }
      if (!bio.isDone()) {
        throw new Violation("in calm weather a read ended as " + bio.outcome());
      }
      int began = model.tick();
      for (int i = 0; i < count; i++) {
        long found = buffers.get((long) i * GRANULE);
        if (!isFirst) {
          model.readFound(granule + i, found, began);
        }
        model.settle(granule + i, found);
      }
      buffers.giveBack(0, bytes);
    }
  }
}
