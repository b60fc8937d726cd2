// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import dev.belay.Bio;
import dev.belay.BioEnd;
import dev.belay.CancelFlag;
import dev.belay.Extents;
import dev.belay.Inside;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.sim.Plan.Ask;
import dev.belay.testing.Recording;
import dev.belay.testing.SimMedium;
import dev.belay.testing.SimPoller;
import dev.belay.testing.Steps;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * Plays a plan: builds the stack, makes the requests, raises flags, pulls the plug, and holds every
 * completion and every byte against the laws. The first thing that is wrong is a {@link Violation}.
 */
final class Run {
  private static final int GRANULE = SimMedium.GRANULE_BYTES;
  private static final int TURNS_AT_MOST = 5_000_000;

  private final Plan plan;
  private final Buffers buffers;
  private final Steps steps = new Steps();
  private final List<SimMedium> media = new ArrayList<>();
  private final List<CancelFlag> shared = new ArrayList<>();
  private final boolean mayFail;
  private final boolean mayShield;
  private Rig rig;
  private Model model;
  private int blockGranules;
  private Open[] places;
  private int openCount;
  private int nextAsk;
  private int ended;
  private long progressAtRelease = -1;
  private int releases;
  private int turns;
  private boolean isCrashed;
  private long stepsBefore;
  private @Nullable Throwable wrong;

  /** A place for one request at a time. */
  private final class Open implements BioEnd {
    final Bio bio = new Bio(rig.loop, this);
    final Recording.Facts facts = rig.recording.facts(bio);
    final int place;
    boolean isOpen;
    int ask;
    int granule;
    int count;
    int began;
    long bufferOffset;
    CancelFlag flag = CancelFlag.NEVER;

    Open(int place) {
      this.place = place;
    }

    @Override
    public void ended(Bio done) {
      try {
        Run.this.ended(this);
      } catch (RuntimeException e) {
        note(e);
      }
    }
  }

  /**
   * @param buffers for one run at a time
   */
  Run(Plan plan, Buffers buffers) {
    this.plan = plan;
    this.buffers = buffers;
    mayFail = plan.stack().anyMatch(Layer::mayFail);
    mayShield = plan.stack().anyMatch(Layer::mayShield);
    for (int i = 0; i < plan.sharedFlags(); i++) {
      shared.add(new CancelFlag());
    }
    rig = new Rig(plan, steps, media);
    int granules = (int) (rig.top.limits().sizeBytes() / GRANULE);
    model = new Model(granules, plan.crashAtStep() >= 0);
    places = new Open[0];
  }

  /** Plays it once, and answers how many requests it made. */
  int play() {
    try {
      start();
      look(true);
      stepsBefore = steps.count();
      for (Plan.Raise raise : plan.raises()) {
        steps.plan(stepsBefore + raise.atStep(), shared.get(raise.flag())::raise);
      }
      if (plan.crashAtStep() >= 0) {
        steps.plan(stepsBefore + plan.crashAtStep(), this::pullThePlug);
      }
      playAsks();
      steps.forget();
      look(false);
      finish();
    } catch (Violation e) {
      Inside.abandon(rig.loop);
      throw new Violation(e.getMessage() + "\n  in " + rig, e);
    } catch (SimPoller.Stuck e) {
      Inside.abandon(rig.loop);
      throw new Violation("law 2: " + openRequests() + "\n  in " + rig, e);
    }
    return plan.asks().size();
  }

  /** How many steps the requests took. */
  long stepsTaken() {
    return steps.count() - stepsBefore;
  }

  private void start() {
    rig.loop.setDefects(this::note);
    blockGranules = Math.max(1, rig.top.limits().logicalBlockBytes() / GRANULE);
    places = new Open[plan.openAtMost()];
    for (int i = 0; i < places.length; i++) {
      places[i] = new Open(i);
    }
    openCount = 0;
  }

  private void note(Throwable defect) {
    if (wrong == null) {
      wrong = defect;
    }
  }

