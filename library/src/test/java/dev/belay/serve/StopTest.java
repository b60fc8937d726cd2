// SPDX-License-Identifier: Apache-2.0
package dev.belay.serve;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.testing.Weather;
import java.time.Duration;
import org.junit.jupiter.api.Test;

/** What connections do when the server stops. */
final class StopTest {
  private static final int SIZE = 1 << 20;
  private static final int ESHUTDOWN = 108;

  private static final Weather SLOW =
      new Weather(1, 50_000_000, 0, 0, 0, Weather.Abort.NOTHING, 0, 1);

  @Test
  void whatIsUnderWayIsFinishedAndWhatComesIsRefused() {
    try (Stage stage = new Stage(1, SIZE, SLOW)) {
      TestClient idle = stage.connect(true);
      TestClient client = stage.connect(true);
      for (int i = 0; i < 20; i++) {
        client.write(i * 4096L, new byte[4096]);
      }
      stage.turnUntil(() -> stage.loop.openRequests() == 20);
      stage.served.stop();
      TestClient.Answer late = client.write(0, new byte[100_000]);
      stage.turnUntil(() -> stage.reports.size() == 2 && client.isOver);
      assertThat(late.error).isEqualTo(ESHUTDOWN);
      assertThat(client.hasAllAnswers()).isTrue();
      assertThat(client.asked.values().stream().filter(each -> each.error != 0)).hasSize(1);
      assertThat(stage.reports).allMatch(ConnectionReport::isClean);
      assertThat(stage.served.empty().getCount()).isZero();
      stage.turnUntil(() -> idle.isOver);
    }
  }

  @Test
  void whatIsNotFinishedInTimeIsStoppedAndAnswered() {
    try (Stage stage = new Stage(2, SIZE, SLOW)) {
      TestClient client = stage.connect(true);
      for (int i = 0; i < 20; i++) {
        client.write(i * 4096L, new byte[4096]);
      }
      TestClient half = stage.connect(true);
      half.send(half.bytes(TestClient.WRITE, 0, 1, 0, 60_000, new byte[50_000]));
      stage.turnUntil(() -> stage.loop.openRequests() == 20 && half.hasSentAll());
      stage.pass(Duration.ofMillis(60));
      stage.served.stop();
      stage.pass(Duration.ofMillis(100));
      stage.served.abort();
      stage.turnUntil(() -> stage.reports.size() == 2 && client.isOver);
      assertThat(client.hasAllAnswers()).isTrue();
      long stopped = client.asked.values().stream().filter(each -> each.error == ESHUTDOWN).count();
      assertThat(stopped).isBetween(10L, 19L);
      assertThat(stage.served.cancelledSinceStop()).isEqualTo(stopped + 1);
      stage.turnUntil(() -> half.isOver);
    }
  }

  @Test
  void whoDoesNotTakeItsRepliesIsCutOff() {
    try (Stage stage = new Stage(3, SIZE, Stage.calm())) {
      TestClient client = stage.connect(true);
      client.setReads(false);
      client.read(0, SIZE);
      stage.pass(Duration.ofMillis(100));
      stage.served.stop();
      stage.served.abort();
      stage.pass(Duration.ofMillis(100));
      assertThat(stage.reports).isEmpty();
      stage.served.cut();
      stage.turnUntil(() -> stage.reports.size() == 1);
      client.drop();
    }
  }
}
