// SPDX-License-Identifier: Apache-2.0
package dev.belay.serve;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.testing.Weather;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What comes a moment too late, or a moment after it was meant for. */
final class LateTest {
  private static final int SIZE = 8 << 20;

  /** A device that takes its time: each answer comes after up to a second. */
  private static Weather slow() {
    return new Weather(16, 1_000_000_000, 0, 0, 0, Weather.Abort.NOTHING, 0, 1);
  }

  @Test
  void aPartThatIsSentWhileTheConnectionIsClosedLeavesNothingBehind() {
    try (Stage stage = new Stage(5, SIZE, Stage.calm())) {
      stage.pipes.withLateSuccess();
      TestClient client = stage.connect(true);
      client.setReads(false);
      client.read(0, 5 << 20);
      stage.turnUntil(() -> client.wire.unreadBytes() > 0);
      stage.served.cut();
      stage.turnUntil(() -> !stage.reports.isEmpty());
      assertThat(stage.served.connections()).isEmpty();
      client.setReads(true);
      stage.turnUntil(() -> client.isOver);
    }
  }

  @Test
  void cancellingAConnectionStopsWhatItHasUnderWayAndNothingLater() {
    try (Stage stage = new Stage(6, SIZE, slow())) {
      TestClient client = stage.connect(true);
      TestClient.Answer first = client.read(0, 4096);
      TestClient.Answer second = client.write(8192, new byte[4096]);
      long number = 1;
      stage.turnUntil(() -> stage.served.connections().getFirst().slots().used() == 2);
      assertThat(stage.served.cancel(number, 0)).isTrue();
      stage.turnUntil(client::hasAllAnswers);
      TestClient.Answer later = client.read(0, 4096);
      stage.turnUntil(client::hasAllAnswers);
      assertThat(later.error).isZero();
      assertThat(first.error == 0 || first.sentence.contains("somebody asked")).isTrue();
      assertThat(second.error == 0 || second.sentence.contains("somebody asked")).isTrue();
      client.sayGoodbye();
      stage.turnUntil(() -> client.isOver && !stage.reports.isEmpty());
      assertThat(client.complaints).isEmpty();
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {16, 16 | 2, 16 | 1})
  void zeroesThatMustBeFastAreRefusedWhereTheyAreSlow(int flags) {
    try (Stage stage = new Stage(7, SIZE, Stage.calm())) {
      assertThat(stage.served.root().zeroesFast()).isFalse();
      TestClient client = stage.connect(true);
      TestClient.Answer write = client.write(0, new byte[] {1, 2, 3});
      stage.turnUntil(client::hasAllAnswers);
      TestClient.Answer fast = client.ask(TestClient.WRITE_ZEROES, flags, 0, 1 << 20);
      stage.turnUntil(client::hasAllAnswers);
      TestClient.Answer read = client.read(0, 3);
      stage.turnUntil(client::hasAllAnswers);
      assertThat(write.error).isZero();
      assertThat(fast.error).as("ENOTSUP").isEqualTo(95);
      assertThat(fast.sentence).contains("faster");
      assertThat(read.content).containsExactly(1, 2, 3);
      client.sayGoodbye();
      stage.turnUntil(() -> client.isOver && !stage.reports.isEmpty());
    }
  }
}