  private void check() {
    if (wrong != null) {
      Throwable first = wrong;
      wrong = null;
      throw first instanceof Violation violation
          ? violation
          : new Violation("a defect: " + first, first);
    }
    if (!rig.recording.violations().isEmpty()) {
      throw new Violation(rig.recording.violations().get(0));
    }
    if (++turns > TURNS_AT_MOST) {
      throw new Violation("it turns and turns: " + openRequests());
    }
  }

  /** One turn. What holds something for ever, as it was told to, is told to let it go. */
  private void turn() {
    try {
      rig.loop.turn(Long.MAX_VALUE);
    } catch (SimPoller.Stuck e) {
      release(e);
    }
  }

  private void release(SimPoller.Stuck stuck) {
    // One release lets it go on as far as the next layer that holds it, or the next piece.
    long progress = ended + rig.recording.count();
    releases = progressAtRelease == progress ? releases + 1 : 0;
    if (releases > 8) {
      throw stuck;
    }
    progressAtRelease = progress;
    rig.release();
  }

  private String openRequests() {
    StringBuilder text = new StringBuilder(openCount + " requests are open:");
    for (Open open : places) {
      text.append(open.isOpen ? " " + open.ask : "");
    }
    return text.toString();
  }

  // --- The requests ---

  private void playAsks() {
    List<Ask> asks = plan.asks();
    for (; ; ) {
      while (nextAsk < asks.size() && openCount < places.length && !isCrashed) {
        if (nextAsk == plan.closeBefore()) {
          reopen();
        }
        submit(nextAsk++);
      }
      if (openCount == 0 && nextAsk == asks.size() && !isCrashed) {
        break;
      }
      turn();
      check();
      if (isCrashed) {
        restart();
      }
    }
    check();
  }

  private void submit(int number) {
    if (wrong != null) {
      return; // the turn that follows says so
    }
    Ask ask = plan.asks().get(number);
    int index = 0;
    while (places[index].isOpen) {
      index++;
    }
    Open open = places[index];
    open.isOpen = true;
    open.ask = number;
    openCount++;
    locate(open, ask);
    CancelFlag flag = flag(ask);
    open.flag = flag;
    open.facts.clear();
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
    open.bio.prepare(
        ask.op(),
        rig.top,
        (long) open.granule * GRANULE,
        (long) open.count * GRANULE,
        hasBuffer ? buffers.memory() : MemorySegment.NULL,
        hasBuffer ? open.bufferOffset : 0,
        flag);
    open.bio.setFua(isFua(ask));
    if (ask.raiseAfterSteps() >= 0) {
      steps.plan(steps.count() + ask.raiseAfterSteps(), flag::raise);
    }
    if (ask.bySend()) {
      if (!rig.loop.send(open.bio)) {
        throw new Violation("an open loop refused a request");
      }
    } else {
      rig.loop.enter(open.bio);
    }
  }

