// SPDX-License-Identifier: Apache-2.0
package dev.belay.nbd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

/** The client's end: what it falls back to, and servers that do not keep to the protocol. */
final class ClientHandshakeTest {
  private static final String GREETING = "4e42444d41474943 49484156454f5054 0003";
  private static final String OPTION = "49484156454f5054";
  private static final String REPLY = "0003e889045565a9";
  private static final String ABORT = OPTION + "00000002 00000000";

  /** One that asks for nothing but the export. */
  private final ClientHandshake plain =
      ClientHandshake.open(
          new ClientHandshake.Wishes("disk", ClientHandshake.Tls.OFF, false, false, false));

  private static ClientHandshake modern(ClientHandshake.Tls tls) {
    return ClientHandshake.open(ClientHandshake.Wishes.of("disk", tls));
  }

  private static byte[] says(ClientHandshake client, String... server) {
    return Talk.feed(client, Talk.hex(server), 999).output();
  }

  @Test
  void itAsksForTheExport() {
    assertThat(says(plain, GREETING))
        .isEqualTo(
            Talk.hex("00000003", OPTION, "00000007 00000010 00000004 6469736b 0003 000100020003"));
    says(
        plain,
        REPLY + "00000007 00000003 0000000c 0000 0000000000000200 0003",
        REPLY + "00000007 00000003 0000000e 0003 00000200 00001000 ffffffff",
        REPLY + "00000007 00000003 00000003 4242 42",
        REPLY + "00000007 00000001 00000000");
    assertThat(plain.session().export())
        .isEqualTo(new ExportFacts("disk", "", 512, 3, 512, 4096, 1 << 30));
  }

  @Test
  void anOldServerGetsExportName() {
    says(plain, GREETING);
    assertThat(says(plain, REPLY + "00000007 80000001 00000000"))
        .isEqualTo(Talk.hex(OPTION, "00000001 00000004 6469736b"));
    Talk.Answer answer = Talk.feed(plain, Talk.hex("0000000000100000 0001 67446698"), 999);
    assertThat(answer.takenBytes()).as("the first reply is not taken").isEqualTo(10);
    assertThat(plain.session().export().sizeBytes()).isEqualTo(1 << 20);

    ClientHandshake other = modern(ClientHandshake.Tls.OFF);
    assertThat(says(other, "4e42444d41474943 49484156454f5054 0000"))
        .isEqualTo(Talk.hex("00000000", OPTION, "00000001 00000004 6469736b"));
    other.peerClosed();
    assertThat(other.reason()).contains("export \"disk\": it has none of that name");
  }

  @Test
  void extensionsAreNotInsistedOn() {
    ClientHandshake client = modern(ClientHandshake.Tls.OFFERED);
    assertThat(says(client, GREETING)).endsWith(Talk.hex(OPTION, "00000005 00000000"));
    assertThat(says(client, REPLY + "00000005 80000002 00000000"))
        .isEqualTo(Talk.hex(OPTION, "0000000b 00000000"));
    assertThat(says(client, REPLY + "0000000b 80000001 00000000"))
        .isEqualTo(Talk.hex(OPTION, "00000008 00000000"));
    assertThat(says(client, REPLY + "00000008 00000001 00000000"))
        .startsWith(Talk.hex(OPTION, "0000000a"));
    assertThat(says(client, REPLY + "0000000a 80000001 00000000"))
        .startsWith(Talk.hex(OPTION, "00000007"));
    says(client, REPLY + "00000007 00000003 0000000c 0000 0000000000000200 0003");
    says(client, REPLY + "00000007 00000001 00000000");
    assertThat(client.session().structuredReplies()).isTrue();
    assertThat(client.session().allocation()).isFalse();
  }

  @Test
  void aServerThatGoesAwayIsLeftPolitely() {
    says(plain, GREETING);
    assertThat(says(plain, REPLY + "00000007 80000007 00000003 627965")).isEqualTo(Talk.hex(ABORT));
    assertThat(plain.state()).isEqualTo(ClientHandshake.State.ENDED);
    assertThat(plain.reason()).isEqualTo("The server is being shut down; the server says: \"bye\"");
  }

  @Test
  void demandedTlsIsNotGivenUp() {
    ClientHandshake client = modern(ClientHandshake.Tls.REQUIRED);
    says(client, GREETING);
    assertThat(says(client, REPLY + "00000005 80000001 00000000")).isEqualTo(Talk.hex(ABORT));
    assertThat(client.reason()).startsWith("TLS is demanded here");
    client = modern(ClientHandshake.Tls.REQUIRED);
    assertThat(says(client, "4e42444d41474943 49484156454f5054 0000")).hasSize(4);
    assertThat(client.reason()).isEqualTo("The server is too old to have TLS.");
  }

  @Test
  void serversThatBreakTheRulesAreLeft() {
    ends("485454502f312e31 2034303020426164 2052", "no NBD server");
    ends("4e42444d41474943 1122334455667788 0001", "no known version");
    String go = GREETING + REPLY + "00000007";
    ends(GREETING + "1122334455667788 000000070000000100000000", "is none");
    ends(GREETING + REPLY + "00000006 00000001 00000000", "answered INFO when asked for GO");
    ends(go + "00000003 7fffffff", "beyond all reason");
    ends(go + "00000001 00000000", "did not say how large");
    ends(go + "00000002 00000000", "does not belong there");
    ends(go + "00000003 00000001 00", "malformed");
    ends(go + "00000003 0000000b 0000 0000000000000200 00", "malformed");
    ends(go + "00000003 0000000e 0003 00000003 00001000 02000000", "malformed");
    ends(
        go + "00000003 0000000c 0000 ffffffffffffffff 0001" + REPLY + "00000007 0000000100000000",
        "18446744073709551615 bytes");
    ends(GREETING + (REPLY + "00000007 00000003 00000003 424242").repeat(70), "without end");
    ends(go + "80000006 00000003 1b5b4a", "no export \"disk\"; the server says: \" [J\"");
  }

  private static void ends(String server, String why) {
    ClientHandshake client =
        ClientHandshake.open(
            new ClientHandshake.Wishes("disk", ClientHandshake.Tls.OFF, false, false, false));
    says(client, server);
    assertThat(client.state()).isEqualTo(ClientHandshake.State.ENDED);
    assertThat(client.reason()).contains(why);
    assertThatThrownBy(client::session).isInstanceOf(IllegalStateException.class);
  }

  @Test
  void listsAreBounded() {
    ClientHandshake client = ClientHandshake.list(ClientHandshake.Tls.OFF);
    says(client, GREETING);
    byte[] one = Talk.hex(REPLY + "00000003 00000002 00003000 00000001 61", "20".repeat(12_283));
    int replies = 0;
    while (client.state() == ClientHandshake.State.OPEN && replies < 20_000) {
      Talk.feed(client, one, 1 << 16);
      replies++;
    }
    assertThat(replies).isBetween(100, 400);
  }

  @Test
  void aNameMustBeOne() {
    assertThatThrownBy(
            () -> ClientHandshake.open(ClientHandshake.Wishes.of("a\0b", ClientHandshake.Tls.OFF)))
        .hasMessageContaining("no NUL");
  }
}
