// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import dev.belay.Bio;
import dev.belay.Cutter;
import dev.belay.Device;
import dev.belay.Errno;
import dev.belay.Extents.State;
import dev.belay.Held;
import dev.belay.IoError;
import dev.belay.Limits;
import dev.belay.Loop;
import dev.belay.Op;
import dev.belay.Parked;
import dev.belay.Verdict;
import dev.belay.uring.Abi;
import dev.belay.uring.Kernel;
import dev.belay.uring.Ring;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * {@code file(PATH, engine=uring, depth=128, piece=256k, window=4M)}: a file or a block device by
 * io_uring.
 *
 * <p>At most {@code depth} bios, and about {@code window} bytes, are with the kernel; the rest is
 * parked. A bio longer than {@code piece} is cut, and each piece is sent by itself. The loop's
 * {@link UringPoller} turns bios into entries of its ring, just before it submits them.
 *
 * <p>What it does with the flag: it is looked at last before each entry is made, also where a short
 * transfer goes on, so that nothing is sent afterwards. What the kernel has had is done as far as
 * it said so, and otherwise unknown, with one exception: the kernel runs fallocate and fsync in
 * worker threads only, so one of those that it stopped was never begun, and is clean.
 *
 * <p>Holes are looked for by a thread (lseek, SEEK_DATA), for which io_uring has no call.
 *
 * <p>A discard frees the range (fallocate, PUNCH_HOLE); where that cannot be, it does nothing,
 * which a discard may. Zeroes are written by fallocate (PUNCH_HOLE in a file, which then takes no
 * room for them, else ZERO_RANGE), and where that cannot be, by writing them. A flush is an
 * fdatasync, and FUA is RWF_DSYNC.
 */
public final class UringFile extends Device {
  // How a bio is sent.
  /** For the first time. */
  static final byte FRESH = 0;

  /** Once more: the rest of it, or in another way. */
  static final byte AGAIN = 1;

  /** Once more, by a worker thread of the kernel, which can wait. */
  static final byte BY_WORKER = 2;

  /** It is done, and is made durable. */
  static final byte SYNCING = 3;

  /** No more. */
  static final byte ENDED = 4;

  private static final int PUNCH = Kernel.FALLOC_PUNCH_HOLE | Kernel.FALLOC_KEEP_SIZE;
  private static final int ZERO = Kernel.FALLOC_ZERO_RANGE | Kernel.FALLOC_KEEP_SIZE;

  /** Nothing that the kernel is ever given: mode 0 of fallocate allocates, and zeroes nothing. */
  private static final int BY_WRITING = 0;

  /** The kernel's own word for EINTR, which a worker that was asked to stop can let out. */
  private static final int ERESTARTSYS = 512;

  /** How much is discarded or zeroed without a look at the flag. */
  private static final long RANGE_BYTES = 128L << 20;

  // Holes are looked for by threads, which io_uring has no call for; none starts before that.
  private static final int SEEKER_DEPTH = 16;
  private static final int SEEKER_THREADS = 2;

  private final UringPoller poller;
  private final ThreadFile seeker;
  private final FileCalls file;
  private final FileOptions options;
  private final UringTuning tuning;
  private final int target;
  private final boolean isRegistered;
  private final int sqeFlags;
  private final Parked backlog = new Parked();
  private final Cutter pieces;
  private final Cutter ranges;
  private final Cutter zeroWrites;
  private final Arena arena = Arena.ofShared();
  private MemorySegment zeroes = MemorySegment.NULL;

  /** How the next zeroes are asked for; what is with the kernel has its own in its slot. */
  private int zeroMode;

  private boolean canDiscard = true;
  private boolean syncsSeparately;
  private boolean isClosed;
  private int inFlight;
  private long inFlightBytes;
  private @Nullable SendRecorder recorder;

  /**
   * @param fd the file's descriptor, which closing the file closes
   * @param mayHang whether a call may sleep for as long as somebody else likes
   */
  UringFile(
      Loop loop,
      FileCalls file,
      int fd,
      boolean mayHang,
      UringPoller poller,
      FileOptions options,
      UringTuning tuning) {
    super(loop, "file", limits(file.limits(), tuning), List.of());
    this.file = file;
    zeroMode = file.isBlockDevice() ? ZERO : PUNCH;
    this.poller = poller;
    this.options = options;
    this.tuning = tuning;
    seeker = new ThreadFile(loop, file, options, SEEKER_DEPTH, SEEKER_THREADS);
    poller.files().addSlots(tuning.depth());
    int slot = poller.registerFile(fd);
    isRegistered = slot >= 0;
    target = isRegistered ? slot : fd;
    // The kernel must not try what may hang inline: that would be on the loop's thread.
    sqeFlags = (isRegistered ? Abi.SQE_FIXED_FILE : 0) | (mayHang ? Abi.SQE_ASYNC : 0);
    long pieceBytes = limits().largestTransferBytes();
    pieces = piece -> cut(piece, pieceBytes);
    ranges = piece -> cut(piece, RANGE_BYTES);
    zeroWrites =
        piece -> {
          piece.setOp(Op.WRITE).setBuffer(zeroes, 0);
          return cut(piece, pieceBytes);
        };
  }

