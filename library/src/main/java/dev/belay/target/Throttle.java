// SPDX-License-Identifier: Apache-2.0
package dev.belay.target;

import dev.belay.Bio;
import dev.belay.Cutter;
import dev.belay.Device;
import dev.belay.Held;
import dev.belay.Loop;
import dev.belay.Op;
import dev.belay.Parked;
import dev.belay.Timers;
import dev.belay.Verdict;
import java.util.List;

/**
 * Lets through so many operations and so many bytes a second, on the long run. What is not used is
 * saved up, for {@code burst} at most. Reads and writes cost an operation and their bytes, discards
 * and zeroes and searches for holes an operation; flushes are free and never wait.
 *
 * <p>Each rate is a token bucket that may be overdrawn: a bio goes as soon as neither is in debt,
 * and pays then. So a bio may be larger than the bucket, and in any time T no more goes through
 * than rate × (burst + T), and one piece.
 *
 * <p>A bio with more bytes than the rate allows in 20 ms is cut into pieces of so many, each of
 * which counts as an operation. Bios wait first come, first served; the next piece of a long one
 * goes to the end of the line, so that it holds up nobody for longer than four of them.
 *
 * <p>What waits here is parked: a bio whose flag goes up takes no tokens and completes clean at
 * once; of a long one the pieces that were let go are told apart from the rest.
 *
 * <p>Who waits longest goes first, unless it is to be the newest. Where more is asked for than the
 * rate allows, and each request is of use only until its deadline, the oldest is the one with the
 * least time left: it gets its tokens and then comes too late below. The newest has all its time;
 * those that are overtaken wait until their flags go up. Without deadlines they may wait for ever.
 *
 * <pre>throttle(LOWER [, iops=RATE] [, bandwidth=SIZE] [, burst=DURATION] [, order=oldest|newest])
 * </pre>
 */
public final class Throttle extends Device {
  /** How many pieces of one bio wait or are below at a time. */
  private static final int WINDOW = 4;

  private static final int PIECES_PER_SECOND = 50;

  private final Device lower;
  private final double iops;
  private final long bytesPerSecond;
  private final long pieceBytes;
  private final boolean newestFirst;
  private final Gate gate;
  private final Cutter cutter = this::cut;

  /**
   * @param iops operations per second; 0 for any number
   * @param bytesPerSecond of reads and writes; 0 for any number
   * @param burstNanos how long a rate is saved up; above zero
   * @throws IllegalArgumentException if neither rate is given, or one is negative
   */
  public Throttle(Loop loop, Device lower, double iops, long bytesPerSecond, long burstNanos) {
    this(loop, lower, iops, bytesPerSecond, burstNanos, false);
  }

  /**
   * The same, with an order.
   *
   * @param newestFirst whether the newest of those that wait goes first, not the oldest
   */
  public Throttle(
      Loop loop,
      Device lower,
      double iops,
      long bytesPerSecond,
      long burstNanos,
      boolean newestFirst) {
    super(loop, "throttle", lower.limits(), List.of(lower));
    if (!(iops >= 0) || bytesPerSecond < 0 || (iops == 0 && bytesPerSecond == 0)) {
      throw new IllegalArgumentException(
          "throttle needs a rate above zero: it got "
              + iops
              + " operations and "
              + bytesPerSecond
              + " bytes per second");
    }
    if (burstNanos <= 0) {
      throw new IllegalArgumentException(
          "throttle saves up for a time above zero, not for " + burstNanos + " ns");
    }
    this.lower = lower;
    this.newestFirst = newestFirst;
    this.iops = iops;
    this.bytesPerSecond = bytesPerSecond;
    pieceBytes = pieceBytes(bytesPerSecond, limits().logicalBlockBytes());
    gate = new Gate(burstNanos);
  }

  private static long pieceBytes(long bytesPerSecond, int blockBytes) {
    if (bytesPerSecond == 0) {
      return Long.MAX_VALUE;
    }
    long bytes = bytesPerSecond / PIECES_PER_SECOND;
    return Math.max(bytes - bytes % blockBytes, blockBytes);
  }

