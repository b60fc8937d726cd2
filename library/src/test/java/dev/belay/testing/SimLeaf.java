// SPDX-License-Identifier: Apache-2.0
package dev.belay.testing;

import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import dev.belay.Bio;
import dev.belay.Device;
import dev.belay.Errno;
import dev.belay.Extents.State;
import dev.belay.IoError;
import dev.belay.Limits;
import dev.belay.Loop;
import dev.belay.Op;
import dev.belay.Parked;
import dev.belay.Verdict;
import dev.belay.Waiting;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * A simulated device on virtual time, over a {@link SimMedium} that outlives it. Everything it does
 * follows from its random numbers: when it answers and in which order, what fails, tears or hangs,
 * how much of a piece takes effect when it is sent and how much just before the answer, and what it
 * makes of an abort.
 *
 * <p>It keeps a few pieces in flight and parks the rest. It looks at the flag at the last moment,
 * and tells the {@link Recording} what it sends.
 */
public final class SimLeaf extends Device implements Waiting {
  private static final long HANG_NANOS = 10_000_000_000L;
  private static final long GARBAGE = 0x6A6A_6A6A_6A6A_6A6AL;

  /** What will become of a piece in flight. */
  private enum Fate {
    DONE,
    /** An error; some blocks took effect, nobody knows which. */
    FAILED_UNKNOWN,
    /** An error; the first blocks are done, the rest is unknown. */
    FAILED_PART,
    /** An error before anything happened. */
    FAILED_CLEAN,
    ABORTED_UNKNOWN,
    ABORTED_PART,
    ABORTED_CLEAN
  }

  /** One place in the device. */
  private static final class Slot {
    final int index;
    @Nullable Bio bio;
    int generation;
    Fate fate = Fate.DONE;
    boolean hangs;

    /** How many of its first blocks took effect when it was sent. */
    int earlyBlocks;

    long writesAtSend;

    Slot(int index) {
      this.index = index;
    }
  }

  private final String name;
  private final SimMedium medium;
  private final SimPoller poller;
  private final Recording recording;
  private final SplittableRandom random;
  private final Parked parked = new Parked();
  private final int blockBytes;
  private Weather weather;
  private Slot[] slots = new Slot[0];
  private int[] free = new int[0];
  private int freeCount;
  private int inFlight;
  private final long[] block;

  /**
   * @param poller the loop's, which the caller has set
   */
  public SimLeaf(
      Loop loop,
      String name,
      SimMedium medium,
      Weather weather,
      SimPoller poller,
      Recording recording,
      SplittableRandom random) {
    super(loop, "sim", limits(medium, weather), List.of());
    this.name = name;
    this.medium = medium;
    this.weather = weather;
    this.poller = poller;
    this.recording = recording;
    this.random = random;
    blockBytes = medium.blockGranules() * SimMedium.GRANULE_BYTES;
    block = new long[medium.blockGranules()];
  }

  private static Limits limits(SimMedium medium, Weather weather) {
    int blockBytes = medium.blockGranules() * SimMedium.GRANULE_BYTES;
    return new Limits(
        (long) medium.granules() * SimMedium.GRANULE_BYTES,
        blockBytes,
        Math.min(blockBytes, weather.memoryAlignmentBytes()),
        weather.largestTransferBlocks() == 0
            ? Long.MAX_VALUE
            : (long) weather.largestTransferBlocks() * blockBytes);
  }

  /** Changes its behaviour from the next piece on; limits stay. */
  public void setWeather(Weather weather) {
    this.weather = weather;
  }

  public String name() {
    return name;
  }

  /** How many pieces are in the device. */
  public int inFlight() {
    return inFlight;
  }

  /** How many wait for a place in it. */
  public int backlog() {
    return parked.size();
  }

  @Override
  public Verdict map(Bio bio) {
    poller.steps().step();
    if (poller.isOff()) {
      return Verdict.TAKEN;
    }
    poller.witness().arrives(bio);
    if (bio.op() != Op.FLUSH && bio.lengthBytes() > limits().largestTransferBytes()) {
      bio.split(
          piece -> {
            piece.remap(this, piece.offsetBytes());
            return Math.min(piece.lengthBytes(), limits().largestTransferBytes());
          });
    } else if (inFlight < weather.inFlight() && parked.isEmpty()) {
      send(bio);
    } else {
      parked.park(bio);
    }
    return Verdict.TAKEN;
  }

