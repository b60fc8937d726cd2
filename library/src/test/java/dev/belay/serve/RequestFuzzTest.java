// SPDX-License-Identifier: Apache-2.0
package dev.belay.serve;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.testing.Weather;
import java.time.Duration;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/**
 * Requests of all kinds, sensible and not, over a device that fails, tears and hangs, from clients
 * that come, cross each other and go in every way. Whatever they do: no exception, nothing left of
 * anything, each reply by the text and for a request that was not yet answered; and who keeps to
 * the rules gets all answers.
 *
 * <p>A failure names its seed. With {@code -Dbelay.nbdfuzz.inputs=N} it is as many requests as one
 * likes, and {@code -Dbelay.nbdfuzz.seed=S} begins at a seed.
 */
final class RequestFuzzTest {
  private static final int SIZE = 1 << 16;
  private static final int INPUTS_A_SEED = 1000;

  private static final long[] EDGES = {
    0,
    1,
    63,
    64,
    4095,
    4096,
    SIZE - 1,
    SIZE,
    SIZE + 1,
    1 << 25,
    (1 << 25) + 1,
    1L << 31,
    1L << 32,
    1L << 62,
    -1,
    Long.MIN_VALUE
  };

  private static final Weather STORM =
      new Weather(4, 30_000, 60, 20, 30, Weather.Abort.WHAT_HANGS, 8, 1);

  /** What a client does in the end. */
  private enum Farewell {
    GOODBYE,
    CLOSE,
    RESET,
    END_OF_STREAM
  }

  @Test
  void nothingBreaksAndNothingIsLeft() {
    int inputs = Integer.getInteger("belay.nbdfuzz.inputs", 100_000);
    long first = Long.getLong("belay.nbdfuzz.seed", 1L);
    long answers = 0;
    for (long seed = first; seed < first + Math.ceilDiv(inputs, INPUTS_A_SEED); seed++) {
      try {
        answers += runSeed(seed);
      } catch (RuntimeException | AssertionError e) {
        throw new AssertionError("-Dbelay.nbdfuzz.seed=" + seed + ": " + e.getMessage(), e);
      }
    }
    assertThat(answers).as("most of what is asked is answered").isGreaterThan(inputs / 2);
  }

  /** Answers how many answers came. */
  private static long runSeed(long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    boolean hasDeadline = random.nextInt(4) == 0;
    boolean isReadOnly = random.nextInt(8) == 0;
    try (Stage stage =
        new Stage(
            seed,
            SIZE,
            random.nextBoolean() ? STORM : Stage.calm(),
            export ->
                new Export("", "sim", isReadOnly, hasDeadline ? Duration.ofMillis(5) : null, ""),
            options -> options.withMostBytes(1 << 20, 128 << 20))) {
      stage.pipes.withPieces(1 + random.nextInt(5000)).withBuffer(2000 + random.nextInt(60_000));
      Fuzzed[] crowd = new Fuzzed[1 + random.nextInt(3)];
      for (int inputs = 0; inputs < INPUTS_A_SEED; ) {
        int at = random.nextInt(crowd.length);
        if (crowd[at] == null) {
          crowd[at] = new Fuzzed(stage, random);
        }
        inputs++;
        crowd[at].say();
        for (int turns = random.nextInt(12); turns > 0; turns--) {
          stage.loop.turn(100_000);
        }
        if (random.nextInt(50) == 0 || crowd[at].client.isOver) {
          crowd[at].leave();
          crowd[at] = null;
        }
      }
      for (Fuzzed each : crowd) {
        if (each != null) {
          each.leave();
        }
      }
      stage.turnUntil(() -> stage.served.connections().isEmpty());
      return stage.answers();
    }
  }

  /** One client and what is known of it. */
  private static final class Fuzzed {
    private final Stage stage;
    private final SplittableRandom random;
    final TestClient client;
    private boolean keepsRules = true;

    Fuzzed(Stage stage, SplittableRandom random) {
      this.stage = stage;
      this.random = random;
      TestClient.Replying[] all = TestClient.Replying.values();
      client = stage.connect(all[random.nextInt(all.length)]);
    }

    void say() {
      switch (random.nextInt(300)) {
        case 0 -> {
          byte[] noise = new byte[1 + random.nextInt(60)];
          random.nextBytes(noise);
          keepsRules = false;
          client.send(noise);
        }
        case 1 -> {
          // A payload that is shorter than it says: what follows is taken for the rest of it.
          keepsRules = false;
          client.send(client.request(TestClient.WRITE, 0, 0, random.nextInt(9000), new byte[10]));
        }
        case 2 -> {
          // Who takes nothing for long may be cut off.
          keepsRules = false;
          client.setReads(random.nextBoolean());
        }
        default -> {
          if (random.nextInt(8) == 0) {
            wild();
          } else {
            sensible();
          }
        }
      }
    }

    private void wild() {
      int type = random.nextInt(4) == 0 ? random.nextInt(1 << 16) : random.nextInt(9);
      int flags = random.nextBoolean() ? 1 << random.nextInt(16) : random.nextInt(1 << 16);
      flags &= random.nextInt(20) == 0 ? -1 : ~32;
      long offset = EDGES[random.nextInt(EDGES.length)] + random.nextInt(3);
      long length = EDGES[random.nextInt(EDGES.length)];
      if (type == TestClient.DISC || (type == TestClient.WRITE && random.nextInt(20) != 0)) {
        return;
      }
      // Payloads follow WRITE, or where an extended header says so, and are not sent here.
      keepsRules &= type != TestClient.WRITE && (flags & 32) == 0;
      client.send(client.request(type, flags, offset, length, new byte[0]));
    }

    private void sensible() {
      int offset = random.nextInt(SIZE);
      int length = random.nextInt(random.nextInt(8) == 0 ? SIZE : 600);
      if (random.nextInt(20) != 0) {
        length = Math.min(length, SIZE - offset);
      }
      int type = random.nextInt(8);
      byte[] payload = new byte[type == TestClient.WRITE ? length : 0];
      int flags = type == TestClient.WRITE_ZEROES ? random.nextInt(32) & ~12 : random.nextInt(2);
      switch (type) {
        case TestClient.DISC -> client.read(offset, length);
        case TestClient.FLUSH -> client.ask(type, flags, 0, 0);
        default -> client.ask(type, flags, offset, length, payload);
      }
    }

    /** Goes away; who kept to the rules and says goodbye gets all answers. */
    void leave() {
      client.setReads(true);
      if (random.nextBoolean()) {
        stage.pass(Duration.ofNanos(random.nextInt(100_000_000)));
      }
      Farewell[] all = Farewell.values();
      switch (all[random.nextInt(all.length)]) {
        case GOODBYE -> {
          client.sayGoodbye();
          if (keepsRules) {
            stage.turnUntil(() -> client.isOver);
            assertThat(client.hasAllAnswers()).as("all answers").isTrue();
          } else {
            // The goodbye may have been taken for the rest of a payload: it is waited for in vain.
            stage.pass(Duration.ofNanos(random.nextInt(1_000_000)));
          }
        }
        case CLOSE -> client.drop();
        case RESET -> {
          client.wire.reset();
          stage.turnUntil(() -> client.isOver);
        }
        default -> {
          client.wire.endSending();
          stage.turnUntil(() -> client.isOver);
        }
      }
      client.drop();
      assertThat(complaints()).isEmpty();
    }

    private List<String> complaints() {
      return client.complaints.stream().filter(each -> !each.contains("within a reply")).toList();
    }
  }
}
