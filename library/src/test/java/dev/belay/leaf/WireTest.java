// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.belay.Errno;
import dev.belay.leaf.WireGround.Kind;
import dev.belay.net.Sockets;
import dev.belay.net.Wire;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.EnumSource.Mode;

/** What every kind of wire does. */
final class WireTest {
  private static final int BUFFER = 200_000;

  @TempDir Path directory;

  private WireGround ground(Kind kind) {
    return new WireGround(kind, directory, 42);
  }

  @ParameterizedTest
  @EnumSource(Kind.class)
  void bytesArriveInBothDirectionsAtOnce(Kind kind) throws IOException {
    try (WireGround ground = ground(kind)) {
      Sockets sockets = ground.newSockets();
      Wire[] both = ground.pair(sockets, sockets);
      WireTraffic one = new WireTraffic(both[0], ground, BUFFER, 1);
      WireTraffic other = new WireTraffic(both[1], ground, BUFFER, 2);
      one.receive();
      other.receive();
      one.send(5_000_001);
      other.send(3_000_003);
      ground.turnUntil(() -> one.receivedBytes == 3_000_003 && other.receivedBytes == 5_000_001);
      ground.turnUntil(() -> one.sendResult == 0 && other.sendResult == 0);
      assertThat(one.wrongBytes + other.wrongBytes).isZero();
      assertThat(one.sents).isEqualTo(one.gathers);
      both[0].close(() -> {});
      ground.turnUntil(() -> other.receiveResult <= 0);
      assertThat(other.receiveResult).isZero();
      assertThat(one.receiveResult).isEqualTo(-Errno.ECANCELED);
      ground.close(both[1]);
    }
  }

  @ParameterizedTest
  @EnumSource(Kind.class)
  void whatIsUnderWayEndsOnceWhenItIsClosed(Kind kind) throws IOException {
    try (WireGround ground = ground(kind)) {
      Sockets sockets = ground.newSockets();
      Wire[] both = ground.pair(sockets, sockets);
      WireTraffic one = new WireTraffic(both[0], ground, 16 << 20, 1);
      List<Integer> hangUps = new ArrayList<>();
      one.receive();
      one.send(16 << 20); // nobody receives it: it gets stuck
      both[0].awaitHangUp(hangUps::add);
      ground.turnUntil(() -> one.gathers == 1);
      ground.turn();
      boolean[] isClosed = {false};
      both[0].close(
          () -> {
            isClosed[0] = true;
            assertThat(one.receiveEnds).isEqualTo(1);
            assertThat(one.sents).isEqualTo(1);
            assertThat(hangUps).hasSize(1);
          });
      assertThat(one.receiveEnds).as("never from within the call").isZero();
      ground.turnUntil(() -> isClosed[0]);
      assertThat(one.receiveResult).isEqualTo(-Errno.ECANCELED);
      assertThat(one.sendResult).isEqualTo(-Errno.ECANCELED);
      assertThat(hangUps).containsExactly(-Errno.ECANCELED);
      assertThatThrownBy(() -> both[0].close(() -> {})).isInstanceOf(IllegalStateException.class);
      ground.close(both[1]);
    }
  }

  @ParameterizedTest
  @EnumSource(Kind.class)
  void aSenderThatIsStuckGoesOnWhenThePeerReceives(Kind kind) throws IOException {
    try (WireGround ground = ground(kind)) {
      Sockets sockets = ground.newSockets();
      Wire[] both = ground.pair(sockets, sockets);
      WireTraffic one = new WireTraffic(both[0], ground, 16 << 20, 1);
      WireTraffic other = new WireTraffic(both[1], ground, BUFFER, 2);
      one.send(16 << 20);
      for (int i = 0; i < 50; i++) {
        ground.turn();
      }
      assertThat(one.sents).isZero();
      other.receive();
      ground.turnUntil(() -> other.receivedBytes == 16 << 20);
      ground.turnUntil(() -> one.sendResult == 0);
      assertThat(other.wrongBytes).isZero();
      ground.close(both);
    }
  }

