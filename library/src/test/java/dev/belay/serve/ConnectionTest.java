// SPDX-License-Identifier: Apache-2.0
package dev.belay.serve;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.testing.Weather;
import java.time.Duration;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What one connection does with what a client sends. */
final class ConnectionTest {
  private static final int SIZE = 1 << 20;

  private static byte[] bytes(int length, long seed) {
    byte[] bytes = new byte[length];
    new SplittableRandom(seed).nextBytes(bytes);
    return bytes;
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void writesAndReadsAtAnyOffset(boolean hasChunks) {
    try (Stage stage = new Stage(1, SIZE, Stage.calm())) {
      TestClient client = stage.connect(hasChunks);
      byte[] written = bytes(200_001, 1);
      TestClient.Answer write = client.write(77, written);
      stage.turnUntil(client::hasAllAnswers);
      TestClient.Answer read = client.read(77, written.length);
      TestClient.Answer flush = client.ask(TestClient.FLUSH, 0, 0, 0);
      stage.turnUntil(client::hasAllAnswers);
      assertThat(write.error).isZero();
      assertThat(flush.error).isZero();
      assertThat(read.content).isEqualTo(written);
      client.sayGoodbye();
      stage.turnUntil(() -> client.isOver && stage.reports.size() == 1);
      assertThat(client.complaints).isEmpty();
      assertThat(stage.reports).hasSize(1);
      assertThat(stage.reports.getFirst().isClean()).isTrue();
      assertThat(stage.reports.getFirst().traffic().of(Command.WRITE))
          .isEqualTo(new CommandCounts(1, 200_001, 0, 0));
    }
  }

  @Test
  void randomRequestsMatchAModel() {
    for (int seed = 0; seed < 12; seed++) {
      try (Stage stage = new Stage(seed, SIZE, Stage.calm())) {
        matchModel(stage, new SplittableRandom(seed), (seed & 1) == 0);
      }
    }
  }

  /** Rounds of requests that do not overlap, so that their order does not matter. */
  private static void matchModel(Stage stage, SplittableRandom random, boolean hasChunks) {
    TestClient client = stage.connect(hasChunks);
    byte[] model = new byte[SIZE];
    byte[] fresh = bytes(SIZE, 9);
    client.write(0, fresh);
    System.arraycopy(fresh, 0, model, 0, SIZE);
    stage.turnUntil(client::hasAllAnswers);
    for (int round = 0; round < 6; round++) {
      int at = 0;
      while (at < SIZE - 70_000) {
        int start = at + random.nextInt(3000);
        int length = 1 + (random.nextInt(4) == 0 ? random.nextInt(60_000) : random.nextInt(900));
        at = start + length;
        switch (random.nextInt(4)) {
          case 0 -> {
            byte[] content = bytes(length, random.nextLong());
            client.ask(TestClient.WRITE, random.nextInt(2), start, length, content);
            System.arraycopy(content, 0, model, start, length);
          }
          case 1 -> {
            client.ask(TestClient.WRITE_ZEROES, random.nextInt(4), start, length);
            Arrays.fill(model, start, start + length, (byte) 0);
          }
          case 2 -> client.ask(TestClient.CACHE, 0, start, length);
          default -> client.read(start, length);
        }
      }
      stage.turnUntil(client::hasAllAnswers);
    }
    TestClient.Answer all = client.read(0, SIZE);
    stage.turnUntil(client::hasAllAnswers);
    assertThat(all.content).isEqualTo(model);
    client.asked.forEach((cookie, answer) -> assertThat(answer.error).isZero());
    assertThat(client.complaints).isEmpty();
    client.sayGoodbye();
    stage.turnUntil(() -> client.isOver && stage.reports.size() == 1);
  }

  @Test
  void refusesWhatDoesNotFitAndGoesOn() {
    try (Stage stage = new Stage(2, SIZE, Stage.calm())) {
      TestClient client = stage.connect(true);
      assertThat(error(stage, client, TestClient.READ, 0, SIZE - 1, 2)).isEqualTo(22);
      assertThat(error(stage, client, TestClient.READ, 0, -1L, 2)).isEqualTo(22);
      assertThat(error(stage, client, TestClient.TRIM, 0, SIZE, 1)).isEqualTo(22);
      assertThat(error(stage, client, TestClient.WRITE_ZEROES, 0, SIZE, 1)).isEqualTo(28);
      assertThat(error(stage, client, TestClient.FLUSH, 0, 1, 0)).isEqualTo(22);
      assertThat(error(stage, client, TestClient.READ, 1 << 9, 0, 1)).isEqualTo(22);
      assertThat(error(stage, client, 77, 0, 0, 1)).isEqualTo(22);
      assertThat(error(stage, client, TestClient.BLOCK_STATUS, 0, 0, 0)).isEqualTo(22);
      assertThat(error(stage, client, TestClient.READ, 0, 0, 0)).isZero();
      TestClient.Answer beyond = client.write(SIZE - 10, bytes(50_000, 3));
      TestClient.Answer behind = client.read(5, 5);
      stage.turnUntil(client::hasAllAnswers);
      assertThat(beyond.error).isEqualTo(28);
      assertThat(beyond.sentence).contains("beyond the end");
      assertThat(behind.error).isZero();
      client.send(bytes(28, 4));
      stage.turnUntil(() -> client.isOver && stage.reports.size() == 1);
      assertThat(client.complaints).isEmpty();
      assertThat(stage.reports.getFirst().why()).contains("no request");
      assertThat(stage.reports.getFirst().isClean()).isFalse();
    }
  }

  private static int error(
      Stage stage, TestClient client, int type, int flags, long offset, long length) {
    TestClient.Answer answer = client.ask(type, flags, offset, length);
    stage.turnUntil(client::hasAllAnswers);
    return answer.error;
  }

  @Test
  void readOnlyExportsAreNotWrittenTo() {
    try (Stage stage =
        new Stage(
            3,
            SIZE,
            Stage.calm(),
            export -> new Export("", "sim", true, null, ""),
            options -> options)) {
      TestClient client = stage.connect(true);
      TestClient.Answer write = client.write(0, bytes(100_000, 1));
      TestClient.Answer trim = client.ask(TestClient.TRIM, 0, 0, 100);
      TestClient.Answer read = client.read(0, 64);
      stage.turnUntil(client::hasAllAnswers);
      assertThat(write.error).isEqualTo(1);
      assertThat(trim.error).isEqualTo(1);
      assertThat(read.error).isZero();
      client.sayGoodbye();
      stage.turnUntil(() -> client.isOver && stage.reports.size() == 1);
    }
  }

  @Test
  void aGoodbyeFinishesWhatIsOutstanding() {
    try (Stage stage = new Stage(4, SIZE, slow())) {
      TestClient client = stage.connect(true);
      for (int i = 0; i < 50; i++) {
        client.write(i * 4096L, bytes(4096, i));
      }
      client.sayGoodbye();
      stage.turnUntil(() -> client.isOver && stage.reports.size() == 1);
      assertThat(client.hasAllAnswers()).isTrue();
      assertThat(client.complaints).isEmpty();
      assertThat(stage.reports.getFirst().traffic().of(Command.WRITE).bytes()).isEqualTo(50 * 4096);
    }
  }

  @Test
  void aDeadlineStopsWhatWaits() {
    try (Stage stage =
        new Stage(
            5,
            SIZE,
            slow(),
            export -> new Export("", "sim", false, Duration.ofMillis(3), ""),
            options -> options)) {
      TestClient client = stage.connect(true);
      for (int i = 0; i < 50; i++) {
        client.write(i * 4096L, bytes(4096, i));
      }
      stage.turnUntil(client::hasAllAnswers);
      long stopped = client.asked.values().stream().filter(each -> each.error == 5).count();
      assertThat(stopped).isBetween(1L, 49L);
      assertThat(client.asked.values())
          .allMatch(each -> each.error == 0 || each.sentence.contains("its deadline of 3ms"));
      client.sayGoodbye();
      stage.turnUntil(() -> client.isOver && stage.reports.size() == 1);
      assertThat(stage.reports.getFirst().traffic().all().cancelled()).isEqualTo(stopped);
    }
  }

  @Test
  void oneRequestIsCancelledByItsNumberAndNoOther() {
    Weather sluggish = new Weather(1, 500_000_000, 0, 0, 0, Weather.Abort.NOTHING, 0, 1);
    try (Stage stage = new Stage(6, SIZE, sluggish)) {
      TestClient client = stage.connect(true);
      for (int i = 0; i < 20; i++) {
        client.write(i * 4096L, bytes(4096, i));
      }
      stage.turnUntil(() -> Flights.of(stage.served).size() == 20);
      Flight last = Flights.of(stage.served).getLast();
      assertThat(last.where()).isNotEmpty();
      assertThat(stage.served.cancel(last.connection(), 20)).isTrue();
      assertThat(stage.served.cancel(last.connection(), 21)).isFalse();
      assertThat(stage.served.cancel(7, 0)).isFalse();
      stage.turnUntil(client::hasAllAnswers);
      assertThat(client.asked.values().stream().filter(each -> each.error != 0)).hasSize(1);
      assertThat(stage.served.cancel(last.connection(), 20)).isFalse();
      TestClient.Answer later = client.read(0, 10);
      stage.turnUntil(client::hasAllAnswers);
      assertThat(later.error).isZero();
      client.drop();
      stage.turnUntil(() -> stage.reports.size() == 1);
    }
  }

  /** One piece at a time, up to 1 ms each. */
  private static Weather slow() {
    return new Weather(1, 500_000, 0, 0, 0, Weather.Abort.NOTHING, 0, 1);
  }
}
