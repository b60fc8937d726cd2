// SPDX-License-Identifier: Apache-2.0
package dev.belay.serve;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.testing.Weather;
import java.io.ByteArrayOutputStream;
import java.time.Duration;
import java.util.Arrays;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A client goes away, at every byte of what it says, and nothing of it is left anywhere. */
final class DisconnectTest {
  private static final int SIZE = 1 << 16;

  /** How it goes. */
  private enum Way {
    CLOSE(TestClient::drop),
    RESET(client -> client.wire.reset()),
    END_OF_STREAM(client -> client.wire.endSending());

    private final Consumer<TestClient> does;

    Way(Consumer<TestClient> does) {
      this.does = does;
    }
  }

  /** One piece at a time: most of what is asked for waits when the client goes. */
  private static final Weather SLOW =
      new Weather(1, 200_000, 50, 20, 0, Weather.Abort.WHAT_HANGS, 4, 1);

  private static byte[] conversation(TestClient client) {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    all.writeBytes(client.request(TestClient.WRITE, 1, 1000, 90, new byte[90]));
    all.writeBytes(client.request(TestClient.READ, 0, 0, 5000, new byte[0]));
    all.writeBytes(client.request(TestClient.BLOCK_STATUS, 0, 0, SIZE, new byte[0]));
    all.writeBytes(client.request(TestClient.WRITE_ZEROES, 2, 7, 3000, new byte[0]));
    all.writeBytes(client.request(TestClient.TRIM, 1, 64, 640, new byte[0]));
    all.writeBytes(client.request(TestClient.CACHE, 0, 64, 640, new byte[0]));
    all.writeBytes(client.request(TestClient.READ, 0, SIZE, 1, new byte[0]));
    all.writeBytes(client.request(TestClient.WRITE, 0, SIZE - 9, 40, new byte[40]));
    all.writeBytes(client.request(TestClient.FLUSH, 0, 0, 0, new byte[0]));
    all.writeBytes(client.request(TestClient.READ, 0, 0, 64, new byte[0]));
    return all.toByteArray();
  }

  @ParameterizedTest
  @EnumSource(Way.class)
  void atEveryByte(Way way) {
    try (Stage stage = new Stage(way.ordinal(), SIZE, SLOW)) {
      int length = Integer.MAX_VALUE;
      for (int at = 0; at <= length; at++) {
        TestClient client = stage.connect((at & 1) == 0);
        byte[] all = conversation(client);
        length = all.length;
        client.send(Arrays.copyOf(all, at));
        stage.turnUntil(client::hasSentAll);
        if (at % 3 == 0) {
          stage.pass(Duration.ofNanos(at * 1000L));
        }
        way.does.accept(client);
        int ended = stage.reports.size() + 1;
        stage.turnUntil(() -> stage.reports.size() == ended);
        client.drop();
        stage.assertNothingIsLeft();
        assertThat(client.complaints.stream().filter(each -> !each.startsWith("the server ended")))
            .isEmpty();
      }
      assertThat(stage.reports).noneMatch(ConnectionReport::isClean);
    }
  }

  @Test
  void whatWaitsIsNeverSent() {
    Weather slow = new Weather(1, 50_000_000, 0, 0, 0, Weather.Abort.NOTHING, 0, 1);
    try (Stage stage = new Stage(7, 1 << 20, slow)) {
      TestClient client = stage.connect(true);
      for (int i = 0; i < 100; i++) {
        client.write(i * 4096L, new byte[4096]);
      }
      stage.turnUntil(client::hasSentAll);
      stage.pass(Duration.ofMillis(120));
      client.drop();
      stage.turnUntil(() -> stage.served.connections().isEmpty());
      int sent = stage.recording.count();
      stage.pass(Duration.ofSeconds(100));
      assertThat(stage.recording.count()).isEqualTo(sent).isLessThan(10);
      Traffic traffic = stage.reports.getFirst().traffic();
      assertThat(traffic.of(Command.WRITE).requests()).isEqualTo(100);
      assertThat(traffic.all().cancelled()).isGreaterThan(90);
      assertThat(traffic.cancelledCleanBytes()).isEqualTo(traffic.all().cancelled() * 4096);
    }
  }

  @Test
  void whoIsHeldBackByALimitIsSeenToGoAway() {
    Weather slow = new Weather(1, 1_000_000_000L, 0, 0, 0, Weather.Abort.NOTHING, 0, 1);
    try (Stage stage =
        new Stage(
            8,
            4 << 20,
            slow,
            export -> export,
            options -> options.withMostBytes(1 << 20, 128 << 20))) {
      TestClient client = stage.connect(true);
      for (int i = 0; i < 64; i++) {
        client.write(0, new byte[64 << 10]);
      }
      stage.pass(Duration.ofMillis(50));
      assertThat(client.hasSentAll()).as("held back").isFalse();
      client.drop();
      long before = stage.clock.nowNanos();
      stage.turnUntil(() -> stage.loop.openRequests() <= 1);
      assertThat(stage.clock.nowNanos() - before).isLessThan(10_000_000L);
      stage.turnUntil(() -> stage.reports.size() == 1);
      assertThat(stage.reports.getFirst().traffic().all().cancelled()).isGreaterThan(10);
    }
  }

  @Test
  void theRestOfALargePayloadNeverComes() {
    try (Stage stage = new Stage(9, 4 << 20, Stage.calm())) {
      TestClient client = stage.connect(true);
      byte[] all = client.request(TestClient.WRITE, 0, 0, 1 << 20, new byte[1 << 20]);
      client.send(Arrays.copyOf(all, 900_000));
      stage.turnUntil(client::hasSentAll);
      stage.pass(Duration.ofMillis(5));
      client.drop();
      stage.turnUntil(() -> stage.reports.size() == 1);
      assertThat(stage.recording.count()).isZero();
      assertThat(stage.reports.getFirst().traffic().cancelledCleanBytes()).isEqualTo(1 << 20);
    }
  }
}
