// SPDX-License-Identifier: Apache-2.0
package dev.belay.uring;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * One io_uring: a queue of entries down to the kernel, a queue of completions up from it.
 *
 * <p>A ring belongs to one thread. {@link #open} may run anywhere; the thread that calls {@link
 * #start} owns the ring from then on, for good: only it may prepare, submit, wait, reap, register
 * and close. It must be a platform thread, as the kernel counts in threads and a virtual one
 * wanders. Another thread wakes the owner through an eventfd that a {@link #read} or {@link
 * #pollAdd} waits for.
 *
 * <p>An entry is prepared by one of the methods that answer a boolean: false means that the
 * submission queue is full, and nothing was done: {@link #submit}, then try again. Every entry
 * carries a token, any 64 bits, which its completion brings back. Completions are read in place:
 *
 * <pre>{@code
 * int n = ring.ready();
 * for (int i = 0; i < n; i++) {
 *   use(ring.cqeToken(i), ring.cqeResult(i));
 * }
 * ring.advance(n);
 * }</pre>
 *
 * <p>Nothing on these paths allocates. A result is a count or a negated error number ({@link
 * Errno}). Buffers belong to the kernel until the completion was reaped: closing a ring asks the
 * kernel to cancel what is in flight but does not wait for it, so the owner reaps everything first.
 */
public final class Ring implements AutoCloseable {
  /** What {@link #open(int, int)} asks for; a kernel that lacks one of them goes without it. */
  public static final int DEFAULT_FLAGS =
      Abi.SETUP_CQSIZE
          | Abi.SETUP_CLAMP
          | Abi.SETUP_R_DISABLED
          | Abi.SETUP_SUBMIT_ALL
          | Abi.SETUP_TASKRUN_FLAG
          | Abi.SETUP_SINGLE_ISSUER
          | Abi.SETUP_DEFER_TASKRUN
          | Abi.SETUP_NO_SQARRAY;

  /** Waits without a bound. */
  public static final long FOREVER = Long.MAX_VALUE;

  private static final int MAX_ENTRIES = 32_768;
  private static final int ARGUMENT_AT = 16;
  private static final int ARGUMENT_BYTES = 24;
  private static final int ARGUMENT_TIME_AT = 16;
  private static final int TIME_AT = 48;
  private static final long NANOS = 1_000_000_000L;

  private final RingCalls calls;
  private final RingSetup setup;
  private final long sqes;
  private final int sqEntries;
  private final int sqMask;
  private final long cqes;
  private final int cqMask;
  private final long cqTailAddress;

  /** One page: errno at 0, io_uring_getevents_arg at 16, its timespec at 48. */
  private final long scratch;

  private final MemorySegment errno;
  private final Registry registry;

  private @Nullable Thread owner;
  private boolean closed;
  private int enterFd;
  private int enterFlags;

  /** The kernel's position in the submission queue as last seen, and ours, not yet published. */
  private int sqHead;

  private int sqTail;
  private int cqHead;

  private Ring(RingCalls calls, RingSetup setup, long scratch) {
    this.calls = calls;
    this.setup = setup;
    this.scratch = scratch;
    sqes = setup.sqesAddress;
    sqEntries = setup.sqEntries;
    sqMask = setup.sqEntries - 1;
    cqes = setup.cqes;
    cqMask = setup.cqEntries - 1;
    cqTailAddress = setup.cqTail;
    errno = RawMemory.at(scratch, Kernel.errnoLayout().byteSize());
    RawMemory.putLong(scratch + ARGUMENT_AT + ARGUMENT_TIME_AT, scratch + TIME_AT);
    enterFd = setup.fd;
    registry = new Registry(this, calls, setup.fd);
  }

  /** Opens a ring with {@link #DEFAULT_FLAGS}; see {@link #open(int, int, int)}. */
  public static Ring open(int sqEntries, int cqEntries) throws RingSetupException {
    return open(sqEntries, cqEntries, DEFAULT_FLAGS);
  }

  /**
   * Opens a ring. Any thread; it is of no use before {@link #start}.
   *
   * @param sqEntries how many entries can be prepared between two submits, 1..32768; the kernel
   *     rounds up to a power of two
   * @param cqEntries how many completions can wait to be reaped, sqEntries..65536; more than that
   *     are kept by the kernel and come later, see {@link #overflowed}
   * @param flags Abi.SETUP_ constants; what the kernel does not know is given up, newest first
   * @throws RingSetupException if there is no ring to be had; the message says why
   * @throws UnsupportedOperationException if {@link Kernel#available()} is false
   */
  public static Ring open(int sqEntries, int cqEntries, int flags) throws RingSetupException {
    return open(RingCalls.LINUX, sqEntries, cqEntries, flags);
  }

  /** The same on other calls than Linux's. */
  public static Ring open(RingCalls calls, int sqEntries, int cqEntries, int flags)
      throws RingSetupException {
    if (sqEntries < 1 || sqEntries > MAX_ENTRIES) {
      throw new IllegalArgumentException(
          "a submission queue has 1 to " + MAX_ENTRIES + " entries, not " + sqEntries);
    }
    if (cqEntries < sqEntries || cqEntries > 2 * MAX_ENTRIES) {
      throw new IllegalArgumentException(
          "a completion queue has at least as many entries as the submission queue ("
              + sqEntries
              + "), and at most "
              + 2 * MAX_ENTRIES
              + ", not "
              + cqEntries);
    }
    RingSetup setup = new RingSetup(calls, sqEntries, cqEntries, flags | Abi.SETUP_CQSIZE);
    long scratch = Kernel.mmapAnonymous(Kernel.pageBytes());
    if (scratch < 0) {
      setup.release();
      throw new RingSetupException((int) -scratch);
    }
    return new Ring(calls, setup, scratch);
  }

  /**
   * Makes the calling thread the owner, once, and enables the ring.
   *
   * @return 0, or the negated error number with which the kernel refused to enable it: then it
   *     takes no entry either
   * @throws IllegalStateException if the ring has an owner already or is closed, or on a virtual
   *     thread
   */
  public int start() {
    checkOpen();
    if (owner != null) {
      throw new IllegalStateException("the ring belongs already to " + owner);
    }
    if (Thread.currentThread().isVirtual()) {
      throw new IllegalStateException(
          "a ring needs a platform thread of its own, and this is a virtual one");
    }
    int result = (setup.flags & Abi.SETUP_R_DISABLED) != 0 ? registry.enableRing() : 0;
    owner = Thread.currentThread();
    int slot = registry.registerRingFd();
    if (slot >= 0) {
      enterFd = slot;
      enterFlags = Abi.ENTER_REGISTERED_RING;
    }
    return result;
  }

  /**
   * Gives everything back to the kernel. Idempotent. The owner calls it, or anyone if the ring has
   * no owner or one that has terminated.
   *
   * @throws IllegalStateException on another thread than the owner's, while that lives
   */
  @Override
  public void close() {
    if (closed) {
      return;
    }
    Thread self = Thread.currentThread();
    if (owner != null && owner != self && owner.isAlive()) {
      throw new IllegalStateException("only " + owner + ", who owns the ring, may close it");
    }
    if (enterFlags != 0 && owner == self) {
      registry.unregisterRingFd(enterFd);
    }
    closed = true;
    sqHead = sqTail - sqEntries; // looks full, so that preparing comes past the check
    setup.release();
    Kernel.munmap(scratch, Kernel.pageBytes());
  }

  /** The Abi.SETUP_ flags that the kernel accepted. */
  public int setupFlags() {
    return setup.flags;
  }

  /** The features that the kernel reported, see {@link Abi#featureNames}. */
  public int features() {
    return setup.features;
  }

  public int sqEntries() {
    return sqEntries;
  }

  public int cqEntries() {
    return setup.cqEntries;
  }

  /** What can be registered with the kernel so that entries become cheaper. */
  public Registry registry() {
    return registry;
  }

  // Preparing entries.

  /** How many entries can be prepared before the next submit. */
  public int sqSpaceLeft() {
    checkOpen();
    return sqEntries - (sqTail - sqHead);
  }

  /** How many entries are prepared and not yet submitted. */
  public int sqPending() {
    checkOpen();
    return sqTail - sqHead;
  }

  /** Does nothing, and completes with 0. */
  public boolean nop(int sqeFlags, long token) {
    return put(Abi.OP_NOP | (sqeFlags << 8), -1, 0, 0, 0, 0, token, 0);
  }

  /**
   * Reads at an offset.
   *
   * @param fd a descriptor, or with {@link Abi#SQE_FIXED_FILE} a slot of the registered files
   * @param address where the buffer begins, absolute
   * @param lengthBytes 0..2^31-1; the result may be less, and is 0 at the end of the file
   * @param offsetBytes where to read; -1: at the file's own position (pipes, eventfds: 0 or -1)
   * @param rwFlags Kernel.RWF_ constants
   * @param sqeFlags Abi.SQE_ constants
   * @param token what the completion brings back
   * @return false if the submission queue is full
   */
  public boolean read(
      int fd,
      long address,
      int lengthBytes,
      long offsetBytes,
      int rwFlags,
      int sqeFlags,
      long token) {
    return put(
        Abi.OP_READ | (sqeFlags << 8), fd, offsetBytes, address, lengthBytes, rwFlags, token, 0);
  }

  /** Writes at an offset; parameters as of {@link #read}. */
  public boolean write(
      int fd,
      long address,
      int lengthBytes,
      long offsetBytes,
      int rwFlags,
      int sqeFlags,
      long token) {
    return put(
        Abi.OP_WRITE | (sqeFlags << 8), fd, offsetBytes, address, lengthBytes, rwFlags, token, 0);
  }

  /**
   * Reads into a part of a registered buffer, which spares pinning its pages for the transfer.
   *
   * @param bufferSlot the slot of the registered buffer that [address, address + lengthBytes) lies
   *     in, 0..65535; the other parameters are as of {@link #read}
   */
  public boolean readFixed(
      int fd,
      long address,
      int lengthBytes,
      long offsetBytes,
      int bufferSlot,
      int rwFlags,
      int sqeFlags,
      long token) {
    return put(
        Abi.OP_READ_FIXED | (sqeFlags << 8),
        fd,
        offsetBytes,
        address,
        lengthBytes,
        rwFlags,
        token,
        bufferSlot);
  }

  /** Writes from a part of a registered buffer; parameters as of {@link #readFixed}. */
  public boolean writeFixed(
      int fd,
      long address,
      int lengthBytes,
      long offsetBytes,
      int bufferSlot,
      int rwFlags,
      int sqeFlags,
      long token) {
    return put(
        Abi.OP_WRITE_FIXED | (sqeFlags << 8),
        fd,
        offsetBytes,
        address,
        lengthBytes,
        rwFlags,
        token,
        bufferSlot);
  }

  /**
   * Reads into several buffers at once.
   *
   * @param vectorAddress an array of (address, length) pairs of 64 bits each; it must stay as it is
   *     until the submit, the buffers until the completion
   * @param vectorCount how many pairs, 1..1024
   */
  public boolean readv(
      int fd,
      long vectorAddress,
      int vectorCount,
      long offsetBytes,
      int rwFlags,
      int sqeFlags,
      long token) {
    return put(
        Abi.OP_READV | (sqeFlags << 8),
        fd,
        offsetBytes,
        vectorAddress,
        vectorCount,
        rwFlags,
        token,
        0);
  }

  /** Writes from several buffers at once; parameters as of {@link #readv}. */
  public boolean writev(
      int fd,
      long vectorAddress,
      int vectorCount,
      long offsetBytes,
      int rwFlags,
      int sqeFlags,
      long token) {
    return put(
        Abi.OP_WRITEV | (sqeFlags << 8),
        fd,
        offsetBytes,
        vectorAddress,
        vectorCount,
        rwFlags,
        token,
        0);
  }

  /**
   * Makes what was written, and has completed, durable.
   *
   * @param fsyncFlags {@link Abi#FSYNC_DATASYNC} or 0
   */
  public boolean fsync(int fd, int fsyncFlags, int sqeFlags, long token) {
    return put(Abi.OP_FSYNC | (sqeFlags << 8), fd, 0, 0, 0, fsyncFlags, token, 0);
  }

  /** Allocates, zeroes or frees a range; mode is made of Kernel.FALLOC_ constants. */
  public boolean fallocate(
      int fd, int mode, long offsetBytes, long lengthBytes, int sqeFlags, long token) {
    return put(Abi.OP_FALLOCATE | (sqeFlags << 8), fd, offsetBytes, lengthBytes, mode, 0, token, 0);
  }

  /**
   * Completes once a descriptor is ready, with the events that it is ready for.
   *
   * @param events {@link Abi#POLLIN} and the like of poll(2)
   * @param pollFlags {@link Abi#POLL_ADD_MULTI} to complete each time, or 0
   */
  public boolean pollAdd(int fd, int events, int pollFlags, int sqeFlags, long token) {
    return put(Abi.OP_POLL_ADD | (sqeFlags << 8), fd, 0, 0, pollFlags, events, token, 0);
  }

  /**
   * Asks the kernel to stop entries, by token. Completes with 0, or with {@link Abi#CANCEL_ALL} or
   * {@link Abi#CANCEL_ANY} with their number; -ENOENT if there is none, -EALREADY if it cannot be
   * stopped any more. What was stopped completes by itself, with -ECANCELED.
   *
   * @param targetToken the token of the entries to stop; not looked at with CANCEL_ANY
   * @param cancelFlags Abi.CANCEL_ALL and CANCEL_ANY, or 0
   */
  public boolean cancel(long targetToken, int cancelFlags, long token) {
    return put(Abi.OP_ASYNC_CANCEL, -1, 0, targetToken, 0, cancelFlags, token, 0);
  }

  /** As {@link #cancel}, but by descriptor, or registered slot with {@link Abi#CANCEL_FD_FIXED}. */
  public boolean cancelFd(int fd, int cancelFlags, long token) {
    return put(Abi.OP_ASYNC_CANCEL, fd, 0, 0, 0, cancelFlags | Abi.CANCEL_FD, token, 0);
  }

  /** Six stores; the last two words of an entry were never written and stay zero. */
  boolean put(
      int opAndFlags,
      int fd,
      long offset,
      long address,
      int length,
      int opFlags,
      long token,
      int bufferSlot) {
    int tail = sqTail;
    if (tail - sqHead == sqEntries) {
      checkOpen();
      return false;
    }
    long sqe = sqes + (long) (tail & sqMask) * RingSetup.SQE_BYTES;
    RawMemory.putLong(sqe, opAndFlags | ((long) fd << 32));
    RawMemory.putLong(sqe + 8, offset);
    RawMemory.putLong(sqe + 16, address);
    RawMemory.putLong(sqe + 24, (length & 0xffff_ffffL) | ((long) opFlags << 32));
    RawMemory.putLong(sqe + 32, token);
    RawMemory.putLong(sqe + 40, bufferSlot);
    sqTail = tail + 1;
    return true;
  }

  // Going to the kernel.

  /**
   * Submits what was prepared; does not reap. No call is made if nothing was prepared.
   *
   * @return how many entries the kernel took, or a negated error number: -EAGAIN or -EBUSY ask to
   *     reap first and submit again
   * @throws IllegalStateException if the ring is closed, or on another thread than the owner's
   */
  public int submit() {
    checkOwner();
    int count = sqTail - sqHead;
    return count == 0 ? 0 : enter(count, 0, 0, 0, 0);
  }

  /**
   * Submits what was prepared and lets the kernel post what has completed, without waiting.
   *
   * @return as of {@link #submit}
   */
  public int submitAndPoll() {
    checkOwner();
    return enter(sqTail - sqHead, 0, Abi.ENTER_GETEVENTS, 0, 0);
  }

  /**
   * Submits what was prepared, and waits until completions are ready.
   *
   * <p>It may come back early, with fewer ready: after a signal, or if a submit failed. So look at
   * {@link #ready}, and go round again.
   *
   * @param minComplete how many completions to wait for, those counted that are ready already
   * @param timeoutNanos how long at most, from 0; {@link #FOREVER} for no bound
   * @return how many entries the kernel took; -ETIME if it took none and the time ran out; or
   *     another negated error number, as of {@link #submit}
   */
  public int submitAndWait(int minComplete, long timeoutNanos) {
    checkOwner();
    int count = sqTail - sqHead;
    if (count == 0 && minComplete > 0 && ready() >= minComplete) {
      return 0;
    }
    int result;
    if (timeoutNanos == FOREVER) {
      result = enter(count, minComplete, Abi.ENTER_GETEVENTS, 0, 0);
    } else {
      long time = Math.max(0, timeoutNanos);
      RawMemory.putLong(scratch + TIME_AT, time / NANOS);
      RawMemory.putLong(scratch + TIME_AT + 8, time % NANOS);
      result =
          enter(
              count,
              minComplete,
              Abi.ENTER_GETEVENTS | Abi.ENTER_EXT_ARG,
              scratch + ARGUMENT_AT,
              ARGUMENT_BYTES);
    }
    return result == -Errno.EINTR ? 0 : result;
  }

  /** Takes back what was prepared and no submit took, as if never prepared; answers how many. */
  public int withdraw() {
    checkOwner();
    int count = sqTail - sqHead;
    sqTail = sqHead;
    return count;
  }

  private int enter(int count, int minComplete, int flags, long argument, int argumentBytes) {
    RawMemory.putIntRelease(setup.sqTail, sqTail);
    int result =
        calls.enter(
            errno, enterFd, count, minComplete, flags | enterFlags, argument, argumentBytes);
    sqHead = RawMemory.getIntAcquire(setup.sqHead);
    return result;
  }

  // Reaping.

  /** How many completions wait to be read, from index 0. No call to the kernel. */
  public int ready() {
    checkOpen();
    return RawMemory.getIntAcquire(cqTailAddress) - cqHead;
  }

  /**
   * The token of a completion.
   *
   * @param index 0..{@link #ready}-1; beyond that the answer is of no meaning, but harmless
   */
  public long cqeToken(int index) {
    return RawMemory.getLong(cqe(index));
  }

  /** The result of a completion: a count, or a negated error number. */
  public int cqeResult(int index) {
    return RawMemory.getInt(cqe(index) + 8);
  }

  /** The Abi.CQE_F_ flags of a completion. */
  public int cqeFlags(int index) {
    return RawMemory.getInt(cqe(index) + 12);
  }

  /** Gives the first completions back to the kernel, count of them, 0..{@link #ready}. */
  public void advance(int count) {
    checkOpen();
    cqHead += count;
    RawMemory.putIntRelease(setup.cqHead, cqHead);
  }

  /**
   * Whether {@link #submitAndPoll} would bring completions that {@link #ready} does not show yet.
   * No call to the kernel; reliable where the ring has {@link Abi#SETUP_TASKRUN_FLAG}.
   */
  public boolean wantsPoll() {
    checkOpen();
    int flags = RawMemory.getIntAcquire(setup.sqFlags);
    return (flags & (Abi.SQ_CQ_OVERFLOW | Abi.SQ_TASKRUN)) != 0;
  }

  /** Whether the kernel keeps completions back because the queue was full: reap, then poll. */
  public boolean overflowed() {
    checkOpen();
    return (RawMemory.getIntAcquire(setup.sqFlags) & Abi.SQ_CQ_OVERFLOW) != 0;
  }

  /** How many completions the kernel lost for want of memory, ever; anything but 0 is fatal. */
  public int lostCompletions() {
    checkOpen();
    return RawMemory.getIntAcquire(setup.cqOverflow);
  }

  private long cqe(int index) {
    checkOpen();
    return cqes + (long) ((cqHead + index) & cqMask) * RingSetup.CQE_BYTES;
  }

  void checkOpen() {
    if (closed) {
      throw new IllegalStateException("the ring is closed");
    }
  }

  private void checkOwner() {
    if (closed || Thread.currentThread() != owner) {
      refuse();
    }
  }

  /** The owner, or anyone before there is one. */
  void checkMayRegister() {
    if (owner != null) {
      checkOwner();
    }
    checkOpen();
  }

  private void refuse() {
    checkOpen();
    throw new IllegalStateException(
        owner == null
            ? "the ring has no owner yet: the thread that will use it calls start() first"
            : "the ring belongs to " + owner + ", and this is " + Thread.currentThread());
  }
}
