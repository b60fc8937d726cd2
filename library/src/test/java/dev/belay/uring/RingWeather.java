// SPDX-License-Identifier: Apache-2.0
package dev.belay.uring;

import java.util.Arrays;
import java.util.SplittableRandom;

/** How a {@link SimKernel} behaves: a number for each {@link Knob}. Calm where all are 0. */
public final class RingWeather {
  /** What can be other than calm. Odds are in a thousand. */
  public enum Knob {
    /** The submission queue's entries: a power of two; 0: what is asked for. */
    SQ_ENTRIES(6),
    /** The completion queue's, likewise; 0: what is asked for. */
    CQ_ENTRIES(6),
    /** How many of the newest set-up flags it does not know. */
    OLD(3),
    /** An answer takes up to twice this long. */
    LATENCY_NANOS(20_000),
    /** Odds of an answer within the call that submits. */
    INLINE(500),
    /** Odds of a call that takes nothing and says why. */
    REFUSES(60),
    /** From which call on all are refused. */
    REFUSES_FROM(300),
    /** How many calls are refused from there on; 1000 and more: for ever. */
    REFUSES_FOR(1200),
    /** Which error that is, see {@link SimKernel}. */
    REFUSES_WITH(6),
    /** Odds of a call that takes only a part of what is submitted. */
    PARTS(100),
    /** Odds of a wait that a signal ends. */
    SIGNALS(60),
    /** Odds of a transfer that moves less than it was asked to. */
    SHORTENS(120),
    FAILS(40),
    HANGS(40),
    /** Odds of an entry that wants to be tried again, up to 40 times. */
    REPEATS(60),
    /** Not 0: there is no such mode of fallocate, or no such flag of a write. */
    NO_PUNCH(2),
    NO_ZERO_RANGE(2),
    NO_DSYNC(2),
    /** Odds of a poll that has no more to come after it came. */
    ENDS_POLL(200),
    /** Odds of an entry that stops another, and is carried out later. */
    LATE_ABORTS(300),
    /** Odds of a completion that is lost when the queue is full. */
    DROPS(200),
    /** Not 0: no files, or no memory, can be registered. */
    NO_FILES(2),
    NO_BUFFERS(2),
    /** Not 0: submits are refused while completions are kept back. */
    BUSY(2);

    private final int atMost;

    Knob(int atMost) {
      this.atMost = atMost;
    }
  }

  /** Those that lose requests or all hope: only where they are wanted. */
  private static final Knob[] RARE = {Knob.DROPS, Knob.REFUSES_FROM, Knob.REFUSES_FOR};

  private final int[] values;

  private RingWeather(int[] values) {
    this.values = values;
  }

  /** Everything goes well. */
  public static RingWeather calm() {
    return new RingWeather(new int[Knob.values().length]);
  }

  /** About half of the knobs turned, by any amount. */
  public static RingWeather random(SplittableRandom random) {
    int[] values = new int[Knob.values().length];
    int odds = random.nextInt(5);
    for (Knob knob : Knob.values()) {
      if (random.nextInt(5) < odds) {
        values[knob.ordinal()] = random.nextInt(knob.atMost);
      }
    }
    for (Knob rare : RARE) {
      if (random.nextInt(6) > 0) {
        values[rare.ordinal()] = 0;
      }
    }
    return new RingWeather(values);
  }

  public int of(Knob knob) {
    return values[knob.ordinal()];
  }

  public RingWeather with(Knob knob, int value) {
    int[] other = values.clone();
    other[knob.ordinal()] = value;
    return new RingWeather(other);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof RingWeather weather && Arrays.equals(values, weather.values);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(values);
  }

  @Override
  public String toString() {
    StringBuilder text = new StringBuilder();
    for (Knob knob : Knob.values()) {
      if (of(knob) != 0) {
        text.append(text.isEmpty() ? "" : ", ").append(knob).append(' ').append(of(knob));
      }
    }
    return text.isEmpty() ? "calm" : text.toString();
  }
}
