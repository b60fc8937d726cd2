// SPDX-License-Identifier: Apache-2.0
package dev.belay.target;

import dev.belay.Bio;
import dev.belay.Cutter;
import dev.belay.Device;
import dev.belay.Limits;
import dev.belay.Loop;
import dev.belay.Op;
import dev.belay.Verdict;
import java.util.Arrays;
import java.util.List;

/**
 * Devices one behind the other, as if they were one. Of each member whole blocks are used, of the
 * coarsest block among them.
 *
 * <p>A bio inside one member is redirected. One that crosses a border is cut there; what is not cut
 * yet when its flag goes up stays clean. A flush goes to all members.
 *
 * <pre>concat(LOWER, LOWER, ...)</pre>
 */
public final class Concat extends Device {
  /** Where each member begins, and at the end where the last one ends. */
  private final long[] starts;

  private final Cutter cutter = this::cut;

  /**
   * @param lowers the members, in order, at least one
   * @throws IllegalArgumentException if there is none
   */
  public Concat(Loop loop, List<? extends Device> lowers) {
    super(loop, "concat", joined(lowers), lowers);
    starts = starts(lowers, limits().logicalBlockBytes());
  }

  private static Limits joined(List<? extends Device> lowers) {
    if (lowers.isEmpty()) {
      throw new IllegalArgumentException("concat needs at least one lower device, and got none");
    }
    Limits coarsest = lowers.getFirst().limits();
    for (Device lower : lowers) {
      coarsest = coarsest.stackedOn(lower.limits());
    }
    return coarsest.withSize(starts(lowers, coarsest.logicalBlockBytes())[lowers.size()]);
  }

  private static long[] starts(List<? extends Device> lowers, int blockBytes) {
    long[] starts = new long[lowers.size() + 1];
    for (int i = 0; i < lowers.size(); i++) {
      long sizeBytes = lowers.get(i).limits().sizeBytes();
      starts[i + 1] = starts[i] + sizeBytes - sizeBytes % blockBytes;
      if (starts[i + 1] < 0) {
        throw new IllegalArgumentException(
            "concat has less than 8 EiB, and its first " + (i + 1) + " members have more");
      }
    }
    return starts;
  }

  @Override
  public Verdict map(Bio bio) {
    if (bio.op() == Op.FLUSH) {
      bio.chainToAll(lowers());
      return Verdict.TAKEN;
    }
    int member = memberAt(bio.offsetBytes());
    if (bio.offsetBytes() + bio.lengthBytes() > starts[member + 1]) {
      bio.split(cutter);
      return Verdict.TAKEN;
    }
    bio.remap(lowers().get(member), bio.offsetBytes() - starts[member]);
    return Verdict.REMAPPED;
  }

  private long cut(Bio piece) {
    long offset = piece.offsetBytes();
    int member = memberAt(offset);
    piece.remap(lowers().get(member), offset - starts[member]);
    return Math.min(piece.lengthBytes(), starts[member + 1] - offset);
  }

  /**
   * The member that holds the byte; for the byte behind the last, where no bio has any, the last.
   */
  private int memberAt(long offsetBytes) {
    int found = Arrays.binarySearch(starts, offsetBytes);
    if (found < 0) {
      return -found - 2;
    }
    // Members without a single block begin where the next one does.
    while (found + 2 < starts.length && starts[found + 1] == offsetBytes) {
      found++;
    }
    return Math.min(found, starts.length - 2);
  }

  @Override
  public String status() {
    return lowers().size() + " members";
  }
}
