// SPDX-License-Identifier: Apache-2.0
package dev.belay.serve;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.testing.Weather;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What slow, silent and greedy clients cost, and how it ends with them. */
final class LimitsTest {
  private static final int SIZE = 4 << 20;

  @Test
  void whoTakesNothingOfItsRepliesIsCutOff() {
    try (Stage stage = new Stage(1, SIZE, Stage.calm())) {
      TestClient client = stage.connect(true);
      client.setReads(false);
      for (int i = 0; i < 8; i++) {
        client.read(0, 1 << 20);
      }
      stage.turnUntil(() -> stage.reports.size() == 1);
      assertThat(stage.reports.getFirst().why()).contains("took nothing of its replies for 30s");
      assertThat(stage.clock.nowNanos()).isBetween(29_000_000_000L, 60_000_000_000L);
      client.drop();
    }
  }

  @Test
  void whoDoesNotSendTheRestIsCutOff() {
    try (Stage stage = new Stage(2, SIZE, Stage.calm())) {
      TestClient header = stage.connect(true);
      header.send(new byte[] {0x25, 0x60});
      TestClient payload = stage.connect(true);
      payload.send(payload.bytes(TestClient.WRITE, 0, 1, 0, 1 << 20, new byte[500_000]));
      TestClient silent = stage.connect(true);
      stage.turnUntil(() -> stage.reports.size() == 2);
      assertThat(stage.reports).allMatch(each -> each.why().contains("the rest of a request"));
      stage.pass(Duration.ofHours(1));
      assertThat(silent.isOver).as("silence is no fault").isFalse();
      silent.sayGoodbye();
      stage.turnUntil(() -> stage.reports.size() == 3);
    }
  }

  @Test
  void whoAsksForNothingIsSentAwayIfTheServerSaysSo() {
    try (Stage stage =
        new Stage(
            3,
            SIZE,
            Stage.calm(),
            export -> export,
            options -> options.withIdleTimeout(Duration.ofSeconds(60)))) {
      TestClient silent = stage.connect(true);
      TestClient busy = stage.connect(true);
      for (int i = 0; i < 20; i++) {
        busy.read(0, 10);
        stage.pass(Duration.ofSeconds(20));
      }
      assertThat(silent.isOver).isTrue();
      assertThat(busy.isOver).isFalse();
      assertThat(stage.reports.getFirst().why()).isEqualTo("the client asked for nothing for 1m");
      busy.sayGoodbye();
      stage.turnUntil(() -> stage.reports.size() == 2);
    }
  }

  @Test
  void oneConnectionHoldsSoMuchAndNoMore() {
    Weather slow = new Weather(1, 5_000_000, 0, 0, 0, Weather.Abort.NOTHING, 0, 1);
    try (Stage stage =
        new Stage(
            4,
            SIZE,
            slow,
            export -> export,
            options -> options.withMostBytes(1 << 20, 128 << 20))) {
      TestClient client = stage.connect(true);
      for (int i = 0; i < 100; i++) {
        client.read(0, 64 << 10);
      }
      long[] most = {0};
      stage.turnUntil(
          () -> {
            most[0] = Math.max(most[0], stage.served.blocks().takenBytes());
            return client.hasAllAnswers();
          });
      assertThat(most[0]).isEqualTo(1 << 20);
      client.sayGoodbye();
      stage.turnUntil(() -> stage.reports.size() == 1);
    }
  }

  @Test
  void theGreedyLeaveRoomForOthers() {
    Weather stuck = new Weather(1, 100_000_000_000L, 0, 0, 0, Weather.Abort.NOTHING, 0, 1);
    try (Stage stage =
        new Stage(
            5,
            SIZE,
            stuck,
            export -> export,
            options -> options.withMostBytes(64 << 20, 128 << 20).withMostConnections(64))) {
      List<TestClient> greedy = new ArrayList<>();
      for (int i = 0; i < 40; i++) {
        TestClient client = stage.connect(true);
        for (int request = 0; request < 40; request++) {
          client.read(0, SIZE);
        }
        greedy.add(client);
      }
      stage.pass(Duration.ofSeconds(1));
      assertThat(stage.served.blocks().takenBytes()).isLessThanOrEqualTo(128 << 20);
      stage.leaf.setWeather(Stage.calm());
      TestClient modest = stage.connect(true);
      TestClient.Answer answer = modest.read(0, 128 << 10);
      stage.turnUntil(() -> stage.loop.openRequests() > 0);
      stage.pass(Duration.ofMillis(10));
      assertThat(Flights.of(stage.served)).anyMatch(each -> each.lengthBytes() == 128 << 10);
      greedy.forEach(TestClient::drop);
      stage.turnUntil(modest::hasAllAnswers);
      assertThat(answer.error).isZero();
      modest.sayGoodbye();
      stage.turnUntil(() -> stage.reports.size() == 41);
    }
  }

  @Test
  void manySmallRequestsAreBoundedToo() {
    Weather slow = new Weather(1, 1_000_000, 0, 0, 0, Weather.Abort.NOTHING, 0, 1);
    try (Stage stage = new Stage(6, SIZE, slow)) {
      TestClient client = stage.connect(false);
      for (int i = 0; i < 3000; i++) {
        client.ask(TestClient.FLUSH, 0, 0, 0);
      }
      int[] most = {0};
      stage.turnUntil(
          () -> {
            most[0] = Math.max(most[0], stage.loop.openRequests());
            return client.hasAllAnswers();
          });
      assertThat(most[0]).isEqualTo(Slots.MOST_REQUESTS);
      client.sayGoodbye();
      stage.turnUntil(() -> stage.reports.size() == 1);
    }
  }
}
