// SPDX-License-Identifier: Apache-2.0
package dev.belay.scenario;

import dev.belay.Bio;
import dev.belay.CancelFlag;
import dev.belay.Device;
import dev.belay.Extents.Extent;
import dev.belay.Extents.State;
import dev.belay.Inside;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.leaf.FileOptions;
import dev.belay.leaf.UringFile;
import dev.belay.leaf.UringTuning;
import dev.belay.testing.DrivenStack;
import dev.belay.testing.Patterns;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.LongUnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * Rounds of requests with cancels over one stack of direct io_uring files, judged from both sides:
 * by a recorder under every leaf, and by channels of java.nio that read the files.
 *
 * <p>Each round has a request in each of eight regions, reads and writes in turn, of 64 to 112
 * blocks, while a leaf sends one block at a time. The flags of six are raised: some on the loop's
 * own thread, between two of its turns, and some on another thread; after a random time or number
 * of turns, or when a random part of the request has been sent. From the turn that begins after the
 * raise has returned, or from the message that the raiser has sent after it, whichever is first,
 * nothing of the request may be sent.
 */
final class CancelRig implements AutoCloseable {
  static final int BLOCK = 4096;
  static final int LEAST_PIECES = 64;
  static final int REGIONS = 8;
  static final int CANCELS_IN_ROUND = 6;
  static final int REGION_BYTES = 512 << 10;
  static final int SIZE = REGIONS * REGION_BYTES;

  private static final int MOST_PIECES = 112;
  private static final byte CANARY = 0x5A;
  private static final long MOST_NANOS = 60_000_000_000L;
  private static final long TURN_NANOS = 1_000_000L;

  final Tally tally = new Tally();
  final DrivenStack stack = new DrivenStack();
  private final Path directory;
  private final List<FileChannel> channels = new ArrayList<>();
  private final Map<Bio, Shot> shots = new IdentityHashMap<>();
  private final Arena arena = Arena.ofShared();
  private final MemorySegment model = arena.allocate(SIZE, BLOCK);
  private final MemorySegment medium = arena.allocate(SIZE, BLOCK);
  private final List<MemorySegment> buffers = new ArrayList<>();
  private final ExecutorService raisers = Executors.newSingleThreadExecutor();
  private @Nullable Layout layout;
  private long roundNanos = 5_000_000;
  private int roundTurns = 20;
  private int rounds;

  /**
   * Which byte of which file is which byte of the stack, figured out apart from the devices.
   *
   * @param top the stack
   * @param unitBytes how much lies together at least
   * @param grainBytes what offsets and lengths are multiples of
   */
  record Layout(
      Device top, int unitBytes, int grainBytes, LongUnaryOperator file, LongUnaryOperator place) {
    boolean isUnaligned() {
      return grainBytes < BLOCK;
    }
  }

  /** One request of a round. */
  private static final class Shot {
    final DrivenStack.Request request;
    final boolean isRaisedOnLoop;
    final boolean isBystander;
    long sentBytes;
    int pieces;

    /** The same for the other thread. */
    volatile int piecesSeen;

    // When the flag is raised: after so many pieces, if above zero; else after turns, or a time.
    int afterPieces;
    int afterTurns;
    long afterNanos;

    /** The loop's: from now on it could have seen the flag. */
    boolean couldSee;

    /** Another thread's raise has returned. */
    volatile boolean isRaised;

    Shot(DrivenStack.Request request, boolean isBystander, boolean isRaisedOnLoop) {
      this.request = request;
      this.isBystander = isBystander;
      this.isRaisedOnLoop = isRaisedOnLoop;
    }

    boolean isDue(boolean isTimeOver) {
      return afterPieces > 0 ? piecesSeen >= afterPieces : isTimeOver;
    }
  }

  CancelRig(Path directory) {
    this.directory = directory;
    for (int i = 0; i < REGIONS; i++) {
      buffers.add(arena.allocate(REGION_BYTES + BLOCK, BLOCK));
    }
  }

