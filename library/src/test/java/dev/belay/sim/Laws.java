// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.testing.Recording;
import java.util.Arrays;

/** What must hold between an outcome and what the devices saw of the request. */
final class Laws {
  private Laws() {}

  /**
   * @param mayFail whether a layer fails requests of its own accord
   * @param mayDiffer whether a layer keeps several copies, so that what each device knows of its
   *     own is not known of the whole
   */
  static void check(
      Op op, Outcome outcome, Recording.Facts facts, boolean mayFail, boolean mayDiffer) {
    boolean isWhole = outcome.doneBytes() == outcome.lengthBytes();
    // A discard of less than a block, and a search where nobody can say.
    boolean mayDoNothing = op == Op.DISCARD || op == Op.FIND_HOLES;
    boolean hasRange = op != Op.FLUSH;
    switch (outcome.kind()) {
      case DONE -> {
        require(isWhole, "law 4: done, but not all of its bytes");
        require(facts.failed == 0, "law 5: done, but a device failed");
        require(facts.sent > 0 || mayDoNothing, "law 4: done, but nothing was sent to any device");
      }
      case CANCELLED -> {
        require(outcome.reason() != null, "law 8: cancelled, but its flag is down");
        require(facts.failed == 0, "law 5: cancelled, but a device failed");
        require(outcome.error() == null, "law 6: cancelled, with an error");
        require(!hasRange || !isWhole, "law 4: cancelled, but everything was done");
      }
      case FAILED -> {
        require(outcome.error() != null, "failed without an error");
        require(mayFail || facts.failed > 0, "failed, but no device did: " + outcome.error());
        // All bytes may be done even so, where a layer moves whole blocks around a few bytes.
      }
    }
    if (mayFail) {
      return;
    }
    require(
        outcome.unknownBytes() == 0 || facts.unknown > 0 || mayDiffer,
        "law 4: bytes are unknown, but every device knew");
    require(
        facts.sent > 0 || mayDoNothing || outcome.cleanBytes() == outcome.lengthBytes(),
        "law 4: nothing was sent, but not all is clean");
  }

  /** Two granules with the same contents would mean that a layer maps two places to one. */
  static void checkDistinct(long[] contents) {
    long[] sorted = contents.clone();
    Arrays.sort(sorted);
    for (int i = 1; i < sorted.length; i++) {
      require(sorted[i] != sorted[i - 1], "two places of the volume lie in one of a device");
    }
  }

  private static void require(boolean holds, String otherwise) {
    if (!holds) {
      throw new Violation(otherwise);
    }
  }
}
