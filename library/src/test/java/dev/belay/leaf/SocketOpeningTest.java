// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.belay.leaf.WireGround.Kind;
import dev.belay.net.Address;
import dev.belay.net.Sockets;
import dev.belay.net.Wire;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Listening and connecting: who may, what is replaced, and what people are told. */
final class SocketOpeningTest {
  @TempDir Path directory;

  private WireGround ground(Kind kind) {
    return new WireGround(kind, directory, 7);
  }

  private static String connectSentence(WireGround ground, Sockets sockets, Address address) {
    return connectSentence(ground, sockets, address, 10 * WireGround.SECOND);
  }

  private static String connectSentence(
      WireGround ground, Sockets sockets, Address address, long timeoutNanos) {
    List<String> sentences = new ArrayList<>();
    sockets.connect(
        address,
        timeoutNanos,
        (wire, sentence) -> {
          assertThat(wire).isNull();
          sentences.add(sentence);
        });
    assertThat(sentences).as("never from within the call").isEmpty();
    ground.turnUntil(() -> !sentences.isEmpty());
    return sentences.getFirst();
  }

  @ParameterizedTest
  @EnumSource(
      value = Kind.class,
      names = {"RING_UNIX", "CHANNEL_UNIX"})
  void theFileOfAUnixSocketHasItsModeAndGoesWithTheListener(Kind kind) throws IOException {
    try (WireGround ground = ground(kind)) {
      Sockets sockets = ground.newSockets();
      for (int mode : new int[] {0600, 0660, 0666}) {
        Path path = directory.resolve("m" + mode);
        Sockets.Listener listener =
            sockets.listen(new Address.Unix(path.toString()), mode, wire -> {});
        String permissions = PosixFilePermissions.toString(Files.getPosixFilePermissions(path));
        assertThat(permissions)
            .isEqualTo(mode == 0600 ? "rw-------" : mode == 0660 ? "rw-rw----" : "rw-rw-rw-");
        WireGround.plain(listener.address()).close();
        listener.close();
        listener.close();
        assertThat(path).doesNotExist();
        assertThatThrownBy(() -> WireGround.plain(listener.address()))
            .isInstanceOf(IOException.class);
      }
      assertThat(directory.toFile().list()).isEmpty();
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = Kind.class,
      names = {"RING_UNIX", "CHANNEL_UNIX"})
  void aFileThatADeadProgramLeftIsReplacedAndALivingOneIsNot(Kind kind) throws IOException {
    Path path = directory.resolve("s");
    Address address = new Address.Unix(path.toString());
    try (ServerSocketChannel dead = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
      dead.bind(UnixDomainSocketAddress.of(path));
    }
    assertThat(path).exists();
    try (WireGround ground = ground(kind)) {
      Sockets sockets = ground.newSockets();
      assertThat(connectSentence(ground, sockets, address)).contains("refused");
      List<Wire> accepted = new ArrayList<>();
      Sockets.Listener listener = sockets.listen(address, 0600, accepted::add);
      assertThatThrownBy(() -> sockets.listen(address, 0600, wire -> {}))
          .isInstanceOf(IOException.class)
          .hasMessageContaining("another program listens");
      try (SocketChannel peer = WireGround.plain(address)) {
        ground.turnUntil(() -> accepted.size() == 2); // and the one who looked whether we live
        assertThat(peer.isConnected()).isTrue();
      }
      // Somebody else took the place: the file is not ours any more.
      Files.delete(path);
      Files.writeString(path, "another's");
      listener.close();
      assertThat(path).hasContent("another's");
      assertThatThrownBy(() -> sockets.listen(address, 0600, wire -> {}))
          .isInstanceOf(IOException.class)
          .hasMessageContaining("not a socket");
      ground.close(accepted.toArray(new Wire[0]));
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = Kind.class,
      names = {"RING_UNIX", "CHANNEL_UNIX"})
  void whatIsWrongWithAPathIsASentence(Kind kind) {
    try (WireGround ground = ground(kind)) {
      Sockets sockets = ground.newSockets();
      Address.Unix longOne = new Address.Unix(directory.resolve("x".repeat(120)).toString());
      assertThatThrownBy(() -> sockets.listen(longOne, 0600, wire -> {}))
          .isInstanceOf(IOException.class)
          .hasMessageContaining("107 bytes");
      assertThat(connectSentence(ground, sockets, longOne)).contains("107 bytes");
      Address.Unix lost = new Address.Unix(directory.resolve("no/where").toString());
      assertThatThrownBy(() -> sockets.listen(lost, 0600, wire -> {}))
          .isInstanceOf(IOException.class)
          .hasMessageContaining("directory");
      assertThat(connectSentence(ground, sockets, lost)).contains("no such file");
    }
  }

  /** As after a kill, when the kernel still has to close what a ring held. */
  @ParameterizedTest
  @EnumSource(
      value = Kind.class,
      names = {"RING_TCP", "RING_UNIX", "CHANNEL_UNIX"})
  void anAddressThatIsLeftSoonIsAwaited(Kind kind) throws Exception {
    try (WireGround ground = ground(kind);
        ServerSocketChannel taken = taken(kind)) {
      Address address =
          taken.getLocalAddress() instanceof InetSocketAddress tcp
              ? new Address.Tcp("127.0.0.1", tcp.getPort())
              : new Address.Unix(directory.resolve("taken").toString());
      Thread leaving = Thread.ofVirtual().start(() -> leave(taken));
      ground.newSockets().listen(address, 0600, wire -> {}).close();
      leaving.join();
      assertThat(taken.isOpen()).isFalse();
    }
  }

  private ServerSocketChannel taken(Kind kind) throws IOException {
    if (kind == Kind.RING_TCP) {
      return ServerSocketChannel.open().bind(new InetSocketAddress("127.0.0.1", 0));
    }
    return ServerSocketChannel.open(StandardProtocolFamily.UNIX)
        .bind(UnixDomainSocketAddress.of(directory.resolve("taken")));
  }

  private static void leave(ServerSocketChannel taken) {
    try {
      Thread.sleep(50);
      taken.close();
    } catch (IOException | InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = Kind.class,
      names = {"RING_TCP", "CHANNEL_TCP"})
  void portsAndHostsThatCannotBe(Kind kind) throws IOException {
    try (WireGround ground = ground(kind)) {
      Sockets sockets = ground.newSockets();
      Address.Tcp inUse;
      try (ServerSocket taken = new ServerSocket()) {
        taken.bind(new InetSocketAddress("127.0.0.1", 0));
        inUse = new Address.Tcp("127.0.0.1", taken.getLocalPort());
        assertThatThrownBy(() -> sockets.listen(inUse, 0, wire -> {}))
            .isInstanceOf(IOException.class)
            .hasMessageContaining("in use");
      }
      assertThatThrownBy(() -> sockets.listen(new Address.Tcp("192.0.2.1", 0), 0, wire -> {}))
          .isInstanceOf(IOException.class)
          .hasMessageContaining("not one of this machine");
      assertThatThrownBy(() -> sockets.listen(new Address.Tcp("no.invalid", 0), 0, wire -> {}))
          .isInstanceOf(IOException.class)
          .hasMessageContaining("not known");
      assertThat(connectSentence(ground, sockets, new Address.Tcp("no.invalid", 10809)))
          .contains("not known");
      assertThat(connectSentence(ground, sockets, inUse)).contains("refused");
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = Kind.class,
      names = {"RING_TCP", "CHANNEL_TCP"})
  void allAddressesOfTheMachineAnswer(Kind kind) throws IOException {
    try (WireGround ground = ground(kind)) {
      Sockets sockets = ground.newSockets();
      List<Wire> accepted = new ArrayList<>();
      Sockets.Listener listener = sockets.listen(new Address.Tcp("", 0), 0, accepted::add);
      int port = ((Address.Tcp) listener.address()).port();
      assertThat(port).isPositive();
      SocketChannel plain = WireGround.plain(new Address.Tcp("127.0.0.1", port));
      ground.turnUntil(() -> accepted.size() == 1);
      assertThat(accepted.getFirst().peer()).startsWith("127.0.0.1:");
      plain.close();
      ground.close(accepted.getFirst());
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = Kind.class,
      names = {"RING_TCP", "CHANNEL_TCP"})
  void aHostThatIsSilentIsGivenUp(Kind kind) throws IOException {
    // A listener whose queue is full drops what comes; one connection fills a queue of none.
    try (WireGround ground = ground(kind);
        ServerSocket full = new ServerSocket()) {
      full.bind(new InetSocketAddress("127.0.0.1", 0), 1);
      Address.Tcp address = new Address.Tcp("127.0.0.1", full.getLocalPort());
      Sockets sockets = ground.newSockets();
      List<SocketChannel> fillers = new ArrayList<>();
      for (int i = 0; i < 2; i++) {
        fillers.add(WireGround.plain(address));
      }
      assertThat(connectSentence(ground, sockets, address, WireGround.SECOND / 20))
          .contains("did not answer within 50 ms");
      for (SocketChannel filler : fillers) {
        filler.close();
      }
    }
  }
}
