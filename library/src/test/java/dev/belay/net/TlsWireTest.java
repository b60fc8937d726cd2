// SPDX-License-Identifier: Apache-2.0
package dev.belay.net;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.Errno;
import dev.belay.testing.Certificates;
import dev.belay.testing.Certificates.Identity;
import dev.belay.testing.Pipes;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.util.List;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.TrustManager;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Encrypted wires: what arrives, who is let in, and how each end learns why not. */
final class TlsWireTest {
  private static final Certificates AUTHORITY = new Certificates("Harbour");
  private static final Certificates ELSEWHERE = new Certificates("Elsewhere");
  private static final Identity SHIP = AUTHORITY.sign("ship", "localhost");

  @TempDir static Path good;
  @TempDir static Path bare;
  @TempDir static Path foreign;
  private static Tls server;
  private static Tls client;

  @BeforeAll
  static void writeCertificates() throws Exception {
    AUTHORITY.writeAuthority(good);
    Certificates.write(good, "server", SHIP);
    Certificates.write(good, "client", AUTHORITY.sign("sailor", ""));
    AUTHORITY.writeAuthority(bare);
    ELSEWHERE.writeAuthority(foreign);
    Certificates.write(foreign, "server", ELSEWHERE.sign("pirate", "localhost"));
    Certificates.write(foreign, "client", ELSEWHERE.sign("pirate", ""));
    server = Tls.server(good, true);
    client = Tls.client(good, "localhost");
  }

  @ParameterizedTest
  @CsvSource({
    "1, 1, 3000, 1",
    "2, 1, 9000, 7",
    "3, 5, 40000, 100",
    "4, 16384, 700000, 5000",
    "5, 1000000, 3000000, 1000000",
    "6, 100000, 2000000, 65536",
    "7, 900, 90000, 40000"
  })
  void everyByteArrivesBothWays(long seed, int pieces, int bytes, int room) {
    try (var both = new TlsEnds(seed, pieces, server, client)) {
      both.shake();
      assertThat(both.server.wire.peerName()).isEqualTo("CN=sailor");
      assertThat(both.client.wire.peerName()).isEqualTo("CN=ship");
      both.exchange(bytes, room, 1 + room / 3);
      both.closeBoth();
      assertThat(both.server.wire.failure() + both.client.wire.failure()).isEmpty();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"TLSv1.2", "TLSv1.3"})
  void bothVersionsCarryAllAndEndPolitely(String version) {
    SSLEngine engine = client.engine();
    engine.setEnabledProtocols(new String[] {version});
    try (var both = new TlsEnds(11, 3000, server.engine(), engine)) {
      both.shake();
      assertThat(engine.getSession().getProtocol()).isEqualTo(version);
      both.exchange(100_000, 20_000, 5000);
      both.client.receive(100);
      both.server.close();
      both.until(() -> !both.client.isReceiving());
      assertThat(both.client.received).isZero();
      both.client.receive(100);
      both.until(() -> !both.client.isReceiving());
      assertThat(both.client.received).isZero();
    }
  }

  @Test
  void keysAreRenewedOnTheWay() throws Exception {
    SSLEngine engine = client.engine();
    try (var both = new TlsEnds(12, 5000, server.engine(), engine)) {
      both.shake();
      for (int i = 0; i < 5; i++) {
        engine.beginHandshake(); // in TLS 1.3 that asks for new keys
        both.exchange(50_000, 9000, 5000);
      }
    }
  }

  @Test
  void negotiatingAnewIsRefused() throws Exception {
    SSLEngine engine = client.engine();
    engine.setEnabledProtocols(new String[] {"TLSv1.2"});
    try (var both = new TlsEnds(13, 5000, server.engine(), engine)) {
      both.shake();
      both.server.receive(100);
      engine.beginHandshake();
      both.client.send(100);
      both.until(() -> !both.server.isReceiving());
      assertThat(both.server.received).isEqualTo(-Errno.EPROTO);
      assertThat(both.server.wire.failure()).contains("negotiate anew", "refused");
    }
  }

  @Test
  void withoutDemandAClientNeedsNoCertificate() throws Exception {
    try (var both = new TlsEnds(14, 5000, Tls.server(good, false), Tls.client(bare, "localhost"))) {
      both.shake();
      assertThat(both.server.wire.peerName()).isEmpty();
      both.exchange(10_000, 9000, 5000);
    }
  }

