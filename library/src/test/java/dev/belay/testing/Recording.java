// SPDX-License-Identifier: Apache-2.0
package dev.belay.testing;

import dev.belay.Bio;
import dev.belay.CancelFlag;
import dev.belay.Inside;
import dev.belay.Op;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;

/**
 * What reached the devices, in order, and what they answered; and for each request of the front how
 * often. A send that law 3 forbids is a violation. On the loop's thread.
 */
public final class Recording {
  /**
   * One piece that was sent to a device.
   *
   * @param number from 0
   * @param leaf the leaf's name
   * @param isShielded whether a layer had taken the flag away
   * @param isFlagUp whether the request's own flag was up, which only a shielded piece may be
   */
  public record Sent(
      int number,
      String leaf,
      Op op,
      long offsetBytes,
      long lengthBytes,
      boolean isFua,
      boolean isShielded,
      boolean isFlagUp,
      long atNanos) {}

  /** What the devices saw of one request. */
  public static final class Facts {
    public int sent;
    public int failed;
    public int cancelled;
    public int unknown;

    /** Begins anew, for the next request of the same bio. */
    public void clear() {
      sent = 0;
      failed = 0;
      cancelled = 0;
      unknown = 0;
    }
  }

  private final boolean keepsSent;
  private final boolean mayShield;
  private final List<Sent> sent = new ArrayList<>();
  private final Map<Bio, Facts> facts = new IdentityHashMap<>();
  private final List<String> violations = new ArrayList<>();
  private int count;

  /**
   * @param keepsSent whether to remember each send, or only to count
   * @param mayShield whether the stack has a layer with a commit point
   */
  public Recording(boolean keepsSent, boolean mayShield) {
    this.keepsSent = keepsSent;
    this.mayShield = mayShield;
  }

  /** All sends so far, if they are kept. */
  public List<Sent> sent() {
    return sent;
  }

  /** How many pieces were sent. */
  public int count() {
    return count;
  }

  /** What was sent although it should not have been; a sentence each. */
  public List<String> violations() {
    return violations;
  }

  /** What was seen of a front's request. */
  public Facts facts(Bio root) {
    return facts.computeIfAbsent(root, bio -> new Facts());
  }

  /** The front's request that a piece belongs to. */
  public static Bio rootOf(Bio bio) {
    Bio root = bio;
    for (Bio next = bio; next != null; next = Inside.parentOf(next)) {
      root = next;
    }
    return root;
  }

  /** The flag of the front's request that a piece belongs to, whatever was committed meanwhile. */
  public static CancelFlag flagOf(Bio bio) {
    return Inside.ownFlag(rootOf(bio));
  }

  /** Whether the request's own flag is up. The leaf looks at the piece's flag after this. */
  boolean isRequestFlagUp(Bio bio) {
    return flagOf(bio).isRaised();
  }

  /** The piece goes to the device now, and its own flag was down a moment ago. */
  void send(SimLeaf leaf, Bio bio, boolean isFlagUp, long atNanos) {
    facts(rootOf(bio)).sent++;
    boolean isShielded = bio.flag() == CancelFlag.NEVER;
    if (isFlagUp && !(isShielded && mayShield)) {
      violations.add("law 3: " + bio + " was sent to " + leaf.name() + " after its flag was up");
    }
    if (keepsSent) {
      sent.add(
          new Sent(
              count,
              leaf.name(),
              bio.op(),
              bio.offsetBytes(),
              bio.lengthBytes(),
              bio.isFua(),
              isShielded,
              isFlagUp,
              atNanos));
    }
    count++;
  }

  void failed(Bio bio, boolean isUnknown) {
    Facts of = facts(rootOf(bio));
    of.failed++;
    of.unknown += isUnknown ? 1 : 0;
  }

  void cancelled(Bio bio, boolean isUnknown) {
    Facts of = facts(rootOf(bio));
    of.cancelled++;
    of.unknown += isUnknown ? 1 : 0;
  }
}
