// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import dev.belay.sim.Plan.Ask;
import dev.belay.sim.Plan.Raise;
import dev.belay.uring.RingWeather;
import java.util.List;

/**
 * One scenario of files on a ring over a simulated kernel, whole: the same plan always runs the
 * same way.
 *
 * @param seed what the kernel's own random numbers come from
 * @param files how many files share the ring, 1 or 2
 * @param openAtMost how many requests are under way at a time
 * @param sharedFlags how many flags requests share
 * @param raises when which shared flag goes up
 * @param crashAtStep when the power goes; never if below zero
 * @param closeAfter the loop is closed when so many requests were made; at the end if below zero
 */
record RingPlan(
    long seed,
    RingWeather weather,
    int files,
    int openAtMost,
    int sharedFlags,
    List<Raise> raises,
    List<Ask> asks,
    long crashAtStep,
    int closeAfter) {

  RingPlan withWeather(RingWeather other, int openAtMostNow) {
    return new RingPlan(
        seed, other, files, openAtMostNow, sharedFlags, raises, asks, crashAtStep, closeAfter);
  }

  RingPlan withAsks(List<Ask> others) {
    List<Ask> copy = List.copyOf(others);
    return new RingPlan(
        seed, weather, files, openAtMost, sharedFlags, raises, copy, crashAtStep, closeAfter);
  }

  RingPlan withRaises(List<Raise> others) {
    List<Raise> copy = List.copyOf(others);
    return new RingPlan(
        seed, weather, files, openAtMost, sharedFlags, copy, asks, crashAtStep, closeAfter);
  }

  RingPlan withEvents(int filesNow, long crash, int close) {
    return new RingPlan(
        seed, weather, filesNow, openAtMost, sharedFlags, raises, asks, crash, close);
  }

  @Override
  public String toString() {
    StringBuilder text = new StringBuilder("seed " + seed + ", " + files + " files; " + weather);
    text.append("\n  at most ").append(openAtMost).append(" open");
    text.append(crashAtStep >= 0 ? "\n  power loss at step " + crashAtStep : "");
    text.append(closeAfter >= 0 ? "\n  closed after request " + closeAfter : "");
    for (Raise raise : raises) {
      text.append("\n  flag ").append(raise.flag()).append(" up at step ").append(raise.atStep());
    }
    for (int i = 0; i < asks.size(); i++) {
      text.append("\n  request ").append(i).append(": ").append(asks.get(i));
    }
    return text.toString();
  }
}
