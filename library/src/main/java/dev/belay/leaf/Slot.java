// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import dev.belay.Bio;
import dev.belay.CancelFlag;
import dev.belay.Errno;
import dev.belay.Extents.State;
import dev.belay.Holes;
import dev.belay.IoError;
import dev.belay.Op;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * One of the places in which a request may be with the workers: what the worker needs of the bio,
 * copied, and what it found out. The loop owns it, then the {@link Crew}'s ready list, then one
 * worker, then the loop again; each passes it on through a lock or an atomic.
 */
final class Slot {
  private static final int ZEROES_BYTES = 256 << 10;
  private static final String NO_SENTENCE = "no memory is left for the worker of a file";

  /** What is written where zeroes have to be sent. Never written to. */
  private static final class Zeroes {
    static final MemorySegment SEGMENT = Arena.global().allocate(ZEROES_BYTES, 4096).asReadOnly();
  }

  /** The request that is here; the loop's alone. */
  @Nullable Bio bio;

  final int index;

  // The request, for the worker.
  private Op op = Op.FLUSH;
  private boolean durable;
  private CancelFlag flag = CancelFlag.NEVER;
  private MemorySegment buffer = MemorySegment.NULL;
  private long bufferOffsetBytes;
  private long offsetBytes;
  private long lengthBytes;

  // What the worker found: first what is done, then what is unknown, and the rest is clean.
  private long doneBytes;
  private long unknownBytes;
  private boolean wasStopped;
  private int errno;
  private String sentence = "";
  private @Nullable Holes holes;

  // Links: the ready list, under the crew's lock; the finished ones; the loop's free ones.
  boolean isReady;
  @Nullable Slot previousReady;
  @Nullable Slot nextReady;
  @Nullable Slot nextFinished;
  @Nullable Slot nextFree;

  Slot(int index) {
    this.index = index;
  }

  /** Takes a bio in. On the loop's thread. */
  void take(Bio taken) {
    bio = taken;
    op = taken.op();
    durable = taken.isFua();
    flag = taken.flag();
    buffer = taken.buffer();
    bufferOffsetBytes = taken.bufferOffsetBytes();
    offsetBytes = taken.offsetBytes();
    lengthBytes = taken.lengthBytes();
    doneBytes = 0;
    unknownBytes = 0;
    wasStopped = false;
    errno = 0;
  }

  /** Lets go of the bio and of what it refers to. On the loop's thread. */
  void clear() {
    bio = null;
    flag = CancelFlag.NEVER;
    buffer = MemorySegment.NULL;
    holes = null;
  }

  // --- The worker's side ---

  /** Does it, looking at the flag last thing before each call. On a worker's thread; no throw. */
  void carryOut(FileCalls file, String path) {
    try {
      switch (op) {
        case READ, WRITE -> transfer(file, path);
        case FLUSH -> flush(file, path);
        case DISCARD -> discard(file, path);
        case WRITE_ZEROES -> writeZeroes(file, path);
        case FIND_HOLES -> findHoles(file);
      }
    } catch (RuntimeException | Error e) {
      unknownBytes = lengthBytes - doneBytes;
      errno = e instanceof OutOfMemoryError ? Errno.ENOMEM : Errno.EFAULT;
      sentence = NO_SENTENCE;
      describe(e, path);
    }
  }

  /** There may be no memory left even for a sentence. */
  private void describe(Throwable e, String path) {
    try {
      sentence = what() + " of " + path + " was not possible: " + e;
    } catch (OutOfMemoryError none) {
      sentence = NO_SENTENCE;
    }
  }

  /** Why the system cannot be given the buffer; null if it can, unless it is closed just now. */
  private @Nullable String obstacle() {
    if (!buffer.scope().isAlive()) {
      return "the arena of its buffer is closed";
    }
    if (!buffer.isAccessibleBy(Thread.currentThread())) {
      return "its buffer belongs to another thread: take it from a shared or an automatic arena";
    }
    return op == Op.READ && buffer.isReadOnly() ? "its buffer is read-only" : null;
  }

  private boolean mayCall() {
    wasStopped = flag.isRaised();
    return !wasStopped;
  }

  private void transfer(FileCalls file, String path) {
    boolean isRead = op == Op.READ;
    while (doneBytes < lengthBytes && mayCall()) {
      String obstacle = obstacle();
      if (obstacle != null) {
        fail(Errno.EFAULT, what() + " of " + path + " was not possible: " + obstacle);
        return;
      }
      long left = lengthBytes - doneBytes;
      long at = offsetBytes + doneBytes;
      long from = bufferOffsetBytes + doneBytes;
      long result =
          isRead ? file.read(buffer, from, left, at) : file.write(buffer, from, left, at, durable);
      if (result > 0) {
        doneBytes += result;
      }
      if (result <= 0 || (result < left && endsInsideABlock(file))) {
        unknownBytes = result == -Errno.EBADF ? 0 : lengthBytes - doneBytes;
        failTransfer(file, path, Math.min(0, result));
        return;
      }
    }
  }

