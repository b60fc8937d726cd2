// SPDX-License-Identifier: Apache-2.0
package dev.belay.net;

import java.net.Socket;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.CertPathValidatorException;
import java.security.cert.CertPathValidatorException.BasicReason;
import java.security.cert.CertificateException;
import java.security.cert.PKIXBuilderParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509CRL;
import java.security.cert.X509CertSelector;
import java.security.cert.X509Certificate;
import java.util.Date;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import javax.net.ssl.CertPathTrustManagerParameters;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLPeerUnverifiedException;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509ExtendedTrustManager;
import org.jspecify.annotations.Nullable;

/**
 * Whose certificates are believed: those that the JDK's own check of the chain finds good, and that
 * no revocation list names. What it refuses, it refuses in a sentence. Threads: any.
 */
@SuppressWarnings("JavaUtilDate") // certificates have no other
final class TlsTrust extends X509ExtendedTrustManager {
  private static final int LONGEST_NAME = 200;

  /** A certificate was refused; the message is a sentence for people. */
  static final class RefusedException extends CertificateException {
    private static final long serialVersionUID = 1;

    RefusedException(String sentence, @Nullable Throwable cause) {
      super(sentence, cause);
    }
  }

  private final X509ExtendedTrustManager chains;
  private final String signers;
  private final List<X509CRL> revocations;
  private final String hostName;

  private TlsTrust(
      X509ExtendedTrustManager chains, String signers, List<X509CRL> revocations, String hostName) {
    this.chains = chains;
    this.signers = signers;
    this.revocations = revocations;
    this.hostName = hostName;
  }

  /**
   * Believes what these have signed.
   *
   * @param authorities empty for those that the JVM believes
   * @param hostName whom a server's certificate must name; for the sentence
   */
  static TlsTrust of(List<X509Certificate> authorities, List<X509CRL> revocations, String hostName)
      throws GeneralSecurityException {
    TrustManagerFactory factory = TrustManagerFactory.getInstance("PKIX");
    String signers;
    if (authorities.isEmpty()) {
      factory.init((KeyStore) null);
      signers = "anyone whom this Java believes";
    } else {
      Set<TrustAnchor> anchors = new HashSet<>();
      for (X509Certificate authority : authorities) {
        anchors.add(new TrustAnchor(authority, null));
      }
      PKIXBuilderParameters parameters = new PKIXBuilderParameters(anchors, new X509CertSelector());
      parameters.setRevocationEnabled(false); // looked at below, without going to the network
      factory.init(new CertPathTrustManagerParameters(parameters));
      signers = authorities.stream().map(TlsTrust::name).collect(Collectors.joining(" or "));
    }
    for (TrustManager each : factory.getTrustManagers()) {
      if (each instanceof X509ExtendedTrustManager chains) {
        return new TlsTrust(chains, signers, revocations, hostName);
      }
    }
    throw new GeneralSecurityException("this Java cannot check chains of X.509 certificates");
  }

  /** Whom a certificate is for, short, and free of what would spoil a line of a log. */
  static String name(X509Certificate certificate) {
    String name = certificate.getSubjectX500Principal().getName();
    if (name.isEmpty()) {
      name = "no name";
    }
    name = name.length() > LONGEST_NAME ? name.substring(0, LONGEST_NAME) + "..." : name;
    return name.codePoints()
        .map(c -> Character.isISOControl(c) || Character.getType(c) == Character.FORMAT ? '?' : c)
        .collect(StringBuilder::new, StringBuilder::appendCodePoint, StringBuilder::append)
        .toString();
  }

  /** Whom the certificate names that the peer of a connection showed; empty: none. */
  static String peerName(SSLEngine engine) {
    try {
      return engine.getSession().getPeerCertificates()[0] instanceof X509Certificate certificate
          ? name(certificate)
          : "";
    } catch (SSLPeerUnverifiedException e) {
      return "";
    }
  }

