// SPDX-License-Identifier: Apache-2.0
package dev.belay.nbd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.belay.net.Address;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The examples of doc/uri.md, and what is wrong. */
final class NbdUriTest {
  @Test
  void namesAreAsInTheText() {
    assertThat(NbdUri.parse("nbd://example.com/disk").exportName()).isEqualTo("disk");
    assertThat(NbdUri.parse("nbd+unix:///disk?socket=sock").exportName()).isEqualTo("disk");
    assertThat(NbdUri.parse("nbd://example.com/").exportName()).isEmpty();
    assertThat(NbdUri.parse("nbd://example.com").exportName()).isEmpty();
    assertThat(NbdUri.parse("nbd://example.com//disk").exportName()).isEqualTo("/disk");
    assertThat(NbdUri.parse("nbd://example.com/hello%20world").exportName())
        .isEqualTo("hello world");
  }

  @Test
  void addressesAreFound() {
    assertThat(NbdUri.parse("nbd://example.com").address())
        .isEqualTo(new Address.Tcp("example.com", 10_809));
    assertThat(NbdUri.parse("NBDS://me@[::1]:7/x"))
        .isEqualTo(new NbdUri(new Address.Tcp("::1", 7), "x", true, "me", null, true));
    assertThat(
            NbdUri.parse(
                "nbds+unix:///x?socket=/tmp/a%20b&tls-hostname=h&tls-verify-peer=0&tls-type=x509"))
        .isEqualTo(new NbdUri(new Address.Unix("/tmp/a b"), "x", true, null, "h", false));
  }

  @Test
  void whatIsReadPrintsBack() {
    for (String text :
        List.of(
            "nbd://example.com/disk",
            "nbds://u%40v@[fe80::1]:77/a%20b?tls-hostname=h&tls-verify-peer=0",
            "nbd+unix:///disk?socket=/run/n%26bd",
            "nbd://h//x%3Fy%23%25")) {
      assertThat(NbdUri.parse(text)).hasToString(text);
    }
  }

  @Test
  void whatIsWrongIsSaid() {
    wrong("http://x/", "begins with none of");
    wrong("nbd:x", "//");
    wrong("nbd:///x", "host is missing");
    wrong("nbd://[::1/x", "host is missing");
    wrong("nbd://h:0/x", "port from 1 to 65535");
    wrong("nbd://h:x/x", "port");
    wrong("nbd://h:99999", "port");
    wrong("nbd://h/x?socket=/s", "goes with nbd+unix");
    wrong("nbd+unix:///x", "socket=PATH is missing");
    wrong("nbd+unix://h/x?socket=/s", "has no host");
    wrong("nbd+unix:///?socket=%00/abstract", "without a file");
    wrong("nbd+unix:///?socket=" + "x".repeat(108), "at most 107");
    wrong("nbd://h/x?colour=red", "\"colour\"");
    wrong("nbd://h/%zz", "hexadecimal");
    wrong("nbd://h/%2", "hexadecimal");
    wrong("nbd://h/%ff", "not UTF-8");
    wrong("nbd://h/%00", "NUL");
    wrong("nbd://h/x#y", "%23");
    wrong("nbds://h/x?tls-type=psk", "x509");
    wrong("nbd://h/" + "x".repeat(4097), "4096");
  }

  private static void wrong(String text, String why) {
    assertThatThrownBy(() -> NbdUri.parse(text))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining(why);
  }
}
