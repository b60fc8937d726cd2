// SPDX-License-Identifier: Apache-2.0
package dev.belay.nbd;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * What libnbd's tools, qemu's and fio said to nbdkit and qemu-nbd, byte by byte as it was on the
 * wire.
 */
final class RecordedTalksTest {
  private static final ExportFacts[] EXPORTS = {
    Talk.facts("disk", "a disk of tests"), Talk.facts("one", ""), Talk.facts("two", "")
  };

  @Test
  void realClientsGetAnswersToAllTheyAsk() throws Exception {
    for (String recording : Talk.RECORDED) {
      byte[] said = Talk.said(recording, 'C');
      var server = new ServerHandshake(Talk.exports(EXPORTS), ServerHandshake.Tls.OFF);
      Talk.Answer answer = Talk.feed(server, said, said.length);
      List<OptionAnswers.Reply> replies = OptionAnswers.read(answer.output(), 0);
      if (recording.contains("missing")) {
        assertThat(replies).anyMatch(r -> r.type() == Nbd.REP_ERR_UNKNOWN);
      } else {
        assertThat(replies).as(recording).noneMatch(r -> r.type() < 0);
      }
      boolean looksOnly = recording.matches(".*(list|missing|info-of).*");
      if (looksOnly) {
        assertThat(server.state()).as(recording).isEqualTo(ServerHandshake.State.ENDED);
        assertThat(server.wished()).isTrue();
        assertThat(answer.takenBytes()).isEqualTo(said.length);
      } else {
        assertThat(server.state()).as(recording).isEqualTo(ServerHandshake.State.SERVING);
        assertThat(requests(server.session(), said, answer.takenBytes()))
            .as(recording)
            .isGreaterThan(1);
      }
    }
  }

  /** Reads requests to the end of what was said; how many there were. */
  private static int requests(Session session, byte[] said, int from) {
    RequestHeader request = new RequestHeader();
    MemorySegment bytes = MemorySegment.ofArray(said);
    int count = 0;
    long at = from;
    while (at < said.length) {
      assertThat(request.parse(bytes, at, false)).isTrue();
      assertThat(request.refusal(session)).isNull();
      assertThat(request.error(session)).isZero();
      assertThat(request.tooMuch(session)).isFalse();
      at += RequestHeader.bytes(false) + request.payloadBytes();
      count++;
    }
    assertThat(at).isEqualTo(said.length);
    // fio goes away without a word.
    assertThat(request.type()).isIn(Nbd.CMD_DISC, Nbd.CMD_READ);
    return count;
  }

  @Test
  void repliesOfRealServersAreRead() throws Exception {
    int chunks = 0;
    for (String recording : List.of("qemu-img-map-of-qemu", "nbdinfo-map-of-qemu")) {
      byte[] said = Talk.said(recording, 'S');
      Session session = new Session(Talk.facts("disk", ""), true, false, true, 0);
      ReplyHeader reply = new ReplyHeader(session);
      MemorySegment bytes = MemorySegment.ofArray(said);
      int at = endOfHandshake(said);
      while (at < said.length) {
        int head = reply.parse(bytes, at, said.length - at);
        assertThat(head).as(recording + " at " + at).isPositive();
        at += head;
        assertThat(reply.parseFixed(bytes, at)).isTrue();
        assertThat(reply.failed()).isFalse();
        long extentAt = at + reply.fixedBytes();
        for (int i = 0; reply.type() == Nbd.REPLY_TYPE_BLOCK_STATUS && i < reply.extents(); i++) {
          assertThat(reply.context()).isZero();
          assertThat(reply.extentLength(bytes, extentAt)).isBetween(1L, 4L << 20);
          assertThat(reply.extentStates(bytes, extentAt)).isIn(0, 3);
          extentAt += reply.extentBytes();
        }
        at += (int) reply.payloadBytes();
        chunks++;
      }
      assertThat(at).isEqualTo(said.length);
    }
    assertThat(chunks).isEqualTo(8);
  }

  /** Behind the last ACK to GO. */
  private static int endOfHandshake(byte[] said) {
    byte[] ack = Talk.hex("0003e889045565a9 00000007 00000001 00000000");
    for (int at = said.length - ack.length; at >= 0; at--) {
      if (Arrays.equals(said, at, at + ack.length, ack, 0, ack.length)) {
        return at + ack.length;
      }
    }
    throw new AssertionError("no ACK");
  }

  @Test
  void ourClientUnderstandsRealServersInEverySplit() throws Exception {
    for (String recording : Talk.OURS) {
      byte[] said = Talk.said(recording, 'S');
      byte[] expected = Talk.said(recording, 'C');
      for (int piece = 1; piece <= said.length; piece++) {
        boolean lists = recording.contains("list");
        ClientHandshake client = lists ? lister() : opener(recording);
        Talk.Answer answer = Talk.feed(client, said, piece);
        assertThat(answer.output()).as("%s by %d", recording, piece).isEqualTo(expected);
        checkEnd(recording, client);
      }
    }
  }

  private static ClientHandshake lister() {
    return ClientHandshake.list(ClientHandshake.Tls.OFFERED);
  }

  private static ClientHandshake opener(String recording) {
    String name =
        switch (recording) {
          case "belay-of-nbdkit" -> "one";
          case "belay-of-qemu" -> "disk";
          case "belay-missing-of-qemu" -> "nosuch";
          default -> "";
        };
    return ClientHandshake.open(ClientHandshake.Wishes.of(name, ClientHandshake.Tls.OFFERED));
  }

  private static void checkEnd(String recording, ClientHandshake client) {
    switch (recording) {
      case "belay-missing-of-qemu" ->
          assertThat(client.reason())
              .isEqualTo(
                  "The server has no export \"nosuch\"; the server says: \"export 'nosuch' not"
                      + " present\"");
      case "belay-of-oldstyle-nbdkit" -> assertThat(client.reason()).contains("oldstyle");
      case "belay-list-of-qemu" -> {
        ClientHandshake.Listed only = client.exports().getFirst();
        assertThat(only.name()).isEqualTo("disk");
        assertThat(only.description()).isEqualTo("a disk of tests");
        assertThat(only.facts().sizeBytes()).isEqualTo(4 << 20);
      }
      case "belay-list-of-nbdkit" ->
          assertThat(client.exports())
              .extracting(ClientHandshake.Listed::name)
              .containsExactly("one", "two");
      default -> {
        assertThat(client.state()).isEqualTo(ClientHandshake.State.SERVING);
        boolean modern = recording.equals("belay-of-nbdkit") || recording.equals("belay-of-qemu");
        assertThat(client.session().structuredReplies()).isEqualTo(modern);
        assertThat(client.session().allocation()).isEqualTo(modern);
        assertThat(client.session().export().sizeBytes()).isIn(4L << 20, 1L << 20);
      }
    }
  }
}
