// SPDX-License-Identifier: Apache-2.0
package dev.belay.serve;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.belay.Bio;
import dev.belay.Device;
import dev.belay.Loop;
import dev.belay.Verdict;
import dev.belay.leaf.LoopSockets;
import dev.belay.leaf.Memory;
import dev.belay.net.Address;
import dev.belay.stack.StackException;
import dev.belay.target.Throttle;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A server on real sockets, with clients that know nothing of it. */
final class NbdServerTest {
  private static final int MIB = 1 << 20;

  @TempDir Path directory;

  private final Told told = new Told();

  /** What the log was told. */
  private static final class Told implements ServerLog {
    final BlockingQueue<ConnectionReport> ended = new LinkedBlockingQueue<>();
    final BlockingQueue<String> refused = new LinkedBlockingQueue<>();

    @Override
    public void listening(Address address) {}

    @Override
    public void connected(ConnectionStatus connection) {}

    @Override
    public void refused(String peer, String why, boolean isFault) {
      refused.add(why);
    }

    @Override
    public void ended(ConnectionReport report) {
      ended.add(report);
    }

    @Override
    public void note(String sentence) {}
  }

  private NbdServer open(ServerOptions options, String... expressions) {
    return NbdServer.open(
        Arrays.stream(expressions)
            .map(each -> new Export(each.substring(0, 2), each, false, null, ""))
            .toList(),
        options,
        told);
  }

  private Address unix() {
    return new Address.Unix(directory.resolve("s").toString());
  }

  private static void await(BooleanSupplier met) throws InterruptedException {
    long start = System.nanoTime();
    while (!met.getAsBoolean()) {
      if (System.nanoTime() - start > 60_000_000_000L) {
        throw new AssertionError("it did not happen within a minute");
      }
      Thread.sleep(1);
    }
  }

  @Test
  void whatWasWrittenIsReadOverUnixAndTcp() throws Exception {
    try (NbdServer server = open(ServerOptions.DEFAULTS, "memory(size=8M)", "null(size=1M)")) {
      Address unix = server.listen(unix());
      Address tcp = server.listen(new Address.Tcp("localhost", 0));
      byte[] written = new byte[3 * MIB + 1];
      new SplittableRandom(1).nextBytes(written);
      try (SocketClient one = new SocketClient(unix);
          SocketClient other = new SocketClient(tcp)) {
        assertThat(one.go("me")).isEqualTo(8 * MIB);
        assertThat(other.go("me")).isEqualTo(8 * MIB);
        one.writeAt(12_345, written);
        assertThat(other.readAt(12_345, written.length)).isEqualTo(written);
        assertThat(server.connections()).hasSize(2);
        one.send(2, 0, 0, 0, new byte[0]);
        ConnectionReport report = told.ended.poll(60, TimeUnit.SECONDS);
        assertThat(report).isNotNull();
        assertThat(report.isClean()).isTrue();
        assertThat(report.export()).isEqualTo("me");
        assertThat(report.traffic().of(Command.WRITE).bytes()).isEqualTo(written.length);
      }
      assertThat(told.ended.poll(60, TimeUnit.SECONDS)).isNotNull();
      Counters counters = server.counters();
      assertThat(counters.traffic().of(Command.READ).bytes()).isEqualTo(written.length);
      assertThat(counters.acceptedConnections()).isEqualTo(2);
      assertThat(counters.openBytes()).isZero();
      assertThat(server.stop(Duration.ofSeconds(1)).troubles()).isEmpty();
      assertThat(server.counters().traffic()).isEqualTo(counters.traffic());
    }
  }

