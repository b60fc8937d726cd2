// SPDX-License-Identifier: Apache-2.0
package dev.belay.target;

import dev.belay.Bio;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * When a mirror asks a second leg, how often it may, and the memory for it. A read that loses may
 * still be in a device when its request has completed, so all legs read into memory of the mirror's
 * own, and the winner's bytes are copied. Reads that find no memory go to one leg, straight.
 *
 * <p>Latencies are counted in a histogram with four classes between powers of two, which forgets by
 * halving. Second reads are paid for with tokens, of which each read brings a 25th: not one read in
 * twenty more is sent, but for a burst at first. Half of the burst is kept for reads that were
 * refused before, because they are the slowest.
 */
final class Hedging {
  /** A longer read is cut. */
  static final long LARGE_BYTES = 128L << 10;

  private static final long SMALL_BYTES = 16L << 10;
  private static final int MOST_SMALL = 512;
  private static final int MOST_LARGE = 64;

  private static final double TOKENS_A_READ = 0.04;
  private static final double MOST_TOKENS = 16;

  private static final int CLASSES = 64 * 4;
  private static final int NEEDED_SAMPLES = 100;
  private static final int MOST_SAMPLES = 4096;
  private static final int LOOK_EVERY = 32;

  private final Mirror mirror;
  private final Hedge hedge;
  private final Memory small = new Memory(SMALL_BYTES, MOST_SMALL);
  private final Memory large = new Memory(LARGE_BYTES, MOST_LARGE);
  private final ArrayDeque<HedgedRead> spare = new ArrayDeque<>();
  private final int[] counts = new int[CLASSES];
  private int samples;
  private int untilLook;
  private long percentileNanos;
  private double tokens = MOST_TOKENS;
  private long sent;
  private long won;

  Hedging(Mirror mirror, Hedge hedge) {
    this.mirror = mirror;
    this.hedge = hedge;
  }

  /** Blocks of one length, made when they are needed, up to a number. */
  private final class Memory {
    private final long blockBytes;
    private final int most;
    private final ArrayDeque<MemorySegment> free = new ArrayDeque<>();
    private int made;

    Memory(long blockBytes, int most) {
      this.blockBytes = blockBytes;
      this.most = most;
    }

    /** An eighth is kept for second reads. */
    @Nullable MemorySegment take(boolean isSecond) {
      int left = free.size() + most - made;
      if (left <= (isSecond ? 0 : most / 8)) {
        return null;
      }
      if (!free.isEmpty()) {
        return free.removeLast();
      }
      made++;
      return mirror.allocate(blockBytes);
    }
  }

  private Memory memory(long lengthBytes) {
    return lengthBytes <= SMALL_BYTES ? small : large;
  }

  @Nullable MemorySegment take(long lengthBytes, boolean isSecond) {
    return memory(lengthBytes).take(isSecond);
  }

  void giveBack(MemorySegment block) {
    memory(block.byteSize()).free.add(block);
  }

  void giveBack(HedgedRead read) {
    spare.add(read);
  }

  /** How many blocks are taken. */
  int blocksInUse() {
    return small.made - small.free.size() + large.made - large.free.size();
  }

  /** Reads a piece from a leg, and later perhaps from another; false if there is no memory. */
  boolean read(Bio bio, MirrorLeg leg, long memberOffsetBytes) {
    tokens = Math.min(MOST_TOKENS, tokens + TOKENS_A_READ);
    MemorySegment block = take(bio.lengthBytes(), false);
    if (block == null) {
      return false;
    }
    HedgedRead read = spare.isEmpty() ? new HedgedRead(mirror, this) : spare.removeLast();
    read.begin(bio, leg, memberOffsetBytes, block);
    return true;
  }

  // --- When, and how often ---

  /** After how long a second leg is asked; 0 while that is not known. */
  long delayNanos() {
    if (hedge.delayNanos() > 0) {
      return hedge.delayNanos();
    }
    return samples < NEEDED_SAMPLES ? 0 : percentileNanos;
  }

  /** A leg has answered, or has been answered for, after so long. */
  void note(long nanos) {
    if (hedge.percentile() == 0) {
      return;
    }
    counts[classOf(nanos)]++;
    if (++samples == MOST_SAMPLES) {
      samples = 0;
      for (int i = 0; i < CLASSES; i++) {
        counts[i] /= 2;
        samples += counts[i];
      }
    }
    if (--untilLook <= 0) {
      untilLook = LOOK_EVERY;
      percentileNanos = percentile(hedge.percentile());
    }
  }

  private static int classOf(long nanos) {
    long value = Math.max(4, nanos);
    int power = 63 - Long.numberOfLeadingZeros(value);
    return power * 4 + (int) (value >>> (power - 2) & 3);
  }

  /** The end of the class in which the percentile lies. */
  private long percentile(double percent) {
    long wanted = (long) Math.ceil(samples * percent / 100);
    long seen = 0;
    for (int i = 0; i < CLASSES; i++) {
      seen += counts[i];
      if (seen >= wanted && seen > 0) {
        return (long) (5 + (i & 3)) << (i / 4 - 2);
      }
    }
    return 0;
  }

  /**
   * Whether a second leg may be asked.
   *
   * @param wasRefused whether it was refused this before
   */
  boolean maySend(boolean wasRefused) {
    if (tokens < (wasRefused ? 1 : MOST_TOKENS / 2)) {
      return false;
    }
    tokens--;
    sent++;
    return true;
  }

  void wonBySecond() {
    won++;
  }

  String status() {
    return String.format(Locale.ROOT, "hedges %d sent, %d won", sent, won);
  }
}
