// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.md.Level;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every write to two stripes of small arrays, with a cancel at every step, alone and with a power
 * loss at every step, whole and with one member missing. Of what has both, one in {@code
 * belay.arraysim.stride} is played; 1 plays all.
 */
final class ArrayEveryStepTest {
  private static final int STRIDE = Integer.getInteger("belay.arraysim.stride", 4000);
  private static final int BLOCK = Integer.getInteger("belay.arraysim.block", 2048);

  /** One array, and who is missing; below 0 for nobody. */
  record Case(ArrayShape shape, int missing) {
    @Override
    public String toString() {
      return shape + (missing < 0 ? "" : " without " + missing);
    }
  }

  static List<Case> cases() {
    List<Case> cases = new ArrayList<>();
    for (long bitmap : new long[] {4096, 0}) {
      List<ArrayShape> shapes =
          List.of(
              new ArrayShape(Level.RAID1, 0, 2, 0, 0, 8192, BLOCK, 2, bitmap),
              new ArrayShape(Level.RAID5, 2, 3, 0, 4096, 8192, BLOCK, 1, bitmap),
              new ArrayShape(Level.RAID6, 2, 4, 0, 4096, 8192, BLOCK, 2, bitmap),
              new ArrayShape(Level.RAID10, 0x102, 4, 0, 4096, 8192, BLOCK, 0, bitmap));
      for (ArrayShape shape : shapes) {
        for (int missing = -1; missing < shape.members(); missing++) {
          cases.add(new Case(shape, missing));
        }
      }
    }
    return cases;
  }

  @ParameterizedTest
  @MethodSource("cases")
  void noStepBreaksALaw(Case which) {
    ArraySimulation simulation = new ArraySimulation(null);
    Set<Integer> missing = which.missing() < 0 ? Set.of() : Set.of(which.missing());
    long start = System.nanoTime();
    Optional<ArraySimulation.Failure> failure =
        simulation.playEverySteps(which.shape(), missing, STRIDE);
    assertThat(failure).isEmpty();
    System.out.printf(
        "%s: %,d runs, %.1f s%n", which, simulation.runs(), (System.nanoTime() - start) / 1e9);
    boolean mayBeRefused = which.shape().hasParity() && which.missing() >= 0;
    assertThat(simulation.refusals() > 0 && !mayBeRefused)
        .as("only parity that is dirty and degraded is refused")
        .isFalse();
    if (STRIDE <= 4000) {
      assertThat(simulation.refusals() > 0).as("dirty and degraded").isEqualTo(mayBeRefused);
    }
  }
}