  @Test
  void theSocketIsItsOwnersAndGoesWithTheServer() throws Exception {
    Path socket = directory.resolve("s");
    try (NbdServer server = open(ServerOptions.DEFAULTS, "memory(size=1M)")) {
      server.listen(unix());
      assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(socket)))
          .isEqualTo("rw-------");
    }
    assertThat(socket).doesNotExist();
  }

  @Test
  void otherMachinesAreNotServedInTheClear() {
    try (NbdServer server = open(ServerOptions.DEFAULTS, "memory(size=1M)")) {
      assertThatThrownBy(() -> server.listen(new Address.Tcp("0.0.0.0", 0)))
          .isInstanceOf(IOException.class)
          .hasMessageContaining("TLS");
      assertThatThrownBy(() -> server.listen(new Address.Tcp("", 0)))
          .isInstanceOf(IOException.class);
    }
  }

  @Test
  void whatCannotBeOpenedIsSaid() {
    assertThatThrownBy(() -> open(ServerOptions.DEFAULTS, "memory(size=1M)", "nosuch(1)"))
        .isInstanceOf(StackException.class);
    assertThatThrownBy(() -> open(ServerOptions.DEFAULTS, "memory(size=1M)", "memory(size=2M)"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("two exports");
    assertThatThrownBy(() -> open(ServerOptions.DEFAULTS))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void oneTooManyIsSentAway() throws Exception {
    ServerOptions two = ServerOptions.DEFAULTS.withMostConnections(2);
    try (NbdServer server = open(two, "memory(size=1M)")) {
      Address unix = server.listen(unix());
      try (SocketClient one = new SocketClient(unix);
          SocketClient other = new SocketClient(unix);
          SocketClient tooMany = new SocketClient(unix)) {
        one.go("me");
        other.go("me");
        assertThatThrownBy(() -> tooMany.go("me")).isInstanceOf(IOException.class);
        assertThat(told.refused.poll(60, TimeUnit.SECONDS)).contains("2 connections");
      }
      await(() -> server.counters().openConnections() == 0);
      try (SocketClient again = new SocketClient(unix)) {
        assertThat(again.go("me")).isEqualTo(MIB);
      }
    }
  }

  @Test
  void aDeviceThatHangsKeepsNoOtherStackFromItsEnd() throws Exception {
    Path file = directory.resolve("f.img");
    NbdServer server =
        open(
            ServerOptions.DEFAULTS,
            "fault(memory(size=1M), effect=stuck, op=read)",
            "file(\"" + file + "\", size=1M)");
    Address unix = server.listen(unix());
    try (SocketClient client = new SocketClient(unix)) {
      client.go("fa");
      client.send(0, 1, 0, 4096, new byte[0]);
      await(() -> server.inFlight().size() == 1);
      assertThat(isOpen(file)).isTrue();
      Thread stopping = Thread.ofPlatform().daemon().start(server::close);
      await(() -> !isOpen(file));
      assertThat(stopping.join(Duration.ofSeconds(1))).as("the other was waited for").isFalse();
    }
  }

  private static boolean isOpen(Path file) {
    try (Stream<Path> all = Files.list(Path.of("/proc/self/fd"))) {
      return all.anyMatch(each -> linksTo(each, file));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static boolean linksTo(Path link, Path file) {
    try {
      return Files.readSymbolicLink(link).equals(file);
    } catch (IOException e) {
      return false; // closed meanwhile
    }
  }

  @Test
  void whoSaysNothingKeepsNobodyOut() throws Exception {
    ServerOptions two =
        ServerOptions.DEFAULTS.withMostConnections(2).withHandshakeTimeout(Duration.ofMinutes(10));
    try (NbdServer server = open(two, "memory(size=1M)")) {
      Address unix = server.listen(unix());
      try (SocketClient silent = new SocketClient(unix);
          SocketClient other = new SocketClient(unix)) {
        silent.read(18);
        other.read(18);
        await(() -> isServed(unix));
      }
    }
  }

  private static boolean isServed(Address address) {
    try (SocketClient client = new SocketClient(address)) {
      return client.go("me") == MIB;
    } catch (IOException e) {
      return false;
    }
  }

  @Test
  void whoSaysNothingIsSentAway() throws Exception {
    ServerOptions brief = ServerOptions.DEFAULTS.withHandshakeTimeout(Duration.ofMillis(50));
    try (NbdServer server = open(brief, "memory(size=1M)")) {
      Address unix = server.listen(unix());
      try (SocketClient silent = new SocketClient(unix)) {
        assertThat(told.refused.poll(60, TimeUnit.SECONDS)).contains("did not say within 50ms");
        silent.read(18);
        assertThatThrownBy(() -> silent.read(1)).isInstanceOf(IOException.class);
      }
    }
  }

  @Test
  void whatIsUnderWayIsSeenAndStopped() throws Exception {
    try (NbdServer server =
        open(ServerOptions.DEFAULTS, "throttle(memory(size=8M), bandwidth=4k, burst=1ms)")) {
      Address unix = server.listen(unix());
      try (SocketClient client = new SocketClient(unix)) {
        client.go("th");
        client.send(0, 1, 0, MIB, new byte[0]);
        client.send(0, 2, MIB, MIB, new byte[0]);
        await(() -> server.inFlight().size() == 2);
        Flight second =
            server.inFlight().stream().filter(each -> each.offsetBytes() == MIB).findAny().get();
        assertThat(second.where()).contains("throttle");
        assertThat(server.cancel(second.id())).isTrue();
        assertThat(client.reply(5)).isEqualTo(2);
        await(() -> server.inFlight().size() == 1);
        assertThat(server.cancel(second.id())).isFalse();
        assertThat(server.cancel("nonsense")).isFalse();
        StopReport report = server.stop(Duration.ofMillis(20));
        assertThat(client.reply(108)).isEqualTo(1);
        assertThat(report.cancelled()).isEqualTo(1);
        assertThat(report.connections()).isEqualTo(1);
        assertThat(server.stop(Duration.ofHours(1))).isSameAs(report);
      }
    }
  }

  @Test
  void aCrowdOfSlowClientsIsNotNoticed() throws Exception {
    try (NbdServer server = open(ServerOptions.DEFAULTS, "memory(size=64M)")) {
      Address unix = server.listen(unix());
      List<SocketClient> crowd = new ArrayList<>();
      try (SocketClient busy = new SocketClient(unix)) {
        busy.go("me");
        for (int i = 0; i < 300; i++) {
          SocketClient slow = new SocketClient(unix);
          crowd.add(slow);
          if (i % 3 == 0) {
            continue; // says nothing
          }
          slow.go("me");
          if (i % 3 == 1) {
            slow.send(1, i, 0, 16 * MIB, new byte[100]); // never sends the rest
          } else {
            for (int request = 0; request < 8; request++) {
              slow.send(0, request, 0, 8 * MIB, new byte[0]); // takes none of its replies
            }
          }
        }
        long startNanos = System.nanoTime();
        for (int i = 0; i < 200; i++) {
          busy.writeAt(i * 4096L, new byte[4096]);
          busy.readAt(i * 65_536L, 65_536);
        }
        assertThat(System.nanoTime() - startNanos).isLessThan(20_000_000_000L);
        assertThat(server.counters().openBytes())
            .isLessThanOrEqualTo(ServerOptions.DEFAULTS.mostBytes());
      }
      for (SocketClient each : crowd) {
        each.close();
      }
      await(() -> server.counters().openConnections() == 0);
      assertThat(server.counters().openBytes()).isZero();
    }
  }

  /** Counts what comes through. */
  private static final class Counting extends Device {
    private final Device lower;
    final AtomicLong sent = new AtomicLong();

    Counting(Loop loop, Device lower) {
      super(loop, "counting", lower.limits(), List.of(lower));
      this.lower = lower;
    }

    @Override
    public Verdict map(Bio bio) {
      sent.incrementAndGet();
      bio.remap(lower, bio.offsetBytes());
      return Verdict.REMAPPED;
    }
  }

  @Test
  void aClientThatIsKilledLeavesNothingBehindAndDisturbsNobody() throws Exception {
    Loop deskLoop = Loop.threaded("desk");
    Loop loop = Loop.threaded("throttled");
    Counting counting = new Counting(loop, new Memory(loop, 64 * MIB, 1));
    Throttle root = new Throttle(loop, counting, 200, 0, 1_000_000);
    Budget budget = new Budget(ServerOptions.DEFAULTS);
    AtomicInteger gone = new AtomicInteger();
    Export export = new Export("", "throttled", false, null, "");
    Served served =
        new Served(export, loop, root, ServerOptions.DEFAULTS, budget, told, gone::incrementAndGet);
    List<Desk.Place> places = List.of(new Desk.Place(served, LoopSockets.of(loop)));
    Desk desk = new Desk(deskLoop, LoopSockets.of(deskLoop), places, ServerOptions.DEFAULTS, told);
    loop.start();
    deskLoop.start();
    Address unix = desk.listen(unix());
    try (SocketClient killed = new SocketClient(unix);
        SocketClient bystander = new SocketClient(unix)) {
      killed.go("");
      bystander.go("");
      Thread sender = Thread.ofVirtual().start(() -> sendUntilKilled(killed));
      await(() -> served.budget().sharedTakenBytes() > 32 * MIB);
      killed.channel.close();
      ConnectionReport report = told.ended.poll(60, TimeUnit.SECONDS);
      long sentThen = counting.sent.get();
      assertThat(report).isNotNull();
      assertThat(report.isClean()).isFalse();
      assertThat(report.traffic().all().cancelled()).isGreaterThan(10);
      assertThat(served.budget().sharedTakenBytes()).isZero();
      sender.join();
      long startNanos = System.nanoTime();
      bystander.readAt(0, 4096);
      assertThat(System.nanoTime() - startNanos).as("a bystander").isLessThan(5_000_000_000L);
      Thread.sleep(50);
      assertThat(counting.sent.get()).as("nothing of it came later").isEqualTo(sentThen + 1);
    }
    desk.closeListeners();
    loop.close(Long.MAX_VALUE);
    deskLoop.close(Long.MAX_VALUE);
  }

  private static void sendUntilKilled(SocketClient client) {
    try {
      for (int i = 0; i < 256; i++) {
        client.send(1, i, (i % 64) * (long) MIB, MIB, new byte[MIB]);
      }
    } catch (IOException e) {
      // It was killed.
    }
  }
}
