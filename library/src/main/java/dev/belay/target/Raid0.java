// SPDX-License-Identifier: Apache-2.0
package dev.belay.target;

import dev.belay.Bio;
import dev.belay.Cutter;
import dev.belay.Device;
import dev.belay.Limits;
import dev.belay.Loop;
import dev.belay.Op;
import dev.belay.Verdict;
import dev.belay.md.ZonesLayout;
import java.util.List;

/**
 * Devices side by side, as RAID 0 of Linux md lays them out: unlike a {@link Stripe} it uses all of
 * members that differ in size. As far as the smallest goes, all of them take turns; then the ones
 * that are larger, and so on: each such stretch is a zone. There are two ways to count the chunks
 * of the second zone and those behind it, of which {@link ZonesLayout} tells.
 *
 * <p>A bio inside one chunk is redirected. A longer one is cut at the chunks' borders; what is not
 * cut yet when its flag goes up stays clean. A flush goes to all members.
 *
 * <pre>raid0(LOWER, LOWER, ... [, chunk=SIZE] [, layout=original|alternate])</pre>
 */
public final class Raid0 extends Device {
  private final ZonesLayout layout;
  private final long[] startBytes;
  private final Cutter cutter = this::cut;

  /**
   * @param lowers the members, in order, at least one
   * @param startBytes where on each member the array's part of it begins
   * @param layout where what is, for members of these sizes
   * @throws IllegalArgumentException if there is no member, or the chunk is not whole blocks
   */
  public Raid0(Loop loop, List<? extends Device> lowers, long[] startBytes, ZonesLayout layout) {
    super(loop, "raid0", striped(lowers, layout), lowers);
    this.layout = layout;
    this.startBytes = startBytes.clone();
  }

  /** Members that are used from their first byte on. */
  public static Raid0 byHand(
      Loop loop, List<? extends Device> lowers, long chunkBytes, int number) {
    long[] sizes = lowers.stream().mapToLong(lower -> lower.limits().sizeBytes()).toArray();
    return new Raid0(
        loop, lowers, new long[sizes.length], new ZonesLayout(sizes, chunkBytes, number));
  }

  private static Limits striped(List<? extends Device> lowers, ZonesLayout layout) {
    if (lowers.isEmpty()) {
      throw new IllegalArgumentException("raid0 needs at least one lower device, and got none");
    }
    Limits coarsest = lowers.getFirst().limits();
    for (Device lower : lowers) {
      coarsest = coarsest.stackedOn(lower.limits());
    }
    if (layout.chunkBytes() % coarsest.logicalBlockBytes() != 0) {
      throw new IllegalArgumentException(
          "raid0's chunk is a multiple of its members' block, %d bytes, and %d is not"
              .formatted(coarsest.logicalBlockBytes(), layout.chunkBytes()));
    }
    return coarsest.withSize(layout.arrayBytes());
  }

  @Override
  public Verdict map(Bio bio) {
    if (bio.op() == Op.FLUSH) {
      bio.chainToAll(lowers());
      return Verdict.TAKEN;
    }
    if (bio.lengthBytes() == 0) {
      bio.complete();
      return Verdict.TAKEN;
    }
    if (bio.lengthBytes() > layout.runBytes(bio.offsetBytes())) {
      bio.split(cutter);
      return Verdict.TAKEN;
    }
    redirect(bio);
    return Verdict.REMAPPED;
  }

  private long cut(Bio piece) {
    long length = Math.min(piece.lengthBytes(), layout.runBytes(piece.offsetBytes()));
    redirect(piece);
    return length;
  }

  private void redirect(Bio bio) {
    long offset = bio.offsetBytes();
    int member = layout.member(offset);
    bio.remap(lowers().get(member), startBytes[member] + layout.memberOffset(offset));
  }

  @Override
  public String status() {
    return "%d members, chunks of %d bytes, %d zones"
        .formatted(lowers().size(), layout.chunkBytes(), layout.zones());
  }
}
