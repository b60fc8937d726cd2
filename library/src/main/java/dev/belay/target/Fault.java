// SPDX-License-Identifier: Apache-2.0
package dev.belay.target;

import dev.belay.Bio;
import dev.belay.Device;
import dev.belay.Errno;
import dev.belay.Extents.State;
import dev.belay.Held;
import dev.belay.IoError;
import dev.belay.Loop;
import dev.belay.Op;
import dev.belay.Parked;
import dev.belay.Timers;
import dev.belay.Verdict;
import dev.belay.Waiting;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;

/**
 * A device that goes wrong as it is told: by rules, which say which bios, how often, and what
 * becomes of them. The first rule that applies to a bio decides; all others pass. The dice have a
 * seed, so that the same bios in the same order meet the same faults.
 *
 * <p>What the flag does depends on the {@link Effect}. A bio that hangs softly, or is slow, is
 * parked: its flag completes it clean. One that is stuck is as one in a device that never answers:
 * nothing but {@link #release} brings it back, and then it goes on, where the flag stops it clean.
 *
 * <pre>
 * fault(LOWER [, effect=error|lost|hang|stuck|slow] [, rate=FRACTION] [, range=RANGE]
 *     [, op=any|read|write|flush|discard|zeroes|holes] [, delay=DURATION] [, seed=COUNT])
 * </pre>
 *
 * One rule, or none, for a fault in an expression; for more, put one on another.
 */
public final class Fault extends Device {
  /** What becomes of a bio. */
  public enum Effect {
    /** It fails with EIO, and the lower device never sees it: clean. */
    ERROR,
    /** The lower device does it, but the answer is lost: what was done fails as unknown. */
    LOST,
    /** It is held until {@link #release}, or until its flag goes up: clean then. */
    HANG,
    /** It is held until {@link #release}, whatever its flag says. */
    STUCK,
    /** It waits for the rule's delay, or until its flag goes up, and goes on. */
    SLOW
  }

  /**
   * Which bios, how often, and what becomes of them.
   *
   * @param ops the operations it is for
   * @param offsetBytes where the range begins that a bio has to touch; a flush touches any
   * @param lengthBytes how long that range is
   * @param rate how many of these bios it hits, from 0 to 1
   * @param delayNanos for SLOW
   */
  public record Rule(
      Effect effect,
      Set<Op> ops,
      long offsetBytes,
      long lengthBytes,
      double rate,
      long delayNanos) {
    public Rule {
      ops = Set.copyOf(ops);
      if (!(rate >= 0 && rate <= 1)) {
        throw new IllegalArgumentException("a fault's rate is from 0 to 1, not " + rate);
      }
      if (offsetBytes < 0 || lengthBytes < 0 || delayNanos < 0) {
        throw new IllegalArgumentException(
            "a fault's range and delay are not negative: offset "
                + offsetBytes
                + ", length "
                + lengthBytes
                + ", delay "
                + delayNanos
                + " ns");
      }
    }

    /** A rule that hits every bio. */
    public static Rule of(Effect effect) {
      return new Rule(effect, EnumSet.allOf(Op.class), 0, Long.MAX_VALUE, 1, 0);
    }

    /** The same, for these operations only. */
    public Rule on(Op first, Op... more) {
      return new Rule(effect, EnumSet.of(first, more), offsetBytes, lengthBytes, rate, delayNanos);
    }

    /** The same, for bios only that touch a range. */
    public Rule within(long offsetBytes, long lengthBytes) {
      return new Rule(effect, ops, offsetBytes, lengthBytes, rate, delayNanos);
    }

    /** The same, for a part of the bios: from 0 to 1 of them. */
    public Rule withRate(double rate) {
      return new Rule(effect, ops, offsetBytes, lengthBytes, rate, delayNanos);
    }

    /** The same, with how long a bio waits, for SLOW. */
    public Rule withDelay(long delayNanos) {
      return new Rule(effect, ops, offsetBytes, lengthBytes, rate, delayNanos);
    }

    private boolean covers(Bio bio) {
      // Compared so that a range to the end of all numbers does not overflow.
      return ops.contains(bio.op())
          && (bio.op() == Op.FLUSH
              || (bio.offsetBytes() - offsetBytes < lengthBytes
                  && offsetBytes - bio.offsetBytes() < bio.lengthBytes()));
    }
  }

