// SPDX-License-Identifier: Apache-2.0
package dev.belay.target;

import dev.belay.Bio;
import dev.belay.Cutter;
import dev.belay.Device;
import dev.belay.Limits;
import dev.belay.Loop;
import dev.belay.Op;
import dev.belay.Verdict;
import java.util.List;

/**
 * Devices side by side (RAID 0): chunk 0 is on the first member, chunk 1 on the second, and so on
 * round and round. All members are used up to the size of the smallest, in whole chunks; what the
 * others have beyond that is not used.
 *
 * <p>A bio inside one chunk is redirected. A longer one is cut at the chunks' borders; what is not
 * cut yet when its flag goes up stays clean. A flush goes to all members.
 *
 * <pre>stripe(LOWER, LOWER, ... [, chunk=SIZE])</pre>
 */
public final class Stripe extends Device {
  private final long chunkBytes;

  /** The shift by which a chunk that is a power of two divides; -1 for any other. */
  private final int chunkShift;

  private final Device[] members;
  private final Cutter cutter = this::cut;

  /**
   * @param lowers the members, in order, at least one
   * @param chunkBytes how much of the device lies on one member before the next one's turn; whole
   *     blocks of the coarsest member
   * @throws IllegalArgumentException if there is no member, or the chunk is not whole blocks
   */
  public Stripe(Loop loop, List<? extends Device> lowers, long chunkBytes) {
    super(loop, "stripe", striped(lowers, chunkBytes), lowers);
    this.chunkBytes = chunkBytes;
    chunkShift = Long.bitCount(chunkBytes) == 1 ? Long.numberOfTrailingZeros(chunkBytes) : -1;
    members = lowers().toArray(new Device[0]);
  }

  private static Limits striped(List<? extends Device> lowers, long chunkBytes) {
    if (lowers.isEmpty()) {
      throw new IllegalArgumentException("stripe needs at least one lower device, and got none");
    }
    Limits coarsest = lowers.getFirst().limits();
    long smallestBytes = Long.MAX_VALUE;
    for (Device lower : lowers) {
      coarsest = coarsest.stackedOn(lower.limits());
      smallestBytes = Math.min(smallestBytes, lower.limits().sizeBytes());
    }
    if (chunkBytes <= 0 || chunkBytes % coarsest.logicalBlockBytes() != 0) {
      throw new IllegalArgumentException(
          "a stripe's chunk is a multiple of its members' block, "
              + coarsest.logicalBlockBytes()
              + " bytes, and "
              + chunkBytes
              + " is not");
    }
    long usedBytes = smallestBytes - smallestBytes % chunkBytes;
    return coarsest.withSize(Limits.times("a stripe", lowers.size(), usedBytes));
  }

  @Override
  public Verdict map(Bio bio) {
    if (bio.op() == Op.FLUSH) {
      bio.chainToAll(lowers());
      return Verdict.TAKEN;
    }
    long offset = bio.offsetBytes();
    long chunk = chunkAt(offset);
    if (offset - startOf(chunk) + bio.lengthBytes() > chunkBytes) {
      bio.split(cutter);
      return Verdict.TAKEN;
    }
    redirect(bio, chunk);
    return Verdict.REMAPPED;
  }

  private long cut(Bio piece) {
    long offset = piece.offsetBytes();
    long chunk = chunkAt(offset);
    redirect(piece, chunk);
    return Math.min(piece.lengthBytes(), startOf(chunk) + chunkBytes - offset);
  }

  private void redirect(Bio bio, long chunk) {
    long row = chunk / members.length;
    int member = (int) (chunk - row * members.length);
    bio.remap(members[member], startOf(row) + bio.offsetBytes() - startOf(chunk));
  }

  private long chunkAt(long offsetBytes) {
    return chunkShift < 0 ? offsetBytes / chunkBytes : offsetBytes >>> chunkShift;
  }

  /** Where a chunk begins, in the stripe; where a row of chunks begins, in a member. */
  private long startOf(long chunk) {
    return chunkShift < 0 ? chunk * chunkBytes : chunk << chunkShift;
  }

  @Override
  public String status() {
    return members.length + " members, chunks of " + chunkBytes + " bytes";
  }
}
