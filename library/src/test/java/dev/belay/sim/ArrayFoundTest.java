// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.Op;
import dev.belay.md.Level;
import dev.belay.sim.ArrayPlan.Ask;
import dev.belay.sim.ArrayPlan.Event;
import dev.belay.sim.ArrayPlan.What;
import dev.belay.testing.Weather;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** What the simulation of arrays once found, each by its own plan. */
final class ArrayFoundTest {
  private static final ArrayShape MIRROR =
      new ArrayShape(Level.RAID1, 0, 3, 0, 0, 8192, 4096, 2, 0);

  /**
   * A power loss kept a member from the last superblock, and another one from the next: it was two
   * events behind and taken for stale, though it was never out.
   */
  @Test
  void twoPowerLossesBetweenSuperblocksMakeNobodyStale() {
    ArraySimulation simulation = new ArraySimulation(null);
    Weather weather = new Weather(4, 1000, 0, 0, 0, Weather.Abort.NOTHING, 0, 512);
    List<Ask> asks = Collections.nCopies(8, Ask.of(Op.WRITE, 0, 1, false, -1));
    for (int first = 12; first < 27; first++) {
      for (int second = first + 98; second < first + 114; second++) {
        List<Event> events =
            List.of(new Event(first, What.POWER_LOSS, 0), new Event(second, What.POWER_LOSS, 0));
        ArrayPlan plan =
            new ArrayPlan(
                MIRROR,
                first * 1000L + second - first,
                weather,
                Set.of(),
                Set.of(),
                200_000_000,
                1,
                false,
                asks,
                events);
        assertThat(simulation.play(plan)).isEmpty();
      }
    }
  }
}