  @Test
  void aClientWithoutCertificateIsRefused() throws Exception {
    try (var both = new TlsEnds(15, 5000, server, Tls.client(bare, "localhost"))) {
      both.client.receive(10);
      both.until(() -> both.server.isTold() && !both.client.isReceiving());
      assertThat(both.server.shaken).isEqualTo(-Errno.EPROTO);
      assertThat(both.server.sentence).isEqualTo("the client showed no certificate");
      assertThat(both.client.received).isEqualTo(-Errno.EPROTO);
      assertThat(both.client.wire.failure()).contains("certificate", "none");
    }
  }

  @Test
  void aForeignClientIsRefused() throws Exception {
    Certificates twin = new Certificates("Harbour"); // the same name, another key
    for (Certificates signer : new Certificates[] {ELSEWHERE, twin}) {
      SSLEngine engine = engine(signer.sign("pirate", ""));
      try (var both = new TlsEnds(16, 5000, server.engine(), engine)) {
        both.until(both.server::isTold);
        assertThat(both.server.shaken).isEqualTo(-Errno.EPROTO);
        assertThat(both.server.sentence)
            .startsWith("the certificate of CN=pirate is not signed by CN=Harbour");
      }
    }
  }

  @Test
  void anExpiredClientIsRefused() throws Exception {
    Identity old = AUTHORITY.sign("old", "", "EC", Duration.ofDays(-3), Duration.ofDays(-1));
    Identity young = AUTHORITY.sign("young", "", "EC", Duration.ofDays(3), Duration.ofDays(4));
    try (var both = new TlsEnds(17, 5000, server.engine(), engine(old))) {
      both.until(both.server::isTold);
      assertThat(both.server.sentence).contains("CN=old", "has expired");
    }
    try (var both = new TlsEnds(18, 5000, server.engine(), engine(young))) {
      both.until(both.server::isTold);
      assertThat(both.server.sentence).contains("CN=young", "not good yet");
    }
  }

  @Test
  void aRevokedClientIsRefused(@TempDir Path directory) throws Exception {
    AUTHORITY.writeAuthority(directory);
    Certificates.write(directory, "server", SHIP);
    Identity lost = AUTHORITY.sign("lost", "");
    Files.writeString(
        directory.resolve("ca-crl.pem"),
        AUTHORITY.revocations(Duration.ofDays(1), lost.certificate()));
    Tls strict = Tls.server(directory, true);
    try (var both = new TlsEnds(19, 5000, strict.engine(), engine(lost))) {
      both.until(both.server::isTold);
      assertThat(both.server.sentence).isEqualTo("the certificate of CN=lost was revoked");
    }
    try (var both = new TlsEnds(20, 5000, strict, client)) {
      both.shake();
    }
  }

  @Test
  void aServerMustBeWhoTheClientAskedFor() throws Exception {
    try (var both = new TlsEnds(21, 5000, server, Tls.client(good, "elsewhere.example"))) {
      both.until(() -> both.client.isTold() && both.server.isTold());
      assertThat(both.client.sentence)
          .isEqualTo("the certificate of CN=ship is not for the host \"elsewhere.example\"");
      assertThat(both.server.shaken).isEqualTo(-Errno.EPROTO);
      assertThat(both.server.sentence).startsWith("the other side ended TLS: ");
    }
    try (var both = new TlsEnds(22, 5000, server, Tls.client(good, ""))) {
      both.shake();
    }
  }

  @Test
  void aServerThatNobodyKnowsIsRefused() throws Exception {
    for (Path believes : new Path[] {foreign, null}) {
      try (var both = new TlsEnds(23, 5000, server, Tls.client(believes, "localhost"))) {
        both.until(() -> both.client.isTold());
        assertThat(both.client.shaken).isEqualTo(-Errno.EPROTO);
        assertThat(both.client.sentence)
            .startsWith("the certificate of CN=ship is not signed by")
            .endsWith(believes == null ? "anyone whom this Java believes" : "CN=Elsewhere");
      }
    }
  }

  @Test
  void anEndThatNobodyAnnouncedIsAnError() {
    try (var both = new TlsEnds(24, 5000, server, client)) {
      both.shake();
      both.client.send(5000);
      both.until(() -> both.client.isSent());
      both.clientPipe.endSending();
      both.server.receiveAll(5000, 3000);
      both.server.receive(100);
      both.until(() -> !both.server.isReceiving());
      assertThat(both.server.received).isEqualTo(-Errno.EPROTO);
      assertThat(both.server.wire.failure()).contains("without TLS's goodbye");
    }
  }

