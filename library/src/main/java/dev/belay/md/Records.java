// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import dev.belay.Timers;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * What the members say of their array: a superblock on each, which is written anew when something
 * changes that a crash must not make forgotten. Each time all members are flushed first, so that a
 * superblock never promises what is not on disk; then the bitmap's head gets the new count of
 * events; then the superblocks are written.
 *
 * <p>Between the first write and a while after the last one the superblocks say "active": the
 * resync offset is 0, and whoever finds it so knows that members may disagree, but for what logs of
 * partial parity make good.
 *
 * <p>The loop's thread.
 */
public final class Records {
  private final HashMap<Member, Superblock> superblocks = new HashMap<>();
  private @Nullable Array array;
  private Timers.@Nullable Timer idle;
  private long events;

  /** How far a resync that is due has come; {@link Superblock#CLEAN} if none is due. */
  private long resyncBytes;

  // What should be written, what is, by number; and whether it says that the array is active.
  private long wanted;
  private long written;
  private long wantedOfFailure;
  private boolean isWriting;
  private boolean wantsActive;
  private boolean isActive;
  private boolean isBroken;

  // Partial parity logs: whether they are kept, whose are empty, and how often one was emptied.
  private boolean keepsLogs;
  private final Set<Member> emptiedLogs = new HashSet<>();
  private long emptied;

  /** What the superblocks say of {@link #resyncBytes}. */
  private long writtenResyncBytes;

  /** Whether members that lacked the last superblock have it. */
  private boolean hasCaughtUp;

  /** How many came to write, and how many had come when the timer for "clean" was set. */
  private long writers;

  private long writersSeen;
  private List<Runnable> waiters = new ArrayList<>();

  /**
   * @param superblocks each member's own
   * @param events the highest count of events among them
   */
  public Records(Map<Member, Superblock> superblocks, long events, long resyncBytes) {
    this.superblocks.putAll(superblocks);
    this.events = events;
    this.resyncBytes = resyncBytes;
  }

  void attach(Array array) {
    this.array = array;
    idle = array.loop().timers().newTimer(this::becomeClean);
  }

  private Array array() {
    return Objects.requireNonNull(array);
  }

  /** How often the records were changed, ever. */
  public long events() {
    return events;
  }

  /** A member's superblock, as it will be written next. */
  public Superblock of(Member member) {
    return Objects.requireNonNull(superblocks.get(member));
  }

  long bitmapOffsetBytes(Member member) {
    return of(member).bitmapAtBytes().orElseThrow();
  }

  // --- Writers ---

  /** Whether a write may be sent; if not, the records are on their way to say what it needs. */
  boolean mayWrite() {
    if (!wantsActive) {
      wantsActive = true;
      update(false);
    }
    writers++;
    return isBroken || (isActive && isRecorded());
  }

  /** No writer is left at this moment. */
  void idle() {
    Timers.Timer timer = Objects.requireNonNull(idle);
    if (!timer.isSet()) {
      writersSeen = writers;
      timer.set(array().loop().clock().nanos() + array().options().idleNanos());
    }
  }

  private void becomeClean() {
    if (!isActive || array().writing() > 0 || array().loop().isClosing()) {
      return; // the last of the writers sets the timer again
    }
    if (writers != writersSeen) {
      idle();
      return;
    }
    wantsActive = false;
    update(false);
  }

  /** Whether every failure of a member is recorded, or never will be: nobody waits for that. */
  boolean isRecorded() {
    return written >= wantedOfFailure || isBroken || array().options().isReadOnly();
  }

  void whenRecorded(Runnable then) {
    waiters.add(then);
  }

  // --- Walks ---

  /** How far a resync that is due has come; {@link Superblock#CLEAN} if none is due. */
  public long resyncBytes() {
    return resyncBytes;
  }

  void setResyncBytes(long bytes) {
    resyncBytes = bytes;
  }

  /** A write failed so that members disagree: everything is due, where no bitmap knows better. */
  void mustResync() {
    resyncBytes = 0;
    emptiedLogs.clear();
    update(false);
  }

  // --- Writing them ---

  /**
   * What the array is now is to be recorded.
   *
   * @param isFailure whether no write may begin or end before
   */
  void update(boolean isFailure) {
    wanted++;
    if (isFailure) {
      wantedOfFailure = wanted;
    }
    if (!isWriting && !isBroken && !array().options().isReadOnly()) {
      write();
    }
  }

  private void write() {
    isWriting = true;
    long number = wanted;
    boolean active = wantsActive;
    isActive &= active; // who comes from now on waits until it says "active" again
    // Only what is there now is behind the flush.
    long resynced = resyncBytes;
    array().writable().forEach(Member::noteFlush);
    OwnRequests.flush(
        array(), array().writable(), () -> catchUp(() -> writeHeads(number, active, resynced)));
  }

  private void writeHeads(long number, boolean active, long resynced) {
    events++;
    IntentBitmap bitmap = array().bitmap();
    Runnable last = () -> writeSuperblocks(number, active, resynced);
    Runnable then = active ? () -> emptyLogs(last) : last;
    if (bitmap == null || isBroken) {
      then.run();
    } else {
      bitmap.writeHead(then);
    }
  }

