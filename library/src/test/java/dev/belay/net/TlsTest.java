// SPDX-License-Identifier: Apache-2.0
package dev.belay.net;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.belay.testing.Certificates;
import dev.belay.testing.Certificates.Identity;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Directories of certificates: which are taken, and what is said of the others. */
final class TlsTest {
  private static final Certificates AUTHORITY = new Certificates("Harbour");
  private static final Identity SERVER = AUTHORITY.sign("ship", "localhost");

  @TempDir Path directory;

  @BeforeEach
  void write() throws IOException {
    AUTHORITY.writeAuthority(directory);
    Certificates.write(directory, "server", SERVER);
  }

  @Test
  void aCompleteDirectoryIsTaken() throws IOException {
    Certificates.write(directory, "client", AUTHORITY.sign("sailor", ""));
    assertThat(Tls.server(directory, true).demandsCertificate()).isTrue();
    assertThat(Tls.server(directory, false).isServer()).isTrue();
    assertThat(Tls.client(directory, "localhost").isServer()).isFalse();
    assertThat(Tls.client(null, "localhost").isServer()).isFalse();
  }

  @Test
  void withoutAuthorityNoClientCanBeChecked() throws IOException {
    delete("ca-cert.pem");
    assertThat(Tls.server(directory, false).demandsCertificate()).isFalse();
    says(() -> Tls.server(directory, true), "ca-cert.pem is missing", "clients need none");
  }

  @Test
  void eachMissingFileIsNamed() throws IOException {
    says(() -> Tls.server(directory.resolve("none"), false), "none is no directory");
    delete("server-key.pem");
    says(() -> Tls.server(directory, false), "server-key.pem is missing");
    delete("server-cert.pem");
    says(() -> Tls.server(directory, false), "server-cert.pem is missing");
    Certificates.write(directory, "client", AUTHORITY.sign("sailor", ""));
    delete("client-key.pem");
    says(() -> Tls.client(directory, ""), "client-key.pem is missing");
  }

  @Test
  void everyFormOfKeyIsTaken() throws IOException {
    Path key = directory.resolve("server-key.pem");
    Files.writeString(
        key,
        "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
            + Certificates.sec1(SERVER.key()));
    assertThat(Tls.server(directory, true)).isNotNull();
    Identity rsa =
        AUTHORITY.sign("ship", "localhost", "RSA", Duration.ofDays(-1), Duration.ofDays(1));
    Certificates.write(directory, "server", rsa);
    assertThat(Tls.server(directory, true)).isNotNull();
    Files.writeString(
        key, "Public Key Info:\n\tmodulus:\n\t\t00:b3\n\n" + Certificates.pkcs1(rsa.key()));
    assertThat(Tls.server(directory, true)).isNotNull();
    Certificates.write(
        directory,
        "server",
        AUTHORITY.sign("ship", "", "Ed25519", Duration.ofDays(-1), Duration.ofDays(1)));
    assertThat(Tls.server(directory, true)).isNotNull();
  }

  @Test
  void keysThatCannotBeUsedAreNamed() throws IOException {
    Path key = directory.resolve("server-key.pem");
    Files.writeString(key, Certificates.pem("ENCRYPTED PRIVATE KEY", new byte[99]));
    says(() -> Tls.server(directory, false), "server-key.pem", "passphrase");
    Files.writeString(
        key,
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n"
            + "-----END RSA PRIVATE KEY-----\n");
    says(() -> Tls.server(directory, false), "server-key.pem", "passphrase");
    Files.writeString(key, "nothing");
    says(() -> Tls.server(directory, false), "server-key.pem holds no private key");
    Files.writeString(key, Certificates.pem("PRIVATE KEY", new byte[99]));
    says(() -> Tls.server(directory, false), "server-key.pem", "cannot be read");
    Files.writeString(key, Certificates.pem("EC PRIVATE KEY", new byte[] {0x30, 0x7f, 2, 1, 1, 4}));
    says(() -> Tls.server(directory, false), "server-key.pem is damaged");
    Files.writeString(key, "-----BEGIN PRIVATE KEY-----\n%%%\n-----END PRIVATE KEY-----\n");
    says(() -> Tls.server(directory, false), "server-key.pem is damaged", "base 64");
    Files.writeString(key, Certificates.pem("DSA PRIVATE KEY", new byte[99]));
    says(() -> Tls.server(directory, false), "DSA PRIVATE KEY");
  }

  @Test
  void filesThatDoNotBelongTogetherAreNamed() throws IOException {
    Identity other = AUTHORITY.sign("other", "");
    Files.writeString(
        directory.resolve("server-key.pem"),
        Certificates.pem("PRIVATE KEY", other.key().getEncoded()));
    says(() -> Tls.server(directory, false), "not the key of", "CN=ship");
    Certificates.write(directory, "server", new Certificates("Elsewhere").sign("pirate", ""));
    says(() -> Tls.server(directory, false), "CN=pirate is not signed by", "ca-cert.pem");
    Files.writeString(directory.resolve("ca-cert.pem"), Certificates.pem(other.certificate()));
    says(() -> Tls.server(directory, false), "ca-cert.pem", "no authority's");
    Files.writeString(directory.resolve("ca-cert.pem"), "x");
    says(() -> Tls.server(directory, false), "ca-cert.pem holds no certificate");
    Files.writeString(
        directory.resolve("ca-cert.pem"), Certificates.pem("CERTIFICATE", new byte[50]));
    says(() -> Tls.server(directory, false), "ca-cert.pem", "cannot be read");
  }

  @Test
  void datesAreLookedAt() throws IOException {
    Certificates.write(
        directory,
        "server",
        AUTHORITY.sign("old", "", "EC", Duration.ofDays(-3), Duration.ofDays(-1)));
    says(() -> Tls.server(directory, false), "CN=old has expired", "good until");
    Certificates.write(
        directory,
        "server",
        AUTHORITY.sign("young", "", "EC", Duration.ofDays(3), Duration.ofDays(4)));
    says(() -> Tls.server(directory, false), "CN=young is not good yet");
  }

  @Test
  void revocationsAreTheAuthoritysAndNew() throws IOException {
    Path file = directory.resolve("ca-crl.pem");
    Files.writeString(file, AUTHORITY.revocations(Duration.ofDays(1)));
    assertThat(Tls.server(directory, true)).isNotNull();
    Files.writeString(file, AUTHORITY.revocations(Duration.ofDays(-1)));
    says(() -> Tls.server(directory, true), "ca-crl.pem is out of date");
    Files.writeString(file, new Certificates("Harbour").revocations(Duration.ofDays(1)));
    says(() -> Tls.server(directory, true), "ca-crl.pem was not signed");
    Files.writeString(file, "x");
    says(() -> Tls.server(directory, true), "ca-crl.pem holds no revocation list");
  }

  private void delete(String file) throws IOException {
    Files.delete(directory.resolve(file));
  }

  private interface Loading {
    Tls load() throws IOException;
  }

  private static void says(Loading loading, String... words) {
    assertThatThrownBy(loading::load).isInstanceOf(IOException.class).message().contains(words);
  }
}
