// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import dev.belay.Op;
import dev.belay.testing.Weather;
import java.util.ArrayList;
import java.util.List;

/**
 * One scenario, whole: the same plan always runs the same way. Plain values, so that a failing one
 * can be made smaller bit by bit.
 *
 * @param seed what the devices' own random numbers come from
 * @param weather how the simulated devices behave
 * @param blockGranules the simulated devices' block
 * @param openAtMost how many requests are under way at a time
 * @param sharedFlags how many flags requests share
 * @param raises when which shared flag goes up
 * @param crashAtStep when the power goes; never if below zero. The requests that are left run after
 *     the restart
 * @param closeBefore before which request the loop is closed, and another one opened; never if
 *     below zero
 * @param submitsFromEnd whether the next request is submitted within the last one's completion
 */
record Plan(
    long seed,
    Node stack,
    Weather weather,
    int blockGranules,
    int openAtMost,
    int sharedFlags,
    List<Raise> raises,
    List<Ask> asks,
    long crashAtStep,
    int closeBefore,
    boolean submitsFromEnd) {

  /** A layer over others; a leaf, if it has no layer. Its seed says what its options are. */
  record Node(Layer layer, long seed, List<Node> lowers) {
    /** Whether it is a simulated device. */
    boolean isLeaf() {
      return layer == null;
    }

    /** How many layers, leaves not counted. */
    int layers() {
      int sum = isLeaf() ? 0 : 1;
      for (Node lower : lowers) {
        sum += lower.layers();
      }
      return sum;
    }

    /** Whether any layer below or here is one of those. */
    boolean anyMatch(java.util.function.Predicate<Layer> which) {
      return !isLeaf()
          && (which.test(layer) || lowers.stream().anyMatch(lower -> lower.anyMatch(which)));
    }

    @Override
    public String toString() {
      if (isLeaf()) {
        return "sim";
      }
      List<String> parts = new ArrayList<>();
      lowers.forEach(lower -> parts.add(lower.toString()));
      return layer.name() + "(" + String.join(", ", parts) + ")";
    }
  }

  /** A shared flag goes up at a step. */
  record Raise(long atStep, int flag) {}

  /** Whose flag a request carries. */
  enum Whose {
    OWN,
    SHARED,
    CHILD_OF_SHARED
  }

  /**
   * One request.
   *
   * @param at where, in granules, wrapped round and rounded to what the stack takes
   * @param granules how long, likewise
   * @param flag which shared flag
   * @param raiseAfterSteps its own flag, or the shared one, goes up so many steps after it was
   *     submitted; never if below zero
   * @param deadlineNanos the same by a deadline
   * @param bySend whether it goes through the mailbox
   */
  record Ask(
      Op op,
      int at,
      int granules,
      boolean fua,
      Whose whose,
      int flag,
      long raiseAfterSteps,
      long deadlineNanos,
      boolean bySend) {

    @Override
    public String toString() {
      StringBuilder text = new StringBuilder(op.toString());
      if (op != Op.FLUSH) {
        text.append(' ').append(granules).append(" at ").append(at);
      }
      text.append(fua ? ", fua" : "");
      text.append(
          switch (whose) {
            case OWN -> "";
            case SHARED -> ", with flag " + flag;
            case CHILD_OF_SHARED -> ", with a child of flag " + flag;
          });
      text.append(raiseAfterSteps >= 0 ? ", raised after " + raiseAfterSteps + " steps" : "");
      text.append(deadlineNanos >= 0 ? ", deadline after " + deadlineNanos + " ns" : "");
      return text.append(bySend ? ", by mail" : "").toString();
    }
  }

  Plan withSeed(long other) {
    return new Plan(
        other,
        stack,
        weather,
        blockGranules,
        openAtMost,
        sharedFlags,
        raises,
        asks,
        crashAtStep,
        closeBefore,
        submitsFromEnd);
  }

  Plan withStack(Node other) {
    return new Plan(
        seed,
        other,
        weather,
        blockGranules,
        openAtMost,
        sharedFlags,
        raises,
        asks,
        crashAtStep,
        closeBefore,
        submitsFromEnd);
  }

  Plan withAsks(List<Ask> others) {
    return new Plan(
        seed,
        stack,
        weather,
        blockGranules,
        openAtMost,
        sharedFlags,
        raises,
        List.copyOf(others),
        crashAtStep,
        closeBefore,
        submitsFromEnd);
  }

  Plan withRaises(List<Raise> others) {
    return new Plan(
        seed,
        stack,
        weather,
        blockGranules,
        openAtMost,
        sharedFlags,
        List.copyOf(others),
        asks,
        crashAtStep,
        closeBefore,
        submitsFromEnd);
  }

  Plan withWeather(Weather other, int openAtMostNow) {
    return new Plan(
        seed,
        stack,
        other,
        blockGranules,
        openAtMostNow,
        sharedFlags,
        raises,
        asks,
        crashAtStep,
        closeBefore,
        submitsFromEnd);
  }

  Plan withEvents(long crash, int close, boolean fromEnd) {
    return new Plan(
        seed,
        stack,
        weather,
        blockGranules,
        openAtMost,
        sharedFlags,
        raises,
        asks,
        crash,
        close,
        fromEnd);
  }

  @Override
  public String toString() {
    StringBuilder text = new StringBuilder("seed " + seed + ", stack " + stack);
    text.append("\n  blocks of ").append(blockGranules).append(" granules; ").append(weather);
    text.append("\n  at most ").append(openAtMost).append(" open");
    text.append(submitsFromEnd ? ", submitted from the last one's completion" : "");
    text.append(crashAtStep >= 0 ? "\n  power loss at step " + crashAtStep : "");
    text.append(closeBefore >= 0 ? "\n  closed before request " + closeBefore : "");
    for (Raise raise : raises) {
      text.append("\n  flag ").append(raise.flag).append(" up at step ").append(raise.atStep);
    }
    for (int i = 0; i < asks.size(); i++) {
      text.append("\n  request ").append(i).append(": ").append(asks.get(i));
    }
    return text.toString();
  }
}