  @Override
  public Verdict map(Bio bio) {
    if (bio.op() == Op.FLUSH) {
      bio.remap(lower, bio.offsetBytes());
    } else if (bio.op().hasBuffer() && bio.lengthBytes() > pieceBytes) {
      bio.split(cutter, WINDOW);
      return Verdict.TAKEN;
    } else {
      bio.remap(gate, bio.offsetBytes());
    }
    return Verdict.REMAPPED;
  }

  private long cut(Bio piece) {
    piece.remap(gate, piece.offsetBytes());
    return Math.min(piece.lengthBytes(), pieceBytes);
  }

  /** Where bios and pieces wait for tokens: a device, so that pieces get to it as bios do. */
  private final class Gate extends Device {
    private final Bucket operations;
    private final Bucket bytes;
    private final Parked parked = new Parked();
    private final Timers.Timer timer = loop().timers().newTimer(this::letGo);

    /** When the first of them goes on: of the last look. */
    private long dueNanos;

    Gate(long burstNanos) {
      super(lower.loop(), "throttle", lower.limits(), List.of(lower));
      long now = loop().clock().nanos();
      dueNanos = now;
      operations = new Bucket(iops, burstNanos, now);
      bytes = new Bucket(bytesPerSecond, burstNanos, now);
    }

    @Override
    public Verdict map(Bio bio) {
      if (parked.isEmpty() && debtNanos() == 0) {
        pay(bio);
        bio.remap(lower, bio.offsetBytes());
        return Verdict.REMAPPED;
      }
      parked.park(bio);
      if (!timer.isSet()) {
        letGo();
      }
      return Verdict.TAKEN;
    }

    private void letGo() {
      try {
        letGoPaid();
      } finally {
        // Whatever was thrown: those that wait still have to hear of their tokens.
        if (!parked.isEmpty() && !timer.isSet()) {
          timer.set(dueNanos);
        }
      }
    }

    private void letGoPaid() {
      while (!parked.isEmpty()) {
        long wait = debtNanos();
        if (wait > 0) {
          dueNanos = loop().clock().after(wait);
          return;
        }
        Bio bio = newestFirst ? parked.letGoLast() : parked.letGo();
        if (bio != null) {
          pay(bio);
          bio.passOn(lower, bio.offsetBytes());
        }
      }
    }

    private long debtNanos() {
      long now = loop().clock().nanos();
      return Math.max(operations.debtNanos(now), bytes.debtNanos(now));
    }

    private void pay(Bio bio) {
      operations.pay(1);
      bytes.pay(bio.op().hasBuffer() ? bio.lengthBytes() : 0);
    }
  }

  /** The tokens of one rate: fewer than none, for one that is overdrawn. */
  private static final class Bucket {
    private final double perNano;
    private final double most;
    private double tokens;
    private long filledNanos;

    Bucket(double perSecond, long burstNanos, long nowNanos) {
      perNano = perSecond / 1e9;
      most = perNano * burstNanos;
      tokens = most;
      filledNanos = nowNanos;
    }

    /** How long until nothing is owed any more. */
    long debtNanos(long nowNanos) {
      if (perNano == 0) {
        return 0;
      }
      tokens = Math.min(most, tokens + (nowNanos - filledNanos) * perNano);
      filledNanos = nowNanos;
      return tokens >= 0 ? 0 : (long) Math.ceil(-tokens / perNano);
    }

    void pay(double count) {
      tokens -= count;
    }
  }

  @Override
  public void showHeld(Held held) {
    gate.parked.showHeld(held, "waits for tokens");
  }

  @Override
  public String status() {
    String rates = iops == 0 ? "" : iops + " operations a second, ";
    rates += newestFirst ? "the newest first, " : "";
    rates += bytesPerSecond == 0 ? "" : bytesPerSecond + " bytes a second, ";
    return rates + gate.parked.size() + " wait";
  }
}