  private void locate(Open open, Ask ask) {
    open.granule = 0;
    open.count = 0;
    if (ask.op() == Op.FLUSH) {
      return;
    }
    int blocks = model.granules() / blockGranules;
    int block = ask.at() % blocks;
    int count = Math.min((ask.granules() + blockGranules - 1) / blockGranules, blocks - block);
    open.granule = block * blockGranules;
    open.count = Math.min(count * blockGranules, Buffers.PLACE_BYTES / 2 / GRANULE);
    open.count -= open.count % blockGranules;
    int step = Math.max(GRANULE, rig.top.limits().memoryAlignmentBytes());
    long shift = step * (long) (ask.at() % 7);
    open.bufferOffset = (long) open.place * Buffers.PLACE_BYTES + shift;
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
      Laws.check(ask.op(), outcome, open.facts, mayFail, mayShield);
      settle(open, ask, outcome);
    } catch (Violation e) {
      throw new Violation("request " + open.ask + ", " + outcome + ": " + e.getMessage(), e);
    }
    if (ask.op().hasBuffer()) {
      buffers.giveBack(open.bufferOffset, (long) open.count * GRANULE);
    }
    if (plan.submitsFromEnd()
        && nextAsk < plan.asks().size()
        && nextAsk != plan.closeBefore()
        && !rig.loop.isClosing()
        && !isCrashed) {
      submit(nextAsk++);
    }
  }

  private void settle(Open open, Ask ask, Outcome outcome) {
    model.tick();
    if (ask.op() == Op.FLUSH) {
      if (outcome.kind() == Outcome.Kind.DONE) {
        model.flushEnds(open.began);
      }
      return;
    }
    if (ask.op() == Op.FIND_HOLES) {
      model.holesFound(open.bio.holes(), open.granule, GRANULE, open.began);
      return;
    }
    int oldest = open.began;
    for (Open other : places) {
      oldest = other.isOpen ? Math.min(oldest, other.began) : oldest;
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
        model.changeEnds(
            open.ask, open.granule + first, count, extent.state(), isFua(ask), open.began, oldest);
      }
    }
  }

  private void settleRead(Open open, int first, int count, Extents.State state) {
    for (int i = first; i < first + count; i++) {
      long found = buffers.get(open.bufferOffset + (long) i * GRANULE);
      switch (state) {
        case DONE -> model.readFound(open.granule + i, found, open.began);
        case CLEAN -> {
          if (found != Buffers.UNREAD) {
            throw new Violation("the buffer was touched at " + i * GRANULE + ", which is clean");
          }
        }
        case UNKNOWN -> {}
      }
    }
  }

  // --- Power loss, closing, and looking at everything ---

  private void pullThePlug() {
    isCrashed = true;
    rig.poller.switchOff();
  }

  private void restart() {
    SplittableRandom random = new SplittableRandom(plan.seed());
    media.forEach(medium -> medium.losePower(random));
    model.losePower();
    for (int i = 0; i < places.length; i++) {
      buffers.giveBack((long) i * Buffers.PLACE_BYTES, Buffers.PLACE_BYTES);
    }
    isCrashed = false;
    releases = 0;
    Inside.abandon(rig.loop);
    rig = new Rig(plan, steps, media);
    start();
    look(false);
  }

  private void reopen() {
    finish();
    rig = new Rig(plan, steps, media);
    start();
  }

  private void finish() {
    int left = -1;
    while (left < 0) {
      try {
        left = rig.loop.close(Long.MAX_VALUE);
      } catch (SimPoller.Stuck e) {
        release(e);
      }
    }
    check();
    if (left != 0 || openCount != 0 || rig.loop.openRequests() != 0) {
      throw new Violation("law 12: the loop is closed, and " + openRequests());
    }
    if (rig.leftInLeaves() != 0) {
      throw new Violation("the loop is closed, and a device still holds something");
    }
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

  /** Reads the whole volume in calm weather: at first to learn it, later to compare. */
  private void look(boolean isFirst) {
    rig.setCalm(true);
    long[] before = isFirst ? new long[model.granules()] : null;
    int chunk = Buffers.PLACE_BYTES / GRANULE / blockGranules * blockGranules;
    for (int granule = 0; granule < model.granules(); granule += chunk) {
      int count = Math.min(chunk, model.granules() - granule);
      boolean[] isEnded = new boolean[1];
      Bio bio = new Bio(rig.loop, done -> isEnded[0] = true);
      bio.prepare(
          Op.READ,
          rig.top,
          (long) granule * GRANULE,
          (long) count * GRANULE,
          buffers.memory(),
          0,
          new CancelFlag());
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
        if (before != null) {
          before[granule + i] = found;
        } else {
          model.readFound(granule + i, found, began);
        }
        model.settle(granule + i, found);
      }
      buffers.giveBack(0, (long) count * GRANULE);
    }
    if (before != null) {
      Laws.checkDistinct(Objects.requireNonNull(before));
    }
    rig.setCalm(false);
  }
}