  /**
   * Opens it. Before the loop starts; the first file of a loop makes its ring.
   *
   * @throws IOException with a sentence that says what is in the way
   */
  public static UringFile open(Loop loop, FileOptions options, UringTuning tuning)
      throws IOException {
    return over(loop, NativeFile.open(options), options, tuning);
  }

  /** The same over a file that is open, and that it closes with itself, or if it cannot be made. */
  static UringFile over(Loop loop, NativeFile file, FileOptions options, UringTuning tuning)
      throws IOException {
    try {
      boolean mayHang = !file.mayHang().isEmpty();
      return new UringFile(loop, file, file.fd(), mayHang, UringPoller.of(loop), options, tuning);
    } catch (IOException | RuntimeException e) {
      file.close();
      throw e;
    }
  }

  private static Limits limits(Limits limits, UringTuning tuning) {
    int block = limits.logicalBlockBytes();
    long piece = Math.max(block, tuning.pieceBytes() - tuning.pieceBytes() % block);
    return new Limits(limits.sizeBytes(), block, limits.memoryAlignmentBytes(), piece);
  }

  private long cut(Bio piece, long largestBytes) {
    piece.remap(this, piece.offsetBytes());
    return Math.min(largestBytes, piece.lengthBytes());
  }

  /** Shows {@code recorder} all that is sent from now on; null for nobody. On the loop's thread. */
  public void setRecorder(@Nullable SendRecorder recorder) {
    this.recorder = recorder;
  }

  // --- Down ---

  @Override
  public Verdict map(Bio bio) {
    Op op = bio.op();
    if (isClosed) {
      FileChecks.refuseClosed(bio, options.path());
      return Verdict.TAKEN;
    }
    if (op == Op.FIND_HOLES) {
      bio.remap(seeker, bio.offsetBytes());
      return Verdict.REMAPPED;
    }
    if (options.readOnly() && op.changesMedium()) {
      bio.fail(Errno.EROFS, options.path() + " was opened read-only", State.CLEAN);
    } else if (op.hasBuffer()) {
      if (bio.lengthBytes() > limits().largestTransferBytes()) {
        bio.split(pieces);
      } else {
        sendOrPark(bio);
      }
    } else if (op == Op.DISCARD && !canDiscard) {
      bio.complete();
    } else if (op == Op.WRITE_ZEROES && zeroMode == BY_WRITING) {
      writeZeroes(bio);
    } else if (bio.lengthBytes() > RANGE_BYTES) {
      bio.split(ranges);
    } else {
      sendOrPark(bio);
    }
    return Verdict.TAKEN;
  }

  private void sendOrPark(Bio bio) {
    if (bio.lengthBytes() == 0 && bio.op() != Op.FLUSH) {
      bio.complete();
    } else if (backlog.isEmpty() && hasRoom(bio)) {
      send(bio);
    } else {
      backlog.park(bio);
    }
  }

  private boolean hasRoom(Bio bio) {
    return inFlight == 0
        || (inFlight < tuning.depth() && inFlightBytes + weight(bio) <= tuning.windowBytes());
  }

  /** What a bio counts as in the window; a range without bytes to move, as a quarter at most. */
  private long weight(Bio bio) {
    long length = bio.lengthBytes();
    return bio.op().hasBuffer() ? length : Math.min(length, tuning.windowBytes() / 4);
  }

  private void send(Bio bio) {
    inFlight++;
    inFlightBytes += weight(bio);
    poller.files().send(bio);
  }

  private void writeZeroes(Bio bio) {
    if (isClosed) {
      FileChecks.refuseClosed(bio, options.path());
      return;
    }
    if (zeroes.byteSize() == 0) {
      zeroes = arena.allocate(limits().largestTransferBytes(), Kernel.pageBytes());
    }
    bio.split(zeroWrites);
  }

