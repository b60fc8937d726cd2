// SPDX-License-Identifier: Apache-2.0
package dev.belay.target;

import dev.belay.Bio;
import dev.belay.Device;
import dev.belay.Held;
import dev.belay.Loop;
import dev.belay.Parked;
import dev.belay.Timers;
import dev.belay.Verdict;
import java.util.List;

/**
 * Holds every bio back for a while before it goes on: reads (with searches for holes), writes (with
 * discards and zeroes) and flushes each for a time of their own. A time of zero lets them straight
 * through.
 *
 * <p>What waits here is parked: a bio whose flag goes up completes clean at once, without the lower
 * device being touched.
 *
 * <pre>delay(LOWER [, read=DURATION] [, write=DURATION] [, flush=DURATION])</pre>
 */
public final class Delay extends Device {
  private final Device lower;
  private final Line reads;
  private final Line writes;
  private final Line flushes;

  /**
   * @param readNanos how long a read waits; zero or more, as the others
   * @param writeNanos how long a write, a discard or a write of zeroes waits
   * @param flushNanos how long a flush waits
   * @throws IllegalArgumentException if a time is negative
   */
  public Delay(Loop loop, Device lower, long readNanos, long writeNanos, long flushNanos) {
    super(loop, "delay", lower.limits(), List.of(lower));
    this.lower = lower;
    reads = new Line("reads", readNanos);
    writes = new Line("writes", writeNanos);
    flushes = new Line("flushes", flushNanos);
  }

  @Override
  public Verdict map(Bio bio) {
    Line line =
        switch (bio.op()) {
          case READ, FIND_HOLES -> reads;
          case WRITE, DISCARD, WRITE_ZEROES -> writes;
          case FLUSH -> flushes;
        };
    if (line.delayNanos == 0) {
      bio.remap(lower, bio.offsetBytes());
      return Verdict.REMAPPED;
    }
    line.hold(bio);
    return Verdict.TAKEN;
  }

  /** Bios that wait equally long, so that the first to come is the first to go. */
  private final class Line {
    final String what;
    final long delayNanos;

    /** The note of each says when it goes on, by the loop's clock. */
    final Parked parked = new Parked();

    /** Set whenever a bio is parked: to when the first of them goes on, or sooner. */
    final Timers.Timer timer = loop().timers().newTimer(this::letGo);

    Line(String what, long delayNanos) {
      this.what = what;
      this.delayNanos = delayNanos;
      if (delayNanos < 0) {
        throw new IllegalArgumentException(
            "delay holds " + what + " back for a time of zero or more, not " + delayNanos + " ns");
      }
    }

    void hold(Bio bio) {
      bio.setNote(loop().clock().after(delayNanos));
      if (!timer.isSet()) {
        timer.set(bio.note());
      }
      parked.park(bio);
    }

    private void letGo() {
      try {
        letGoDue();
      } finally {
        // Whatever was thrown: those that wait still have to hear of their time.
        Bio first = parked.peek();
        if (first != null && !timer.isSet()) {
          timer.set(first.note());
        }
      }
    }

    private void letGoDue() {
      long now = loop().clock().nanos();
      for (Bio bio = parked.peek(); bio != null; bio = parked.peek()) {
        if (bio.note() - now > 0) {
          return;
        }
        parked.take(bio);
        bio.passOn(lower, bio.offsetBytes());
      }
    }

    @Override
    public String toString() {
      return parked.size() + " " + what + " wait " + delayNanos + " ns";
    }
  }

  @Override
  public void showHeld(Held held) {
    for (Line line : List.of(reads, writes, flushes)) {
      line.parked.showHeld(held, "waits for its time");
    }
  }

  @Override
  public String status() {
    return reads + ", " + writes + ", " + flushes;
  }
}
