// SPDX-License-Identifier: Apache-2.0
package dev.belay.target;

import dev.belay.Bio;
import dev.belay.Device;
import dev.belay.Loop;
import dev.belay.Parked;
import dev.belay.Verdict;
import java.util.List;

/**
 * The skeleton of a target, to copy: it lets at most {@code most} requests at a time through to the
 * device below, and holds the others back. The class comment says first what the device does, and
 * then what it looks like in a stack expression:
 *
 * <pre>skeleton(DEVICE, most=N)    N: 1 or more</pre>
 *
 * CONTRIBUTING.md goes through it, step by step.
 */
final class SkeletonTarget extends Device {
  private final Device lower;
  private final int most;
  private final Parked parked = new Parked();
  private int under;

  /**
   * @throws IllegalArgumentException if {@code most} is below 1
   */
  SkeletonTarget(Loop loop, Device lower, int most) {
    super(loop, "skeleton", lower.limits(), List.of(lower));
    if (most < 1) {
      throw new IllegalArgumentException(
          "skeleton lets through 1 request at a time or more, not " + most);
    }
    this.lower = lower;
    this.most = most;
  }

  @Override
  public Verdict map(Bio bio) {
    if (under < most) {
      send(bio);
    } else {
      parked.park(bio);
    }
    return Verdict.TAKEN;
  }

  /** A clone, because this device has to hear of the end; else it would remap and be done. */
  private void send(Bio bio) {
    under++;
    bio.newClone(this::ended).remap(lower, bio.offsetBytes()).submit();
  }

  private void ended(Bio clone) {
    under--;
    Bio bio = clone.parent();
    bio.join(clone);
    bio.complete();
    // The flag: Parked completes what is cancelled while it waits, and lets nothing go whose flag
    // is up. What is under way shares its flag with its clone, so the layers below see it too.
    Bio next = parked.letGo();
    if (next != null) {
      send(next);
    }
  }

  @Override
  public String status() {
    return under + " under way, " + parked.size() + " parked";
  }

  @Override
  public void close() {
    // Nothing is held: a device that opened a file or took memory gives it back here.
  }
}
