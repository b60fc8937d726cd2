// SPDX-License-Identifier: Apache-2.0
package dev.belay.nbd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The server's end, against bytes written by hand from the text of the protocol. */
final class ServerHandshakeTest {
  private static final String GREETING = "4e42444d41474943 49484156454f5054 0003";
  private static final String OPTION = "49484156454f5054";
  private static final String REPLY = "0003e889045565a9";
  private static final ExportFacts DISK = Talk.facts("disk", "a disk");

  private final ServerHandshake server = server(ServerHandshake.Tls.OFF);

  private static ServerHandshake server(ServerHandshake.Tls tls) {
    return new ServerHandshake(Talk.exports(DISK, Talk.facts("b", "")), tls);
  }

  @Test
  void exportNameEndsWithOrWithoutZeroes() {
    byte[] named = Talk.hex(OPTION, "00000001 00000004 6469736b");
    Talk.Answer answer = Talk.feed(server, join("00000003", named, "25609513"), 999);
    // 4 MiB; no DF, as there are no structured replies.
    assertThat(answer.output()).isEqualTo(Talk.hex(GREETING, "0000000000400000 0d6d"));
    assertThat(answer.takenBytes()).as("the request is not taken").isEqualTo(24);
    assertThat(server.state()).isEqualTo(ServerHandshake.State.SERVING);

    ServerHandshake other = server(ServerHandshake.Tls.OFF);
    answer = Talk.feed(other, join("00000000", named, ""), 999);
    assertThat(answer.output())
        .isEqualTo(Talk.hex(GREETING, "0000000000400000 0d6d", "00".repeat(124)));
    assertThat(other.session().structuredReplies()).isFalse();
  }

  @Test
  void goTellsWhatWasAskedForAndTheExportAlways() {
    byte[] go = Talk.hex(OPTION, "00000007 0000000c 00000004 6469736b 0001 0003");
    Talk.Answer answer = Talk.feed(server, join("00000001", go, ""), 999);
    assertThat(answer.output())
        .isEqualTo(
            Talk.hex(
                GREETING,
                REPLY + "00000007 00000003 0000000c 0000 0000000000400000 0d6d",
                REPLY + "00000007 00000003 0000000e 0003 00000001 00001000 02000000",
                REPLY + "00000007 00000001 00000000"));
    assertThat(server.session().export().name()).isEqualTo("disk");
  }

  @Test
  void infoHasNameAndDescription() {
    byte[] info = Talk.hex(OPTION, "00000006 0000000e 00000000 0004 0001 0002 0000 0077");
    Talk.Answer answer = Talk.feed(server, join("00000001", info, ""), 999);
    assertThat(answer.output())
        .isEqualTo(
            Talk.hex(
                GREETING,
                REPLY + "00000006 00000003 0000000c 0000 0000000000400000 0d6d",
                REPLY + "00000006 00000003 00000006 0001 6469736b",
                REPLY + "00000006 00000003 00000008 0002 61206469736b",
                REPLY + "00000006 00000001 00000000"));
    assertThat(server.state()).isEqualTo(ServerHandshake.State.OPEN);
  }

  @Test
  void listTellsNamesAndDescriptions() {
    Talk.Answer answer = ask("00000003 00000000");
    assertThat(answer.output())
        .isEqualTo(
            Talk.hex(
                GREETING,
                REPLY + "00000003 00000002 0000000e 00000004 6469736b 61206469736b",
                REPLY + "00000003 00000002 00000005 00000001 62",
                REPLY + "00000003 00000001 00000000"));
  }

  @Test
  void contextsAreSelectedForOneExport() {
    String name = "00000004 6469736b";
    String query = "0000000f 626173653a616c6c6f636174696f6e";
    String set = "0000000a 0000001f" + name + "00000001" + query;
    assertThat(types(ask(set))).containsExactly(Nbd.REP_ERR_INVALID);
    ServerHandshake other = server(ServerHandshake.Tls.OFF);
    Talk.Answer answer =
        Talk.feed(
            other,
            join(
                "00000001",
                Talk.hex(OPTION, "00000008 00000000", OPTION, set),
                OPTION + "00000001 00000001 62"),
            999);
    assertThat(other.session().structuredReplies()).isTrue();
    assertThat(other.session().allocation()).as("selected for another export").isFalse();
    assertThat(OptionAnswers.read(answer.output(), 134))
        .extracting(OptionAnswers.Reply::type)
        .containsExactly(Nbd.REP_ACK, Nbd.REP_META_CONTEXT, Nbd.REP_ACK);
  }