  /**
   * Members that a crash kept from the last superblock get that one first. Two behind, after
   * another crash, they would be taken for stale though they have everything.
   */
  private void catchUp(Runnable then) {
    Superblock freshest = null;
    for (Superblock each : superblocks.values()) {
      freshest = each.events() == events && each.isActive(each.role()) ? each : freshest;
    }
    List<OwnRequests.Piece> pieces = new ArrayList<>();
    for (Member member : array().writable()) {
      Superblock own = of(member);
      if (!hasCaughtUp && freshest != null && own.events() < events) {
        for (int number = 0; number < own.slots(); number++) {
          own.setRole(number, freshest.role(number));
        }
        own.setResyncBytes(freshest.resyncBytes());
        own.setEvents(events);
        describeRebuild(member, own);
        pieces.add(piece(member, own));
      }
    }
    hasCaughtUp = true;
    OwnRequests.write(array(), pieces, then);
  }

  private static OwnRequests.Piece piece(Member member, Superblock superblock) {
    // No more than its blocks: with metadata 1.0 the bitmap may begin right behind it.
    byte[] bytes = superblock.encode();
    int block = member.device().limits().logicalBlockBytes();
    byte[] blocks = Arrays.copyOf(bytes, Math.ceilDiv(bytes.length, block) * block);
    return new OwnRequests.Piece(member, superblock.atBytes(), pinned(blocks));
  }

  // --- Partial parity logs ---

  /** The array logs partial parity, from now on: see {@link PartialParityWriter}. */
  void keepLogs() {
    keepsLogs = true;
  }

  /** How much room there is for the partial parity log of a member; 0 for none. */
  int logBytes(Member member) {
    return of(member).pplAtBytes().isPresent() ? of(member).pplBytes() : 0;
  }

  /** How often a log was emptied. */
  long emptied() {
    return emptied;
  }

  /**
   * Whether writes must go into a member's log. Not while all is to be resynced, as it is with a
   * new array: what is then in the logs would be believed, and the resync left out.
   */
  boolean isLogged(Member member) {
    return keepsLogs
        && !isBroken
        && resyncBytes != 0
        && writtenResyncBytes != 0
        && emptiedLogs.contains(member);
  }

  /**
   * What a partial parity log says must not be believed once there are new writes that it does not
   * know: all are emptied before the first, and a new member's before it is known as one.
   */
  private void emptyLogs(Runnable then) {
    List<OwnRequests.Piece> pieces = new ArrayList<>();
    List<Member> members = new ArrayList<>();
    for (Member member : array().writable()) {
      if (logBytes(member) > 0 && !emptiedLogs.contains(member)) {
        // All of it: of several headers there the one with the highest generation would win.
        byte[] header = PartialParityLog.empty(of(member).uuid(), 0).encode();
        byte[] bytes = Arrays.copyOf(header, logBytes(member));
        long at = of(member).pplAtBytes().orElseThrow();
        pieces.add(new OwnRequests.Piece(member, at, pinned(bytes)));
        members.add(member);
      }
    }
    OwnRequests.write(
        array(),
        pieces,
        () -> {
          emptied += members.size();
          emptiedLogs.addAll(members);
          then.run();
        });
  }

  private static MemorySegment pinned(byte[] bytes) {
    PinnedBlock block = new PinnedBlock(bytes.length);
    MemorySegment.copy(MemorySegment.ofArray(bytes), 0, block.segment(), 0, bytes.length);
    return block.segment();
  }

  private void writeSuperblocks(long number, boolean active, long resynced) {
    if (isBroken) {
      ended(number, active, resynced);
      return;
    }
    // With logs a crash costs only what they make good, and not what is in sync already.
    long whileActive = keepsLogs && resynced != Superblock.CLEAN ? resynced : 0;
    List<OwnRequests.Piece> pieces = new ArrayList<>();
    List<Member> all = new ArrayList<>(array().writable());
    all.addAll(array().spares());
    for (Member member : all) {
      Superblock superblock = of(member);
      describe(member, superblock, all);
      superblock.setResyncBytes(active ? whileActive : resynced);
      pieces.add(piece(member, superblock));
    }
    OwnRequests.write(array(), pieces, () -> ended(number, active, resynced));
  }

  /** Makes a superblock say what the array is now. Who is not among {@code all} is faulty. */
  private void describe(Member member, Superblock superblock, List<Member> all) {
    for (int number = 0; number < superblock.slots(); number++) {
      superblock.setRole(number, Superblock.FAULTY);
    }
    for (Member other : all) {
      int role = other.slot() < 0 ? Superblock.SPARE : other.slot();
      superblock.setRole(of(other).number(), role);
    }
    describeRebuild(member, superblock);
    superblock.setEvents(events);
    superblock.setUpdatedSeconds(TimeUnit.MILLISECONDS.toSeconds(System.currentTimeMillis()));
    superblock.setCorrectedReads((int) member.correctedReads());
  }

  /** Who has a place is taken to be in sync, unless it says how far it is. */
  private static void describeRebuild(Member member, Superblock superblock) {
    if (member.flushedBytes == Member.ALL_BYTES) {
      superblock.setNoRecovery();
    } else {
      superblock.setRecovery(member.flushedBytes, member.catchesUp);
    }
  }

  private void ended(long number, boolean active, long resynced) {
    isWriting = false;
    writtenResyncBytes = resynced;
    written = Math.max(written, number);
    isActive = active && wantsActive;
    if (wanted > number && !isBroken) {
      write();
    }
    serve();
    array().mayWriteNow();
  }

  private void serve() {
    if (isRecorded()) {
      List<Runnable> served = waiters;
      waiters = new ArrayList<>();
      OwnRequests.runAll(array(), served);
    }
  }

  /** They cannot be written any more: nobody waits for that. */
  void breakDown() {
    isBroken = true;
    serve();
  }

  /** The array closes: it is clean, and a walk that was under way can go on from where it was. */
  void settle() {
    Objects.requireNonNull(idle).cancel();
    if (isActive || wantsActive || wanted > written) {
      wantsActive = false;
      update(false);
    }
  }
}
