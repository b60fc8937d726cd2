// SPDX-License-Identifier: Apache-2.0
package dev.belay.serve;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.Device;
import dev.belay.Loop;
import dev.belay.nbd.Session;
import dev.belay.net.Address;
import dev.belay.target.Align;
import dev.belay.testing.PipeWire;
import dev.belay.testing.Pipes;
import dev.belay.testing.Recording;
import dev.belay.testing.SimClock;
import dev.belay.testing.SimLeaf;
import dev.belay.testing.SimMedium;
import dev.belay.testing.SimPoller;
import dev.belay.testing.Steps;
import dev.belay.testing.Weather;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.BooleanSupplier;
import java.util.function.UnaryOperator;

/**
 * One export over a simulated device, its connections over a network in memory, all on one driven
 * loop and on virtual time: one seed replays it. Closing asserts that nothing is left of anything.
 */
final class Stage implements AutoCloseable {
  static final int BLOCK_BYTES = 64;

  final Steps steps = new Steps();
  final SimClock clock = new SimClock(steps);
  final Loop loop = Loop.driven(clock);
  final SimPoller poller = new SimPoller(clock, steps);
  final Recording recording = new Recording(true, false);
  final SimMedium medium;
  final SimLeaf leaf;
  final Pipes pipes;
  final Budget budget;
  final Served served;
  final List<Throwable> defects = new ArrayList<>();
  final List<ConnectionReport> reports = new ArrayList<>();
  private final List<TestClient> clients = new ArrayList<>();
  private long connections;
  private int left;

  Stage(long seed, int sizeBytes, Weather weather) {
    this(seed, sizeBytes, weather, export -> export, options -> options);
  }

  Stage(
      long seed,
      int sizeBytes,
      Weather weather,
      UnaryOperator<Export> changed,
      UnaryOperator<ServerOptions> allowed) {
    loop.setPoller(poller);
    loop.setDefects(defects::add);
    medium =
        new SimMedium(
            1, sizeBytes / SimMedium.GRANULE_BYTES, BLOCK_BYTES / SimMedium.GRANULE_BYTES);
    leaf =
        new SimLeaf(
            loop, "leaf", medium, weather, poller, recording, new SplittableRandom(seed + 1));
    Device root = new Align(loop, leaf, BLOCK_BYTES, 1 << 20);
    ServerOptions options = allowed.apply(ServerOptions.DEFAULTS);
    budget = new Budget(options);
    Export export = changed.apply(new Export("", "sim", false, null, ""));
    served = new Served(export, loop, root, options, budget, new Log(), () -> left++);
    pipes = new Pipes(seed);
  }

  /** A device that answers soon. */
  static Weather calm() {
    return new Weather(16, 20_000, 0, 0, 0, Weather.Abort.NOTHING, 0, 1);
  }

  private final class Log implements ServerLog {
    @Override
    public void listening(Address address) {}

    @Override
    public void connected(ConnectionStatus connection) {}

    @Override
    public void refused(String peer, String why, boolean isFault) {}

    @Override
    public void ended(ConnectionReport report) {
      reports.add(report);
    }

    @Override
    public void note(String sentence) {}
  }

  /** A client that was greeted, with chunks and base:allocation or without both. */
  TestClient connect(boolean hasChunks) {
    return connect(hasChunks ? TestClient.Replying.CHUNKS : TestClient.Replying.SIMPLE);
  }

  /** A client that was greeted. */
  TestClient connect(TestClient.Replying replying) {
    PipeWire[] both = pipes.pair(loop);
    boolean hasChunks = replying != TestClient.Replying.SIMPLE;
    boolean isExtended = replying == TestClient.Replying.EXTENDED;
    Session session = new Session(served.facts(), hasChunks, isExtended, hasChunks, 1);
    served.arrived(
        both[0], new Greeted(++connections, session, false, clock.nowNanos(), new byte[0]));
    TestClient client = new TestClient(both[1], replying);
    clients.add(client);
    return client;
  }

  /** How many answers all clients got. */
  long answers() {
    return clients.stream().mapToLong(each -> each.answers).sum();
  }

  void turnUntil(BooleanSupplier met) {
    long end = clock.nowNanos() + 10_000_000_000_000L;
    while (!met.getAsBoolean()) {
      loop.turn(1_000_000_000L);
      if (clock.nowNanos() > end) {
        throw new AssertionError("it did not happen within 10000 s of virtual time");
      }
    }
  }

  /** Lets so much virtual time pass. */
  void pass(Duration time) {
    long end = clock.nowNanos() + time.toNanos();
    boolean[] isOver = {false};
    loop.timers().newTimer(() -> isOver[0] = true).set(end);
    turnUntil(() -> isOver[0]);
  }

  void assertNothingIsLeft() {
    assertThat(defects).as("defects").isEmpty();
    assertThat(recording.violations()).as("law 3").isEmpty();
    assertThat(served.connections()).isEmpty();
    assertThat(loop.openRequests()).isZero();
    assertThat(served.blocks().takenBytes()).as("blocks").isZero();
    assertThat(budget.sharedTakenBytes()).as("budget").isZero();
    assertThat(reports).hasSize((int) connections);
    assertThat(left).isEqualTo((int) connections);
  }

  @Override
  public void close() {
    assertNothingIsLeft();
    clients.forEach(TestClient::drop);
    turnUntil(() -> pipes.openWires() == 0);
    assertThat(loop.close(0)).isZero();
    served.blocks().close();
    assertThat(defects).as("defects").isEmpty();
  }
}
