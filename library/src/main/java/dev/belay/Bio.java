// SPDX-License-Identifier: Apache-2.0
package dev.belay;

import dev.belay.Extents.State;
import dev.belay.Outcome.Kind;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * One request inside a stack: an operation on a byte range of a device, a buffer, and a pointer to
 * the flag that says "please stop".
 *
 * <p>A bio has one owner at a time: whoever made it, until it is submitted; then the device it was
 * given to, until that completes it. A front makes its bios itself and reuses them; a device takes
 * {@linkplain #newClone clones} from the loop's pool, which go back there after their end has run.
 * Only on the loop's thread, save that a front prepares a bio on its own thread before it is sent.
 */
public final class Bio extends Mail {
  /** How many pieces of one split bio are under way at a time; the rest stays uncut. */
  public static final int SPLIT_WINDOW = 128;

  private final Loop loop;

  // The request.
  private Op op = Op.FLUSH;
  private boolean fua;
  private @Nullable Device device;
  private long offsetBytes;
  private long lengthBytes;
  private MemorySegment buffer = MemorySegment.NULL;
  private long bufferOffsetBytes;
  private long address;
  private CancelFlag flag = CancelFlag.NEVER;

  /** What {@link #commit} took the place of; null before it. */
  @Nullable CancelFlag flagBeforeCommit;

  // The result so far: all bytes are in the state `base`, or, where the log says anything, DONE but
  // for what the log says.
  private Kind status = Kind.DONE;
  private State base = State.DONE;
  private Extents.@Nullable Log log;
  private @Nullable IoError error;
  private @Nullable Holes holes;

  // Whose it is.
  private int life = Life.IDLE;
  private @Nullable BioEnd end;
  @Nullable Bio parent;
  private long startInParent;

  // What it waits for as a parent.
  /** Clones that were submitted and whose ends have not begun. */
  private int clones;

  int pending;
  @Nullable Cutter cutter;
  long cutBytes;
  int window;

  /** A word for the device that holds the bio now. */
  private long note;

  // Intrusive links: a loop's queue; a parked queue; a flag's watch.
  @Nullable Bio nextQueued;
  @Nullable Bio previousParked;
  @Nullable Bio nextParked;
  @Nullable Bio previousOfWatch;
  @Nullable Bio nextOfWatch;
  @Nullable Watch watch;
  private @Nullable Waiting waiting;
  boolean isParked;

  /** A device threw while it had it, and may still refer to it. */
  private boolean isSpoiled;

  /** Where it stands among the loop's open requests; -1 for a bio that is none of them. */
  int openIndex = -1;

  /** A bio for a front, which keeps it and may use it again after each end. */
  public Bio(Loop loop, BioEnd end) {
    this.loop = loop;
    this.end = Objects.requireNonNull(end);
  }

  Bio(Loop loop) {
    this.loop = loop;
    life = Life.POOLED;
  }

  // --- The request ---

  /**
   * Makes it a new request, and forgets the last one. The range and the buffer are checked when it
   * is submitted.
   *
   * @param buffer native memory that nobody can free while the request runs; NULL for operations
   *     without one
   * @param flag the request's own flag, which closing the loop raises
   */
  public void prepare(
      Op op,
      Device device,
      long offsetBytes,
      long lengthBytes,
      MemorySegment buffer,
      long bufferOffsetBytes,
      CancelFlag flag) {
    if (life != Life.IDLE) {
      throw new IllegalStateException(
          life == Life.DEAD
              ? "a request that a defect of a device ended is not prepared again"
              : "a request is prepared again only after its completion");
    }
    this.op = op;
    this.device = device;
    this.offsetBytes = offsetBytes;
    this.lengthBytes = lengthBytes;
    this.buffer = buffer;
    this.bufferOffsetBytes = bufferOffsetBytes;
    this.address = buffer.address() + bufferOffsetBytes;
    this.flag = flag;
    fua = false;
    forgetResult();
  }

  /** Asks that a write be durable when it completes (force unit access). */
  public void setFua(boolean fua) {
    this.fua = fua;
  }

  private void forgetResult() {
    // Few requests have anything to forget, and a look costs less than a store of a reference.
    if (status != Kind.DONE) {
      status = Kind.DONE;
      error = null;
    }
    if (base != State.DONE) {
      base = State.DONE;
    }
    if (log != null) {
      log.clear();
    }
    if (holes != null) {
      holes.clear();
    }
  }

  /** Forgets the buffer and the flag, so that an idle bio keeps neither reachable. */
  public void release() {
    buffer = MemorySegment.NULL;
    flag = CancelFlag.NEVER;
  }

  public Op op() {
    return op;
  }

  /** Whether a write is to be durable when it completes. */
  public boolean isFua() {
    return fua;
  }

  /** The device that it goes into, or is in. */
  public Device device() {
    return Objects.requireNonNull(device);
  }

  /** The range's first byte, as the device counts. */
  public long offsetBytes() {
    return offsetBytes;
  }

  public long lengthBytes() {
    return lengthBytes;
  }

  /** The memory; this bio's part of it begins at {@link #bufferOffsetBytes}. */
  public MemorySegment buffer() {
    return buffer;
  }

  public long bufferOffsetBytes() {
    return bufferOffsetBytes;
  }

  /** Where this bio's part of the buffer begins. */
  public long address() {
    return address;
  }

  public CancelFlag flag() {
    return flag;
  }

  /** The bio of which this is a clone. */
  public Bio parent() {
    return Objects.requireNonNull(parent);
  }

  /** The request at the top, of which this is a clone or a clone's clone; or this bio itself. */
  public Bio root() {
    Bio root = this;
    for (Bio next = parent; next != null; next = next.parent) {
      root = next;
    }
    return root;
  }

  public Loop loop() {
    return loop;
  }

  /**
   * A word that belongs to the device that holds the bio. Who submits a bio finds something else
   * there when it ends.
   */
  public long note() {
    return note;
  }

  public void setNote(long note) {
    this.note = note;
  }

  // --- Down: remap, clone, split, chain, shield ---

  /** Points it at another place, in {@code lower}. */
  public Bio remap(Device lower, long offsetBytes) {
    device = lower;
    this.offsetBytes = offsetBytes;
    return this;
  }

  /** Gives it other memory, of the same length: a bounce buffer. */
  public Bio setBuffer(MemorySegment buffer, long bufferOffsetBytes) {
    this.buffer = buffer;
    this.bufferOffsetBytes = bufferOffsetBytes;
    address = buffer.address() + bufferOffsetBytes;
    return this;
  }

  /** Makes the range of a clone another one, before it is submitted. */
  public Bio resize(long lengthBytes) {
    this.lengthBytes = lengthBytes;
    return this;
  }

  /** Makes it another operation, before it is submitted. */
  public Bio setOp(Op op) {
    this.op = op;
    return this;
  }

  /**
   * The commit point: the last look at the flag by a layer that must finish what it begins. If the
   * flag is up, the answer is false and nothing has changed: the layer cancels the bio, clean. If
   * it is down, the answer is true, and until its end the bio carries {@link CancelFlag#NEVER}: it
   * is watched no longer, and its clones are shielded.
   */
  public boolean commit() {
    if (flag.isRaised()) {
      return false;
    }
    unwatch();
    if (flag != CancelFlag.NEVER) {
      flagBeforeCommit = flag;
      flag = CancelFlag.NEVER;
    }
    return true;
  }

  /** Gives a clone another flag, a child of this one's. */
  public Bio setFlag(CancelFlag flag) {
    this.flag = flag;
    return this;
  }

  /**
   * A copy that shares buffer and flag. When it has completed, {@code end} runs, and the clone goes
   * back to the pool; completing this bio is the business of {@code end}.
   */
  public Bio newClone(BioEnd end) {
    Bio clone = loop.takeFromPool();
    clone.op = op;
    clone.fua = fua;
    clone.device = device;
    clone.offsetBytes = offsetBytes;
    clone.lengthBytes = lengthBytes;
    clone.buffer = buffer;
    clone.bufferOffsetBytes = bufferOffsetBytes;
    clone.address = address;
    clone.flag = flag;
    clone.forgetResult();
    clone.end = end;
    clone.parent = this;
    clone.startInParent = 0;
    clone.note = 0;
    clone.life = Life.IDLE;
    return clone;
  }

  /** A clone for the part of the range that begins {@code startBytes} into it. */
  public Bio newClone(BioEnd end, long startBytes, long lengthBytes) {
    Bio clone = newClone(end);
    clone.take(startBytes, lengthBytes);
    return clone;
  }

  private void take(long startBytes, long lengthBytes) {
    startInParent = startBytes;
    offsetBytes += startBytes;
    this.lengthBytes = lengthBytes;
    if (op.hasBuffer()) {
      bufferOffsetBytes += startBytes;
      address += startBytes;
    }
  }

  /** Says where this clone's range begins within its parent's; may be negative, for a wider one. */
  public Bio setStartInParent(long startBytes) {
    startInParent = startBytes;
    return this;
  }

  /** Hands it to the loop, on the way into its device. */
  public void submit() {
    loop.submit(this);
  }

  /**
   * Waits for clones: between {@code beginChain} and {@link #endChain}, clones made by {@link
   * #chain} may be submitted. This bio completes, with their outcomes joined, after the last one.
   */
  public void beginChain() {
    pending = 1;
    cutter = null;
  }

  /** A clone that this bio waits for. */
  public Bio chain() {
    pending++;
    return newClone(CHAIN);
  }

  /** All clones have been submitted. */
  public void endChain() {
    childEnded();
  }

  /** Sends a clone at offset 0 to each of the devices, and waits for all: a flush. */
  public void chainToAll(List<Device> devices) {
    beginChain();
    for (Device each : devices) {
      chain().remap(each, 0).submit();
    }
    endChain();
  }

  /** Sends one clone into {@code lower}, and waits for it: remap for a bio that was held back. */
  public void passOn(Device lower, long offsetBytes) {
    beginChain();
    chain().remap(lower, offsetBytes).submit();
    endChain();
  }

  static final BioEnd CHAIN =
      child -> {
        Bio waiting = child.parent();
        waiting.join(child);
        waiting.childEnded();
      };

  private void childEnded() {
    if (cutter != null && cutBytes < lengthBytes) {
      pending--;
      Cutting.goOn(this);
    } else if (--pending == 0) {
      complete();
    }
  }

  /**
   * Cuts the bio into pieces, submits them in order, and completes when the last of them has. Only
   * {@link #SPLIT_WINDOW} pieces are under way at a time; if the flag goes up or a piece fails, the
   * rest is never cut and stays clean.
   */
  public void split(Cutter cutter) {
    split(cutter, SPLIT_WINDOW);
  }

  /** The same with another window, of at least 1 piece under way at a time. */
  public void split(Cutter cutter, int window) {
    this.cutter = cutter;
    this.window = window;
    cutBytes = 0;
    pending = 0;
    Cutting.goOn(this);
  }

  // --- The buffer ---

  /**
   * Copies a part of the buffer out of it. The memory may be the caller's, who may have closed its
   * arena or cut short the file that it maps: then the answer is EFAULT, and what reached the
   * target is not to be used.
   *
   * @param startBytes where the part begins, from the bio's first byte
   * @return null once all is copied, else the error to fail the request with; never throws
   */
  public @Nullable IoError copyFromBuffer(
      long startBytes, MemorySegment target, long targetBytes, long lengthBytes) {
    return CallersMemory.copy(
        buffer, bufferOffsetBytes + startBytes, target, targetBytes, lengthBytes, this);
  }

  /**
   * Copies bytes into a part of the buffer; as {@link #copyFromBuffer}, and after an error it is
   * unknown how many of them arrived.
   */
  public @Nullable IoError copyToBuffer(
      long startBytes, MemorySegment source, long sourceBytes, long lengthBytes) {
    return CallersMemory.copy(
        source, sourceBytes, buffer, bufferOffsetBytes + startBytes, lengthBytes, this);
  }

  // --- Waiting ---

  /**
   * The bio waits for long: {@code place} is to be told when its flag goes up. If it is up already,
   * the place is told at once, before this returns.
   */
  public void watch(Waiting place) {
    if (flag == CancelFlag.NEVER) {
      return;
    }
    if (watch != null) {
      throw new IllegalStateException("a bio that is watched already is to be watched by " + place);
    }
    waiting = place;
    Watch.add(loop, this);
    if (flag.isRaised()) {
      wakeHolder();
    }
  }

  /** The bio waits no longer; nothing happens if it is not watched. */
  public void unwatch() {
    if (watch != null) {
      Watch.remove(this);
      waiting = null;
    }
  }

  /** Whether a place is to be told when the flag goes up. */
  public boolean isWatched() {
    return watch != null;
  }

  void wakeHolder() {
    Waiting place = Objects.requireNonNull(waiting);
    Watch.remove(this);
    waiting = null;
    place.flagRaised(this);
  }

  // --- Up: the result ---

  /** Completes it, with what was recorded of it: DONE, if nothing was. */
  public void complete() {
    loop.completed(this);
  }

  /** Completes it CANCELLED, and all of it clean: it was never sent. */
  public void cancelClean() {
    recordCancelled(State.CLEAN);
    complete();
  }

  /** Completes it FAILED, with what became of its bytes. */
  public void fail(int errno, String sentence, State bytes) {
    recordFailed(new IoError(errno, sentence), bytes);
    complete();
  }

  /** Records that it was stopped, and what became of all its bytes; DONE leaves that to marks. */
  public void recordCancelled(State bytes) {
    status = status == Kind.DONE ? Kind.CANCELLED : status;
    recordBytes(bytes);
  }

  /** The same for an error of a device; the first error is kept. */
  public void recordFailed(IoError error, State bytes) {
    status = Kind.FAILED;
    if (this.error == null) {
      this.error = error;
    }
    recordBytes(bytes);
  }

  /** What is said last makes nothing better: where the log is used, unknown wins as well. */
  private void recordBytes(State bytes) {
    if (log == null || log.isEmpty()) {
      base = bytes.compareTo(base) > 0 ? bytes : base;
    } else {
      log.add(0, lengthBytes, bytes);
    }
  }

  /** Records a part that is not done, relative to the bio's first byte. */
  public void mark(long startBytes, long lengthBytes, State state) {
    openLog().add(startBytes, startBytes + lengthBytes, state);
  }

  /** Takes a clone's result into this bio's: the first error sticks, extents are joined. */
  public void join(Bio child) {
    if (child.holes != null) {
      holes().addAll(child.holes, child.startInParent, lengthBytes);
    }
    if (child.status == Kind.DONE) {
      return;
    }
    status = child.status.compareTo(status) > 0 ? child.status : status;
    if (error == null) {
      error = child.error;
    }
    if (child.log != null && !child.log.isEmpty()) {
      openLog().addAll(child.log, child.startInParent, lengthBytes);
    } else if (child.base != State.DONE
        && child.startInParent == 0
        && child.lengthBytes == lengthBytes
        && (log == null || log.isEmpty())) {
      base = base == State.UNKNOWN ? base : child.base;
    } else if (child.base != State.DONE) {
      long end = Math.min(lengthBytes, child.startInParent + child.lengthBytes);
      long start = Math.max(0, child.startInParent);
      mark(start, end - start, child.base);
    }
  }

  /** The log, with what `base` said of the bytes written into it. */
  private Extents.Log openLog() {
    if (log == null) {
      log = new Extents.Log();
    }
    if (base != State.DONE) {
      log.add(0, lengthBytes, base);
      base = State.DONE;
    }
    return log;
  }

  /** Says that a part reads as zeroes, because nothing is stored there: for FIND_HOLES. */
  public void markHole(long startBytes, long lengthBytes) {
    holes().add(startBytes, startBytes + lengthBytes);
  }

  /** What a FIND_HOLES has found: true also if it was stopped. Until the bio is prepared again. */
  public Holes holes() {
    if (holes == null) {
      holes = new Holes();
    }
    return holes;
  }

  public boolean isDone() {
    return status == Kind.DONE;
  }

  public boolean isCancelled() {
    return status == Kind.CANCELLED;
  }

  public boolean isFailed() {
    return status == Kind.FAILED;
  }

  /** The first error of a failed bio, else null. */
  public @Nullable IoError error() {
    return error;
  }

  /** What became of which bytes, as recorded so far. */
  public Extents extents() {
    if (log == null || log.isEmpty()) {
      return Extents.whole(lengthBytes, base);
    }
    return log.toExtents(lengthBytes);
  }

  /** The result as an object that outlives the bio. */
  public Outcome outcome() {
    return new Outcome(status, lengthBytes, extents(), flag.reason(), error);
  }

  // --- The loop's side ---

  void activate() {
    if (life != Life.IDLE) {
      throw new IllegalStateException("a bio that is " + Life.words(life) + " was submitted");
    }
    life = Life.ACTIVE;
    if (parent != null) {
      parent.clones++;
    }
  }

  /** Whether it completes now: no if a defect has ended it, or will when its clones are back. */
  boolean endOnce() {
    if (life != Life.ACTIVE || watch != null || clones > 0) {
      return refuseEnd();
    }
    life = Life.COMPLETED;
    return true;
  }

  private boolean refuseEnd() {
    if (isSpoiled) {
      return false;
    }
    String why =
        clones > 0
            ? "waits for " + clones + " clones"
            : watch != null ? "still watched" : Life.words(life);
    throw new IllegalStateException("a bio that is " + why + " was completed");
  }

  /** Runs the end, and gives a clone back to the pool. */
  void runEnd() {
    BioEnd what = Objects.requireNonNull(end);
    life = isSpoiled ? Life.DEAD : Life.IDLE;
    if (flagBeforeCommit != null) {
      flag = flagBeforeCommit;
      flagBeforeCommit = null;
    }
    Bio above = parent;
    if (above == null) {
      what.ended(this);
      return;
    }
    above.clones--;
    try {
      what.ended(this);
    } catch (RuntimeException | Error defect) {
      loop.report(defect);
      above.spoil("lost a clone", defect);
    }
    above.endIfSpoiled();
    parent = null;
    if (holes != null) {
      holes = null;
    }
    release();
    if (life != Life.DEAD) {
      life = Life.POOLED;
      loop.putIntoPool(this);
    }
  }

  // --- When a device throws ---

  /**
   * A map threw. What it had taken in full stays where it is: in a queue or with a clone, where its
   * flag and its device still find it. Otherwise it fails, UNKNOWN.
   */
  void mapThrew(Device thrower, Throwable defect) {
    if (clones > 0) {
      spoil("lost its way", defect);
    } else if (life == Life.ACTIVE && watch == null && !isParked) {
      recordDefect(thrower.kind(), "could not take it", defect);
      complete();
    }
  }

  /**
   * The device that has it threw in an end or in a wait, so that it may never complete it, or only
   * later: it fails as soon as none of its clones is under way, and is not used again.
   */
  void spoil(String what, Throwable defect) {
    if (life == Life.ACTIVE && watch == null && !isParked) {
      isSpoiled = true;
      recordDefect(device().kind(), what, defect);
      endIfSpoiled();
    }
  }

  private void endIfSpoiled() {
    if (isSpoiled && life == Life.ACTIVE && clones == 0) {
      complete();
    }
  }

  private void recordDefect(String kind, String what, Throwable defect) {
    String sentence = "the device " + kind + " is defective, and " + what + ": " + defect;
    recordFailed(new IoError(Errno.EIO, sentence), State.UNKNOWN);
  }

  /**
   * For a front that uses its bio again: this bio, or another one with the same end where a defect
   * of a device ended this one, as that device may still refer to it.
   */
  public Bio orNew() {
    return life == Life.DEAD ? new Bio(loop, Objects.requireNonNull(end)) : this;
  }

  @Override
  void deliver(Loop loop) {
    loop.enter(this);
  }

  @Override
  void undelivered(Loop loop, Throwable defect) {
    if (life == Life.IDLE) {
      life = Life.ACTIVE;
      recordFailed(new IoError(Errno.EIO, "the loop could not take it: " + defect), State.CLEAN);
      complete();
    }
  }

  @Override
  public String toString() {
    String where = device == null ? "nowhere" : device.kind();
    return op + " " + offsetBytes + "+" + lengthBytes + " in " + where + ", " + Life.words(life);
  }
}
