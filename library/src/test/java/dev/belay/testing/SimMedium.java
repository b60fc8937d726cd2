// SPDX-License-Identifier: Apache-2.0
package dev.belay.testing;

import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.function.IntPredicate;
import org.jspecify.annotations.Nullable;

/**
 * What a simulated device stores, in granules of {@link #GRANULE_BYTES}: what a read finds now,
 * what a power loss leaves for sure, and in between the writes since the last flush, each block of
 * which may be lost or kept. Faults lie in an overlay beside it, and can be switched off.
 */
public final class SimMedium {
  /** The unit of contents: one long. */
  public static final int GRANULE_BYTES = Long.BYTES;

  static final byte BAD_READ = 1;
  static final byte BAD_WRITE = 2;

  private static final long HASH = 0x9E37_79B9_7F4A_7C15L;

  private final int blockGranules;
  private final long[] now;

  /** Null where no power loss can come. */
  private long @Nullable [] durable;

  private final byte[] faults;

  // The writes since the last flush, block by block, in order: which block, and its contents.
  private int[] logBlock = new int[64];
  private long[] logNumber = new long[64];
  private long[] logContents;
  private int logSize;
  private long writes;
  private long flushes;
  private int[] leftOut = {};

  /**
   * @param name makes the first contents differ from those of other media
   * @param blockGranules how many granules are written as one, or not at all
   */
  public SimMedium(int name, int granules, int blockGranules) {
    this(firstContents(name, granules), blockGranules);
  }

  private SimMedium(long[] contents, int blockGranules) {
    this.blockGranules = blockGranules;
    now = contents;
    faults = new byte[contents.length / blockGranules];
    logContents = new long[64 * blockGranules];
  }

  private static long[] firstContents(int name, int granules) {
    long[] contents = new long[granules];
    for (int i = 0; i < granules; i++) {
      contents[i] = 1L << 62 | (long) name << 40 | i;
    }
    return contents;
  }

  /** The same contents, all of them durable, without faults. */
  public SimMedium copy() {
    SimMedium medium = new SimMedium(now.clone(), blockGranules);
    medium.leftOut = leftOut;
    return medium;
  }

  /** Has a granule hold something, durably, beside all devices. */
  public void put(int granule, long value) {
    now[granule] = value;
    if (durable != null) {
      durable[granule] = value;
    }
  }

  /**
   * Whether a power loss can come: only then the writes since the last flush are remembered. What
   * was written before is durable.
   */
  public void setKeepsLog(boolean keepsLog) {
    if (!keepsLog) {
      durable = null;
    } else if (durable == null) {
      durable = now.clone();
    }
  }

  /** How many granules are written as one. */
  public int blockGranules() {
    return blockGranules;
  }

  /** How many there are. */
  public int granules() {
    return now.length;
  }

  /** What a read finds. */
  public long at(int granule) {
    return now[granule];
  }

  /** Copies blocks of what a read finds into memory. */
  void read(int block, int blocks, MemorySegment to, long atBytes) {
    MemorySegment.copy(
        now, block * blockGranules, to, JAVA_LONG_UNALIGNED, atBytes, blocks * blockGranules);
  }

  /** Makes every block bad, in one way or both, with the given odds. */
  public void spoil(SplittableRandom random, int perMille) {
    for (int i = 0; i < faults.length; i++) {
      faults[i] = random.nextInt(1000) < perMille ? (byte) (1 + random.nextInt(3)) : 0;
    }
  }

  boolean isBad(int fromBlock, int toBlock, byte how) {
    for (int i = fromBlock; i < toBlock; i++) {
      if ((faults[i] & how) != 0) {
        return true;
      }
    }
    return false;
  }

  /** How many block writes there were: those below a number are in a flush that begins now. */
  public long writes() {
    return writes;
  }