  private void send(Bio bio) {
    poller.steps().step();
    boolean isRequestUp = recording.isRequestFlagUp(bio);
    if (bio.flag().isRaised()) {
      bio.cancelClean();
      return;
    }
    recording.send(this, bio, isRequestUp, poller.clock().nowNanos());
    Slot slot = take(bio);
    int blocks = blocks(bio);
    slot.writesAtSend = medium.writes();
    slot.earlyBlocks = 0;
    slot.hangs = false;
    slot.fate = fate(bio, blocks);
    if (weather.latencyNanos() == 0 && !slot.hangs) {
      finish(slot);
      return;
    }
    if (slot.fate != Fate.FAILED_CLEAN && blocks > 0 && random.nextBoolean()) {
      slot.earlyBlocks = random.nextInt(blocks + 1);
      takeEffect(bio, 0, slot.earlyBlocks, true);
    }
    long after = slot.hangs ? HANG_NANOS : random.nextLong(2 * weather.latencyNanos() + 1);
    poller.plan(poller.clock().nowNanos() + after, this, ticket(slot));
    if (weather.abort() == Weather.Abort.EVERYTHING
        || (slot.hangs && weather.abort() == Weather.Abort.WHAT_HANGS)) {
      bio.watch(this);
    }
  }

  private Slot take(Bio bio) {
    if (freeCount == 0) {
      int had = slots.length;
      slots = Arrays.copyOf(slots, had + 16);
      free = new int[slots.length];
      for (int i = had; i < slots.length; i++) {
        slots[i] = new Slot(i);
        free[freeCount++] = i;
      }
    }
    Slot slot = slots[free[--freeCount]];
    slot.bio = bio;
    bio.setNote(slot.index);
    inFlight++;
    return slot;
  }

  private static long ticket(Slot slot) {
    return (long) slot.generation << 32 | slot.index;
  }

  private int blocks(Bio bio) {
    return bio.op() == Op.FLUSH ? 0 : (int) (bio.lengthBytes() / blockBytes);
  }

  private int firstBlock(Bio bio) {
    return (int) (bio.offsetBytes() / blockBytes);
  }

  private Fate fate(Bio bio, int blocks) {
    int first = firstBlock(bio);
    if (weather.badPerMille() > 0) {
      byte how = bio.op() == Op.READ ? SimMedium.BAD_READ : SimMedium.BAD_WRITE;
      if (blocks > 0 && medium.isBad(first, first + blocks, how)) {
        return random.nextBoolean() ? Fate.FAILED_UNKNOWN : Fate.FAILED_PART;
      }
    }
    int dice = random.nextInt(1000);
    if (dice < weather.hangsPerMille()) {
      slots[(int) bio.note()].hangs = true;
      return Fate.DONE;
    }
    if (dice < weather.hangsPerMille() + weather.failsPerMille()) {
      return switch (random.nextInt(3)) {
        case 0 -> Fate.FAILED_UNKNOWN;
        case 1 -> Fate.FAILED_PART;
        default -> Fate.FAILED_CLEAN;
      };
    }
    return Fate.DONE;
  }

  /** The flag of something in flight is up: the device is asked to abort it. */
  @Override
  public void flagRaised(Bio bio) {
    Slot slot = slots[(int) bio.note()];
    int dice = random.nextInt(slot.hangs ? 3 : 5);
    if (slot.fate == Fate.DONE && dice < 3) {
      slot.fate =
          switch (dice) {
            case 0 -> slot.earlyBlocks == 0 ? Fate.ABORTED_CLEAN : Fate.ABORTED_UNKNOWN;
            case 1 -> Fate.ABORTED_PART;
            default -> Fate.ABORTED_UNKNOWN;
          };
    }
    // The answer comes soon now, or even before this returns to the loop.
    slot.generation++;
    long after = random.nextInt(3) == 0 ? 0 : random.nextLong(2 * weather.latencyNanos() + 1);
    poller.plan(poller.clock().nowNanos() + after, this, ticket(slot));
  }

  /** What was planned comes. False if it has come otherwise. */
  boolean answer(long ticket) {
    Slot slot = slots[(int) ticket];
    if (slot.generation != (int) (ticket >>> 32) || slot.bio == null) {
      return false;
    }
    poller.steps().step();
    finish(slot);
    while (inFlight < weather.inFlight() && !poller.isOff()) {
      Bio next = parked.letGo();
      if (next == null) {
        break;
      }
      send(next);
    }
    return true;
  }

