// SPDX-License-Identifier: Apache-2.0
package dev.belay.testing;

import dev.belay.Bio;
import dev.belay.CancelFlag;
import dev.belay.Clock;
import dev.belay.Inside;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Law 3 across shields. What a layer sends to its members after a commit point must have been
 * looked at in that very moment: had the flag gone up while the write waited, nothing would have
 * been sent. Whether a flag happened to be up does not matter, so each write that waited is a
 * proof.
 *
 * <p>Every request has a flag with a deadline that never passes, on a clock of its own: whoever
 * looks at the flag looks at that clock. A moment is what follows from one thing that happened: a
 * device answered, or the loop began another turn. On the loop's thread.
 */
public final class CommitWitness {
  private static final long NEVER_NANOS = Long.MAX_VALUE - 1;

  private final Map<CancelFlag, Looks> looks = new IdentityHashMap<>();

  /**
   * When the layer wrote something of its own: its log, whose writing is a commit point as well.
   */
  private final Set<Long> ownWrites = new HashSet<>();

  private final List<String> violations = new ArrayList<>();
  private long moment;

  /** When a flag was looked at, and was down. */
  private final class Looks implements Clock {
    private long[] moments = new long[8];
    private int count;
    private int sent;

    @Override
    public long nanos() {
      if (count == 0 || moments[count - 1] != moment) {
        moments = count == moments.length ? Arrays.copyOf(moments, 2 * count) : moments;
        moments[count++] = moment;
      }
      return 0;
    }

    boolean allow() {
      for (int i = 0; i < count; i++) {
        if (moments[i] == moment || ownWrites.contains(moments[i])) {
          return true;
        }
      }
      return false;
    }
  }

  /** A flag whose looks are seen. */
  public CancelFlag newFlag() {
    Looks clock = new Looks();
    CancelFlag flag = CancelFlag.NEVER.withDeadline(clock, NEVER_NANOS);
    looks.put(flag, clock);
    return flag;
  }

  /** Forgets a flag whose request has ended. */
  public void forget(CancelFlag flag) {
    looks.remove(flag);
  }

  /** Something else happens. */
  public void nextMoment() {
    moment++;
  }

  /** A member of the layer under test gets a bio. */
  public void arrives(Bio bio) {
    if (!bio.op().changesMedium() || bio.flag() != CancelFlag.NEVER) {
      return;
    }
    boolean isCommitted = false;
    for (Bio above = bio; above != null; above = Inside.parentOf(above)) {
      isCommitted |= Inside.isCommitted(above);
    }
    Looks of = looks.get(Recording.flagOf(bio));
    if (!isCommitted) {
      ownWrites.add(moment);
      if (of != null) {
        violations.add("law 3: " + bio + " was sent without its flag, and nothing was committed");
      }
    } else if (of != null) {
      of.sent++;
      if (!of.allow()) {
        violations.add("law 3: " + bio + " was sent, and its flag was not looked at");
      }
    }
  }

  /** How many pieces came from commit points of the request that has the flag. */
  public int sent(CancelFlag flag) {
    Looks of = looks.get(flag);
    return of == null ? 0 : of.sent;
  }

  /** What was sent without a look; a sentence each. */
  public List<String> violations() {
    return violations;
  }
}