  private final Device lower;
  private final SplittableRandom dice;
  private final List<Rule> rules;
  private final Parked hanging = new Parked();
  private final ArrayDeque<Bio> stuck = new ArrayDeque<>();
  private final Set<Slowed> slowed = new LinkedHashSet<>();
  private long hits;

  /**
   * @param rules what it begins with; {@link #setRules} changes them while it runs
   * @param seed of the dice, for rates between 0 and 1
   */
  public Fault(Loop loop, Device lower, List<Rule> rules, long seed) {
    super(loop, "fault", lower.limits(), List.of(lower));
    this.lower = lower;
    this.rules = new ArrayList<>(rules);
    dice = new SplittableRandom(seed);
  }

  /**
   * Replaces the rules; what is held already stays held. On the loop's thread: from another, {@code
   * loop.execute(() -> fault.setRules(...))}.
   */
  public void setRules(List<Rule> rules) {
    this.rules.clear();
    this.rules.addAll(rules);
  }

  /** Lets all go on that hang or are stuck. On the loop's thread, as {@link #setRules}. */
  public void release() {
    for (int left = hanging.size(); left > 0; left--) {
      Bio bio = hanging.letGo();
      if (bio != null) {
        bio.passOn(lower, bio.offsetBytes());
      }
    }
    for (int left = stuck.size(); left > 0; left--) {
      Bio bio = stuck.remove();
      bio.passOn(lower, bio.offsetBytes());
    }
  }

  @Override
  public Verdict map(Bio bio) {
    for (int i = 0; i < rules.size(); i++) {
      Rule rule = rules.get(i);
      if (rule.covers(bio) && (rule.rate() == 1 || dice.nextDouble() < rule.rate())) {
        hits++;
        apply(rule, bio);
        return Verdict.TAKEN;
      }
    }
    bio.remap(lower, bio.offsetBytes());
    return Verdict.REMAPPED;
  }

  private void apply(Rule rule, Bio bio) {
    switch (rule.effect()) {
      case ERROR -> bio.fail(Errno.EIO, sentence(bio, "was made to fail"), State.CLEAN);
      case LOST -> bio.newClone(Fault::loseAnswer).remap(lower, bio.offsetBytes()).submit();
      case HANG -> hanging.park(bio);
      case STUCK -> stuck.add(bio);
      case SLOW -> new Slowed(bio).begin(rule.delayNanos());
    }
  }

  private static void loseAnswer(Bio clone) {
    Bio bio = clone.parent();
    bio.join(clone);
    if (clone.isDone()) {
      bio.recordFailed(
          new IoError(Errno.EIO, sentence(bio, "was sent, and its answer was made to get lost")),
          State.UNKNOWN);
    }
    bio.complete();
  }

  private static String sentence(Bio bio, String fate) {
    return bio.op()
        + " of "
        + bio.lengthBytes()
        + " bytes at "
        + bio.offsetBytes()
        + " "
        + fate
        + " by the device fault";
  }

  /** A bio that waits for a time of its own. */
  private final class Slowed implements Waiting {
    private final Bio bio;
    private final Timers.Timer timer = loop().timers().newTimer(this::goOn);

    Slowed(Bio bio) {
      this.bio = bio;
    }

    void begin(long delayNanos) {
      slowed.add(this);
      timer.set(loop().clock().after(delayNanos));
      bio.watch(this);
    }

    private void goOn() {
      slowed.remove(this);
      bio.unwatch();
      bio.passOn(lower, bio.offsetBytes());
    }

    @Override
    public void flagRaised(Bio same) {
      slowed.remove(this);
      timer.cancel();
      bio.cancelClean();
    }
  }

  @Override
  public void showHeld(Held held) {
    hanging.showHeld(held, "hangs");
    stuck.forEach(bio -> held.show(bio, "is stuck"));
    slowed.forEach(each -> held.show(each.bio, "is slow"));
  }

  @Override
  public String status() {
    return "%d rules, %d faults; %d hang, %d stuck, %d slow"
        .formatted(rules.size(), hits, hanging.size(), stuck.size(), slowed.size());
  }
}