  @Test
  void contextsAreListedByWildcardOnly() {
    String name = "00000001 62";
    String wild = "00000005 626173653a";
    assertThat(types(ask("00000009 00000009" + name + "00000000")))
        .containsExactly(Nbd.REP_META_CONTEXT, Nbd.REP_ACK);
    assertThat(types(again("00000009 00000012" + name + "00000001" + wild)))
        .containsExactly(Nbd.REP_META_CONTEXT, Nbd.REP_ACK);
    assertThat(types(again("00000009 00000012" + name + "00000001" + "00000005 782d793a7a")))
        .containsExactly(Nbd.REP_ACK);
    assertThat(types(again("00000009 00000012" + name + "00000001" + "00000006 782d793a7a")))
        .containsExactly(Nbd.REP_ERR_INVALID);
    assertThat(types(again("00000008 00000000"))).containsExactly(Nbd.REP_ACK);
    assertThat(types(again("0000000a 00000012" + name + "00000001" + wild)))
        .containsExactly(Nbd.REP_ACK);
  }

  @Test
  void nothingIsSaidInTheClearWhereTlsIsRequired() {
    ServerHandshake strict = server(ServerHandshake.Tls.REQUIRED);
    byte[] list = Talk.hex(OPTION, "00000003 00000000", OPTION, "00000008 00000000");
    Talk.Answer answer =
        Talk.feed(strict, join("00000001", list, OPTION + "0000004d 00000001 ff"), 999);
    assertThat(OptionAnswers.read(answer.output(), 0))
        .extracting(OptionAnswers.Reply::type)
        .containsOnly(Nbd.REP_ERR_TLS_REQD)
        .hasSize(3);
    answer = Talk.feed(strict, Talk.hex(OPTION, "00000005 00000000", OPTION), 999);
    assertThat(answer.output()).isEqualTo(Talk.hex(REPLY + "00000005 00000001 00000000"));
    assertThat(answer.takenBytes()).as("what comes then is TLS").isEqualTo(16);
    assertThat(strict.state()).isEqualTo(ServerHandshake.State.START_TLS);
    strict.encrypted();
    answer = Talk.feed(strict, Talk.hex(OPTION, "00000005 00000000"), 999);
    assertThat(answer.output()).startsWith(Talk.hex(REPLY + "00000005 80000003"));

    strict = server(ServerHandshake.Tls.REQUIRED);
    Talk.feed(strict, Talk.hex("00000001", OPTION, "00000001 00000000"), 999);
    assertThat(strict.state()).isEqualTo(ServerHandshake.State.ENDED);
    assertThat(strict.reason()).contains("TLS");
    assertThat(strict.wished()).isFalse();
  }

  @Test
  void whatWasAgreedOnInTheClearIsForgotten() {
    ServerHandshake offering = server(ServerHandshake.Tls.OFFERED);
    String before = "00000008 00000000" + OPTION + "0000000b 00000000" + OPTION;
    Talk.feed(offering, Talk.hex("00000003", OPTION, before, "00000005 00000000"), 999);
    offering.encrypted();
    Talk.feed(offering, Talk.hex(OPTION, "00000001 00000004 6469736b"), 999);
    assertThat(offering.session().structuredReplies()).isFalse();
    assertThat(offering.session().extendedHeaders()).isFalse();
    assertThatThrownBy(offering::encrypted).isInstanceOf(IllegalStateException.class);
  }

  @Test
  void oddOptionsAreAnswered() {
    assertThat(types(ask("00000005 00000000"))).containsExactly(Nbd.REP_ERR_POLICY);
    assertThat(types(again("00000003 00000001 00"))).containsExactly(Nbd.REP_ERR_INVALID);
    assertThat(types(again("00000008 00000001 00"))).containsExactly(Nbd.REP_ERR_INVALID);
    assertThat(types(again("0000004d 00000003 112233"))).containsExactly(Nbd.REP_ERR_UNSUP);
    assertThat(types(again("00000006 00000005 0000000000"))).containsExactly(Nbd.REP_ERR_INVALID);
    assertThat(types(again("00000006 00000007 00000001 00 0000")))
        .as("a NUL in a name")
        .containsExactly(Nbd.REP_ERR_INVALID);
    assertThat(types(again("00000006 00000006 00000001 0000")))
        .containsExactly(Nbd.REP_ERR_INVALID);
    assertThat(types(again("00000007 00000007 00000001 7a 0000")))
        .containsExactly(Nbd.REP_ERR_UNKNOWN);
    assertThat(types(again("0000000b 00000000"))).containsExactly(Nbd.REP_ACK);
    assertThat(types(again("00000008 00000000"))).containsExactly(Nbd.REP_ERR_EXT_HEADER_REQD);
    server.stopping();
    assertThat(types(again("00000003 00000000"))).containsExactly(Nbd.REP_ERR_SHUTDOWN);
    assertThat(types(again("00000002 00000000"))).containsExactly(Nbd.REP_ACK);
    assertThat(server.wished()).isTrue();
  }

