// SPDX-License-Identifier: Apache-2.0
package dev.belay.peer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.belay.front.Volume;
import dev.belay.stack.StackException;
import dev.belay.testing.Certificates;
import dev.belay.testing.Certificates.Identity;
import java.io.IOException;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Random;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The nbd leaf as a client of GnuTLS: nbdkit that demands certificates. */
final class TlsServersTest {
  private static final int MIB = 1 << 20;

  @TempDir static Path certificates;
  private static Path good;
  private static Path bare;
  private static Path foreign;
  private static Path stranger;
  @TempDir Path directory;

  @BeforeAll
  static void writeCertificates() throws IOException {
    Programs.need("nbdkit");
    Certificates harbour = new Certificates("Harbour");
    Certificates elsewhere = new Certificates("Elsewhere");
    good = Files.createDirectory(certificates.resolve("good"));
    harbour.writeAuthority(good);
    Certificates.write(good, "server", rsa(harbour, "ship", "localhost"));
    Certificates.write(good, "client", harbour.sign("sailor", ""));
    bare = Files.createDirectory(certificates.resolve("bare"));
    harbour.writeAuthority(bare);
    foreign = Files.createDirectory(certificates.resolve("foreign"));
    elsewhere.writeAuthority(foreign);
    stranger = Files.createDirectory(certificates.resolve("stranger"));
    harbour.writeAuthority(stranger);
    Certificates.write(stranger, "server", rsa(harbour, "ship", "elsewhere.example"));
  }

  private static Identity rsa(Certificates signer, String name, String host) {
    return signer.sign(name, host, "RSA", Duration.ofDays(-1), Duration.ofDays(1));
  }

  private interface Use {
    void use(int port) throws Exception;
  }

  private void serve(Path of, boolean demandsCertificate, Use use) throws Exception {
    int port;
    try (var free = new ServerSocket(0)) {
      port = free.getLocalPort();
    }
    Path pid = directory.resolve("pid");
    Files.deleteIfExists(pid);
    Process nbdkit =
        Programs.start(
            directory,
            directory.resolve("out"),
            directory.resolve("err"),
            "nbdkit",
            "-f",
            "-P",
            pid.toString(),
            "-i",
            "localhost",
            "-p",
            String.valueOf(port),
            "--tls=require",
            "--tls-certificates=" + of,
            demandsCertificate ? "--tls-verify-peer" : "--verbose",
            "memory",
            "8M");
    try {
      for (int i = 0; i < 400 && !Files.exists(pid) && nbdkit.isAlive(); i++) {
        Thread.sleep(20);
      }
      assertThat(nbdkit.isAlive()).as(Files.readString(directory.resolve("err"))).isTrue();
      use.use(port);
    } finally {
      Programs.end(nbdkit);
    }
  }

  private static String leaf(int port, Path tls) {
    return "nbd(nbds://localhost:%d/, connections=2, reconnect=0, tls=%s)".formatted(port, tls);
  }

  @Test
  void bytesGoThereAndBack() throws Exception {
    for (boolean demands : new boolean[] {true, false}) {
      serve(good, demands, port -> writeAndRead(leaf(port, demands ? good : bare)));
    }
  }

  private static void writeAndRead(String expression) throws Exception {
    byte[] there = new byte[5 * MIB + 512];
    new Random(9).nextBytes(there);
    byte[] back = new byte[there.length];
    try (Volume volume = Volume.open(expression)) {
      assertThat(volume.sizeBytes()).isEqualTo(8 * MIB);
      volume.write(MIB, there);
      volume.flush();
    }
    try (Volume volume = Volume.open(expression)) {
      volume.read(MIB, back);
      assertThat(back).isEqualTo(there);
    }
  }

  @Test
  void whoIsNotBelievedIsNotUsed() throws Exception {
    serve(good, true, port -> refused(leaf(port, bare), "certificate"));
    serve(good, false, port -> refused(leaf(port, foreign), "CN=ship is not signed by"));
    serve(stranger, false, port -> refused(leaf(port, bare), "not for the host \"localhost\""));
  }

  private static void refused(String expression, String words) {
    assertThatThrownBy(() -> Volume.open(expression).close())
        .isInstanceOf(StackException.class)
        .hasMessageContaining(words);
  }
}