  private void finish(Slot slot) {
    Bio bio = Objects.requireNonNull(slot.bio);
    slot.bio = null;
    slot.generation++;
    free[freeCount++] = slot.index;
    inFlight--;
    if (poller.isOff()) {
      return;
    }
    bio.unwatch();
    int blocks = blocks(bio);
    switch (slot.fate) {
      case DONE -> {
        takeEffect(bio, slot.earlyBlocks, blocks, true);
        if (bio.op() == Op.FLUSH) {
          medium.flush(slot.writesAtSend);
        }
      }
      case FAILED_CLEAN -> record(bio, true, State.CLEAN, 0);
      case ABORTED_CLEAN -> record(bio, false, State.CLEAN, 0);
      case FAILED_UNKNOWN -> tear(slot, bio, blocks, true, 0);
      case ABORTED_UNKNOWN -> tear(slot, bio, blocks, false, 0);
      case FAILED_PART -> tear(slot, bio, blocks, true, part(slot, blocks));
      case ABORTED_PART -> tear(slot, bio, blocks, false, part(slot, blocks));
    }
    bio.complete();
  }

  private int part(Slot slot, int blocks) {
    return blocks == 0 ? 0 : Math.max(slot.earlyBlocks, random.nextInt(blocks));
  }

  /** Some of the blocks behind {@code done} take effect, and only the device knows which. */
  private void tear(Slot slot, Bio bio, int blocks, boolean failed, int done) {
    if (slot.earlyBlocks == blocks && blocks > 0 && !failed) {
      return; // all of it was there before the abort: DONE
    }
    takeEffect(bio, slot.earlyBlocks, done, true);
    for (int i = Math.max(done, slot.earlyBlocks); i < blocks; i++) {
      if (random.nextBoolean()) {
        takeEffect(bio, i, i + 1, bio.op() != Op.READ || random.nextBoolean());
      }
    }
    int sure = done == blocks ? Math.max(0, blocks - 1) : done;
    record(bio, failed, State.UNKNOWN, (long) sure * blockBytes);
  }

  private void record(Bio bio, boolean failed, State rest, long doneBytes) {
    boolean isUnknown = rest == State.UNKNOWN;
    if (failed) {
      recording.failed(bio, isUnknown);
      IoError error = new IoError(Errno.EIO, "the simulated device failed");
      bio.recordFailed(error, doneBytes > 0 ? State.DONE : rest);
    } else {
      recording.cancelled(bio, isUnknown);
      bio.recordCancelled(doneBytes > 0 ? State.DONE : rest);
    }
    if (doneBytes > 0) {
      bio.mark(doneBytes, bio.lengthBytes() - doneBytes, rest);
    }
  }

  /** Moves whole blocks between buffer and medium. */
  private void takeEffect(Bio bio, int fromBlock, int toBlock, boolean isTrue) {
    int first = firstBlock(bio);
    if (bio.op() == Op.READ && isTrue && fromBlock < toBlock) {
      long inBuffer = bio.bufferOffsetBytes() + (long) fromBlock * blockBytes;
      medium.read(first + fromBlock, toBlock - fromBlock, bio.buffer(), inBuffer);
      return;
    }
    for (int i = fromBlock; i < toBlock; i++) {
      long inBuffer = bio.bufferOffsetBytes() + (long) i * blockBytes;
      int granule = (first + i) * block.length;
      switch (bio.op()) {
        case READ -> {
          Arrays.fill(block, GARBAGE);
          MemorySegment.copy(block, 0, bio.buffer(), JAVA_LONG_UNALIGNED, inBuffer, block.length);
        }
        case WRITE -> {
          MemorySegment.copy(bio.buffer(), JAVA_LONG_UNALIGNED, inBuffer, block, 0, block.length);
          medium.write(first + i, block, 0, bio.isFua());
        }
        case DISCARD -> {
          int what = random.nextInt(3);
          if (what > 0) {
            Arrays.fill(block, what == 1 ? 0 : GARBAGE);
            medium.write(first + i, block, 0, false);
          }
        }
        case WRITE_ZEROES -> {
          Arrays.fill(block, 0);
          medium.write(first + i, block, 0, bio.isFua());
        }
        case FIND_HOLES -> {
          if (isTrue && isZero(granule)) {
            bio.markHole((long) i * blockBytes, blockBytes);
          }
        }
        case FLUSH -> throw new AssertionError("a flush has no blocks");
      }
    }
  }

  /** Everything that is zero is a hole here, so that there are some. */
  private boolean isZero(int granule) {
    for (int j = 0; j < block.length; j++) {
      if (medium.at(granule + j) != 0) {
        return false;
      }
    }
    return true;
  }

  @Override
  public String status() {
    return inFlight + " in flight, " + parked.size() + " parked";
  }
}
