// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import dev.belay.md.Array;
import dev.belay.md.Assembly;
import dev.belay.md.MemberContents;
import dev.belay.testing.SimMedium;
import java.util.BitSet;
import java.util.List;
import java.util.function.LongPredicate;

/**
 * Looks at what lies on the members of an array that is not open: superblocks and bitmaps, whether
 * copies and parity agree wherever nothing says that they may not, and whether all that the model
 * knows is there, whichever members one takes away.
 *
 * <p>Of copies, that means each one for which the others can be done without. With parity it
 * follows from what was looked at before: where P and Q are right, each way to compute a block from
 * them gives the same. Whether that holds is tried out, for some seeds, with all combinations.
 */
final class ArrayInspection {
  private final ArrayPlan plan;
  private final ArrayShape shape;
  private final Model model;
  private final ArrayHoles holes;
  private final ArrayImage geometry;

  /**
   * @param geometry of the same shape
   */
  ArrayInspection(ArrayPlan plan, ArrayImage geometry, Model model, ArrayHoles holes) {
    this.plan = plan;
    this.shape = plan.shape();
    this.geometry = geometry;
    this.model = model;
    this.holes = holes;
  }

  /**
   * @param isFinal whether the array was closed, and has nothing left to do
   */
  void inspect(ArrayRig rig, List<SimMedium> media, Assembly assembly, boolean isFinal) {
    BitSet bits = new BitSet();
    for (MemberContents member : rig.contents()) {
      require(member.superblock() != null, member.name() + " is no member: " + member.problem());
      require(member.bitmapProblem().isEmpty(), member.name() + ": " + member.bitmapProblem());
    }
    for (Assembly.Seat seat : assembly.seats()) {
      if (seat.state() == Assembly.State.IN_SYNC) {
        bits.or(rig.contents().get(seat.member().orElseThrow()).bits());
      }
    }
    if (isFinal && (plan.isBearable() || (shape.hasParity() && !holes.hasFailed()))) {
      require(assembly.isClean(), "the array was closed, and is not clean");
    }
    ArrayImage image = geometry.with(media, assembly);
    LongPredicate mayDisagree = mayDisagree(assembly, bits);
    String wrong = image.disagreement(mayDisagree, holes.torn(), model::mayBeAnything);
    require(wrong == null, wrong + (isFinal ? ", at the end" : ", and nothing says that it may"));
    checkContents(image);
    boolean isEveryCombination = shape.hasParity() && plan.seed() % 64 == 0;
    for (int missing = 1; isEveryCombination && missing < 1 << shape.members(); missing++) {
      if (image.canRunWithout(missing)) {
        checkParity(image, missing, mayDisagree);
      }
    }
  }

  /** An array without metadata, which was closed. */
  void inspect(List<SimMedium> media, Array array) {
    if (array.broken() == null && plan.isBearable()) {
      ArrayImage image = geometry.with(media, array);
      String wrong = image.disagreement(at -> false, holes.torn(), model::mayBeAnything);
      require(wrong == null, wrong + ", at the end");
      checkContents(image);
    }
  }

  private LongPredicate mayDisagree(Assembly assembly, BitSet bits) {
    if (assembly.isClean()) {
      return at -> false;
    }
    long resynced = assembly.superblock().resyncBytes();
    if (assembly.superblock().bitmapAtBytes().isEmpty()) {
      return at -> at >= resynced;
    }
    return at -> bits.get((int) (at / shape.bitmapChunkBytes()));
  }

  private void checkContents(ArrayImage image) {
    int now = model.tick();
    for (int block = 0; block < model.granules(); block++) {
      long first = image.valueOf(block, 0);
      check(block, first, 0, now);
      for (int copy = 1; copy < image.copiesOfEach(); copy++) {
        int missing = image.slotsBefore(block, copy);
        long value = image.valueOf(block, missing);
        if (value != first && image.canRunWithout(missing)) {
          check(block, value, missing, now);
        }
      }
    }
  }

  private void checkParity(ArrayImage image, int missing, LongPredicate mayDisagree) {
    int now = model.tick();
    for (int block = 0; block < model.granules(); block++) {
      int row = image.row(block);
      if (!holes.torn().get(row) && !mayDisagree.test((row + 1) * shape.chunkBytes() - 1)) {
        check(block, image.valueOf(block, missing), missing, now);
      }
    }
  }

  private void check(int block, long value, int missing, int now) {
    try {
      model.readFound(block, value, now);
    } catch (Violation e) {
      throw new Violation(
          "without the members " + Integer.toBinaryString(missing) + ": " + e.getMessage(), e);
    }
  }

  private static void require(boolean holds, String otherwise) {
    if (!holds) {
      throw new Violation(otherwise);
    }
  }
}
