// SPDX-License-Identifier: Apache-2.0
package dev.belay.peer;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.net.Address;
import dev.belay.net.Tls;
import dev.belay.serve.Export;
import dev.belay.serve.ServerOptions;
import dev.belay.testing.Certificates;
import dev.belay.testing.Certificates.Identity;
import java.io.IOException;
import java.io.InputStream;
import java.io.RandomAccessFile;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** GnuTLS and openssl at the other end: who is served over TLS, and who is not. */
final class TlsPeersTest {
  private static final String SECRET = "kept-from-strangers";

  @TempDir Path directory;
  @TempDir static Path certificates;
  private static Path good;
  private static Path bare;
  private static Path foreign;

  @BeforeAll
  static void writeCertificates() throws IOException {
    Programs.need("nbdinfo", "nbdcopy");
    Certificates harbour = new Certificates("Harbour");
    Certificates elsewhere = new Certificates("Elsewhere");
    good = Files.createDirectory(certificates.resolve("good"));
    harbour.writeAuthority(good);
    Certificates.write(good, "server", harbour.sign("ship", "localhost"));
    Certificates.write(good, "client", rsa(harbour, "sailor"));
    bare = Files.createDirectory(certificates.resolve("bare"));
    harbour.writeAuthority(bare);
    foreign = Files.createDirectory(certificates.resolve("foreign"));
    harbour.writeAuthority(foreign);
    Certificates.write(foreign, "client", rsa(elsewhere, "pirate"));
  }

  /** GnuTLS does not read the JDK's EC keys, which do not say the public one. */
  private static Identity rsa(Certificates signer, String name) {
    return signer.sign(name, "", "RSA", Duration.ofDays(-1), Duration.ofDays(1));
  }

  private Ship ship(boolean demandsCertificate) throws IOException {
    Path whole = directory.resolve("whole.img");
    try (var file = new RandomAccessFile(whole.toFile(), "rw")) {
      file.setLength(16 << 20);
    }
    Export export = new Export(SECRET, whole.toString(), false, null, SECRET);
    Tls tls = Tls.server(good, demandsCertificate);
    return new Ship(directory, List.of(export), ServerOptions.DEFAULTS.withTls(tls, true));
  }

  private static int listen(Ship ship) throws IOException {
    Address at = ship.server().listen(new Address.Tcp("localhost", 0));
    return ((Address.Tcp) at).port();
  }

  @Test
  void theRightCertificateIsServed() throws Exception {
    try (Ship ship = ship(true)) {
      String uri = uri("localhost", listen(ship), good);
      assertThat(ship.run("nbdinfo", uri).good().out())
          .containsAnyOf("newstyle-fixed with TLS", "with TLS")
          .contains("export-size: 16777216");
      assertThat(ship.run("nbdinfo", "--list", uri).good().out()).contains(SECRET);
      Path in = ship.random("in", 16 << 20, 7);
      ship.run("nbdcopy", "--flush", in.toString(), uri).good();
      ship.run("nbdcopy", uri, "out").good();
      assertThat(Files.mismatch(in, directory.resolve("out"))).isEqualTo(-1);
      String unix =
          "nbds+unix:///" + SECRET + "?socket=" + ship.socket + "&tls-certificates=" + good;
      assertThat(ship.run("nbdinfo", "--size", unix).good().out()).isEqualTo("16777216\n");
      assertThat(ship.refused).doesNotContain("TLS");
      ship.stop();
      assertThat(ship.ended).isNotEmpty().allMatch(report -> report.isEncrypted());
    }
  }

  @Test
  void noCertificateIsServedNothing() throws Exception {
    nothingFor(bare, "the client showed no certificate");
  }

  @Test
  void aForeignCertificateIsServedNothing() throws Exception {
    nothingFor(foreign, "the certificate of CN=pirate is not signed by CN=Harbour");
  }

