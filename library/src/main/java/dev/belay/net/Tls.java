// SPDX-License-Identifier: Apache-2.0
package dev.belay.net;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.Signature;
import java.security.cert.X509CRL;
import java.security.cert.X509Certificate;
import java.util.Arrays;
import java.util.Date;
import java.util.List;
import javax.net.ssl.KeyManager;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.TrustManager;
import org.jspecify.annotations.Nullable;

/**
 * What one side of encrypted connections needs: who it is, and whom it believes. TLS 1.3 and 1.2,
 * with X.509 certificates, by the JDK's own engine.
 *
 * <p>The files are those that nbdkit, qemu and libnbd expect in a directory of certificates, all of
 * them text (PEM):
 *
 * <pre>
 *   ca-cert.pem                      who signs: one or several authorities
 *   ca-crl.pem                       what they took back; need not be there
 *   server-cert.pem server-key.pem   a server, and those between it and the authority
 *   client-cert.pem client-key.pem   the same of a client
 * </pre>
 *
 * <p>They are read once; a program that is to believe a new list of revocations is started again.
 * Keys are PKCS#8, PKCS#1 (RSA) or SEC1 (EC), without a passphrase. Immutable; any thread.
 */
@SuppressWarnings("JavaUtilDate") // certificates have no other
public final class Tls {
  private static final String CA = "ca-cert.pem";
  private static final String CRL = "ca-crl.pem";

  /** So many sessions are remembered for clients that come again; each takes a few KiB. */
  private static final int REMEMBERED_SESSIONS = 256;

  private static final int REMEMBERED_SECONDS = 3600;

  private final SSLContext context;
  private final boolean isServer;
  private final boolean demandsCertificate;
  private final String hostName;

  private Tls(SSLContext context, boolean isServer, boolean demandsCertificate, String hostName) {
    this.context = context;
    this.isServer = isServer;
    this.demandsCertificate = demandsCertificate;
    this.hostName = hostName;
  }

  /**
   * What a server needs.
   *
   * @param directory with server-cert.pem and server-key.pem, and with ca-cert.pem where clients'
   *     certificates are checked
   * @param demandsCertificate whether each client must show a certificate that the authority signed
   * @throws IOException with a sentence: a file is missing, damaged, expired, or does not belong to
   *     the others
   */
  public static Tls server(Path directory, boolean demandsCertificate) throws IOException {
    checkDirectory(directory);
    if (demandsCertificate && !Files.exists(directory.resolve(CA))) {
      throw new IOException(
          directory.resolve(CA)
              + " is missing: without it no client's certificate can be checked."
              + " Put the authority's certificate there, or say that clients need none");
    }
    return load(directory, true, demandsCertificate, "");
  }

  /**
   * What a client needs.
   *
   * @param directory with ca-cert.pem, else the authorities that the JVM believes are believed; and
   *     with client-cert.pem and client-key.pem where the client has a certificate of its own.
   *     Null: neither
   * @param hostName the host that the server's certificate must name; empty for any that the
   *     authority signed
   * @throws IOException with a sentence: a file is damaged, expired, or does not belong to the
   *     others
   */
  public static Tls client(@Nullable Path directory, String hostName) throws IOException {
    if (directory != null) {
      checkDirectory(directory);
    }
    return load(directory, false, false, hostName);
  }

  private static void checkDirectory(Path directory) throws IOException {
    if (!Files.isDirectory(directory)) {
      throw new IOException(
          directory
              + " is no directory; the certificates are expected in one, named ca-cert.pem,"
              + " server-cert.pem and so on");
    }
  }

  private static Tls load(
      @Nullable Path directory, boolean isServer, boolean demandsCertificate, String hostName)
      throws IOException {
    try {
      List<X509Certificate> authorities = List.of();
      List<X509CRL> revocations = List.of();
      KeyManager[] own = new KeyManager[0];
      if (directory != null) {
        if (Files.exists(directory.resolve(CA))) {
          authorities = authorities(directory.resolve(CA));
        }
        if (Files.exists(directory.resolve(CRL))) {
          revocations = revocations(directory, authorities);
        }
        own = own(directory, isServer ? "server" : "client", isServer, authorities);
      }
      TrustManager[] trust = {TlsTrust.of(authorities, revocations, hostName)};
      SSLContext context = SSLContext.getInstance("TLS");
      context.init(own, trust, null);
      context.getServerSessionContext().setSessionCacheSize(REMEMBERED_SESSIONS);
      context.getServerSessionContext().setSessionTimeout(REMEMBERED_SECONDS);
      return new Tls(context, isServer, demandsCertificate, hostName);
    } catch (GeneralSecurityException e) {
      throw new IOException("TLS cannot be had from this Java: " + e.getMessage(), e);
    }
  }

  private static List<X509Certificate> authorities(Path file) throws IOException {
    List<X509Certificate> authorities = Pem.certificates(file);
    for (X509Certificate authority : authorities) {
      checkDates(file, authority);
      if (authority.getBasicConstraints() < 0) {
        throw new IOException(
            "%s: the certificate of %s is no authority's (it lacks CA:TRUE), so it can sign nobody"
                .formatted(file, TlsTrust.name(authority)));
      }
    }
    return authorities;
  }

