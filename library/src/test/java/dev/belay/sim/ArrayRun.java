// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import static dev.belay.sim.ArrayShape.GRANULE;

import dev.belay.Bio;
import dev.belay.CancelFlag;
import dev.belay.Inside;
import dev.belay.IoError;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.md.Array;
import dev.belay.md.Assembly;
import dev.belay.md.Member;
import dev.belay.md.MetadataException;
import dev.belay.md.SyncMode;
import dev.belay.sim.ArrayPlan.Ask;
import dev.belay.sim.ArrayPlan.Event;
import dev.belay.testing.SimMedium;
import dev.belay.testing.SimPoller;
import dev.belay.testing.Steps;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Objects;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * Plays a plan on an array: makes the requests, raises flags, fails members, pulls the plug and
 * opens it again, and holds every completion, every byte that is read and what lies on the members
 * against the laws. The first thing that is wrong is a {@link Violation}.
 */
final class ArrayRun {
  static final int PLACES = 16;
  static final int PLACE_BYTES = 64 << 10;
  private static final int TURNS_AT_MOST = 300_000;

  private final ArrayPlan plan;
  private final ArrayShape shape;
  private final int blockCount;
  private final Buffers buffers;
  private final ArrayBlocks blocks;
  private final Steps steps = new Steps();
  private final List<SimMedium> media;
  private final SplittableRandom random;
  private final Model model;
  private final ArrayHoles holes;
  private final ArrayInspection inspection;
  private final ArrayAnswers answers;
  private final @Nullable Saboteur saboteur;
  private final ArrayDeque<Event> happening = new ArrayDeque<>();
  private ArrayRig rig;
  private ArrayRequest[] places = new ArrayRequest[0];
  private int openCount;
  private int nextAsk;
  private int turns;
  private long stepsBefore;
  private long stepsOfAsks;
  private long stepsOfFirst;
  private int refusals;
  private boolean isAfterLoss;
  private boolean isOpening = true;
  private boolean isCrashed;
  private boolean hadResync;
  private boolean wantsRejoin;
  private @Nullable Throwable wrong;

  /** What is known beside the media, and what is still to be asked. */
  record Knowledge(int nextAsk, Model model, ArrayHoles holes) {}

  /**
   * @param first the members' first contents, which stay as they are
   * @param buffers {@link #PLACES} of {@link #PLACE_BYTES}, for one run at a time
   * @param bug to be planted; null for none
   */
  ArrayRun(ArrayPlan plan, List<SimMedium> first, Buffers buffers, Saboteur.@Nullable Bug bug) {
    this(plan, first.stream().map(SimMedium::copy).toList(), null, buffers, bug);
    for (int i = 0; i < media.size(); i++) {
      media.get(i).setKeepsLog(plan.losesPower());
      if (plan.stormy().contains(i)) {
        media.get(i).spoil(random, plan.weather().badPerMille());
      }
    }
    for (int block = 0; block < blockCount; block++) {
      model.settle(block, ArrayShape.firstValue(block));
    }
  }

  /** One that goes on where the power was lost in another, with what that left of the media. */
  ArrayRun(
      ArrayPlan plan,
      Knowledge knowledge,
      List<SimMedium> left,
      Buffers buffers,
      Saboteur.@Nullable Bug bug) {
    this(plan, left, knowledge, buffers, bug);
    media.forEach(medium -> medium.setKeepsLog(true));
    isAfterLoss = true;
  }

  private ArrayRun(
      ArrayPlan plan,
      List<SimMedium> media,
      @Nullable Knowledge knowledge,
      Buffers buffers,
      Saboteur.@Nullable Bug bug) {
    this.plan = plan;
    this.media = media;
    this.buffers = buffers;
    shape = plan.shape();
    blockCount = shape.blocks();
    blocks = new ArrayBlocks(buffers, shape.blockGranules());
    random = new SplittableRandom(plan.seed());
    ArrayImage geometry = new ArrayImage(shape, media);
    model = knowledge == null ? new Model(blockCount, plan.losesPower(), false) : knowledge.model;
    holes = knowledge == null ? new ArrayHoles(shape, geometry, model) : knowledge.holes;
    nextAsk = knowledge == null ? 0 : knowledge.nextAsk;
    inspection = new ArrayInspection(plan, geometry, model, holes);
    answers = new ArrayAnswers(plan, blocks, model, holes);
    saboteur = bug == null ? null : new Saboteur(bug, shape, this::raisedFlag);
    rig = newRig();
  }

