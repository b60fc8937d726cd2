// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import dev.belay.Extents;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.sim.ArrayPlan.Ask;
import java.util.Objects;

/**
 * Holds what requests to an array were told, and what reads found, against the laws and the model.
 */
final class ArrayAnswers {
  private final ArrayPlan plan;
  private final ArrayShape shape;
  private final ArrayBlocks blocks;
  private final Model model;
  private final ArrayHoles holes;

  ArrayAnswers(ArrayPlan plan, ArrayBlocks blocks, Model model, ArrayHoles holes) {
    this.plan = plan;
    shape = plan.shape();
    this.blocks = blocks;
    this.model = model;
    this.holes = holes;
  }

  /** Holds an outcome against the laws. */
  void check(Op op, ArrayRequest open, Outcome outcome) {
    boolean isWhole = outcome.doneBytes() == outcome.lengthBytes();
    switch (outcome.kind()) {
      case DONE -> require(isWhole, "law 4: done, but not all of its bytes");
      case CANCELLED -> {
        require(open.flag.isRaised(), "law 8: cancelled, but its flag is down");
        require(outcome.error() == null, "law 6: cancelled, with an error");
        require(op == Op.FLUSH || !isWhole, "law 4: cancelled, but everything was done");
        boolean isWrite = op.changesMedium();
        require(
            !isWrite || outcome.unknownBytes() == 0,
            "section 6: a cancelled write is done or clean, slice by slice");
      }
      case FAILED -> {
        require(outcome.error() != null, "failed without an error");
        // A read whose flag is up is not made good.
        boolean isGivenUp = !op.changesMedium() && open.flag.isRaised();
        isGivenUp |= op != Op.FLUSH && holes.mayLack(open.block, open.blocks);
        require(
            isGivenUp || !plan.isBearable(),
            "failed, though the level can bear it: " + outcome.error());
      }
    }
  }

  /**
   * Takes an answer into what is known.
   *
   * @param oldest when the oldest request began that is still open
   */
  void settle(Ask ask, ArrayRequest open, Outcome outcome, int oldest) {
    Op op = Objects.requireNonNull(ask.op());
    int now = model.tick();
    if (op == Op.FLUSH) {
      if (outcome.kind() == Outcome.Kind.DONE) {
        model.flushEnds(open.began);
        holes.flushEnds(open.began);
      }
      return;
    }
    for (Extents.Extent extent : outcome.extents().list()) {
      require(
          extent.offsetBytes() % shape.blockBytes() == 0
              && extent.lengthBytes() % shape.blockBytes() == 0,
          "the extent " + extent + " ends within a block");
      int first = (int) (extent.offsetBytes() / shape.blockBytes());
      int count = (int) (extent.lengthBytes() / shape.blockBytes());
      if (op == Op.FIND_HOLES) {
        model.holesFound(open.bio.holes(), open.block, shape.blockBytes(), open.began);
      } else if (op == Op.READ) {
        settleRead(open, first, count, extent.state());
      } else {
        int block = open.block + first;
        model.changeEnds(open.number, block, count, extent.state(), ask.fua(), open.began, oldest);
      }
    }
    if (op.changesMedium()) {
      holes.writeEnds(open.block, open.blocks, now, outcome.kind() == Outcome.Kind.FAILED);
    }
  }

  private void settleRead(ArrayRequest open, int first, int count, Extents.State state) {
    for (int i = first; i < first + count; i++) {
      switch (state) {
        case DONE ->
            model.readFound(open.block + i, blocks.found(open.bufferOffset, i), open.began);
        case CLEAN -> {
          require(
              blocks.isUnread(open.bufferOffset, i),
              "the buffer was touched in block " + i + ", which is clean");
        }
        case UNKNOWN -> {}
      }
    }
  }

  private static void require(boolean holds, String otherwise) {
    if (!holds) {
      throw new Violation(otherwise);
    }
  }
}
