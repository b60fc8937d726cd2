// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

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
 */
final class ArrayInspection {
  private final ArrayPlan plan;
  private final ArrayShape shape;
  private final Model model;
  private final ArrayHoles holes;

  ArrayInspection(ArrayPlan plan, Model model, ArrayHoles holes) {
    this.plan = plan;
    this.shape = plan.shape();
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
    if (isFinal && plan.isBearable()) {
      require(assembly.isClean(), "the array was closed, and is not clean");
    }
    ArrayImage image = new ArrayImage(shape, media, assembly);
    LongPredicate mayDisagree = mayDisagree(assembly, bits);
    String wrong = image.disagreement(mayDisagree, holes.torn());
    require(wrong == null, wrong + (isFinal ? ", at the end" : ", and nothing says that it may"));
    boolean isEveryCombination = isFinal || plan.seed() % 4 == 0;
    int combinations = isEveryCombination ? 1 << shape.members() : 1;
    for (int combination = 0; combination < combinations; combination++) {
      int mask = combination;
      if (image.canRunWithout(slot -> (mask >> slot & 1) != 0)) {
        checkContents(image, mask, mayDisagree);
      }
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

  private void checkContents(ArrayImage image, int mask, LongPredicate mayDisagree) {
    int now = model.tick();
    for (int block = 0; block < shape.blocks(); block++) {
      if (shape.hasParity() && mask != 0) {
        int row = image.row(block);
        long memberBytes = row * shape.chunkBytes();
        if (holes.torn().get(row) || mayDisagree.test(memberBytes + shape.chunkBytes() - 1)) {
          continue;
        }
      }
      long value = image.valueOf(block, slot -> (mask >> slot & 1) != 0);
      try {
        model.readFound(block, value, now);
      } catch (Violation e) {
        throw new Violation(
            "without the members " + Integer.toBinaryString(mask) + ": " + e.getMessage(), e);
      }
    }
  }

  private static void require(boolean holds, String otherwise) {
    if (!holds) {
      throw new Violation(otherwise);
    }
  }
}