  /** A direct transfer that stopped there cannot be continued: it met the end of the file. */
  private boolean endsInsideABlock(FileCalls file) {
    int block = file.limits().logicalBlockBytes();
    return file.isDirect() && (offsetBytes + doneBytes) % block != 0;
  }

  private void failTransfer(FileCalls file, String path, long result) {
    if (result == -Errno.EBADF) {
      fail(Errno.EBADF, what() + " of " + path + " was not possible: the file is closed");
    } else if (result < 0) {
      fail((int) -result, what() + " of " + path + " failed");
    } else if (op == Op.READ) {
      fail(
          Errno.EIO,
          "the file "
              + path
              + " ended at "
              + file.currentSizeBytes()
              + ", short of "
              + what()
              + ": it was shortened while it was open");
    } else {
      fail(Errno.EIO, what() + " of " + path + " went no further than " + doneBytes + " bytes");
    }
  }

  private void flush(FileCalls file, String path) {
    if (mayCall()) {
      int result = file.sync();
      if (result < 0) {
        fail(-result, "making " + path + " durable failed: what was written before may be lost");
      }
    }
  }

  private void discard(FileCalls file, String path) {
    if (mayCall()) {
      int result = file.discard(offsetBytes, lengthBytes);
      // It is a hint; where there is nobody to take it, nothing happens.
      ranged(file, path, result == -Errno.EOPNOTSUPP ? 0 : result);
    }
  }

  private void writeZeroes(FileCalls file, String path) {
    if (!mayCall()) {
      return;
    }
    int result = file.zero(offsetBytes, lengthBytes);
    if (result != -Errno.EOPNOTSUPP) {
      ranged(file, path, result);
      return;
    }
    while (doneBytes < lengthBytes && mayCall()) {
      long piece = Math.min(ZEROES_BYTES, lengthBytes - doneBytes);
      long at = offsetBytes + doneBytes;
      long written = file.write(Zeroes.SEGMENT, 0, piece, at, durable);
      if (written <= 0) {
        unknownBytes = written == -Errno.EBADF ? 0 : piece;
        failTransfer(file, path, written);
        return;
      }
      doneBytes += written;
    }
  }

  /** Where the file system does not say, or no longer, the rest is no hole. */
  private void findHoles(FileCalls file) {
    Holes into = new Holes();
    holes = into;
    while (doneBytes < lengthBytes && into.endBytes() == Long.MAX_VALUE && mayCall()) {
      long stored = file.nextStored(offsetBytes + doneBytes);
      long holeEnd = stored == -Errno.ENXIO ? Long.MAX_VALUE : stored;
      if (holeEnd < 0) {
        break;
      }
      long inRange = Math.min(lengthBytes, holeEnd - offsetBytes);
      into.add(doneBytes, inRange);
      doneBytes = inRange;
      if (doneBytes < lengthBytes && mayCall()) {
        long next = file.nextHole(offsetBytes + doneBytes);
        doneBytes = next < 0 ? lengthBytes : Math.min(lengthBytes, next - offsetBytes);
      }
    }
    if (!wasStopped) {
      doneBytes = lengthBytes;
    }
  }

  private void ranged(FileCalls file, String path, int answer) {
    int result = answer >= 0 && durable ? file.sync() : answer;
    if (result < 0) {
      unknownBytes = answer == -Errno.EBADF ? 0 : lengthBytes;
      fail(-result, what() + " of " + path + " failed");
    } else {
      doneBytes = lengthBytes;
    }
  }

  private void fail(int errno, String sentence) {
    this.errno = errno;
    this.sentence = sentence;
  }

  private String what() {
    String verb =
        switch (op) {
          case READ -> "a read";
          case WRITE -> "a write";
          case FLUSH -> "a flush";
          case DISCARD -> "a discard";
          case WRITE_ZEROES -> "a write of zeroes";
          case FIND_HOLES -> "a search for holes";
        };
    return verb + " of " + lengthBytes + " bytes at " + offsetBytes;
  }

  // --- The loop's side ---

  /** Writes what the worker found into the bio. On the loop's thread. */
  void record(Bio into) {
    long cleanBytes = lengthBytes - doneBytes - unknownBytes;
    if (holes != null) {
      into.holes().addAll(holes, 0, lengthBytes);
    }
    if (errno == 0 && cleanBytes == 0 && !(op == Op.FLUSH && wasStopped)) {
      return;
    }
    into.mark(doneBytes, unknownBytes, State.UNKNOWN);
    into.mark(doneBytes + unknownBytes, cleanBytes, State.CLEAN);
    if (errno != 0) {
      into.recordFailed(new IoError(errno, sentence), State.DONE);
    } else {
      into.recordCancelled(State.DONE);
    }
  }
}