  @ParameterizedTest
  @EnumSource(Kind.class)
  void aPeerThatClosesIsNoticedWhileNothingIsReceived(Kind kind) throws IOException {
    try (WireGround ground = ground(kind)) {
      Sockets sockets = ground.newSockets();
      Wire[] both = ground.pair(sockets, sockets);
      List<Integer> hangUps = new ArrayList<>();
      both[1].awaitHangUp(hangUps::add);
      WireTraffic one = new WireTraffic(both[0], ground, BUFFER, 1);
      one.send(1000); // unread for ever
      ground.turnUntil(() -> one.sendResult == 0);
      ground.close(both[0]);
      ground.turnUntil(() -> !hangUps.isEmpty());
      assertThat(hangUps).containsExactly(0);
      ground.close(both[1]);
      assertThat(hangUps).hasSize(1);
    }
  }

  @ParameterizedTest
  @EnumSource(Kind.class)
  void whoeverReceivesGetsAllBytesBeforeTheHangUp(Kind kind) throws IOException {
    try (WireGround ground = ground(kind)) {
      Sockets sockets = ground.newSockets();
      Wire[] both = ground.pair(sockets, sockets);
      WireTraffic one = new WireTraffic(both[0], ground, BUFFER, 1);
      WireTraffic other = new WireTraffic(both[1], ground, 64, 2);
      List<Long> receivedBefore = new ArrayList<>();
      both[1].awaitHangUp(result -> receivedBefore.add(other.receivedBytes));
      one.send(50_000);
      ground.turnUntil(() -> one.sendResult == 0);
      both[0].close(() -> {});
      other.receive();
      ground.turnUntil(() -> !receivedBefore.isEmpty());
      assertThat(receivedBefore).containsExactly(50_000L);
      assertThat(other.receiveResult).isZero();
      ground.close(both[1]);
    }
  }

  @ParameterizedTest
  @EnumSource(Kind.class)
  void aWireMovesToAnotherLoop(Kind kind) throws IOException {
    try (WireGround ground = ground(kind)) {
      Sockets desk = ground.newSockets();
      Sockets export = ground.newSockets();
      Wire[] both = ground.pair(desk, desk);
      WireTraffic one = new WireTraffic(both[0], ground, BUFFER, 1);
      one.send(100_000);
      @Nullable Wire[] moved = {null};
      both[1].move(
          export,
          wire -> {
            assertThat(export.loop().isOnLoop()).isTrue();
            moved[0] = wire;
          });
      ground.turnUntil(() -> moved[0] != null);
      Wire there = moved[0];
      WireTraffic other = new WireTraffic(there, ground, BUFFER, 2);
      List<Integer> hangUps = new ArrayList<>();
      there.awaitHangUp(hangUps::add);
      other.receive();
      other.send(77_777);
      one.receive();
      ground.turnUntil(() -> other.receivedBytes == 100_000 && one.receivedBytes == 77_777);
      assertThat(one.wrongBytes + other.wrongBytes).isZero();
      assertThat(there.peer()).isEqualTo(both[1].peer()).isNotEmpty();
      both[0].close(() -> {});
      ground.turnUntil(() -> !hangUps.isEmpty());
      ground.close(there);
    }
  }