  @Test
  void aResetIsTold() {
    try (var both = new TlsEnds(25, 5000, server, client)) {
      both.shake();
      both.server.receive(100);
      both.server.awaitHangUp();
      both.clientPipe.reset();
      both.until(() -> !both.server.isReceiving() && both.server.hungUp == 0);
      assertThat(both.server.received).isEqualTo(-Errno.ECONNRESET);
      both.client.send(100);
      both.until(() -> both.client.isSent());
      assertThat(both.client.sent).isNegative();
    }
  }

  @Test
  void plainTextIsNotTls() {
    for (boolean isServer : new boolean[] {true, false}) {
      var pipes = new Pipes(26);
      byte[] words = "NBDMAGIC is not what is expected here, at this point".getBytes();
      try (var alone = new TlsEnds(pipes, isServer ? server : client, words)) {
        alone.until(alone.server::isTold);
        assertThat(alone.server.shaken).isEqualTo(-Errno.EPROTO);
        assertThat(alone.server.sentence).isEqualTo("what the other side sent is not TLS");
      }
    }
  }

  @Test
  void aDamagedByteNeverGetsThrough() {
    int noticed = 0;
    for (int at = 0; at < 3500; at += 61) {
      try (var both = new TlsEnds(at, 700, server, client, at)) {
        both.client.send(3000);
        both.server.receive(100);
        boolean isNoticed =
            both.untilOrStill(() -> both.server.isTold() && !both.server.isReceiving(), 300);
        if (!isNoticed) {
          both.client.close(); // a longer record is waited for
          both.until(() -> both.server.isTold() && !both.server.isReceiving());
        }
        // The version in the first records' heads means nothing, so that damage there is none.
        if (both.server.received != 100) {
          assertThat(both.server.received).as("damaged at %d", at).isEqualTo(-Errno.EPROTO);
          assertThat(both.server.wire.failure()).isNotEmpty();
          noticed++;
        }
      }
    }
    assertThat(noticed).isGreaterThan(50);
  }

  @Test
  void closedAtAnyMomentEverythingEndsOnce() {
    int most = 0;
    for (int turns = 0; turns < 400; turns += 1 + turns / 9) {
      try (var both = new TlsEnds(turns, 600, server, client)) {
        both.server.awaitHangUp();
        both.client.awaitHangUp();
        both.server.receive(4000);
        both.client.send(9000);
        both.server.send(9000);
        for (int i = 0; i < turns; i++) {
          both.turn();
        }
        most += both.server.isTold() ? 1 : 0;
        both.closeBoth();
        both.server.checkEnded();
        both.client.checkEnded();
      }
    }
    assertThat(most).as("runs that came beyond the handshake").isPositive();
  }

  @Test
  void aWireMovesWithWhatItHolds() {
    try (var both = new TlsEnds(31, 5000, server, client)) {
      both.shake();
      both.client.send(30_000);
      both.server.receiveAll(7, 7); // the rest of the record is held by the wire
      both.server.move();
      both.server.receiveAll(30_000 - 7, 4096);
      both.exchange(30_000, 4096, 1000);
    }
  }

  @Test
  void whatCameBeforeIsPartOfTheHandshake() {
    for (int early : new int[] {1, 100, 300}) {
      try (var both = new TlsEnds(32, 5000, server, client, -1, early)) {
        both.shake();
        both.exchange(30_000, 4096, 1000);
      }
    }
  }

  /** A client's engine that shows any certificate and believes anyone. */
  private static SSLEngine engine(Identity identity) throws Exception {
    KeyStore store = KeyStore.getInstance("PKCS12");
    store.load(null, new char[0]);
    PrivateKey key = identity.key();
    store.setKeyEntry("x", key, new char[0], new X509Certificate[] {identity.certificate()});
    KeyManagerFactory factory = KeyManagerFactory.getInstance("SunX509");
    factory.init(store, new char[0]);
    SSLContext context = SSLContext.getInstance("TLS");
    var believes = TlsTrust.of(List.of(AUTHORITY.authority()), List.of(), "");
    context.init(factory.getKeyManagers(), new TrustManager[] {believes}, null);
    SSLEngine engine = context.createSSLEngine();
    engine.setUseClientMode(true);
    return engine;
  }
}
