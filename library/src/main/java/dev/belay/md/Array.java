// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import static dev.belay.Extents.State.DONE;
import static dev.belay.Extents.State.UNKNOWN;

import dev.belay.Bio;
import dev.belay.Device;
import dev.belay.Errno;
import dev.belay.IoError;
import dev.belay.Loop;
import dev.belay.md.Member.State;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * An open array: who its members are, what is written of them on the members themselves, and what a
 * write has to wait for. The device of its level ({@link LevelWork}) does the I/O and asks here.
 *
 * <p><b>Before a write</b> is sent to the first member, the array must be known on disk to be in
 * use ("active"), the write-intent bitmap must have its bits, and any member that failed must be
 * recorded as faulty: {@link #admit} sees to it, and {@link #finished} is its other half, cancelled
 * or not. Both are counted, so the bits go once nothing is under way any more.
 *
 * <p><b>Before a write ends</b>, every failure that it met is recorded: otherwise a crash could
 * bring back a member that lacks it. {@link #whenRecorded} waits for that.
 *
 * <p><b>After a write of all members</b> a crash finds either no bit, and then all of them have it,
 * because bits and the mark "active" are taken away only behind a flush of every member.
 *
 * <p>The loop's thread, but for the constructor, which runs before the loop starts.
 */
public final class Array {
  /** As the kernel has it: more read errors than this, halved each hour, and a member is out. */
  private static final int MOST_READ_ERRORS = 20;

  private static final long HOUR_NANOS = 3_600_000_000_000L;

  private final Loop loop;
  private final Level level;
  private final ArrayOptions options;
  private final @Nullable Member[] slots;
  private final List<Member> spares = new ArrayList<>();
  private final List<Member> faulty = new ArrayList<>();
  private final @Nullable Records records;
  private final @Nullable IntentBitmap bitmap;
  private final Walk walk;
  private @Nullable LevelWork work;
  private @Nullable IoError broken;
  private long errorsHalvedNanos;
  private long requests;

  // Writes: how many are admitted and not finished, and who waits to be admitted.
  private long writing;
  private final ArrayDeque<Waiter> waiters = new ArrayDeque<>();

  /** Somebody who waits to write. */
  private record Waiter(long startBytes, long lengthBytes, Runnable admitted) {}

  /**
   * An array whose members are known.
   *
   * @param slots who is where; null for a place that is empty
   * @param records what is written on the members about them; null for an array that is described
   *     by hand
   * @param bitmap the write-intent bitmap; null for none
   */
  public Array(
      Loop loop,
      Level level,
      ArrayOptions options,
      @Nullable Member[] slots,
      List<Member> spares,
      @Nullable Records records,
      @Nullable IntentBitmap bitmap) {
    this.loop = loop;
    this.level = level;
    this.options = options;
    this.slots = slots.clone();
    this.spares.addAll(spares);
    this.records = records;
    this.bitmap = bitmap;
    walk = new Walk(this, options);
    errorsHalvedNanos = loop.clock().nanos();
    if (records != null) {
      records.attach(this);
    }
    if (bitmap != null) {
      bitmap.attach(this);
    }
  }

  /**
   * An array that is described by hand: without superblocks, and taken to be in sync.
   *
   * @param members by slot; null for a place that is empty
   */
  public static Array byHand(
      Loop loop, Level level, ArrayOptions options, List<? extends @Nullable Device> members) {
    @Nullable Member[] slots = new @Nullable Member[members.size()];
    for (int i = 0; i < slots.length; i++) {
      Device device = members.get(i);
      if (device != null) {
        slots[i] = new Member("member " + i, device, 0, i, State.IN_SYNC, 0);
      }
    }
    return new Array(loop, level, options, slots, List.of(), null, null);
  }

  /** The device of the level is made; the array begins what it has to do by itself. */
  public void attach(LevelWork work) {
    this.work = work;
    checkAlive();
    loop.execute(walk::beginByItself);
  }

  LevelWork work() {
    return Objects.requireNonNull(work);
  }

  public Loop loop() {
    return loop;
  }

  public Level level() {
    return level;
  }

  public ArrayOptions options() {
    return options;
  }

  // --- Members ---

  /** How many places the array has. */
  public int slotCount() {
    return slots.length;
  }

  /** Who is in a place: in sync or being rebuilt. Null for nobody. */
  public @Nullable Member member(int slot) {
    return slots[slot];
  }

  /** Why a place gives nothing of a range, as its member counts, for a sentence. */
  public String whyUnreadable(int slot, long offsetBytes, long lengthBytes) {
    Member member = slots[slot];
    return member == null
        ? "member " + slot + " is missing"
        : member.whyUnreadable(offsetBytes, lengthBytes);
  }

  /** All that get writes. */
  public List<Member> writable() {
    List<Member> found = new ArrayList<>();
    for (Member member : slots) {
      if (member != null) {
        found.add(member);
      }
    }
    return found;
  }

  public List<Member> spares() {
    return spares;
  }

  public List<Member> faulty() {
    return faulty;
  }

  /** Whether a place is empty or being rebuilt. */
  public boolean isDegraded() {
    for (Member member : slots) {
      if (member == null || member.state != State.IN_SYNC) {
        return true;
      }
    }
    return false;
  }

  /** Why nothing can be read or written any more; null while it can. */
  public @Nullable IoError broken() {
    return broken;
  }

  private boolean canRunWithout(@Nullable Member without) {
    return work()
        .canRunWithout(
            slot -> {
              Member member = slots[slot];
              return member == null || member == without || member.state != State.IN_SYNC;
            });
  }

  private void checkAlive() {
    if (!canRunWithout(null)) {
      broken =
          new IoError(Errno.EIO, level.word() + " has lost more members than it can do without");
    }
  }

  // --- Errors of members ---

  /**
   * Whether an error says something of the member: not if it is about the caller's memory, or about
   * what the member cannot do at all.
   *
   * @param bio the caller's, whose buffer the member was given
   */
  public static boolean isMembersFault(Bio bio, IoError error) {
    return error.errno() != Errno.EFAULT
        && error.errno() != Errno.EINVAL
        && error.errno() != Errno.EOPNOTSUPP
        && bio.buffer().scope().isAlive();
  }

  /**
   * A read of the member failed, not by being cancelled. It stays, so that the level rewrites the
   * place, unless that happens too often.
   *
   * @return whether the member is still in the array
   */
  public boolean readFailed(Member member, IoError error) {
    long now = loop.clock().nanos();
    while (now - errorsHalvedNanos >= HOUR_NANOS) {
      errorsHalvedNanos += HOUR_NANOS;
      writable().forEach(each -> each.readErrors /= 2);
    }
    if (++member.readErrors <= MOST_READ_ERRORS) {
      return member.isWritable();
    }
    return !fail(member, "more than " + MOST_READ_ERRORS + " reads failed, the last: " + error);
  }

  /** A place that could not be read was rewritten, and reads right. */
  public void readCorrected(Member member) {
    member.correctedReads++;
  }

  /**
   * A write of the member failed, not by being cancelled.
   *
   * @return true if the member is out now, and the write counts as done where the others have it;
   *     false if the array cannot do without it, and the error is the caller's
   */
  public boolean writeFailed(Member member, IoError error) {
    return !member.isWritable() || fail(member, "a write failed: " + error);
  }

  /**
   * Takes a member out, if the array can do without it. It is recorded before any write ends or
   * begins.
   *
   * @param why for the log
   * @return whether it is out
   */
  public boolean fail(Member member, String why) {
    if (member.state == State.FAULTY) {
      return true;
    }
    if (member.state == State.IN_SYNC && !canRunWithout(member)) {
      return false;
    }
    if (member.slot >= 0 && slots[member.slot] == member) {
      slots[member.slot] = null;
    }
    spares.remove(member);
    member.state = State.FAULTY;
    faulty.add(member);
    if (records != null) {
      records.update(true);
    }
    loop.execute(walk::membersChanged);
    String sentence = level.word() + ": " + member.name() + " is out: " + why;
    try {
      System.getLogger("dev.belay").log(System.Logger.Level.WARNING, sentence);
    } catch (RuntimeException | Error defect) {
      report(defect); // of whoever listens
    }
    return true;
  }

  /** Puts a spare into an empty place, to be filled. */
  void activate(Member spare, int slot) {
    spares.remove(spare);
    spare.slot = slot;
    spare.state = State.REBUILDING;
    spare.rebuiltBytes = 0;
    slots[slot] = spare;
    spare.noteFlush();
    if (bitmap != null) {
      bitmap.writeAll();
    }
    if (records != null) {
      records.update(false);
    }
  }

  // --- Writes ---

  /** A request of somebody's came: walks make room for it. */
  public void noteRequest() {
    requests++;
  }

  long requests() {
    return requests;
  }

  /** Why nothing can be written; null if it can. */
  public @Nullable IoError writeRefusal() {
    if (options.isReadOnly()) {
      return new IoError(Errno.EROFS, level.word() + " was opened to be read only");
    }
    return broken;
  }

  /**
   * Asks leave to write to a range. With an answer of true it is given at once; else {@code
   * admitted} runs later, once. In both cases {@link #finished} must follow, also if nothing was
   * written after all.
   *
   * @param startBytes as the bitmap counts: on the members, or in the array for RAID 10
   */
  public boolean admit(long startBytes, long lengthBytes, Runnable admitted) {
    writing++;
    if (records == null && bitmap == null) {
      return true;
    }
    if (!waiters.isEmpty() || (records != null && !records.mayWrite())) {
      waiters.add(new Waiter(startBytes, lengthBytes, admitted));
      return false;
    }
    return bitmap == null || bitmap.begin(startBytes, lengthBytes, admitted);
  }

  /** The records say what writers have to know of: lets them go on. */
  void mayWriteNow() {
    while (!waiters.isEmpty() && (records == null || records.mayWrite())) {
      Waiter next = waiters.remove();
      if (bitmap == null || bitmap.begin(next.startBytes, next.lengthBytes, next.admitted)) {
        OwnRequests.runAll(this, List.of(next.admitted));
      }
    }
  }

  /**
   * The other half of {@link #admit}.
   *
   * @param isWhole whether all members agree about the range: false after a write that failed on
   *     all that would hold it, so that a resync is needed
   */
  public void finished(long startBytes, long lengthBytes, boolean isWhole) {
    writing--;
    if (bitmap != null) {
      bitmap.end(startBytes, lengthBytes, isWhole);
    }
    if (!isWhole) {
      walk.disagreed();
      if (records != null) {
        records.mustResync();
      }
    }
    if (writing == 0 && records != null) {
      records.idle();
    }
  }

  /** How many writes were admitted and are not finished. */
  public long writing() {
    return writing;
  }

  /** Whether no failure of a member waits to be recorded. */
  public boolean isRecorded() {
    return records == null || records.isRecorded();
  }

  /** Runs {@code then} once every failure so far is recorded; at once if it is. */
  public void whenRecorded(Runnable then) {
    if (records == null || records.isRecorded()) {
      then.run();
    } else {
      records.whenRecorded(then);
    }
  }

  /**
   * Whether members may disagree about a range, until a resync has come by: reads of it should all
   * ask the same one.
   */
  public boolean mayDisagree(long startBytes, long lengthBytes) {
    if (walk.isRunning() && walk.mode() == SyncMode.RESYNC) {
      return !walk.hasResynced(startBytes + lengthBytes);
    }
    if (bitmap != null) {
      return bitmap.isNeeded(startBytes, lengthBytes);
    }
    return records != null && startBytes + lengthBytes > records.resyncBytes();
  }

  /** What the members are now is written on all of them, though nothing may have happened. */
  public void record() {
    if (records != null) {
      records.update(false);
    }
  }

  // --- What levels share ---

  /** Sends a flush to all members that get writes; one that fails it is out. */
  public void flush(Bio bio) {
    IoError why = broken;
    if (why != null) {
      bio.fail(why.errno(), why.sentence(), UNKNOWN);
      return;
    }
    new Flush(bio).begin();
  }

  /** A flush on its way to the members. */
  private final class Flush {
    private final Bio bio;
    private int pending = 1;
    private int durable;

    Flush(Bio bio) {
      this.bio = bio;
    }

    void begin() {
      for (Member member : writable()) {
        pending++;
        bio.newClone(clone -> ended(member, clone)).remap(member.device(), 0).submit();
      }
      childEnded();
    }

    private void ended(Member member, Bio clone) {
      if (clone.isFailed() && writeFailed(member, Objects.requireNonNull(clone.error()))) {
        childEnded();
        return;
      }
      durable += clone.isDone() ? 1 : 0;
      bio.join(clone);
      childEnded();
    }

    private void childEnded() {
      if (--pending == 0) {
        if (durable == 0 && bio.isDone()) {
          bio.recordFailed(new IoError(Errno.EIO, "no member could be flushed"), DONE);
        }
        whenRecorded(bio::complete);
      }
    }
  }

  /** A request of the array's own failed: the member is out, or there is no array any more. */
  void ownRequestFailed(Member member, IoError error) {
    boolean isOut =
        member.state == State.SPARE ? fail(member, error.toString()) : writeFailed(member, error);
    if (!isOut) {
      breakDown(error.errno(), error.toString());
    }
  }

  /** Something of the array's own threw, so that what waits for it would wait for ever. */
  void recordingThrew(Throwable defect) {
    report(defect);
    breakDown(Errno.EIO, defect.toString());
  }

  private void breakDown(int errno, String why) {
    if (broken == null) {
      broken =
          new IoError(
              errno, "what " + level.word() + " must know of itself cannot be recorded: " + why);
    }
    if (records != null) {
      records.breakDown();
    }
    if (bitmap != null) {
      bitmap.breakDown();
    }
    mayWriteNow();
  }

  /** Has the loop report what was caught, as it does with what it catches itself. */
  void report(Throwable defect) {
    loop.execute(
        () -> {
          if (defect instanceof Error error) {
            throw error;
          }
          throw (RuntimeException) defect;
        });
  }

  // --- Status and the end ---

  /** The walk that runs or ran last. */
  public Walk walk() {
    return walk;
  }

  public @Nullable Records records() {
    return records;
  }

  public @Nullable IntentBitmap bitmap() {
    return bitmap;
  }

  /** As /proc/mdstat has it: a letter a place, U for one in sync, _ for one that is not. */
  public String letters() {
    StringBuilder text = new StringBuilder("[");
    for (Member member : slots) {
      text.append(member != null && member.state == State.IN_SYNC ? 'U' : '_');
    }
    return text.append(']').toString();
  }

  /** One line. */
  public String status() {
    int inSync = (int) letters().chars().filter(letter -> letter == 'U').count();
    String text = "[" + slots.length + "/" + inSync + "] " + letters();
    return walk.isRunning() ? text + ", " + walk.status() : text;
  }

  /** No request is left, and none will come: what stands on disk becomes final. */
  public void settle() {
    walk.settle();
    Runnable last = records == null ? () -> {} : records::settle;
    if (options.isReadOnly() || broken != null) {
      return;
    }
    if (bitmap != null) {
      bitmap.settle(last);
    } else {
      last.run();
    }
  }
}