  /** Plays it once, and answers how many requests it made. */
  int play() {
    try {
      if (isAfterLoss) {
        losePower();
      } else {
        open();
      }
      stepsBefore = steps.count();
      for (Event event : isAfterLoss ? List.<Event>of() : plan.events()) {
        steps.plan(stepsBefore + event.atStep(), () -> happens(event));
      }
      playAsks();
      stepsOfAsks = steps.count() - stepsBefore;
      steps.forget();
      rest();
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

  ArrayPlan plan() {
    return plan;
  }

  Steps steps() {
    return steps;
  }

  List<SimMedium> media() {
    return media;
  }

  /** Whether the array is open. */
  boolean isOpen() {
    return !isOpening;
  }

  /** Changes whenever a power loss might leave something else. */
  long changes() {
    long changes = model.now() + nextAsk;
    for (SimMedium medium : media) {
      changes += medium.changes();
    }
    return changes;
  }

  /** A number that tells what is known, as far as it outlives a power loss, from other such. */
  long hashOfLosses() {
    return model.hashOfLosses(31L * holes.hashOfLosses() + nextAsk);
  }

  Knowledge knowledge() {
    Model copy = model.copy();
    return new Knowledge(nextAsk, copy, holes.copy(copy));
  }

  /** How many steps the requests took. */
  long stepsTaken() {
    return stepsOfAsks;
  }

  /** After how many steps the first request had ended. */
  long stepsOfFirst() {
    return stepsOfFirst;
  }

  /** How often the array was dirty and degraded, and had to be forced. */
  int refusals() {
    return refusals;
  }

  // --- Opening ---

  private ArrayRig newRig() {
    return new ArrayRig(plan, steps, media, saboteur);
  }

  private void open() {
    isOpening = true;
    if (plan.isByHand()) {
      holes.membersAreGone(plan.stormy()::contains);
      rig.openByHand();
      opened();
    } else {
      open(assembled(rig));
    }
  }

  private void open(Assembly assembly) {
    holes.membersAreGone(slot -> assembly.seats().get(slot).state() != Assembly.State.IN_SYNC);
    inspection.inspect(rig, rig.media(media), assembly, false);
    // What cannot be read before the resync has come by is computed from parity that may be wrong.
    holes.membersAreGone(plan.stormy()::contains);
    rig.open(assembly);
    opened();
  }

  private void opened() {
    rig.loop.setDefects(this::note);
    places = new ArrayRequest[plan.openAtMost()];
    for (int i = 0; i < places.length; i++) {
      places[i] = new ArrayRequest(rig.loop, (long) i * PLACE_BYTES, this::endsSafely);
    }
    openCount = 0;
    isOpening = false;
  }

  /** Decides as a careful user would: forces only what has lost the write hole's bet. */
  private Assembly assembled(ArrayRig of) {
    try {
      return of.assemble(false);
    } catch (MetadataException e) {
      String why = String.valueOf(e.getMessage());
      if (!shape.hasParity() || !why.contains("dirty and degraded")) {
        throw new Violation("the array cannot be opened again: " + why, e);
      }
      refusals++;
      try {
        return of.assemble(true);
      } catch (MetadataException again) {
        throw new Violation("not even by force: " + again.getMessage(), again);
      }
    }
  }

  private Array array() {
    return rig.array();
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
    if (!rig.poller.witness().violations().isEmpty()) {
      throw new Violation(rig.poller.witness().violations().getFirst());
    }
    if (++turns > TURNS_AT_MOST) {
      throw new Violation("it turns and turns: " + openRequests());
    }
  }

  private void turn(long waitNanos) {
    for (Event event = happening.poll(); event != null; event = happening.poll()) {
      Event now = event;
      rig.loop.execute(() -> doNow(now));
    }
    rig.loop.turn(waitNanos);
    check();
    watchMembers();
    if (isCrashed) {
      restart();
    }
  }

  /** What is lost where parity is not right and a member not there; what a resync has mended. */
  private void watchMembers() {
    if (isCrashed || !shape.hasParity() || holes.isEmpty()) {
      return;
    }
    Array array = array();
    holes.membersAreGone(
        slot -> {
          Member member = array.member(slot);
          return member == null
              || member.state() != Member.State.IN_SYNC
              || plan.stormy().contains(slot);
        });
    boolean isResync = array.walk().isRunning() && array.walk().mode() == SyncMode.RESYNC;
    if (hadResync && !isResync && array.walk().error() == null && !array.isDegraded()) {
      if (array.walk().positionBytes() >= array.walk().walkBytes()) {
        holes.mended();
      }
    }
    hadResync = isResync;
  }

  private String openRequests() {
    StringBuilder text = new StringBuilder(openCount + " requests are open:");
    for (ArrayRequest open : places) {
      text.append(open.isOpen ? " " + open.number : "");
    }
    return text.toString();
  }

  // --- What happens ---

  private void happens(Event event) {
    if (isOpening || isCrashed) {
      return;
    }
    if (event.what() == ArrayPlan.What.POWER_LOSS) {
      isCrashed = true;
      rig.poller.switchOff();
    } else {
      happening.add(event);
    }
  }

  private void doNow(Event event) {
    Array array = array();
    switch (event.what()) {
      case FAIL -> {
        Member member = array.member(event.slot() % array.slotCount());
        if (member != null) {
          array.fail(member, "it was declared faulty");
        }
      }
      case CHECK -> array.walk().begin(SyncMode.CHECK);
      case REPAIR -> array.walk().begin(SyncMode.REPAIR);
      case STOP -> array.walk().stop();
      case REJOIN -> wantsRejoin = array.broken() == null;
      case POWER_LOSS -> throw new AssertionError("not here");
    }
  }

  /** Nothing is open: the array is closed, and opened with all members that are out. */
  private void rejoin() {
    wantsRejoin = false;
    isOpening = true; // nothing happens meanwhile
    close();
    boolean wasBroken = array().broken() != null;
    hadResync = false;
    happening.clear();
    rig = newRig();
    Assembly assembly = assembled(rig);
    open(wasBroken ? assembly : rig.join(assembly));
  }

  private void restart() {
    media.forEach(medium -> medium.losePower(random));
    buffers.clear();
    happening.clear();
    Inside.abandon(rig.loop);
    isCrashed = false;
    isOpening = true;
    hadResync = false;
    wantsRejoin = false;
    rig = newRig();
    losePower();
  }

  private void losePower() {
    model.losePower();
    holes.losePower();
    open();
    if (plan.waitsAfterCrash()) {
      rest();
      rig.setCalm(false);
    }
  }

  // --- The requests ---

  private void playAsks() {
    List<Ask> asks = plan.asks();
    while (nextAsk < asks.size() || openCount > 0) {
      if (wantsRejoin && openCount == 0) {
        rejoin();
      }
      boolean mayAsk = wrong == null && !wantsRejoin;
      while (nextAsk < asks.size() && openCount < places.length && mayAsk) {
        if (asks.get(nextAsk).op() == null) {
          break;
        }
        submit(nextAsk++);
      }
      if (nextAsk < asks.size() && asks.get(nextAsk).op() == null && openCount == 0) {
        pause(asks.get(nextAsk++).pauseNanos());
      } else {
        turn(Long.MAX_VALUE);
      }
    }
    check();
  }

  private void pause(long nanos) {
    ArrayRig same = rig;
    long until = rig.clock.nowNanos() + nanos;
    while (same == rig && rig.clock.nowNanos() < until) {
      turn(until - rig.clock.nowNanos());
    }
  }

  private void submit(int number) {
    Ask ask = plan.asks().get(number);
    Op op = Objects.requireNonNull(ask.op());
    int index = 0;
    while (places[index].isOpen) {
      index++;
    }
    ArrayRequest open = places[index];
    open.isOpen = true;
    open.number = number;
    openCount++;
    open.block = op == Op.FLUSH ? 0 : ask.block() % blockCount;
    open.blocks = op == Op.FLUSH ? 0 : Math.min(ask.blocks(), blockCount - open.block);
    open.blocks = Math.min(open.blocks, PLACE_BYTES * 3 / 4 / shape.blockBytes());
    open.bufferOffset =
        open.bufferAt
            + (long) Math.max(GRANULE, rig.top().limits().memoryAlignmentBytes()) * (number % 3);
    open.flag = rig.poller.witness().newFlag();
    buffers.checkIdle(open.bufferAt, (long) (open.blocks + 1) * shape.blockBytes());
    if (op == Op.WRITE) {
      for (int i = 0; i < open.blocks; i++) {
        blocks.fill(open.bufferOffset, i, Model.valueOf(op, number, open.block + i));
      }
    } else if (op.hasBuffer()) {
      buffers.fillUnread(open.bufferOffset, (long) open.blocks * shape.blockBytes());
    }
    open.began = model.tick();
    if (op.changesMedium()) {
      model.changeBegins(op, number, open.block, open.blocks);
      holes.writeBegins(open.block, open.blocks);
    }
    open.bio.prepare(
        op,
        rig.top(),
        (long) open.block * shape.blockBytes(),
        (long) open.blocks * shape.blockBytes(),
        op.hasBuffer() ? buffers.memory() : MemorySegment.NULL,
        op.hasBuffer() ? open.bufferOffset : 0,
        open.flag);
    open.bio.setFua(ask.fua());
    if (ask.raiseAfterSteps() >= 0) {
      steps.plan(steps.count() + ask.raiseAfterSteps(), open.flag::raise);
    }
    rig.loop.enter(open.bio);
  }

  private CancelFlag raisedFlag() {
    for (ArrayRequest open : places) {
      if (open.isOpen && open.flag.isRaised()) {
        return open.flag;
      }
    }
    return CancelFlag.NEVER;
  }

  // --- Their ends ---

  private void endsSafely(ArrayRequest open) {
    try {
      ended(open);
    } catch (RuntimeException e) {
      note(e);
    }
  }

  /** When the oldest request began that is open, or has ended just now. */
  private int oldestOpen(int began) {
    int oldest = began;
    for (ArrayRequest open : places) {
      oldest = open.isOpen ? Math.min(oldest, open.began) : oldest;
    }
    return oldest;
  }

  private void ended(ArrayRequest open) {
    if (!open.isOpen) {
      throw new Violation("law 2: request " + open.number + " was completed twice");
    }
    open.isOpen = false;
    openCount--;
    if (open.number == 0) {
      stepsOfFirst = steps.count() - stepsBefore;
    }
    Ask ask = plan.asks().get(open.number);
    Op op = Objects.requireNonNull(ask.op());
    Outcome outcome = open.bio.outcome();
    try {
      answers.check(op, open, outcome);
      answers.settle(ask, open, outcome, oldestOpen(open.began));
    } catch (Violation e) {
      throw new Violation("request " + open.number + ", " + outcome + ": " + e.getMessage(), e);
    }
    rig.poller.witness().forget(open.flag);
    buffers.giveBack(open.bufferOffset, (long) open.blocks * shape.blockBytes());
  }

  private static void require(boolean holds, String otherwise) {
    if (!holds) {
      throw new Violation(otherwise);
    }
  }

  // --- Rest, and the end ---

  /** In calm weather: waits until nothing is under way or due, and reads everything. */
  private void rest() {
    rig.setCalm(true);
    int quiet = 0;
    @Nullable IoError last = null;
    for (int tries = 0; tries < 20 && quiet < 2; tries++) {
      while (array().walk().isRunning() || rig.loop.openRequests() > 0) {
        turn(Long.MAX_VALUE);
      }
      last = array().walk().error();
      if (last != null && holes.hasFailed()) {
        break; // what more members tore than can be done without is not rebuilt, however often
      }
      boolean[] isDue = new boolean[1];
      rig.loop.execute(() -> isDue[0] = array().walk().beginDue());
      turn(0);
      // One that ends as soon as it begins was due as well.
      quiet = isDue[0] || array().walk().isRunning() ? 0 : quiet + 1;
    }
    require(
        array().broken() != null || !array().walk().isRunning(),
        "a walk never ends: " + last + " " + array().faulty() + array().writable());
    require(array().writing() == 0, "nothing is open, and writers are still counted");
    require(openCount == 0, openRequests());
    if (plan.isBearable()) {
      require(array().broken() == null, "the array is broken: " + array().broken());
    }
    if (plan.stormy().isEmpty() && !plan.failsByHand()) {
      int here = Math.min(shape.members(), shape.devices() - plan.missing().size());
      long inSync = array().letters().chars().filter(letter -> letter == 'U').count();
      require(inSync == here, "law 6: no member failed, and yet " + array().letters());
      require(array().faulty().isEmpty(), "law 6: no member failed: " + array().faulty());
    }
    if (array().broken() == null) {
      look();
    }
  }

  /** Reads everything; block by block where some of it may be lost. */
  private void look() {
    int most = PLACE_BYTES / shape.blockBytes();
    for (int block = 0; block < blockCount; ) {
      int count = Math.min(most, blockCount - block);
      while (count > 1 && holes.mayLack(block, count)) {
        count = Math.ceilDiv(count, 2);
      }
      if (!look(block, count)) {
        return; // the power went meanwhile, and all was looked at since
      }
      block += count;
    }
  }

  private boolean look(int block, int count) {
    boolean[] isEnded = new boolean[1];
    Bio bio = new Bio(rig.loop, done -> isEnded[0] = true);
    bio.prepare(
        Op.READ,
        rig.top(),
        (long) block * shape.blockBytes(),
        (long) count * shape.blockBytes(),
        buffers.memory(),
        0,
        new CancelFlag());
    ArrayRig same = rig;
    rig.loop.enter(bio);
    while (!isEnded[0]) {
      turn(Long.MAX_VALUE);
      if (rig != same) {
        return false;
      }
    }
    boolean isLost = bio.isFailed() && holes.mayLack(block, count);
    require(bio.isDone() || isLost, "in calm weather a read ended as " + bio.outcome());
    int began = model.tick();
    for (int i = 0; i < count && !isLost; i++) {
      model.readFound(block + i, blocks.found(0, i), began);
    }
    buffers.giveBack(0, (long) count * shape.blockBytes());
    return true;
  }

  private void close() {
    int left = rig.loop.close(Long.MAX_VALUE);
    check();
    require(left == 0 && rig.loop.openRequests() == 0, "law 12: closed, and " + openRequests());
    require(rig.leftInLeaves() == 0, "the loop is closed, and a device still holds something");
    for (ArrayRequest open : places) {
      require(!Inside.isWatched(open.flag, rig.loop), "closed, and a flag is still watched");
      buffers.checkIdle(open.bufferAt, PLACE_BYTES);
    }
  }

  private void finish() {
    close();
    boolean wasBroken = array().broken() != null;
    isOpening = true;
    if (plan.isByHand()) {
      inspection.inspect(media, array());
      return;
    }
    rig = newRig();
    if (wasBroken) {
      Inside.abandon(rig.loop);
      return;
    }
    Assembly assembly = assembled(rig);
    inspection.inspect(rig, rig.media(media), assembly, true);
    Inside.abandon(rig.loop);
  }
}
