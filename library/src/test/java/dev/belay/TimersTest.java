// SPDX-License-Identifier: Apache-2.0
package dev.belay;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

final class TimersTest {
  private final Loop loop = Loop.driven();

  @AfterEach
  void close() {
    loop.close(0);
  }

  @Test
  void theyGoOffByDeadlineAndThenInTheOrderTheyWereSet() {
    Random random = new Random(3);
    Timers timers = new Timers();
    List<Integer> seen = new ArrayList<>();
    TreeMap<Long, List<Integer>> expected = new TreeMap<>();
    for (int i = 0; i < 2000; i++) {
      int mine = i;
      Timers.Timer timer = timers.newTimer(() -> seen.add(mine));
      timer.set(random.nextInt(100));
      long deadline = random.nextInt(100);
      timer.set(deadline);
      if (random.nextInt(3) == 0) {
        timer.cancel();
        timer.cancel();
        assertThat(timer.isSet()).isFalse();
      } else {
        expected.computeIfAbsent(deadline, d -> new ArrayList<>()).add(mine);
      }
    }
    List<Integer> wanted = new ArrayList<>();
    expected.headMap(50L).values().forEach(wanted::addAll);
    assertThat(timers.expire(49, loop)).isEqualTo(wanted.size());
    assertThat(seen).isEqualTo(wanted);
    expected.tailMap(50L).values().forEach(wanted::addAll);
    timers.expire(1000, loop);
    assertThat(seen).isEqualTo(wanted);
    assertThat(timers.isEmpty()).isTrue();
  }

  @Test
  void aTimerMaySetItselfAgain() {
    Timers timers = new Timers();
    int[] count = {0};
    Timers.Timer[] self = new Timers.Timer[1];
    self[0] =
        timers.newTimer(
            () -> {
              count[0]++;
              self[0].set(count[0] * 10L);
            });
    self[0].set(0);
    assertThat(timers.expire(35, loop)).isEqualTo(4);
    assertThat(timers.soonestNanos()).isEqualTo(40);
  }
}
