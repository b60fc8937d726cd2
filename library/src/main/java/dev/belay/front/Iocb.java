// SPDX-License-Identifier: Apache-2.0
package dev.belay.front;

import dev.belay.Bio;
import dev.belay.CancelFlag;
import dev.belay.Device;
import dev.belay.IoError;
import dev.belay.Op;
import dev.belay.Outcome;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The user's control block: one request, which is prepared, submitted to the {@link AioContext}
 * that made it, ended by one {@link IoEvent}, and then may be prepared anew. Use from one thread at
 * a time, but for {@link AioContext#cancel}, which any thread may call.
 */
public final class Iocb {
  static final int IDLE = 0;
  static final int SUBMITTED = 1;
  static final int READY = 2;

  /** Its event is being handed over, by a thread that holds it alone. */
  static final int TAKEN = 3;

  Bio bio;
  private final AioContext context;
  private final Device root;

  /** Guarded by the context: idle, submitted, ready to be taken as an event, or taken. */
  int state = IDLE;

  /** Where it is in the context's ring, while it is ready. */
  int place;

  @Nullable Iocb previous;
  @Nullable Iocb next;

  private @Nullable Object attachment;
  private @Nullable CancelFlag above;
  private boolean flagIsKnown;
  private volatile CancelFlag flag = new CancelFlag();

  // The request as it was prepared.
  private Op op = Op.FLUSH;
  private long offsetBytes;
  private long lengthBytes;
  private boolean fua;
  private MemorySegment segment = MemorySegment.NULL;
  private MemorySegment lastDirect = MemorySegment.NULL;
  private @Nullable MemorySegment bounce;
  private @Nullable BufferPool pool;

  /** Why it was never sent. */
  private @Nullable IoError refused;

  Iocb(AioContext context) {
    this.context = context;
    root = context.root();
    bio = new Bio(context.loop(), this::ended);
  }

  /** Reads as many bytes as the buffer has. */
  public Iocb prepareRead(long offsetBytes, MemorySegment buffer) {
    return prepare(Op.READ, offsetBytes, buffer.byteSize(), buffer);
  }

  /** Writes the whole buffer. Its content must not change until the event. */
  public Iocb prepareWrite(long offsetBytes, MemorySegment buffer) {
    return prepare(Op.WRITE, offsetBytes, buffer.byteSize(), buffer);
  }

  /** Makes durable what was completed before. */
  public Iocb prepareFlush() {
    return prepare(Op.FLUSH, 0, 0, MemorySegment.NULL);
  }

  /** Gives up a range's content. */
  public Iocb prepareDiscard(long offsetBytes, long lengthBytes) {
    return prepare(Op.DISCARD, offsetBytes, lengthBytes, MemorySegment.NULL);
  }

  /** Makes a range read as zeroes. */
  public Iocb prepareWriteZeroes(long offsetBytes, long lengthBytes) {
    return prepare(Op.WRITE_ZEROES, offsetBytes, lengthBytes, MemorySegment.NULL);
  }

  private Iocb prepare(Op op, long offsetBytes, long lengthBytes, MemorySegment segment) {
    if (state != IDLE) {
      throw new IllegalStateException("an Iocb is prepared again only after its event was taken");
    }
    this.op = op;
    this.offsetBytes = offsetBytes;
    this.lengthBytes = lengthBytes;
    this.segment = segment;
    fua = false;
    return this;
  }

  /** Makes a prepared write durable when it completes. */
  public Iocb setFua() {
    fua = true;
    return this;
  }

  /** The next submissions carry a child of {@code above}; null: a flag that stands alone. */
  public Iocb setFlag(@Nullable CancelFlag above) {
    this.above = above;
    return this;
  }

  /** Something of the caller's that comes back with the event. */
  public Iocb setAttachment(@Nullable Object attachment) {
    this.attachment = attachment;
    return this;
  }

  /** What {@link #setAttachment} was given. */
  public @Nullable Object attachment() {
    return attachment;
  }

  /**
   * The flag of the request that is submitted, or was last. Whoever keeps it can raise it ever
   * after, and never hits a later request of the same control block.
   */
  public CancelFlag flag() {
    flagIsKnown = true;
    return flag;
  }

  /** The flag, for one raise that does not keep it. */
  CancelFlag flagForCancel() {
    return flag;
  }

  public Op op() {
    return op;
  }

  public long offsetBytes() {
    return offsetBytes;
  }

  public long lengthBytes() {
    return lengthBytes;
  }

  AioContext context() {
    return context;
  }

  /** Gives it a flag for its next request, which may be raised before that is loaded. */
  void renewFlag() {
    if (above != null) {
      flag = above.child();
    } else if (flagIsKnown || flag.isRaised()) {
      // A flag that somebody may still raise, or that is up, belonged to an earlier request.
      flag = new CancelFlag();
    }
    flagIsKnown = above != null; // whoever raises that, raises this
  }

  /**
   * Fills the bio. On the submitter's thread, and under no lock, for the buffer may be large.
   *
   * @return false if the buffer cannot be read: then the request ends as it is, and is not sent
   */
  @SuppressWarnings("MemorySegmentReferenceEquality") // the same object need not be asked again
  boolean load() {
    MemorySegment memory = segment;
    if (op.hasBuffer() && (memory != lastDirect || memory.isReadOnly())) {
      memory = direct(memory);
    }
    bio = bio.orNew();
    bio.prepare(op, root, offsetBytes, lengthBytes, memory, 0, flag);
    bio.setFua(fua);
    if (bounce == null) {
      pool = op.hasBuffer() ? context.pools().begin(memory) : null;
    } else if (op == Op.WRITE) {
      refused = Bounce.gather(List.of(segment), bio);
    }
    return refused == null;
  }

  private void ended(Bio done) {
    if (pool != null) {
      pool.end(segment.address()); // a layer may have given the bio other memory
      pool = null;
    }
    context.ended(this);
  }

  /** The context did not take it after all. */
  void unload() {
    if (pool != null) {
      pool.takeBack(bio.address());
      pool = null;
    }
    giveBounceBack();
  }

  private void giveBounceBack() {
    MemorySegment stand = bounce;
    if (stand != null) {
      bounce = null;
      context.bounce().give(stand);
    }
  }

  private MemorySegment direct(MemorySegment memory) {
    if (op == Op.READ && memory.isReadOnly()) {
      throw new IllegalArgumentException("a read needs a buffer that can be written to");
    }
    if (Bounce.isDirect(memory, root.limits().memoryAlignmentBytes())) {
      lastDirect = memory;
      return memory;
    }
    if (op == Op.WRITE) {
      Bounce.requireUsable(memory);
    } else {
      Bounce.requireOpen(memory); // it is filled by whoever takes the event
    }
    MemorySegment stand = context.bounce().take(lengthBytes);
    bounce = stand;
    return stand;
  }

  /**
   * Makes the event. On the taker's thread, and under no lock; the bio has ended. If this throws,
   * it can be asked again.
   */
  IoEvent toEvent() {
    if (bounce == null) {
      boolean isPlain = bio.isDone() && !flag.isRaised();
      return isPlain ? new IoEvent(this, lengthBytes, null) : eventOf(bio.outcome());
    }
    IoEvent event = eventOf(unloaded());
    refused = null;
    giveBounceBack();
    return event;
  }

  private Outcome unloaded() {
    if (refused != null) {
      return IoFuture.failedClean(lengthBytes, refused);
    }
    Outcome outcome = bio.outcome();
    IoError wrong = op == Op.READ ? Bounce.scatter(bio, List.of(segment), outcome) : null;
    return wrong == null ? outcome : IoFuture.bufferFailed(outcome, wrong);
  }

  private IoEvent eventOf(Outcome outcome) {
    return new IoEvent(this, outcome.result(), outcome);
  }

  @Override
  public String toString() {
    return op + " " + offsetBytes + "+" + lengthBytes;
  }
}
