// SPDX-License-Identifier: Apache-2.0
package dev.belay.stress;

import dev.belay.Bio;
import dev.belay.CancelFlag;
import dev.belay.Device;
import dev.belay.Limits;
import dev.belay.Loop;
import dev.belay.Op;
import dev.belay.Parked;
import dev.belay.Verdict;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** A loop without a thread, which the test's actors turn, over a device that parks everything. */
final class Stage {
  final Loop loop = Loop.threaded("stress");
  final Holder holder = new Holder(loop);
  int ended;

  Bio request(CancelFlag flag) {
    Bio bio = new Bio(loop, done -> ended++);
    bio.prepare(Op.FLUSH, holder, 0, 0, MemorySegment.NULL, 0, flag);
    return bio;
  }

  static final class Holder extends Device {
    private final Parked parked = new Parked();

    Holder(Loop loop) {
      super(loop, "holder", new Limits(0, 1, 1, 1), List.of());
    }

    @Override
    public Verdict map(Bio bio) {
      parked.park(bio);
      return Verdict.TAKEN;
    }

    /** Completes the bio that waits longest, as done; nothing happens if none waits. */
    void letGo() {
      Bio bio = parked.letGo();
      if (bio != null) {
        bio.complete();
      }
    }
  }
}
