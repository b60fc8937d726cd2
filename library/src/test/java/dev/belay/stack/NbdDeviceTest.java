// SPDX-License-Identifier: Apache-2.0
package dev.belay.stack;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.belay.Loop;
import dev.belay.front.Volume;
import dev.belay.net.Address;
import dev.belay.serve.Export;
import dev.belay.serve.NbdServer;
import dev.belay.serve.ServerLog;
import dev.belay.serve.ServerOptions;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Remote exports in expressions. */
final class NbdDeviceTest {
  @TempDir Path directory;

  private Path socket() {
    return directory.resolve("sock");
  }

  private String nbd(String name, String options) {
    return "nbd(\"nbd+unix:///" + name + "?socket=" + socket() + "\"" + options + ")";
  }

  private NbdServer server() throws Exception {
    NbdServer server =
        NbdServer.open(
            List.of(
                new Export("a", "memory(size=2M)", false, null, ""),
                new Export("b", "memory(size=2M)", false, null, ""),
                new Export("c", "memory(size=2M)", true, null, "")),
            ServerOptions.DEFAULTS,
            ServerLog.NONE);
    server.listen(new Address.Unix(socket().toString()));
    return server;
  }

  @Test
  void aMirrorOfRemoteExports() throws Exception {
    String both = "raid1(" + nbd("a", ", connections=2") + ", " + nbd("b", ", depth=8") + ")";
    byte[] wrote = new byte[900 << 10];
    new Random(1).nextBytes(wrote);
    byte[] read = new byte[wrote.length];
    try (NbdServer server = server()) {
      try (Volume volume = Volume.open(both)) {
        assertThat(volume.sizeBytes()).isEqualTo(2 << 20);
        volume.write(4096, wrote);
        volume.flush();
      }
      for (String name : List.of("a", "b")) {
        try (Volume volume = Volume.open(nbd(name, ""))) {
          volume.read(4096, read);
          assertThat(read).isEqualTo(wrote);
        }
      }
      assertThat(server.counters()).isNotNull();
    }
  }

  @Test
  void aVolumeThatIsNotUsedIsClosed() throws Exception {
    try (NbdServer server = server();
        Volume volume = Volume.open(nbd("a", ", connections=4"))) {
      assertThat(volume.root().status()).contains(socket().toString());
      assertThat(server.connections()).hasSizeLessThanOrEqualTo(4);
    }
    try (NbdServer server = server()) {
      Loop never = Loop.threaded("never");
      assertThat(Stack.build(never, nbd("a", "")).limits().sizeBytes()).isEqualTo(2 << 20);
      assertThat(never.close(0)).isZero();
      assertThat(server.connections()).hasSizeLessThanOrEqualTo(1);
    }
  }

  @Test
  void whatIsReadOnlyIsNotWritten() throws Exception {
    try (NbdServer server = server()) {
      for (String text : List.of(nbd("c", ""), nbd("a", ", read-only=on"))) {
        try (Volume volume = Volume.open(text)) {
          volume.read(0, new byte[4096]);
          assertThatThrownBy(() -> volume.write(0, new byte[4096]))
              .hasMessageContaining("read-only");
        }
      }
      assertThat(server.counters()).isNotNull();
    }
  }

  @Test
  void mistakesSayWhatWouldBeRight() {
    wrong("nbd(memory(size=1M))", "the URI of an export");
    wrong("nbd(a.img)", "nbd");
    wrong("nbd(\"nbd+unix:///x\")", "socket");
    wrong("nbd(nbd://localhost/x, connections=0)", "connections");
    wrong("nbd(nbd://localhost/x, tls=/nowhere/at/all)", "/nowhere/at/all");
    wrong(nbd("x", ""), "sock");
    wrong("nbd(\"nbd://localhost:1/x?tls-verify-peer=0\")", "leave tls-verify-peer out");
  }

  private static void wrong(String text, String part) {
    Loop loop = Loop.driven();
    assertThatThrownBy(() -> Stack.build(loop, text))
        .isInstanceOf(StackException.class)
        .hasMessageContaining(part);
    assertThat(loop.close(0)).isZero();
  }
}
