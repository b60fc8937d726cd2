// SPDX-License-Identifier: Apache-2.0
package dev.belay.nbd;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;

/** The two ends against each other, in every split. */
final class HandshakePairTest {
  private static final ExportFacts DISK = Talk.facts("disk", "a disk");
  private static final ExportFacts TAPE = Talk.facts("tape", "");

  @Test
  void theyAgreeOnEverythingWhateverTheSplit() {
    for (int piece = 1; piece < 300; piece++) {
      for (var tls : ServerHandshake.Tls.values()) {
        var server = new ServerHandshake(Talk.exports(DISK, TAPE), tls);
        var client =
            ClientHandshake.open(ClientHandshake.Wishes.of("tape", ClientHandshake.Tls.OFFERED));
        converse(server, client, piece);
        assertThat(client.state()).isEqualTo(ClientHandshake.State.SERVING);
        assertThat(server.state()).isEqualTo(ServerHandshake.State.SERVING);
        assertThat(client.session()).isEqualTo(server.session());
        assertThat(client.session()).isEqualTo(new Session(TAPE, true, true, true, 1));
        assertThat(client.secure()).isEqualTo(tls != ServerHandshake.Tls.OFF);
      }
    }
  }

  @Test
  void theyAgreeOnLess() {
    for (int wishes = 0; wishes < 8; wishes++) {
      boolean structured = (wishes & 1) != 0;
      boolean extended = (wishes & 2) != 0;
      boolean allocation = (wishes & 4) != 0;
      var server = new ServerHandshake(Talk.exports(DISK), ServerHandshake.Tls.OFF);
      var client =
          ClientHandshake.open(
              new ClientHandshake.Wishes(
                  "", ClientHandshake.Tls.OFF, structured, extended, allocation));
      converse(server, client, 7);
      Session session = client.session();
      Session same = server.session();
      assertThat(session.export()).isEqualTo(same.export());
      assertThat(session.structuredReplies()).isEqualTo(structured || extended);
      assertThat(same.structuredReplies()).isEqualTo(structured || extended);
      assertThat(session.extendedHeaders()).isEqualTo(extended);
      assertThat(session.allocation()).isEqualTo(allocation && (structured || extended));
      assertThat(session.has(Nbd.FLAG_SEND_DF)).isEqualTo(structured || extended);
      assertThat(session.export().name()).isEqualTo("disk");
    }
  }

  @Test
  void oneListsTheOther() {
    for (int piece = 1; piece < 100; piece++) {
      var server = new ServerHandshake(Talk.exports(DISK, TAPE), ServerHandshake.Tls.OFF);
      var client = ClientHandshake.list(ClientHandshake.Tls.OFF);
      converse(server, client, piece);
      assertThat(client.state()).isEqualTo(ClientHandshake.State.LISTED);
      assertThat(server.state()).isEqualTo(ServerHandshake.State.ENDED);
      assertThat(server.wished()).isTrue();
      assertThat(client.exports())
          .containsExactly(
              new ClientHandshake.Listed("disk", "a disk", plain(DISK), ""),
              new ClientHandshake.Listed("tape", "", plain(TAPE), ""));
    }
  }

  /** As it is told where no structured replies were agreed on. */
  private static ExportFacts plain(ExportFacts facts) {
    return facts.withFlags(facts.flags() & ~Nbd.FLAG_SEND_DF);
  }

  @Test
  void tlsIsDemandedByEither() {
    var server = new ServerHandshake(Talk.exports(DISK), ServerHandshake.Tls.REQUIRED);
    var client = ClientHandshake.open(ClientHandshake.Wishes.of("disk", ClientHandshake.Tls.OFF));
    converse(server, client, 1000);
    assertThat(client.reason()).contains("wants TLS").contains("STARTTLS");
    assertThat(server.wished()).isTrue();

    server = new ServerHandshake(Talk.exports(DISK), ServerHandshake.Tls.OFF);
    client = ClientHandshake.open(ClientHandshake.Wishes.of("disk", ClientHandshake.Tls.REQUIRED));
    converse(server, client, 1000);
    assertThat(client.reason()).contains("TLS is demanded here").contains("no certificate");
    assertThat(server.wished()).isTrue();
  }

  /** Carries bytes to and fro until neither says anything more. */
  private static void converse(ServerHandshake server, ClientHandshake client, int pieceBytes) {
    byte[] toClient = {};
    byte[] toServer = {};
    boolean moved = true;
    while (moved) {
      byte[] said = server.output();
      toClient = join(toClient, 0, said);
      int taken =
          client.take(MemorySegment.ofArray(toClient), 0, Math.min(pieceBytes, toClient.length));
      toClient = join(toClient, taken, new byte[0]);
      byte[] answered = client.output();
      toServer = join(toServer, 0, answered);
      int served =
          server.take(MemorySegment.ofArray(toServer), 0, Math.min(pieceBytes, toServer.length));
      toServer = join(toServer, served, new byte[0]);
      moved = said.length + answered.length + taken + served > 0;
      if (!moved && client.state() == ClientHandshake.State.START_TLS) {
        assertThat(server.state()).isEqualTo(ServerHandshake.State.START_TLS);
        assertThat(toClient).isEmpty();
        assertThat(toServer).isEmpty();
        server.encrypted();
        client.encrypted();
        moved = true;
      }
    }
  }

  private static byte[] join(byte[] first, int from, byte[] more) {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    all.write(first, from, first.length - from);
    all.writeBytes(more);
    return all.toByteArray();
  }
}