  private static List<X509CRL> revocations(Path directory, List<X509Certificate> authorities)
      throws IOException {
    Path file = directory.resolve(CRL);
    List<X509CRL> lists = Pem.revocations(file);
    for (X509CRL list : lists) {
      if (authorities.stream().noneMatch(authority -> signed(list, authority))) {
        throw new IOException(file + " was not signed by an authority of " + CA + " beside it");
      }
      if (list.getNextUpdate() != null && list.getNextUpdate().before(new Date())) {
        throw new IOException(
            "%s is out of date since %s; get a new one from the authority"
                .formatted(file, list.getNextUpdate().toInstant()));
      }
    }
    return lists;
  }

  private static boolean signed(X509CRL list, X509Certificate authority) {
    try {
      list.verify(authority.getPublicKey());
      return true;
    } catch (GeneralSecurityException e) {
      return false;
    }
  }

  /** The side's own certificate; none where a client has neither of the two files. */
  private static KeyManager[] own(
      Path directory, String who, boolean isNeeded, List<X509Certificate> authorities)
      throws IOException, GeneralSecurityException {
    Path certificateFile = directory.resolve(who + "-cert.pem");
    Path keyFile = directory.resolve(who + "-key.pem");
    if (!isNeeded && !Files.exists(certificateFile) && !Files.exists(keyFile)) {
      return new KeyManager[0];
    }
    List<X509Certificate> chain = Pem.certificates(certificateFile);
    PrivateKey key = Pem.key(keyFile);
    X509Certificate first = chain.getFirst();
    checkDates(certificateFile, first);
    if (!belongs(key, first)) {
      throw new IOException(
          "%s is not the key of the certificate in %s, which is of %s"
              .formatted(keyFile, certificateFile, TlsTrust.name(first)));
    }
    if (!authorities.isEmpty()) {
      checkSigned(certificateFile, chain, authorities);
    }
    KeyStore store = KeyStore.getInstance("PKCS12");
    char[] noSecret = new char[0]; // the store never leaves this memory
    try {
      store.load(null, noSecret);
      store.setKeyEntry(who, key, noSecret, chain.toArray(X509Certificate[]::new));
      KeyManagerFactory factory = KeyManagerFactory.getInstance("PKIX");
      factory.init(store, noSecret);
      return factory.getKeyManagers();
    } catch (IOException | GeneralSecurityException e) {
      throw new IOException(certificateFile + " cannot be used: " + e.getMessage(), e);
    }
  }

  private static void checkDates(Path file, X509Certificate certificate) throws IOException {
    Date now = new Date();
    String of = file + ": the certificate of " + TlsTrust.name(certificate);
    if (certificate.getNotAfter().before(now)) {
      throw new IOException(
          of + " has expired: it was good until " + certificate.getNotAfter().toInstant());
    }
    if (certificate.getNotBefore().after(now)) {
      throw new IOException(
          of + " is not good yet: it will be from " + certificate.getNotBefore().toInstant());
    }
  }

  /** Signs something with the one and checks it with the other. */
  private static boolean belongs(PrivateKey key, X509Certificate certificate) {
    String algorithm =
        switch (key.getAlgorithm()) {
          case "RSA" -> "SHA256withRSA";
          case "EC" -> "SHA256withECDSA";
          default -> key.getAlgorithm();
        };
    byte[] text = "whose key is this".getBytes(StandardCharsets.US_ASCII);
    try {
      Signature signer = Signature.getInstance(algorithm);
      signer.initSign(key);
      signer.update(text);
      byte[] signature = signer.sign();
      signer.initVerify(certificate.getPublicKey());
      signer.update(text);
      return signer.verify(signature);
    } catch (GeneralSecurityException e) {
      return false; // keys of two kinds
    }
  }

  private static void checkSigned(
      Path file, List<X509Certificate> chain, List<X509Certificate> authorities)
      throws IOException {
    X509Certificate last = chain.getFirst();
    for (X509Certificate next : chain.subList(1, chain.size())) {
      if (isSignedBy(last, next)) {
        last = next;
      }
    }
    for (X509Certificate authority : authorities) {
      if (last.equals(authority) || isSignedBy(last, authority)) {
        return;
      }
    }
    throw new IOException(
        "%s: the certificate of %s is not signed by an authority of %s beside it"
            .formatted(file, TlsTrust.name(chain.getFirst()), CA));
  }

  private static boolean isSignedBy(X509Certificate certificate, X509Certificate authority) {
    if (!certificate.getIssuerX500Principal().equals(authority.getSubjectX500Principal())) {
      return false;
    }
    try {
      certificate.verify(authority.getPublicKey());
      return true;
    } catch (GeneralSecurityException e) {
      return false;
    }
  }

  /** Whether it is a server's. */
  public boolean isServer() {
    return isServer;
  }

  /** Whether each client must show a certificate. */
  public boolean demandsCertificate() {
    return demandsCertificate;
  }

  /** One connection's engine. */
  SSLEngine engine() {
    boolean isNamed = !hostName.isEmpty();
    SSLEngine engine = isNamed ? context.createSSLEngine(hostName, -1) : context.createSSLEngine();
    engine.setUseClientMode(!isServer);
    SSLParameters parameters = engine.getSSLParameters();
    List<String> versions = Arrays.asList(engine.getSupportedProtocols());
    parameters.setProtocols(
        List.of("TLSv1.3", "TLSv1.2").stream().filter(versions::contains).toArray(String[]::new));
    parameters.setNeedClientAuth(demandsCertificate);
    if (isNamed) {
      parameters.setEndpointIdentificationAlgorithm("HTTPS");
    }
    engine.setSSLParameters(parameters);
    return engine;
  }
}
