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
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** What the simulation of arrays once found, each by its own plan or seed. */
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

  /**
   * RAID 6 without one member was opened by force after a power loss. A write added its difference
   * to P and Q, which did not agree, and was done; then a second member went, and what had been
   * written could not be computed from the two.
   */
  @Test
  void aWriteToDoubtfulParityOutlivesOneMoreMember() {
    assertThat(new ArraySimulation(null).playSeed(900045877)).isEmpty();
  }

  /**
   * A spare began to be filled, and a power loss kept its superblock from it. It was given the
   * place again and, behind the others, the superblock that it had missed, which did not say that
   * it was still to be filled: after another power loss it was taken to be in sync.
   */
  @Test
  void aSpareThatMissedItsPlaceIsNotInSync() {
    ArrayShape shape = new ArrayShape(Level.RAID6, 9, 6, 1, 8192, 65536, 512, 0, 16384);
    Weather weather = new Weather(2, 11260, 0, 0, 0, Weather.Abort.EVERYTHING, 0, 32);
    List<Ask> asks =
        List.of(
            Ask.of(Op.WRITE, 364, 1, false, -1),
            Ask.of(Op.WRITE, 263, 1, false, -1),
            Ask.of(Op.FLUSH, 0, 0, false, -1),
            Ask.of(Op.WRITE, 63, 3, true, 169),
            Ask.of(Op.FLUSH, 0, 0, false, -1),
            Ask.pause(1_860_635_629));
    List<Event> events =
        List.of(new Event(779, What.POWER_LOSS, 0), new Event(231, What.POWER_LOSS, 0));
    ArrayPlan plan =
        new ArrayPlan(
            shape, 2_000_060_681L, weather, Set.of(), Set.of(4), 200_000, 15, false, asks, events);
    assertThat(new ArraySimulation(null).play(plan)).isEmpty();
  }

  /** Sums of what three requests had written looked like what a fourth was about to write. */
  @Test
  void whatWrongParityGivesLooksLikeNobodysBytes() {
    assertThat(new ArraySimulation(null).playSeed(900003818)).isEmpty();
  }

  @Test
  void noSumOfWhatWasWrittenIsWhatSomebodyElseWrites() {
    Set<Long> written = new HashSet<>();
    for (int by = 0; by < 64; by++) {
      written.add(Model.valueOf(Op.WRITE, by, 7));
    }
    for (int i = 0; i < 64 * 64 * 64; i++) {
      int first = i & 63;
      int second = i >> 6 & 63;
      int third = i >> 12;
      if (first < second && second < third) {
        long sum =
            Model.valueOf(Op.WRITE, first, 7)
                ^ Model.valueOf(Op.WRITE, second, 7)
                ^ Model.valueOf(Op.WRITE, third, 7);
        assertThat(written.contains(sum)).as("%d, %d and %d", first, second, third).isFalse();
      }
    }
  }
}