  @ParameterizedTest
  @EnumSource(Kind.class)
  void aLoopThatClosesEndsWhatIsUnderWay(Kind kind) throws IOException {
    WireTraffic one;
    List<Integer> hangUps = new ArrayList<>();
    List<String> sentences = new ArrayList<>();
    int[] closed = {0};
    try (WireGround ground = ground(kind)) {
      Sockets sockets = ground.newSockets();
      Sockets.Listener open = sockets.listen(ground.newAddress(), 0600, wire -> {});
      Wire[] both = ground.pair(sockets, sockets);
      one = new WireTraffic(both[0], ground, 16 << 20, 1);
      one.receive();
      one.send(16 << 20);
      both[0].awaitHangUp(
          result -> {
            hangUps.add(result);
            both[0].close(() -> closed[0]++); // as whoever serves it would
          });
      ground.turnUntil(() -> one.gathers == 1);
      ground.pair(sockets, sockets)[1].close(() -> closed[0]++);
      sockets.connect(
          open.address(), 5 * WireGround.SECOND, (wire, sentence) -> sentences.add(sentence));
    }
    assertThat(one.receiveResult).isEqualTo(-Errno.ECANCELED);
    assertThat(one.sendResult).isNegative();
    assertThat(one.sents).isEqualTo(1);
    assertThat(hangUps).hasSize(1);
    assertThat(closed[0]).isEqualTo(2);
    assertThat(sentences.size()).isLessThanOrEqualTo(1);
  }

  @ParameterizedTest
  @EnumSource(Kind.class)
  void manyConnectionsAtOnce(Kind kind) throws IOException {
    int count = 300;
    try (WireGround ground = ground(kind)) {
      Sockets sockets = ground.newSockets();
      List<Wire> wires = new ArrayList<>();
      List<WireTraffic> servers = new ArrayList<>();
      List<WireTraffic> clients = new ArrayList<>();
      Sockets.Listener listener =
          sockets.listen(
              ground.newAddress(),
              0600,
              wire -> {
                wires.add(wire);
                WireTraffic server = new WireTraffic(wire, ground, 1000, wires.size());
                servers.add(server);
                server.receive();
                server.send(1001);
              });
      for (int i = 0; i < count; i++) {
        sockets.connect(
            listener.address(),
            20 * WireGround.SECOND,
            (wire, sentence) -> {
              assertThat(sentence).isEmpty();
              assertThat(wire).isNotNull();
              if (wire != null) {
                wires.add(wire);
                WireTraffic client = new WireTraffic(wire, ground, 1000, wires.size());
                clients.add(client);
                client.receive();
                client.send(2002);
              }
            });
      }
      ground.turnUntil(
          () ->
              servers.stream().filter(each -> each.receivedBytes == 2002).count() == count
                  && clients.stream().filter(each -> each.receivedBytes == 1001).count() == count);
      assertThat(servers).allMatch(each -> each.wrongBytes == 0);
      ground.close(wires.toArray(new Wire[0]));
      listener.close();
    }
  }

  @ParameterizedTest
  @EnumSource(Kind.class)
  void everySequenceOfSendsReceivesAndClosesEndsOnce(Kind kind) throws IOException {
    for (int seed = 0; seed < 20; seed++) {
      SplittableRandom random = new SplittableRandom(seed);
      try (WireGround ground = new WireGround(kind, directory.resolve("."), seed)) {
        ground.pipes.withPieces(1 + random.nextInt(5000)).withBuffer(1 + random.nextInt(100_000));
        Sockets sockets = ground.newSockets();
        Wire[] both = ground.pair(sockets, sockets);
        WireTraffic[] ends = new WireTraffic[2];
        int[] closed = {0};
        int[] hangUps = {0};
        for (int i = 0; i < 2; i++) {
          ends[i] = new WireTraffic(both[i], ground, 1 + random.nextInt(300_000), random.nextInt());
          both[i].awaitHangUp(result -> hangUps[0]++);
          if (random.nextInt(8) > 0) {
            ends[i].receive();
          }
          if (random.nextInt(8) > 0) {
            ends[i].send(1 + random.nextInt(3_000_000));
          }
        }
        for (int turns = random.nextInt(30); turns > 0; turns--) {
          ground.turn();
        }
        ends[0].mayReceive = false;
        both[0].close(() -> closed[0]++);
        for (int turns = random.nextInt(5); turns > 0; turns--) {
          ground.turn();
        }
        ends[1].mayReceive = false;
        both[1].close(() -> closed[0]++);
        ground.turnUntil(() -> closed[0] == 2);
        assertThat(hangUps[0]).isEqualTo(2);
        for (WireTraffic end : ends) {
          assertThat(end.wrongBytes).isZero();
          assertThat(end.receiveEnds).isEqualTo(end.receives);
          assertThat(end.sents).isEqualTo(end.gathers);
        }
      }
    }
  }

