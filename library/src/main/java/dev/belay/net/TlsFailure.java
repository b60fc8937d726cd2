// SPDX-License-Identifier: Apache-2.0
package dev.belay.net;

import java.util.Locale;
import java.util.Map;
import javax.net.ssl.SSLEngine;

/** Says in a sentence why an engine gave up. */
final class TlsFailure {
  static final String LEFT = "the other side hung up in the midst of the TLS handshake";
  static final String TOO_LONG = "the other side sent a TLS record that is too long";
  static final String TOO_EARLY = "the other side sent something in the midst of the TLS handshake";
  static final String ANEW = "the other side asked to negotiate anew, which is refused";
  static final String CUT_OFF =
      "the connection ended without TLS's goodbye: what came last may be missing";

  /** With TLS 1.3 a server looks at the client's certificate when the client is done already. */
  static final String EARLY =
      "; it came before the server said anything, as from one that does not accept the certificate"
          + " it was shown, or was shown none";

  private static final String ALERT = "Received fatal alert: ";

  /** What the other side's alerts (RFC 8446, section 6.2) mean to a person. */
  private static final Map<String, String> ALERTS =
      Map.ofEntries(
          Map.entry("certificate_required", "it demands a certificate, and none was shown to it"),
          Map.entry("bad_certificate", "it does not accept the certificate it was shown, or none"),
          Map.entry("unknown_ca", "it does not know who signed the certificate it was shown"),
          Map.entry("certificate_unknown", "it does not accept the certificate it was shown"),
          Map.entry("certificate_expired", "the certificate it was shown has expired"),
          Map.entry("certificate_revoked", "the certificate it was shown was revoked"),
          Map.entry("access_denied", "whom the certificate names may not do this"),
          Map.entry("handshake_failure", "the two sides have no cipher or certificate in common"),
          Map.entry("protocol_version", "the two sides have no version of TLS in common"),
          Map.entry("decrypt_error", "it could not check a signature"));

  private TlsFailure() {}

  /** Of a stream that ended before it should. */
  static String end(boolean isShaking, boolean isEarly) {
    return isShaking ? LEFT : isEarly ? CUT_OFF + EARLY : CUT_OFF;
  }

  static String sentence(Throwable thrown, SSLEngine engine) {
    for (Throwable e = thrown; e != null; e = e.getCause()) {
      if (e instanceof TlsTrust.RefusedException refused) {
        return String.valueOf(refused.getMessage());
      }
    }
    String message = String.valueOf(thrown.getMessage());
    int alert = message.indexOf(ALERT);
    if (alert >= 0) {
      String name = message.substring(alert + ALERT.length()).toLowerCase(Locale.ROOT);
      return "the other side ended TLS: " + ALERTS.getOrDefault(name, name);
    }
    if (!engine.getUseClientMode() && message.contains("Empty client certificate chain")) {
      return "the client showed no certificate";
    }
    if (message.contains("Unsupported or unrecognized SSL message")
        || message.contains("plaintext connection")
        || message.contains("Not an SSL/TLS record")) {
      return "what the other side sent is not TLS";
    }
    return "TLS failed: " + message;
  }
}