  /** Opens one of the files below, which sends 4 KiB at a time, and has its sends recorded. */
  UringFile file(String name, long sizeBytes) throws IOException {
    FileOptions options =
        FileOptions.of(directory.resolve(name).toString())
            .withSize(sizeBytes)
            .withBlock(BLOCK)
            .withDirect(FileOptions.Direct.ON);
    UringTuning tuning = UringTuning.DEFAULT.withPiece(BLOCK).withDepth(16);
    UringFile file = UringFile.open(stack.loop, options, tuning);
    file.setRecorder(this::sending);
    channels.add(FileChannel.open(directory.resolve(name), StandardOpenOption.READ));
    return file;
  }

  void setLayout(Layout layout) {
    this.layout = layout;
  }

  private Layout layout() {
    if (layout == null) {
      throw new IllegalStateException("the rig has no stack yet");
    }
    return layout;
  }

  /** What every leaf sends. On the loop's thread. */
  private void sending(Bio bio, long offsetBytes, long lengthBytes) {
    Bio root = bio;
    for (Bio above = Inside.parentOf(root); above != null; above = Inside.parentOf(root)) {
      root = above;
    }
    Shot shot = shots.get(root);
    if (shot == null) {
      tally.wrong("a piece at " + offsetBytes + " belongs to no request that is open");
      return;
    }
    shot.pieces++;
    shot.piecesSeen = shot.pieces;
    shot.sentBytes += lengthBytes;
    tally.pieces++;
    if (shot.couldSee) {
      tally.late++;
      tally.wrong(shot.request.op + " sent " + offsetBytes + " after its flag could be seen");
    } else if (bio.flag().isRaised()) {
      tally.raced++;
    }
  }

  // --- A round ---

  void round(long seed) throws Exception {
    Random random = new Random(seed);
    rounds++;
    List<Shot> all = new ArrayList<>();
    int bystander = random.nextInt(REGIONS);
    for (int i = 0; i < REGIONS; i++) {
      Op op = (rounds + i) % 2 == 0 ? Op.READ : Op.WRITE;
      boolean isBystander = i == bystander || i == (bystander + 3) % REGIONS;
      all.add(begin(i, op, isBystander, random, seed));
    }
    long began = System.nanoTime();
    Future<?> raising = raisers.submit(() -> raiseAll(all, began));
    int turns = 0;
    for (; stack.loop.openRequests() > 0; turns++) {
      for (Shot shot : all) {
        if (shot.isRaisedOnLoop && !shot.couldSee && shot.isDue(turns >= shot.afterTurns)) {
          shot.request.flag.raise();
          shot.couldSee = true;
        }
        shot.couldSee |= shot.isRaised;
      }
      stack.loop.turn(TURN_NANOS);
      if (System.nanoTime() - began > MOST_NANOS) {
        throw new AssertionError("the round with seed " + seed + " does not end");
      }
    }
    roundNanos = (3 * roundNanos + System.nanoTime() - began) / 4;
    roundTurns = (3 * roundTurns + turns) / 4 + 1;
    raising.get(60, TimeUnit.SECONDS);
    all.stream().filter(shot -> shot.isRaisedOnLoop).forEach(shot -> shot.request.flag.raise());
    judge(all, seed);
    shots.clear();
  }

  private Shot begin(int region, Op op, boolean isBystander, Random random, long seed) {
    int grain = layout().grainBytes();
    int blocks = LEAST_PIECES + random.nextInt(MOST_PIECES - LEAST_PIECES + 1);
    long length = (long) blocks * BLOCK;
    long slack = REGION_BYTES - length;
    if (layout().isUnaligned()) {
      length += BLOCK + (long) grain * random.nextInt(BLOCK / grain);
      slack -= 2 * BLOCK;
    }
    long offset = (long) region * REGION_BYTES + grain * (random.nextLong(slack / grain));
    long shift = layout().isUnaligned() && random.nextBoolean() ? grain : 0;
    MemorySegment buffer = buffers.get(region).asSlice(shift, length);
    if (op == Op.WRITE) {
      Patterns.fill(buffer, offset, seed);
    } else {
      buffer.fill(CANARY);
    }
    CancelFlag flag = new CancelFlag();
    boolean isOnLoop = !isBystander && random.nextBoolean();
    Shot shot =
        new Shot(stack.prepare(layout().top(), op, offset, buffer, flag), isBystander, isOnLoop);
    shot.afterPieces = random.nextBoolean() ? 1 + random.nextInt(LEAST_PIECES) : 0;
    shot.afterTurns = random.nextInt(roundTurns + 1);
    shot.afterNanos = random.nextLong(roundNanos);
    shots.put(shot.request.bio, shot);
    stack.loop.enter(shot.request.bio); // sends the first pieces, which the recorder sees
    return shot;
  }