  // --- With a peer that is not ours ---

  @ParameterizedTest
  @EnumSource(value = Kind.class, mode = Mode.EXCLUDE, names = "PIPES")
  void aPeerOfTheJdksSeesTheSameBytesAndMayEndItsOwnDirection(Kind kind) throws Exception {
    try (WireGround ground = ground(kind)) {
      Sockets sockets = ground.newSockets();
      @Nullable Wire[] accepted = {null};
      Sockets.Listener listener =
          sockets.listen(ground.newAddress(), 0600, wire -> accepted[0] = wire);
      try (SocketChannel peer = WireGround.plain(listener.address())) {
        ground.turnUntil(() -> accepted[0] != null);
        Wire wire = accepted[0];
        assertThat(wire.peer()).contains(ground.isUnix() ? "a local program" : "127.0.0.1:");
        WireTraffic traffic = new WireTraffic(wire, ground, BUFFER, 3);
        List<Integer> hangUps = new ArrayList<>();
        wire.awaitHangUp(hangUps::add);
        traffic.receive();
        peer.write(ByteBuffer.wrap(WireTraffic.bytes(0, 1000)));
        ground.turnUntil(() -> traffic.receivedBytes == 1000);
        peer.write(ByteBuffer.wrap(WireTraffic.bytes(1000, 500)));
        peer.shutdownOutput();
        ground.turnUntil(() -> traffic.receiveResult == 0);
        assertThat(traffic.receivedBytes).isEqualTo(1500);
        assertThat(traffic.wrongBytes).isZero();
        ground.turnUntil(() -> !hangUps.isEmpty());
        traffic.send(3000);
        ground.turnUntil(() -> traffic.sendResult == 0);
        ground.close(wire);
        ByteBuffer all = ByteBuffer.allocate(5000);
        while (peer.read(all) >= 0) {
          assertThat(all.position()).isLessThanOrEqualTo(3000);
        }
        assertThat(all.flip()).isEqualTo(ByteBuffer.wrap(WireTraffic.bytes(0, 3000)));
      }
    }
  }

  @ParameterizedTest
  @EnumSource(value = Kind.class, mode = Mode.EXCLUDE, names = "PIPES")
  void aResetEndsReceivesSendsAndTheWaitForIt(Kind kind) throws Exception {
    try (WireGround ground = ground(kind)) {
      Sockets sockets = ground.newSockets();
      @Nullable Wire[] accepted = {null};
      Sockets.Listener listener =
          sockets.listen(ground.newAddress(), 0600, wire -> accepted[0] = wire);
      SocketChannel peer = WireGround.plain(listener.address());
      ground.turnUntil(() -> accepted[0] != null);
      Wire wire = accepted[0];
      WireTraffic traffic = new WireTraffic(wire, ground, 16 << 20, 3);
      List<Integer> hangUps = new ArrayList<>();
      wire.awaitHangUp(hangUps::add);
      traffic.receive();
      traffic.send(16 << 20);
      ground.turnUntil(() -> traffic.gathers == 1);
      ground.turn();
      ground.turn();
      peer.close(); // with bytes that it has not read
      ground.turnUntil(() -> traffic.receiveResult <= 0 && traffic.sendResult < 0);
      assertThat(traffic.sendResult).isIn(-Errno.EPIPE, -Errno.ECONNRESET);
      assertThat(traffic.receiveResult).isIn(0, -Errno.ECONNRESET);
      ground.turnUntil(() -> !hangUps.isEmpty());
      traffic.send(5); // nothing comes of it
      ground.turn();
      assertThat(traffic.gathers).isEqualTo(1);
      ground.close(wire);
    }
  }
}
