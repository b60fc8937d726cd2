// SPDX-License-Identifier: Apache-2.0
package dev.belay.testing;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.Signature;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.interfaces.ECPrivateKey;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import javax.security.auth.x500.X500Principal;

/**
 * An authority that a test makes, and what it signs: X.509 certificates (RFC 5280) written down
 * element by element, as the JDK has no API to make one. Keys of P-256, unless asked otherwise.
 */
public final class Certificates {
  private static final byte[] ECDSA = HexFormat.of().parseHex("300a06082a8648ce3d040302");
  private static final byte[] P256 = HexFormat.of().parseHex("06082a8648ce3d030107");
  private static final DateTimeFormatter TIME =
      DateTimeFormatter.ofPattern("yyyyMMddHHmmss'Z'").withZone(ZoneOffset.UTC);

  private final String name;
  private final KeyPair keys = pair("EC");
  private long serial;

  /** A certificate with its key. */
  public record Identity(X509Certificate certificate, PrivateKey key) {}

  /** An authority, CN={@code name}. */
  public Certificates(String name) {
    this.name = name;
  }

  /** The authority's own certificate. */
  public X509Certificate authority() {
    return certificate(name, keys, true, "", Duration.ofDays(-1), Duration.ofDays(30));
  }

  /** A good one for {@code CN=subject}; {@code host} is a DNS name, empty for none. */
  public Identity sign(String subject, String host) {
    return sign(subject, host, "EC", Duration.ofDays(-1), Duration.ofDays(30));
  }

  /** The same with another kind of key and other times, from now. */
  public Identity sign(String subject, String host, String keyKind, Duration from, Duration to) {
    KeyPair pair = pair(keyKind);
    return new Identity(certificate(subject, pair, false, host, from, to), pair.getPrivate());
  }

  /** A list of revocations, good until {@code to} from now, as PEM. */
  public String revocations(Duration to, X509Certificate... revoked) {
    byte[][] entries = new byte[revoked.length][];
    for (int i = 0; i < revoked.length; i++) {
      entries[i] = sequence(number(revoked[i].getSerialNumber()), time(Duration.ofHours(-2)));
    }
    byte[] body =
        sequence(
            number(BigInteger.ONE),
            ECDSA,
            new X500Principal("CN=" + name).getEncoded(),
            time(Duration.ofDays(-2)),
            time(to),
            revoked.length == 0 ? new byte[0] : sequence(entries));
    return pem("X509 CRL", signed(body));
  }

  private X509Certificate certificate(
      String subject, KeyPair pair, boolean isAuthority, String host, Duration from, Duration to) {
    byte[] yes = {1, 1, (byte) 0xff};
    byte[] extensions = new byte[0];
    if (isAuthority) {
      byte[] value = sequence(yes);
      extensions = sequence(oid("551d13"), yes, element(0x04, value));
    } else if (!host.isEmpty()) {
      byte[] value = sequence(element(0x82, host.getBytes(StandardCharsets.US_ASCII)));
      extensions = sequence(oid("551d11"), element(0x04, value));
    }
    byte[] body =
        sequence(
            element(0xa0, number(BigInteger.TWO)),
            number(BigInteger.valueOf(++serial)),
            ECDSA,
            new X500Principal("CN=" + name).getEncoded(),
            sequence(time(from), time(to)),
            new X500Principal("CN=" + subject).getEncoded(),
            pair.getPublic().getEncoded(),
            extensions.length == 0 ? extensions : element(0xa3, sequence(extensions)));
    try {
      var der = new ByteArrayInputStream(signed(body));
      return (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(der);
    } catch (GeneralSecurityException e) {
      throw new AssertionError(e);
    }
  }

  private byte[] signed(byte[] body) {
    try {
      Signature signer = Signature.getInstance("SHA256withECDSA");
      signer.initSign(keys.getPrivate());
      signer.update(body);
      return sequence(body, ECDSA, element(0x03, join(new byte[] {0}, signer.sign())));
    } catch (GeneralSecurityException e) {
      throw new AssertionError(e);
    }
  }

  private static KeyPair pair(String kind) {
    try {
      KeyPairGenerator generator = KeyPairGenerator.getInstance(kind);
      if (!kind.equals("Ed25519")) {
        generator.initialize(kind.equals("EC") ? 256 : 2048);
      }
      return generator.generateKeyPair();
    } catch (GeneralSecurityException e) {
      throw new AssertionError(e);
    }
  }

  // --- Files ---

  /** Writes ca-cert.pem. */
  public Certificates writeAuthority(Path directory) throws IOException {
    Files.writeString(directory.resolve("ca-cert.pem"), pem(authority()));
    return this;
  }

  /** Writes WHO-cert.pem and WHO-key.pem; {@code who} is server or client. */
  public static void write(Path directory, String who, Identity identity) throws IOException {
    Files.writeString(directory.resolve(who + "-cert.pem"), pem(identity.certificate));
    Files.writeString(
        directory.resolve(who + "-key.pem"), pem("PRIVATE KEY", identity.key.getEncoded()));
  }

  public static String pem(X509Certificate certificate) {
    try {
      return pem("CERTIFICATE", certificate.getEncoded());
    } catch (GeneralSecurityException e) {
      throw new AssertionError(e);
    }
  }

  /** An RSA key as PKCS#1, as certtool and old openssl write it. */
  public static String pkcs1(PrivateKey key) {
    byte[] pkcs8 = key.getEncoded(); // 26 bytes of head stand before it where it has 2048 bits
    return pem("RSA PRIVATE KEY", Arrays.copyOfRange(pkcs8, 26, pkcs8.length));
  }

  /** A P-256 key as SEC1. */
  public static String sec1(PrivateKey key) {
    byte[] secret = new byte[32];
    byte[] number = ((ECPrivateKey) key).getS().toByteArray();
    int count = Math.min(32, number.length);
    System.arraycopy(number, number.length - count, secret, 32 - count, count);
    byte[] curve = element(0xa0, P256);
    return pem("EC PRIVATE KEY", sequence(number(BigInteger.ONE), element(0x04, secret), curve));
  }

  public static String pem(String label, byte[] der) {
    String text = Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(der);
    return "-----BEGIN %s-----\n%s\n-----END %s-----\n".formatted(label, text, label);
  }

  // --- DER ---

  private static byte[] time(Duration fromNow) {
    String text = TIME.format(Instant.now().plus(fromNow));
    return element(0x18, text.getBytes(StandardCharsets.US_ASCII));
  }

  private static byte[] oid(String hex) {
    return element(0x06, HexFormat.of().parseHex(hex));
  }

  private static byte[] number(BigInteger value) {
    return element(0x02, value.toByteArray());
  }

  private static byte[] sequence(byte[]... elements) {
    return element(0x30, join(elements));
  }

  private static byte[] element(int tag, byte[] contents) {
    int length = contents.length;
    byte[] head;
    if (length < 0x80) {
      head = new byte[] {(byte) tag, (byte) length};
    } else if (length < 0x100) {
      head = new byte[] {(byte) tag, (byte) 0x81, (byte) length};
    } else {
      head = new byte[] {(byte) tag, (byte) 0x82, (byte) (length >> 8), (byte) length};
    }
    return join(head, contents);
  }

  private static byte[] join(byte[]... parts) {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    for (byte[] part : parts) {
      all.writeBytes(part);
    }
    return all.toByteArray();
  }
}