  /** Makes the entry that sends a bio, or what is left of it; its flag was down just now. */
  void prepare(Ring ring, RingSlot slot, Bio bio) {
    byte mode = slot.mode;
    int done = mode == SYNCING ? 0 : slot.doneBytes;
    long offset = bio.offsetBytes() + done;
    long length = bio.lengthBytes() - done;
    if (recorder != null) {
      recorder.sending(bio, offset, length);
    }
    Op op = bio.op();
    long token = slot.token;
    int flags = mode == BY_WORKER ? sqeFlags | Abi.SQE_ASYNC : sqeFlags;
    if (op.hasBuffer() && mode != SYNCING) {
      long address = bio.address() + done;
      int rwFlags = bio.isFua() && op == Op.WRITE && !syncsSeparately ? Kernel.RWF_DSYNC : 0;
      slot.how = rwFlags;
      int buffer = poller.bufferSlot(address, length);
      int bytes = (int) length;
      if (op == Op.READ) {
        if (buffer >= 0) {
          ring.readFixed(target, address, bytes, offset, buffer, 0, flags, token);
        } else {
          ring.read(target, address, bytes, offset, 0, flags, token);
        }
      } else if (buffer >= 0) {
        ring.writeFixed(target, address, bytes, offset, buffer, rwFlags, flags, token);
      } else {
        ring.write(target, address, bytes, offset, rwFlags, flags, token);
      }
    } else if (op == Op.FLUSH || mode == SYNCING) {
      ring.fsync(target, Abi.FSYNC_DATASYNC, sqeFlags, token);
    } else {
      if (mode == FRESH) {
        // Where it is known by now that only writing helps, the kernel says so once more.
        slot.how = op == Op.DISCARD ? PUNCH : zeroMode == PUNCH ? PUNCH : ZERO;
      }
      ring.fallocate(target, slot.how, offset, length, sqeFlags, token);
    }
  }

  // --- Up ---

  /** Whether a transfer that moved all its bytes is all there is to do. */
  boolean isWholeTransfer(Bio bio) {
    return bio.op().hasBuffer() && !syncsSeparately;
  }

  /** Whether the kernel's answer is no answer: it wants to be asked again. */
  static boolean isToRepeat(int result) {
    return result == -Errno.EAGAIN || result == -Errno.EINTR || result == -ERESTARTSYS;
  }

  /** What follows upon the kernel's answer: how the bio is sent once more, or ENDED. */
  byte next(RingSlot slot, Bio bio, int result) {
    if (isToRepeat(result)) {
      return slot.mode == SYNCING ? SYNCING : BY_WORKER;
    }
    if (slot.mode == SYNCING || bio.op() == Op.FLUSH) {
      return ENDED;
    }
    if (!bio.op().hasBuffer()) {
      if (result == 0) {
        return bio.isFua() ? SYNCING : ENDED;
      }
      return result == -Errno.EOPNOTSUPP && bio.op() == Op.WRITE_ZEROES
          ? zeroOtherwise(slot)
          : ENDED;
    }
    boolean syncs = bio.isFua() && bio.op() == Op.WRITE && slot.how == 0;
    if (result == -Errno.EOPNOTSUPP && slot.how != 0) {
      syncsSeparately = true;
      return AGAIN;
    }
    if (result <= 0) {
      return ENDED;
    }
    if (result == bio.lengthBytes() - slot.doneBytes) {
      return syncs ? SYNCING : ENDED;
    }
    // A direct transfer that stops within a block met the end of the file.
    return file.isDirect() && result % limits().logicalBlockBytes() != 0 ? ENDED : AGAIN;
  }

  /** The file cannot zero a range as it was asked to for this bio; others may know that already. */
  private byte zeroOtherwise(RingSlot slot) {
    if (slot.how == PUNCH) {
      zeroMode = zeroMode == PUNCH ? ZERO : zeroMode;
      slot.how = ZERO;
      return AGAIN;
    }
    zeroMode = BY_WRITING;
    return ENDED;
  }

  /** A transfer moved all its bytes. */
  void ended(Bio bio) {
    left(bio);
    bio.complete();
    sendParked();
  }

  /** The bio is with the kernel no more. */
  private void left(Bio bio) {
    inFlight--;
    inFlightBytes -= weight(bio);
  }

  /** There is room for others. */
  private void sendParked() {
    for (Bio next = backlog.peek(); next != null && hasRoom(next); next = backlog.peek()) {
      Bio free = backlog.letGo();
      if (free != null && free.op() == Op.WRITE_ZEROES && zeroMode == BY_WRITING) {
        writeZeroes(free);
      } else if (free != null) {
        send(free);
      }
    }
    endIfIdle();
  }

  /** Completes a bio by the kernel's last answer. */
  void conclude(Bio bio, int doneBytes, byte mode, int result) {
    left(bio);
    Op op = bio.op();
    boolean moves = op.hasBuffer() && mode != SYNCING;
    if (moves ? result == bio.lengthBytes() - doneBytes : result == 0) {
      bio.complete();
    } else if (result == -Errno.ECANCELED && bio.flag().isRaised()) {
      stoppedByKernel(bio, doneBytes, mode);
    } else if (result == -Errno.EOPNOTSUPP && op == Op.DISCARD) {
      canDiscard = false;
      bio.complete();
    } else if (result == -Errno.EOPNOTSUPP && op == Op.WRITE_ZEROES && mode != SYNCING) {
      writeZeroes(bio);
    } else {
      fail(bio, doneBytes, mode, result);
    }
    sendParked();
  }