  /** On the other thread. */
  private void raiseAll(List<Shot> all, long began) {
    List<Shot> mine = new ArrayList<>(all);
    mine.removeIf(shot -> shot.isRaisedOnLoop || shot.isBystander);
    for (long now = 0; !mine.isEmpty() && now < MOST_NANOS; now = System.nanoTime() - began) {
      for (Iterator<Shot> each = mine.iterator(); each.hasNext(); ) {
        Shot shot = each.next();
        if (shot.isDue(now >= shot.afterNanos)) {
          each.remove();
          shot.request.flag.raise();
          shot.isRaised = true;
          stack.loop.execute(() -> shot.couldSee = true);
        }
      }
      LockSupport.parkNanos(10_000);
    }
  }

  // --- The judgement ---

  private void judge(List<Shot> all, long seed) throws IOException {
    readMedium();
    for (Shot shot : all) {
      DrivenStack.Request request = shot.request;
      Outcome outcome = request.result();
      String which = request.op + " at " + request.offsetBytes + ", seed " + seed + ": " + outcome;
      if (request.completions != 1) {
        tally.wrong(which + " completed " + request.completions + " times");
      }
      if (outcome.kind() == Outcome.Kind.FAILED
          || (shot.isBystander && outcome.kind() != Outcome.Kind.DONE)) {
        tally.wrong("nobody asked for this: " + which);
      }
      long answered = outcome.doneBytes() + outcome.unknownBytes();
      if (!layout().isUnaligned() && shot.sentBytes != answered) {
        tally.wrong(which + ", and " + shot.sentBytes + " bytes were sent");
      }
      if (outcome.kind() == Outcome.Kind.DONE && shot.pieces < LEAST_PIECES) {
        tally.wrong(which + " had " + shot.pieces + " pieces");
      }
      for (Extent extent : outcome.extents().list()) {
        judge(request, extent, which);
      }
      tally.add(outcome, shot.pieces, shot.isBystander, shot.isRaisedOnLoop);
    }
    long other = model.mismatch(medium);
    if (other >= 0) {
      tally.wrong("the medium is not as it should be at " + other + ", seed " + seed);
      model.copyFrom(medium);
    }
  }

  private void judge(DrivenStack.Request request, Extent extent, String which) {
    long start = extent.offsetBytes();
    MemorySegment buffer = request.buffer.asSlice(start, extent.lengthBytes());
    long at = request.offsetBytes + start;
    MemorySegment known = model.asSlice(at, extent.lengthBytes());
    boolean isWrite = request.op == Op.WRITE;
    if (extent.state() == State.UNKNOWN) {
      tally.unknownBytes += extent.lengthBytes();
      if (isWrite) {
        known.copyFrom(medium.asSlice(at, extent.lengthBytes()));
      }
    } else if (extent.state() == State.DONE && isWrite) {
      known.copyFrom(buffer);
    } else if (extent.state() == State.DONE && buffer.mismatch(known) >= 0) {
      tally.wrong("not what is on the medium, " + extent + ": " + which);
    } else if (!isWrite
        && extent.state() == State.CLEAN
        && Patterns.firstOtherByte(buffer, CANARY) >= 0) {
      tally.wrong("a clean part of the buffer was touched, " + extent + ": " + which);
    }
  }

  private void readMedium() throws IOException {
    int unit = layout().unitBytes();
    for (long at = 0; at < SIZE; at += unit) {
      FileChannel channel = channels.get((int) layout().file().applyAsLong(at));
      ByteBuffer into = medium.asSlice(at, unit).asByteBuffer();
      long from = layout().place().applyAsLong(at);
      while (into.hasRemaining()) {
        int count = channel.read(into, from + into.position());
        if (count < 0) {
          throw new IOException("a file ended at " + (from + into.position()));
        }
      }
    }
  }

  @Override
  public void close() throws IOException {
    raisers.shutdownNow();
    stack.close();
    for (FileChannel channel : channels) {
      channel.close();
    }
    arena.close();
  }
}
