// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import dev.belay.Bio;
import dev.belay.Device;
import dev.belay.Errno;
import dev.belay.Extents.State;
import dev.belay.Held;
import dev.belay.IoError;
import dev.belay.Loop;
import dev.belay.Op;
import dev.belay.Parked;
import dev.belay.Verdict;
import dev.belay.Waiting;
import dev.belay.uring.Kernel;
import java.io.IOException;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * {@code file(a.img, engine=threads, size=1G, direct=auto, block=4k, depth=32, threads=16)}: a file
 * or a block device, by threads that sleep in the system's calls. It works on every kernel and in
 * every container; where native access is denied, Java's channel makes the calls.
 *
 * <p>At most {@code depth} requests are with the workers, of which {@code threads} are in a call;
 * the rest waits on the loop. A transfer of more than 1 MiB is split.
 *
 * <p>Holes are what the file system says by lseek (SEEK_DATA): none where it cannot say.
 *
 * <p>What it does with the flag: a request that waits, on the loop or for a worker, completes clean
 * at once. A worker looks at the flag last thing before each call. What is in a call is not
 * disturbed, and counts when it comes back: DONE, if it did it. If the device hangs, only the calls
 * that are in it hang.
 */
public final class ThreadFile extends Device implements Waiting {
  /** How much one call gives back or zeroes: a flag is looked at in between. */
  private static final long LARGEST_DISCARD_BYTES = 1L << 30;

  private static final long LARGEST_ZERO_BYTES = 32L << 20;

  private static final IoError NO_MEMORY =
      new IoError(Errno.ENOMEM, "no memory was left to say what became of a request");

  private final FileCalls file;
  private final FileOptions options;
  private final int threads;
  private final Crew crew;
  private final Slot[] slots;
  private @Nullable Slot firstFree;
  private int inSlots;
  private final Parked parked = new Parked();
  private String reason = "";
  private boolean isClosed;

  /**
   * Opens a file or block device.
   *
   * @param depth how many requests may be with the workers, 1 or more
   * @param threads how many of them may be in a call, 1 or more
   * @throws IOException with a sentence that says what is in the way
   */
  public static ThreadFile open(Loop loop, FileOptions options, int depth, int threads)
      throws IOException {
    if (depth < 1 || threads < 1) {
      throw new IOException("a file needs a depth and threads of 1 or more");
    }
    FileCalls file =
        Kernel.available()
            ? NativeFile.open(options)
            : ChannelFile.open(options, Kernel.unavailableReason());
    return new ThreadFile(loop, file, options, depth, threads);
  }

  ThreadFile(Loop loop, FileCalls file, FileOptions options, int depth, int threads) {
    super(loop, "file", file.limits(), List.of());
    this.file = file;
    this.options = options;
    this.threads = threads;
    Runnable reap = this::reap;
    crew = new Crew(file, options.path(), threads, () -> loop.execute(reap));
    slots = new Slot[depth];
    for (int i = depth - 1; i >= 0; i--) {
      slots[i] = new Slot(i);
      slots[i].nextFree = firstFree;
      firstFree = slots[i];
    }
  }

  // --- Down ---

  @Override
  public Verdict map(Bio bio) {
    if (isClosed) {
      FileChecks.refuseClosed(bio, options.path());
    } else if (options.readOnly() && bio.op().changesMedium()) {
      bio.fail(Errno.EROFS, options.path() + " was opened with read-only=on", State.CLEAN);
    } else if (bio.lengthBytes() > largestBytes(bio.op())) {
      bio.split(this::cut);
    } else if (bio.lengthBytes() == 0 && bio.op() != Op.FLUSH) {
      bio.complete();
    } else if (firstFree == null) {
      parked.park(bio);
    } else {
      carryOut(bio);
    }
    return Verdict.TAKEN;
  }

  private long cut(Bio piece) {
    return Math.min(piece.lengthBytes(), largestBytes(piece.op()));
  }

  private long largestBytes(Op op) {
    return switch (op) {
      case READ, WRITE, FLUSH -> limits().largestTransferBytes();
      case FIND_HOLES -> Long.MAX_VALUE;
      case DISCARD -> Math.max(LARGEST_DISCARD_BYTES, limits().largestTransferBytes());
      case WRITE_ZEROES -> Math.max(LARGEST_ZERO_BYTES, limits().largestTransferBytes());
    };
  }

  private void carryOut(Bio bio) {
    Slot slot = Objects.requireNonNull(firstFree);
    firstFree = slot.nextFree;
    inSlots++;
    slot.take(bio);
    bio.setNote(slot.index);
    try {
      if (!crew.carryOut(slot)) {
        bio.watch(this);
      }
    } catch (OutOfMemoryError e) {
      release(slot);
      bio.fail(Errno.EAGAIN, "no thread could be started for " + options.path(), State.CLEAN);
    }
  }

  // --- The flag, of a bio that no worker had when it was handed over ---

  @Override
  public void flagRaised(Bio bio) {
    Slot slot = slots[(int) bio.note()];
    if (crew.takeBack(slot)) {
      release(slot);
      bio.cancelClean();
      letGo();
    }
  }

  // --- Up ---

  private void reap() {
    Slot slot = crew.takeFinished();
    while (slot != null) {
      Slot next = slot.nextFinished;
      Bio bio = Objects.requireNonNull(slot.bio);
      bio.unwatch();
      record(slot, bio);
      release(slot);
      bio.complete();
      slot = next;
    }
    letGo();
    endIfIdle();
  }

  /** What follows in the list must not be lost with a slot for whose result no memory is left. */
  private static void record(Slot slot, Bio bio) {
    try {
      slot.record(bio);
    } catch (OutOfMemoryError e) {
      bio.recordFailed(NO_MEMORY, State.UNKNOWN);
    }
  }

  private void release(Slot slot) {
    slot.clear();
    slot.nextFree = firstFree;
    firstFree = slot;
    inSlots--;
  }

  private void letGo() {
    while (firstFree != null) {
      Bio bio = parked.letGo();
      if (bio == null) {
        return;
      }
      carryOut(bio);
    }
  }

  // --- Status and end ---

  @Override
  public boolean zeroesFast() {
    return file.zeroesFast();
  }

  @Override
  public void showHeld(Held held) {
    parked.showHeld(held, "waits for a thread");
    for (Slot slot : slots) {
      if (slot.bio != null) {
        held.show(slot.bio, "is with a thread");
      }
    }
  }

  @Override
  public String status() {
    return String.format(
        "%s, %s, %d threads, %d with them, %d waiting%s",
        options.path(),
        file.isDirect() ? "direct" : "buffered",
        threads,
        inSlots,
        parked.size(),
        reason.isEmpty() ? "" : "; by threads, because " + reason);
  }

  /** Notes why threads were chosen, for the status; without it, they were asked for. */
  ThreadFile because(String reason) {
    this.reason = reason;
    return this;
  }

  /** Takes nothing more. What is with the workers keeps the file open until it has come back. */
  @Override
  public void close() {
    isClosed = true;
    FileChecks.refuseClosed(parked, options.path());
    endIfIdle();
  }

  private void endIfIdle() {
    if (isClosed && inSlots == 0) {
      crew.stop();
      file.close();
    }
  }
}