  private void fail(Bio bio, int doneBytes, byte mode, int result) {
    long done = mode == SYNCING ? 0 : doneBytes + Math.max(0, result);
    long at = bio.offsetBytes() + done;
    String sentence;
    if (result >= 0) {
      sentence =
          "%s: the %s at %d stopped at %d: the file ends at %d now, and had %d bytes when opened"
              .formatted(
                  options.path(),
                  bio.op(),
                  bio.offsetBytes(),
                  at,
                  file.currentSizeBytes(),
                  limits().sizeBytes());
    } else {
      sentence =
          options.path()
              + ": "
              + (mode == SYNCING ? "making durable the " : "")
              + what(bio)
              + " failed"
              + (done > 0 ? " after " + done : "");
    }
    bio.mark(done, bio.lengthBytes() - done, State.UNKNOWN);
    bio.recordFailed(new IoError(result >= 0 ? Errno.EIO : -result, sentence), State.DONE);
    bio.complete();
  }

  private static String what(Bio bio) {
    return bio.op() + " of " + bio.lengthBytes() + " bytes at " + bio.offsetBytes();
  }

  // --- What was not sent, and will not be ---

  /** The flag was up before the bio, or the rest of it, was sent. */
  void stopped(Bio bio, int doneBytes, byte mode) {
    left(bio);
    if (mode == FRESH) {
      bio.cancelClean();
    } else {
      cancel(bio, mode == SYNCING ? 0 : doneBytes);
    }
    sendParked();
  }

  /** The kernel takes nothing any more, and never took the bio, or the rest of it. */
  void refused(Bio bio, int doneBytes, byte mode, int result) {
    String sentence =
        "%s: the %s was not sent: the kernel takes no requests from the ring any more"
            .formatted(options.path(), what(bio));
    failUnsent(bio, doneBytes, mode, new IoError(-result, sentence));
  }

  /** The bio, or the rest of it, could not be sent because of a defect. */
  void dropped(Bio bio, int doneBytes, byte mode, Throwable defect) {
    String sentence = options.path() + ": the " + what(bio) + " was not sent: " + defect;
    failUnsent(bio, doneBytes, mode, new IoError(Errno.EIO, sentence));
  }

  private void failUnsent(Bio bio, int doneBytes, byte mode, IoError error) {
    left(bio);
    if (mode == FRESH) {
      bio.recordFailed(error, State.CLEAN);
    } else {
      int done = mode == SYNCING ? 0 : doneBytes;
      bio.mark(done, bio.lengthBytes() - done, State.UNKNOWN);
      bio.recordFailed(error, State.DONE);
    }
    bio.complete();
    sendParked();
  }

  private void stoppedByKernel(Bio bio, int doneBytes, byte mode) {
    if (mode == FRESH && !bio.op().hasBuffer()) {
      bio.cancelClean();
    } else {
      cancel(bio, mode == SYNCING ? 0 : doneBytes);
    }
  }

  private static void cancel(Bio bio, int doneBytes) {
    bio.mark(doneBytes, bio.lengthBytes() - doneBytes, State.UNKNOWN);
    bio.recordCancelled(State.DONE);
    bio.complete();
  }

  // --- What it says of itself, and its end ---

  @Override
  public boolean zeroesFast() {
    return zeroMode != BY_WRITING && file.zeroesFast();
  }

  @Override
  public void showHeld(Held held) {
    backlog.showHeld(held, "waits for a place in flight");
    poller.files().showHeld(this, held);
    seeker.showHeld(held);
  }

  @Override
  public String status() {
    return "%s, io_uring, %s, %d of %d in flight, %d parked, file %s%s"
        .formatted(
            options.path(),
            file.isDirect() ? "direct" : "buffered",
            inFlight,
            tuning.depth(),
            backlog.size(),
            isRegistered ? "registered" : "not registered",
            poller.status());
  }

  /** Takes nothing more. What the ring has keeps the file open until it has come back. */
  @Override
  public void close() {
    isClosed = true;
    FileChecks.refuseClosed(backlog, options.path());
    endIfIdle();
  }

  private void endIfIdle() {
    if (isClosed && inFlight == 0 && arena.scope().isAlive()) {
      if (isRegistered) {
        poller.unregisterFile(target);
      }
      seeker.close(); // and with it the file, when no thread uses it any more
      arena.close();
    }
  }
}
