// SPDX-License-Identifier: Apache-2.0
package dev.belay.net;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.cert.CertificateFactory;
import java.security.cert.X509CRL;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Certificates and keys in text files (RFC 7468). What stands between the blocks, as certtool and
 * openssl write it for people, is passed over. Errors are {@link IOException}s with a sentence.
 */
final class Pem {
  private static final long LARGEST_BYTES = 1 << 20;

  private static final Pattern BLOCK =
      Pattern.compile("-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \\1-----", Pattern.DOTALL);

  /** The algorithm identifier of RSA, with its empty parameters (RFC 8017, appendix A.1). */
  private static final byte[] RSA = HexFormat.of().parseHex("300d06092a864886f70d0101010500");

  /** The name of elliptic curve keys (RFC 5480), without their parameters. */
  private static final byte[] EC = HexFormat.of().parseHex("06072a8648ce3d0201");

  private static final int SEQUENCE = 0x30;
  private static final int OCTETS = 0x04;
  private static final int CURVE = 0xa0;

  private record Block(String label, String body) {}

  private Pem() {}

  /** All certificates of a file, at least one, in its order. */
  static List<X509Certificate> certificates(Path file) throws IOException {
    List<X509Certificate> found = new ArrayList<>();
    for (Block block : blocks(file)) {
      if (block.label.equals("CERTIFICATE") || block.label.equals("X509 CERTIFICATE")) {
        try {
          CertificateFactory factory = CertificateFactory.getInstance("X.509");
          var der = new ByteArrayInputStream(decode(file, block));
          found.add((X509Certificate) factory.generateCertificate(der));
        } catch (GeneralSecurityException e) {
          throw new IOException(file + " holds a certificate that cannot be read: " + e, e);
        }
      }
    }
    if (found.isEmpty()) {
      throw new IOException(
          file + " holds no certificate: a block BEGIN CERTIFICATE is expected in it");
    }
    return found;
  }

  /** The revocation lists of a file, at least one. */
  static List<X509CRL> revocations(Path file) throws IOException {
    List<X509CRL> found = new ArrayList<>();
    for (Block block : blocks(file)) {
      if (block.label.equals("X509 CRL")) {
        try {
          CertificateFactory factory = CertificateFactory.getInstance("X.509");
          var der = new ByteArrayInputStream(decode(file, block));
          found.add((X509CRL) factory.generateCRL(der));
        } catch (GeneralSecurityException e) {
          throw new IOException(file + " holds a revocation list that cannot be read: " + e, e);
        }
      }
    }
    if (found.isEmpty()) {
      throw new IOException(
          file + " holds no revocation list: a block BEGIN X509 CRL is expected in it");
    }
    return found;
  }

  /** The first private key of a file: PKCS#8, RSA's PKCS#1, or SEC1 of elliptic curves. */
  static PrivateKey key(Path file) throws IOException {
    for (Block block : blocks(file)) {
      if (!block.label.endsWith("PRIVATE KEY")) {
        continue;
      }
      if (block.label.startsWith("ENCRYPTED") || block.body.contains("ENCRYPTED")) {
        throw new IOException(
            file
                + " holds a key under a passphrase, which nobody is there to type: store it"
                + " without one, readable by its owner alone");
      }
      byte[] der = decode(file, block);
      return switch (block.label) {
        case "PRIVATE KEY" -> key(file, der);
        case "RSA PRIVATE KEY" -> key(file, wrap(RSA, der));
        case "EC PRIVATE KEY" ->
            key(file, wrap(element(SEQUENCE, join(EC, curve(file, der))), der));
        default ->
            throw new IOException(
                file + " holds a " + block.label + ", and only RSA, EC and EdDSA keys are taken");
      };
    }
    throw new IOException(
        file
            + " holds no private key: a block BEGIN PRIVATE KEY, BEGIN RSA PRIVATE KEY or BEGIN EC"
            + " PRIVATE KEY is expected in it");
  }

  private static PrivateKey key(Path file, byte[] pkcs8) throws IOException {
    GeneralSecurityException last = null;
    for (String algorithm : List.of("RSA", "EC", "EdDSA", "RSASSA-PSS")) {
      try {
        return KeyFactory.getInstance(algorithm).generatePrivate(new PKCS8EncodedKeySpec(pkcs8));
      } catch (GeneralSecurityException e) {
        last = e;
      }
    }
    throw new IOException(
        file + " holds a private key that cannot be read: it is no RSA, EC or EdDSA key, or broken",
        last);
  }

  private static List<Block> blocks(Path file) throws IOException {
    String text;
    try {
      if (Files.size(file) > LARGEST_BYTES) {
        throw new IOException(file + " is larger than 1 MiB: that is no file of certificates");
      }
      text = Files.readString(file, StandardCharsets.ISO_8859_1);
    } catch (NoSuchFileException e) {
      throw new IOException(file + " is missing", e);
    } catch (AccessDeniedException e) {
      throw new IOException(file + " may not be read by this user", e);
    }
    List<Block> found = new ArrayList<>();
    Matcher matcher = BLOCK.matcher(text);
    while (matcher.find()) {
      found.add(new Block(matcher.group(1), matcher.group(2)));
    }
    return found;
  }

  private static byte[] decode(Path file, Block block) throws IOException {
    try {
      return Base64.getDecoder().decode(block.body.replaceAll("\\s", ""));
    } catch (IllegalArgumentException e) {
      throw new IOException(
          "%s is damaged: its block %s is not base 64".formatted(file, block.label), e);
    }
  }

  // --- DER (X.690), as much as it takes to put one form of key into the other ---

  /** PKCS#8 (RFC 5208): version 0, the algorithm, and the key in the algorithm's own form. */
  private static byte[] wrap(byte[] algorithm, byte[] key) {
    byte[] version = {2, 1, 0};
    return element(SEQUENCE, join(version, join(algorithm, element(OCTETS, key))));
  }

  /** The curve's name out of a SEC1 key (RFC 5915), as a whole element. */
  private static byte[] curve(Path file, byte[] sec1) throws IOException {
    try {
      int at = contents(sec1, 0); // into the sequence; then over version and key
      at = end(sec1, at);
      at = end(sec1, at);
      if (at < sec1.length && (sec1[at] & 0xff) == CURVE) {
        return Arrays.copyOfRange(sec1, contents(sec1, at), end(sec1, at));
      }
    } catch (IndexOutOfBoundsException e) {
      throw new IOException(file + " is damaged: its EC key ends too early", e);
    }
    throw new IOException(
        file
            + " does not say which curve its EC key is on; store it as PKCS#8 (BEGIN PRIVATE KEY)");
  }

  private static int contents(byte[] der, int at) {
    int first = der[at + 1];
    return at + 2 + (first < 0 ? first & 0x7f : 0);
  }

  private static int end(byte[] der, int at) {
    int from = contents(der, at);
    int length = der[at + 1];
    if (length < 0) {
      length = 0;
      for (int i = at + 2; i < from; i++) {
        length = length << 8 | (der[i] & 0xff);
      }
    }
    int end = from + length;
    if (length < 0 || end < from || end > der.length) {
      throw new IndexOutOfBoundsException(end);
    }
    return end;
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

  private static byte[] join(byte[] first, byte[] second) {
    byte[] both = Arrays.copyOf(first, first.length + second.length);
    System.arraycopy(second, 0, both, first.length, second.length);
    return both;
  }
}