  private void nothingFor(Path certificates, String why) throws Exception {
    try (Ship ship = ship(true)) {
      String uri = uri("localhost", listen(ship), certificates);
      for (List<String> asked :
          List.of(
              List.of("nbdinfo", uri),
              List.of("nbdinfo", "--list", uri),
              List.of("nbdinfo", "--size", uri),
              List.of("nbdcopy", uri, "out"))) {
        var result = ship.run(asked.toArray(String[]::new));
        assertThat(result.exit()).as("%s", asked).isEqualTo(1);
        assertThat(result.out()).isEmpty();
      }
      assertThat(Files.exists(directory.resolve("out")) && size("out") > 0).isFalse();
      ship.stop();
      assertThat(ship.ended).as("connections that came to an export").isEmpty();
      assertThat(ship.refused).isNotEmpty().anyMatch(said -> said.contains(why));
    }
  }

  private long size(String file) throws IOException {
    return Files.size(directory.resolve(file));
  }

  @Test
  void withoutTlsNothingIsServed() throws Exception {
    try (Ship ship = ship(true)) {
      int port = listen(ship);
      for (String uri : List.of("nbd://localhost:" + port + "/" + SECRET, ship.uri(SECRET))) {
        for (String how : List.of("--list", "--size", "--json")) {
          var result = ship.run("nbdinfo", how, uri);
          assertThat(result.exit()).isEqualTo(1);
          assertThat(result.out()).doesNotContain(SECRET, "16777216");
        }
      }
      ship.stop();
      assertThat(ship.ended).isEmpty();
    }
  }

  @Test
  void theClientNoticesAnotherHost() throws Exception {
    try (Ship ship = ship(true)) {
      var result = ship.run("nbdinfo", uri("127.0.0.1", listen(ship), good));
      assertThat(result.exit()).isEqualTo(1);
      assertThat(result.err()).containsIgnoringCase("certificate");
      ship.stop();
      assertThat(ship.ended).isEmpty();
    }
  }

  @Test
  void qemuIsServedToo() throws Exception {
    Programs.need("qemu-img");
    try (Ship ship = ship(true)) {
      Path in = ship.random("in", 3 << 20, 8);
      ship.run("nbdcopy", in.toString(), uri("localhost", listen(ship), good)).good();
      String object = "tls-creds-x509,id=tls0,endpoint=client,dir=" + good;
      String target =
          "driver=nbd,host=localhost,port=%d,export=%s,tls-creds=tls0"
              .formatted(listen(ship), SECRET);
      assertThat(
              ship.run("qemu-img", "info", "--object", object, "--image-opts", target).good().out())
          .contains("16 MiB");
      String[] convert = {
        "qemu-img", "convert", "--object", object, "--image-opts", "-O", "raw", target, "out"
      };
      ship.run(convert).good();
      assertThat(Files.mismatch(directory.resolve("whole.img"), directory.resolve("out")))
          .isEqualTo(-1);
      ship.stop();
    }
  }

  @Test
  void whoIsCutOffInTheMidstLeavesNothingBehind() throws Exception {
    try (Ship ship = ship(false)) {
      int port = listen(ship);
      for (int bytes : new int[] {0, 1, 17, 18, 34, 40, 60}) {
        try (Socket socket = new Socket("localhost", port)) {
          socket.setSoTimeout(10_000);
          InputStream in = socket.getInputStream();
          assertThat(in.readNBytes(18)).hasSize(18);
          byte[] hello = {
            0, 0, 0, 3, 'I', 'H', 'A', 'V', 'E', 'O', 'P', 'T', 0, 0, 0, 5, 0, 0, 0, 0
          };
          socket.getOutputStream().write(hello);
          assertThat(in.readNBytes(20)).hasSize(20);
          byte[] begun = new byte[bytes];
          if (bytes > 0) {
            begun[0] = (byte) (bytes == 1 ? 22 : bytes); // a record of a handshake, or not
          }
          socket.getOutputStream().write(begun);
        }
      }
      long start = System.nanoTime();
      while (ship.refused.size() < 7 && System.nanoTime() - start < TimeUnit.SECONDS.toNanos(20)) {
        Thread.sleep(10);
      }
      assertThat(ship.refused).hasSize(7).allMatch(said -> said.contains("TLS"));
      // Clients without certificates are served here.
      ship.run("nbdinfo", uri("localhost", port, bare)).good();
      ship.stop();
    }
  }

  private static String uri(String host, int port, Path certificates) {
    return "nbds://%s:%d/%s?tls-certificates=%s".formatted(host, port, SECRET, certificates);
  }
}
