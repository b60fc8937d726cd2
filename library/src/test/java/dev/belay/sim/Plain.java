// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import dev.belay.Bio;
import dev.belay.Clock;
import dev.belay.Device;
import dev.belay.Extents;
import dev.belay.Limits;
import dev.belay.Loop;
import dev.belay.Op;
import dev.belay.Parked;
import dev.belay.Timers;
import dev.belay.Verdict;
import java.util.List;
import java.util.Objects;

/** Small devices, each of which uses one means of the loop in the right way. */
final class Plain {
  private Plain() {}

  static void pass(Bio clone) {
    clone.parent().join(clone);
    clone.parent().complete();
  }

  /** Remaps by an offset. */
  static final class Shift extends Device {
    private final Device lower;
    private final long byBytes;

    Shift(Loop loop, Device lower, long byBytes) {
      super(
          loop,
          "shift",
          lower.limits().withSize(lower.limits().sizeBytes() - byBytes),
          List.of(lower));
      this.lower = lower;
      this.byBytes = byBytes;
    }

    @Override
    public Verdict map(Bio bio) {
      bio.remap(lower, bio.op() == Op.FLUSH ? 0 : bio.offsetBytes() + byBytes);
      return Verdict.REMAPPED;
    }
  }

  /** Sends a clone, and passes its result on. */
  static final class Copy extends Device {
    private final Device lower;

    Copy(Loop loop, Device lower) {
      super(loop, "copy", lower.limits(), List.of(lower));
      this.lower = lower;
    }

    @Override
    public Verdict map(Bio bio) {
      bio.newClone(Plain::pass).remap(lower, bio.offsetBytes()).submit();
      return Verdict.TAKEN;
    }
  }

  /** Cuts at every chunk, and deals the chunks out to the devices below. */
  static final class Spread extends Device {
    private final long chunkBytes;

    Spread(Loop loop, List<Device> lowers, long chunkBytes) {
      super(loop, "spread", limits(lowers, chunkBytes), lowers);
      this.chunkBytes = chunkBytes;
    }

    /** Whole chunks, as many on each; also for one device: then it only cuts. */
    static Limits limits(List<Device> lowers, long chunkBytes) {
      Limits limits = lowers.get(0).limits();
      for (Device lower : lowers) {
        limits = limits.stackedOn(lower.limits());
      }
      long smallest = lowers.stream().mapToLong(l -> l.limits().sizeBytes()).min().orElse(0);
      return limits.withSize(smallest / chunkBytes * chunkBytes * lowers.size());
    }

    @Override
    public Verdict map(Bio bio) {
      if (bio.op() == Op.FLUSH) {
        bio.chainToAll(lowers());
        return Verdict.TAKEN;
      }
      bio.split(
          piece -> {
            long chunk = piece.offsetBytes() / chunkBytes;
            long within = piece.offsetBytes() % chunkBytes;
            int column = (int) (chunk % lowers().size());
            piece.remap(lowers().get(column), chunk / lowers().size() * chunkBytes + within);
            return Math.min(piece.lengthBytes(), chunkBytes - within);
          });
      return Verdict.TAKEN;
    }
  }

  /** Sends two clones for the two halves, and waits for both. */
  static final class Halves extends Device {
    private final Device lower;

    Halves(Loop loop, Device lower) {
      super(loop, "halves", lower.limits(), List.of(lower));
      this.lower = lower;
    }

    @Override
    public Verdict map(Bio bio) {
      long block = Math.max(8, limits().logicalBlockBytes());
      long half = bio.lengthBytes() / block / 2 * block;
      if (half == 0) {
        bio.remap(lower, bio.offsetBytes());
        return Verdict.REMAPPED;
      }
      int[] left = {2};
      for (long start : new long[] {half, 0}) {
        long length = start == 0 ? half : bio.lengthBytes() - half;
        bio.newClone(
                clone -> {
                  clone.parent().join(clone);
                  if (--left[0] == 0) {
                    clone.parent().complete();
                  }
                },
                start,
                length)
            .remap(lower, bio.offsetBytes() + start)
            .submit();
      }
      return Verdict.TAKEN;
    }
  }

  /** Holds everything back for a while. */
  static final class Hold extends Device {
    private final Device lower;
    private final long holdNanos;
    private final Parked parked = new Parked();
    private final Clock clock;
    private final Timers.Timer timer;

    Hold(Loop loop, Device lower, long holdNanos) {
      super(loop, "hold", lower.limits(), List.of(lower));
      this.lower = lower;
      this.holdNanos = holdNanos;
      clock = loop.clock();
      timer = loop.timers().newTimer(this::letGo);
    }

    @Override
    public Verdict map(Bio bio) {
      parked.park(bio);
      if (!timer.isSet()) {
        timer.set(clock.nanos() + holdNanos);
      }
      return Verdict.TAKEN;
    }

    private void letGo() {
      for (Bio bio = parked.letGo(); bio != null; bio = parked.letGo()) {
        bio.newClone(Plain::pass).remap(lower, bio.offsetBytes()).submit();
      }
    }

    @Override
    public String status() {
      return parked.size() + " parked";
    }
  }

  /**
   * Writes to two devices alike, and once it has begun, finishes; reads from the first. Where one
   * leg is done and the other clean, the whole is unknown, so it does not join extents as a split
   * does, whose pieces never overlap.
   */
  static final class Twin extends Device {
    Twin(Loop loop, List<Device> lowers) {
      super(loop, "twin", Spread.limits(lowers, 1).withSize(smallest(lowers)), lowers);
    }

    private static long smallest(List<Device> lowers) {
      return lowers.stream().mapToLong(l -> l.limits().sizeBytes()).min().orElse(0);
    }

    @Override
    public Verdict map(Bio bio) {
      if (bio.op() == Op.FLUSH) {
        bio.chainToAll(lowers());
        return Verdict.TAKEN;
      }
      if (bio.op() == Op.READ) {
        bio.remap(lowers().get(0), bio.offsetBytes());
        return Verdict.REMAPPED;
      }
      if (!bio.commit()) {
        bio.cancelClean();
        return Verdict.TAKEN;
      }
      bio.setNote(lowers().size());
      for (Device leg : lowers()) {
        bio.newClone(Twin::legEnded).remap(leg, bio.offsetBytes()).submit();
      }
      return Verdict.TAKEN;
    }

    private static void legEnded(Bio leg) {
      Bio whole = leg.parent();
      if (leg.isFailed()) {
        whole.recordFailed(Objects.requireNonNull(leg.error()), Extents.State.UNKNOWN);
      } else if (leg.isCancelled()) {
        whole.recordCancelled(Extents.State.UNKNOWN);
      }
      whole.setNote(whole.note() - 1);
      if (whole.note() == 0) {
        whole.complete();
      }
    }
  }
}
