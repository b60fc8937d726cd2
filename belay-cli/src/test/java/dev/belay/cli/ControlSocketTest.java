// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class ControlSocketTest {
  @TempDir Path directory;

  private static String answer(String line) {
    return line.equals("ps") ? "{\"pid\":1}\n" : "you said " + line;
  }

  private static String mode(Path path) throws IOException {
    return PosixFilePermissions.toString(Files.getPosixFilePermissions(path));
  }

  @Test
  void itAnswersALineForItsOwnerAlone() throws IOException {
    Path path = directory.resolve("c");
    try (ControlSocket socket = ControlSocket.open(path, ControlSocketTest::answer)) {
      assertThat(socket.path()).isEqualTo(path);
      assertThat(mode(path)).isEqualTo("rw-------");
      assertThat(ControlCall.ask(path, "ps")).isEqualTo(Map.of("pid", 1L));
      assertThat(ControlCall.text(path, "x y")).isEqualTo("you said x y");
      assertThatThrownBy(() -> ControlCall.ask(path, "x")).hasMessageContaining("no JSON object");
    }
    try (Stream<Path> left = Files.list(directory)) {
      assertThat(left).isEmpty();
    }
    assertThatThrownBy(() -> ControlCall.ask(path, "ps")).hasMessageContaining("no server answers");
  }

  @Test
  void silentEndlessAndManyClientsCostNobodyAnything() throws Exception {
    Path path = directory.resolve("c");
    List<SocketChannel> silent = new ArrayList<>();
    try (ControlSocket socket =
        ControlSocket.open(path, ControlSocketTest::answer, Duration.ofMillis(500))) {
      UnixDomainSocketAddress address = UnixDomainSocketAddress.of(socket.path());
      for (int i = 0; i < 7; i++) {
        silent.add(SocketChannel.open(address));
      }
      assertThat(ControlCall.text(path, "x")).isEqualTo("you said x");
      try (SocketChannel endless = SocketChannel.open(address)) {
        assertThatThrownBy(
                () -> {
                  for (; ; ) {
                    endless.write(ByteBuffer.allocate(4096));
                  }
                })
            .isInstanceOf(IOException.class);
      }
      silent.add(SocketChannel.open(address));
      // All places are taken; the silent ones are cut off, then there is room again.
      assertThat(ControlCall.text(path, "x")).isEqualTo("you said x");
    } finally {
      for (SocketChannel each : silent) {
        each.close();
      }
    }
  }

  @Test
  void whatADeadServerLeftIsReplacedAndNothingElse() throws IOException {
    Path path = directory.resolve("c");
    try (ServerSocketChannel dead = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
      dead.bind(UnixDomainSocketAddress.of(path));
    }
    assertThat(path).exists();
    try (ControlSocket socket = ControlSocket.open(path, ControlSocketTest::answer)) {
      assertThat(ControlCall.text(socket.path(), "x")).isEqualTo("you said x");
      assertThatThrownBy(() -> ControlSocket.open(path, ControlSocketTest::answer))
          .hasMessageContaining("is there already");
    }
    Files.writeString(path, "precious");
    assertThatThrownBy(() -> ControlSocket.open(path, ControlSocketTest::answer))
        .hasMessageContaining("is no control socket that a dead server left");
    assertThat(path).hasContent("precious");
    Path nowhere = directory.resolve("nowhere/c");
    assertThatThrownBy(() -> ControlSocket.open(nowhere, ControlSocketTest::answer))
        .hasMessageContaining("cannot be made at");
  }

  @Test
  void thePlaceIsTheUsersAlone() throws IOException {
    Map<String, String> environment = Map.of("XDG_RUNTIME_DIR", directory.toString());
    ControlPlace place = ControlPlace.ofUser(environment);
    assertThat(place.sockets()).isEmpty();
    Path own = place.ownSocket();
    assertThat(own.getParent()).isEqualTo(directory.resolve("belay"));
    assertThat(mode(own.getParent())).isEqualTo("rwx------");
    assertThat(ControlPlace.pid(own)).isEqualTo(String.valueOf(ProcessHandle.current().pid()));
    Path stale = own.resolveSibling("1.control");
    try (ServerSocketChannel dead = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
      dead.bind(UnixDomainSocketAddress.of(stale));
    }
    try (ControlSocket socket = ControlSocket.open(own, ControlSocketTest::answer)) {
      assertThat(place.sockets()).containsExactly(socket.path());
      assertThat(stale).doesNotExist();
    }
    Files.setPosixFilePermissions(own.getParent(), PosixFilePermissions.fromString("rwxrwxrwx"));
    assertThatThrownBy(place::ownSocket).hasMessageContaining("only this user");
    assertThatThrownBy(place::sockets).hasMessageContaining("only this user");
  }

  @Test
  void aLinkThatSomebodyPutThereIsRefused() throws IOException {
    Path elsewhere = Files.createDirectory(directory.resolve("elsewhere"));
    Files.setPosixFilePermissions(elsewhere, PosixFilePermissions.fromString("rwx------"));
    Files.createSymbolicLink(directory.resolve("belay"), elsewhere);
    ControlPlace place = ControlPlace.ofUser(Map.of("XDG_RUNTIME_DIR", directory.toString()));
    assertThatThrownBy(place::ownSocket).hasMessageContaining("only this user");
    assertThatThrownBy(place::sockets).hasMessageContaining("only this user");
  }
}
