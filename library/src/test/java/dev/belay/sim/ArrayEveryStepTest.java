// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.md.Level;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every write to two stripes of small arrays, whole and with one member missing, with a power loss
 * at every step, and with a cancel at one in {@code belay.arraysim.stride} of its steps, with a
 * power loss at every step again; 1 plays all. With {@code belay.arraysim.losses} the power is lost
 * more than once; {@code belay.arraysim.level} chooses one level.
 */
final class ArrayEveryStepTest {
  private static final int STRIDE = Integer.getInteger("belay.arraysim.stride", 400);
  private static final int LOSSES = Integer.getInteger("belay.arraysim.losses", 1);
  private static final String LEVEL = System.getProperty("belay.arraysim.level", "");
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
        for (int missing = -1; missing < shape.members() && isWanted(shape); missing++) {
          cases.add(new Case(shape, missing));
        }
      }
    }
    return cases;
  }

  private static boolean isWanted(ArrayShape shape) {
    return LEVEL.isEmpty() || shape.level().word().equals(LEVEL);
  }

  @ParameterizedTest
  @MethodSource("cases")
  void noStepBreaksALaw(Case which) {
    ArraySimulation simulation = new ArraySimulation(null);
    Set<Integer> missing = which.missing() < 0 ? Set.of() : Set.of(which.missing());
    ArrayEverySteps everySteps = new ArrayEverySteps(simulation, LOSSES);
    long start = System.nanoTime();
    assertThat(everySteps.play(which.shape(), missing, STRIDE)).isEmpty();
    System.out.printf(
        "%s: %,d steps with a power loss, %,d of them different, which leave %,d states; %,d runs,"
            + " %.1f s%n",
        which,
        everySteps.points(),
        everySteps.moments(),
        everySteps.states(),
        simulation.runs(),
        (System.nanoTime() - start) / 1e9);
    boolean mayBeRefused = which.shape().hasParity() && which.missing() >= 0;
    assertThat(simulation.refusals() > 0)
        .as("only parity that is dirty and degraded is refused")
        .isEqualTo(mayBeRefused);
  }
}