  @Test
  void longOptionsAreSkippedInLittleMemory() {
    Talk.feed(server, Talk.hex("00000001"), 999);
    for (int option : new int[] {Nbd.OPT_LIST_META_CONTEXT, 77}) {
      Talk.feed(server, Talk.hex(OPTION, "%08x 00100000".formatted(option)), 999);
      Talk.Answer answer = Talk.feed(server, new byte[1 << 20], 1 << 16);
      assertThat(server.heldBytes()).isLessThan(1024);
      assertThat(answer.takenBytes()).isEqualTo(1 << 20);
      String type = option == 77 ? "80000001" : "80000009";
      assertThat(answer.output()).startsWith(Talk.hex(REPLY, "%08x".formatted(option), type));
    }
    Talk.feed(server, Talk.hex(OPTION, "00000003 ffffffff"), 999);
    assertThat(server.reason()).contains("beyond all reason");
  }

  @Test
  void whoAsksWithoutEndIsDropped() {
    Talk.feed(server, Talk.hex("00000001"), 999);
    byte[] list = Talk.hex(OPTION, "00000003 00000000");
    int options = 0;
    while (server.state() == ServerHandshake.State.OPEN && options < 10_000) {
      Talk.feed(server, list, 999);
      options++;
    }
    assertThat(options).isBetween(64, 200);
    assertThat(server.reason()).contains("too many options");
  }

  @Test
  void nothingIsTakenWhileOutputWaits() {
    byte[] flags = Talk.hex("00000001");
    assertThat(server.take(MemorySegment.ofArray(flags), 0, 4)).isZero();
    server.output();
    assertThat(server.take(MemorySegment.ofArray(flags), 0, 4)).isEqualTo(4);
    byte[] lists = Talk.hex((OPTION + "00000003 00000000").repeat(9));
    assertThat(server.take(MemorySegment.ofArray(lists), 0, lists.length)).isEqualTo(16);
    assertThat(server.take(MemorySegment.ofArray(lists), 16, lists.length - 16)).isZero();
  }

  @Test
  void brokenClientsAreDroppedWithASentence() {
    Talk.feed(server, Talk.hex("00000005"), 999);
    assertThat(server.reason()).isEqualTo("The client set flags that nobody offered: 0x4.");
    ServerHandshake other = server(ServerHandshake.Tls.OFF);
    Talk.feed(other, "GET / HTTP/1.1\r\n\r\n".getBytes(StandardCharsets.US_ASCII), 999);
    assertThat(other.state()).isEqualTo(ServerHandshake.State.ENDED);
    ServerHandshake named = server(ServerHandshake.Tls.OFF);
    Talk.feed(named, Talk.hex("00000001", OPTION, "00000001 00000003 610a62"), 999);
    assertThat(named.reason()).contains("\"a b\"");
    assertThat(named.wished()).isFalse();
    ServerHandshake old = server(ServerHandshake.Tls.OFF);
    Talk.Answer answer = Talk.feed(old, Talk.hex("00000000", OPTION, "00000003 00000000"), 999);
    assertThat(types(answer)).containsExactly(Nbd.REP_ERR_INVALID);
  }

  @Test
  void blockSizeIsRequiredWhereItMatters() {
    ExportFacts blocks = new ExportFacts("k", "", 1 << 20, 1, 4096, 4096, 1 << 20);
    var strict = new ServerHandshake(Talk.exports(blocks), ServerHandshake.Tls.OFF);
    byte[] go = Talk.hex("00000001", OPTION, "00000007 00000006 00000000 0000");
    assertThat(types(Talk.feed(strict, go, 999)))
        .containsExactly(Nbd.REP_INFO, Nbd.REP_INFO, Nbd.REP_ERR_BLOCK_SIZE_REQD);
    assertThat(strict.state()).isEqualTo(ServerHandshake.State.OPEN);
    Talk.feed(strict, Talk.hex(OPTION, "00000007 00000008 00000000 0001 0003"), 999);
    assertThat(strict.state()).isEqualTo(ServerHandshake.State.SERVING);
  }

  private Talk.Answer ask(String option) {
    return Talk.feed(server, Talk.hex("00000001", OPTION, option), 999);
  }

  private Talk.Answer again(String option) {
    Talk.Answer answer = Talk.feed(server, Talk.hex(OPTION, option), 999);
    byte[] greeting = Talk.hex(GREETING);
    byte[] whole = new byte[greeting.length + answer.output().length];
    System.arraycopy(greeting, 0, whole, 0, greeting.length);
    System.arraycopy(answer.output(), 0, whole, greeting.length, answer.output().length);
    return new Talk.Answer(whole, answer.takenBytes());
  }

  private static List<Integer> types(Talk.Answer answer) {
    return OptionAnswers.read(answer.output(), 0).stream().map(OptionAnswers.Reply::type).toList();
  }

  private static byte[] join(String before, byte[] bytes, String after) {
    return Talk.hex(before, HexFormat.of().formatHex(bytes), after);
  }
}