  private interface ChainCheck {
    void check() throws CertificateException;
  }

  private void check(X509Certificate[] chain, ChainCheck check) throws CertificateException {
    try {
      check.check();
    } catch (CertificateException e) {
      throw new RefusedException(sentence(chain[0], e), e);
    }
    Date now = new Date();
    for (X509Certificate certificate : chain) {
      for (X509CRL list : revocations) {
        if (!list.getIssuerX500Principal().equals(certificate.getIssuerX500Principal())) {
          continue;
        }
        if (list.getNextUpdate() != null && list.getNextUpdate().before(now)) {
          throw new RefusedException(
              "ca-crl.pem is out of date since %s, so nobody knows whether the certificate of %s"
                      .formatted(list.getNextUpdate().toInstant(), name(certificate))
                  + " is still good; get a new list and start again",
              null);
        }
        if (list.isRevoked(certificate)) {
          throw new RefusedException(
              "the certificate of " + name(certificate) + " was revoked", null);
        }
      }
    }
  }

  private String sentence(X509Certificate certificate, CertificateException refusal) {
    String of = "the certificate of " + name(certificate);
    for (Throwable e = refusal; e != null; e = e.getCause()) {
      if (e instanceof CertPathValidatorException path
          && path.getReason() instanceof BasicReason reason) {
        switch (reason) {
          case EXPIRED -> {
            return of
                + ", or one above it, has expired: it was good until "
                + certificate.getNotAfter().toInstant();
          }
          case NOT_YET_VALID -> {
            return of
                + ", or one above it, is not good yet: it will be from "
                + certificate.getNotBefore().toInstant();
          }
          case ALGORITHM_CONSTRAINED -> {
            return of + " uses an algorithm or a key that is too weak: " + path.getMessage();
          }
          case INVALID_SIGNATURE -> {
            return of + " is not signed by " + signers + ", though it says so";
          }
          default -> {
            // the message says it
          }
        }
      }
    }
    String message = String.valueOf(refusal.getMessage());
    if (message.contains("unable to find valid certification path")
        || message.contains("No trusted certificate found")
        || message.contains("Path does not chain")) {
      return of + " is not signed by " + signers;
    }
    if (!hostName.isEmpty()
        && (message.contains("matching") || message.contains("alternative names present"))) {
      return of + " is not for the host \"" + hostName + "\"";
    }
    return of + " is not good for this: " + message;
  }

  @Override
  public void checkClientTrusted(X509Certificate[] chain, String authType, SSLEngine engine)
      throws CertificateException {
    check(chain, () -> chains.checkClientTrusted(chain, authType, engine));
  }

  @Override
  public void checkServerTrusted(X509Certificate[] chain, String authType, SSLEngine engine)
      throws CertificateException {
    check(chain, () -> chains.checkServerTrusted(chain, authType, engine));
  }

  @Override
  public void checkClientTrusted(X509Certificate[] chain, String authType, Socket socket)
      throws CertificateException {
    check(chain, () -> chains.checkClientTrusted(chain, authType, socket));
  }

  @Override
  public void checkServerTrusted(X509Certificate[] chain, String authType, Socket socket)
      throws CertificateException {
    check(chain, () -> chains.checkServerTrusted(chain, authType, socket));
  }

  @Override
  public void checkClientTrusted(X509Certificate[] chain, String authType)
      throws CertificateException {
    check(chain, () -> chains.checkClientTrusted(chain, authType));
  }

  @Override
  public void checkServerTrusted(X509Certificate[] chain, String authType)
      throws CertificateException {
    check(chain, () -> chains.checkServerTrusted(chain, authType));
  }

  /**
   * None: a server that lists whom it believes makes clients keep a foreign certificate to
   * themselves, and then nobody can say what was wrong with it.
   */
  @Override
  public X509Certificate[] getAcceptedIssuers() {
    return new X509Certificate[0];
  }
}