  /** Writes a block; {@code fua}: durably. */
  public void write(int block, long[] from, int fromIndex, boolean fua) {
    int start = block * blockGranules;
    System.arraycopy(from, fromIndex, now, start, blockGranules);
    writes++;
    long[] kept = durable;
    if (kept == null) {
      return;
    }
    if (fua) {
      System.arraycopy(from, fromIndex, kept, start, blockGranules);
      for (int i = 0; i < logSize; i++) {
        logBlock[i] = logBlock[i] == block ? -1 : logBlock[i];
      }
      return;
    }
    if (logSize == logBlock.length) {
      logBlock = Arrays.copyOf(logBlock, 2 * logSize);
      logNumber = Arrays.copyOf(logNumber, 2 * logSize);
      logContents = Arrays.copyOf(logContents, 2 * logSize * blockGranules);
    }
    logBlock[logSize] = block;
    logNumber[logSize] = writes;
    System.arraycopy(from, fromIndex, logContents, logSize * blockGranules, blockGranules);
    logSize++;
  }

  /** Makes durable what was written before the write numbered {@code before}. */
  public void flush(long before) {
    flushes++;
    if (durable == null) {
      return;
    }
    int kept = 0;
    for (int i = 0; i < logSize; i++) {
      if (logBlock[i] < 0) {
        continue;
      }
      if (logNumber[i] <= before) {
        persist(durable, i);
      } else {
        logBlock[kept] = logBlock[i];
        logNumber[kept] = logNumber[i];
        System.arraycopy(
            logContents, i * blockGranules, logContents, kept * blockGranules, blockGranules);
        kept++;
      }
    }
    logSize = kept;
  }

  private void persist(long[] durable, int entry) {
    System.arraycopy(
        logContents,
        entry * blockGranules,
        durable,
        logBlock[entry] * blockGranules,
        blockGranules);
  }

  /** How many block writes a power loss could drop. */
  public int unflushed() {
    int count = 0;
    for (int i = 0; i < logSize; i++) {
      count += logBlock[i] >= 0 ? 1 : 0;
    }
    return count;
  }

  /** Changes whenever contents do, or what a power loss would leave of them. */
  public long changes() {
    return writes + flushes;
  }

  /**
   * What a power loss would leave, all of it durable.
   *
   * @param survives which of the {@link #unflushed} writes are kept, by their order
   */
  public SimMedium afterLoss(IntPredicate survives) {
    long[] left = Objects.requireNonNull(durable, "nobody said that the power may go").clone();
    int number = 0;
    for (int i = 0; i < logSize; i++) {
      if (logBlock[i] >= 0 && survives.test(number++)) {
        persist(left, i);
      }
    }
    SimMedium medium = new SimMedium(left, blockGranules);
    medium.leftOut = leftOut;
    return medium;
  }

  /** Leaves granules out of all hashes: what depends on the day that it is written. */
  public void leaveOut(int... granules) {
    leftOut = granules;
  }

  /** A number that tells contents from others. */
  public long hash() {
    return hash(now);
  }

  /** The same of what a power loss could leave. */
  public long hashOfLosses() {
    long hash = hash(Objects.requireNonNull(durable));
    for (int i = 0; i < logSize; i++) {
      int first = logBlock[i] * blockGranules;
      for (int j = 0; j < blockGranules && first >= 0; j++) {
        long value = isLeftOut(first + j) ? 0 : logContents[i * blockGranules + j];
        hash = hash * 31 + hash(first + j, value);
      }
    }
    return hash;
  }

  private boolean isLeftOut(int granule) {
    for (int other : leftOut) {
      if (other == granule) {
        return true;
      }
    }
    return false;
  }

  private long hash(long[] of) {
    long sum = 0;
    for (int i = 0; i < of.length; i++) {
      sum += hash(i, of[i]);
    }
    for (int granule : leftOut) {
      sum -= hash(granule, of[granule]);
    }
    return sum;
  }

  private static long hash(int granule, long value) {
    long product = (value ^ granule * HASH) * HASH;
    return (product ^ product >>> 32) * HASH;
  }

  /** Drops some of what was not flushed: nothing, everything, or any part of it. */
  public void losePower(SplittableRandom random) {
    long[] durable = Objects.requireNonNull(this.durable, "nobody said that the power may go");
    int odds = random.nextInt(5);
    for (int i = 0; i < logSize; i++) {
      if (logBlock[i] >= 0 && random.nextInt(4) < odds) {
        persist(durable, i);
      }
    }
    logSize = 0;
    System.arraycopy(durable, 0, now, 0, now.length);
  }
}
