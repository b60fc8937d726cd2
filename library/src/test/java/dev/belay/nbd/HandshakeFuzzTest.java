// SPDX-License-Identifier: Apache-2.0
package dev.belay.nbd;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/**
 * Both ends of the handshake, and the headers, fed with what nobody sane would send: real talks
 * with bytes changed, words replaced, pieces doubled, cut and exchanged. {@code
 * -Dbelay.nbdfuzz.inputs=N} tries more, {@code -Dbelay.nbdfuzz.seed=N} others.
 */
final class HandshakeFuzzTest {
  private static final int INPUTS = Integer.getInteger("belay.nbdfuzz.inputs", 50_000);
  private static final long SEED = Long.getLong("belay.nbdfuzz.seed", 20_261_122L);

  private static final int[] WORDS = {
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    10,
    11,
    12,
    255,
    4095,
    4096,
    4097,
    65_535,
    65_536,
    65_537,
    1 << 25,
    (1 << 25) + 1,
    Integer.MAX_VALUE,
    Integer.MIN_VALUE,
    -1,
    -2,
    0x80000001,
    0x80000005,
  };

  private static final ExportFacts[] EXPORTS = {
    Talk.facts("disk", "a disk"),
    Talk.facts("one", ""),
    new ExportFacts("blocks", "", 1 << 20, 0x1fff, 4096, 4096, 1 << 20)
  };

  @Test
  void noClientBringsTheServerDown() throws Exception {
    List<byte[]> corpus = new ArrayList<>();
    for (String recording : Talk.RECORDED) {
      byte[] said = Talk.said(recording, 'C');
      corpus.add(Arrays.copyOf(said, Math.min(said.length, 300)));
    }
    for (String recording : Talk.OURS) {
      corpus.add(Talk.said(recording, 'C'));
    }
    // One had nothing to say to an oldstyle server.
    corpus.removeIf(said -> said.length == 0);
    corpus.add(everyOption());
    int served = 0;
    int ended = 0;
    for (int i = 0; i < INPUTS; i++) {
      Random random = new Random(SEED + i);
      byte[] input = mutate(corpus, random, 4);
      var tls = ServerHandshake.Tls.values()[random.nextInt(3)];
      try {
        var whole = new ServerHandshake(Talk.exports(EXPORTS), tls);
        Fed one = feed(whole, input, new Random(0), input.length);
        var split = new ServerHandshake(Talk.exports(EXPORTS), tls);
        Fed other = feed(split, input, random, 1 + random.nextInt(60));
        check(input, whole, one);
        assertThat(other.takenBytes()).isEqualTo(one.takenBytes());
        assertThat(Arrays.equals(one.output(), other.output())).as("same when split").isTrue();
        assertThat(split.state()).isEqualTo(whole.state());
        served += whole.state() == ServerHandshake.State.SERVING ? 1 : 0;
        ended += whole.state() == ServerHandshake.State.ENDED ? 1 : 0;
      } catch (RuntimeException | AssertionError e) {
        throw new AssertionError("seed " + (SEED + i), e);
      }
    }
    assertThat(served).isGreaterThan(INPUTS / 20);
    assertThat(ended).isGreaterThan(INPUTS / 20);
  }

  private record Fed(byte[] output, int takenBytes) {}

  private static Fed feed(ServerHandshake server, byte[] input, Random random, int most) {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    MemorySegment bytes = MemorySegment.ofArray(input);
    int at = 0;
    while (true) {
      byte[] output = server.output();
      all.writeBytes(output);
      if (server.state() == ServerHandshake.State.START_TLS) {
        server.encrypted();
      }
      int piece = Math.min(1 + random.nextInt(Math.max(most, 1)), input.length - at);
      int taken = server.take(bytes, at, most >= input.length ? input.length - at : piece);
      assertThat(server.heldBytes()).isLessThanOrEqualTo(Math.max(4 * input.length, 128));
      if (taken == 0 && output.length == 0) {
        return new Fed(all.toByteArray(), at);
      }
      at += taken;
    }
  }

  private static void check(byte[] input, ServerHandshake server, Fed fed) {
    byte[] output = fed.output();
    int tail = 0;
    switch (server.state()) {
      case OPEN -> assertThat(fed.takenBytes()).isEqualTo(input.length);
      case START_TLS -> throw new AssertionError("TLS was not begun");
      case SERVING -> {
        assertThat(server.session().export()).isNotNull();
        byte[] go = Talk.hex("0003e889045565a9 00000007 00000001 00000000");
        int from = Math.max(0, output.length - go.length);
        boolean named = !Arrays.equals(output, from, output.length, go, 0, go.length);
        tail = !named ? 0 : (input[3] & 2) != 0 ? 10 : 134;
      }
      case ENDED -> assertThat(server.reason()).endsWith(".").doesNotContain("\n");
    }
    var replies = OptionAnswers.read(output, tail);
    // Each option has its replies, the last of them final; only the very last may have none.
    List<Integer> asked = optionsOf(Arrays.copyOf(input, fed.takenBytes()));
    int finals = 0;
    int others = 0;
    for (OptionAnswers.Reply reply : replies) {
      assertThat(finals).isLessThan(asked.size());
      assertThat(reply.option()).isEqualTo(asked.get(finals));
      finals += reply.last() ? 1 : 0;
      others += reply.last() ? 0 : 1;
    }
    boolean lastMayLack = server.state() != ServerHandshake.State.OPEN;
    assertThat(finals).isBetween(asked.size() - (lastMayLack ? 1 : 0), asked.size());
    assertThat(others).isLessThanOrEqualTo(5 * finals);
  }

  /** The options that a client sent, all but what is incomplete. */
  private static List<Integer> optionsOf(byte[] input) {
    List<Integer> options = new ArrayList<>();
    ByteBuffer in = ByteBuffer.wrap(input);
    in.position(Math.min(4, input.length));
    while (in.remaining() >= 16) {
      in.getLong();
      int option = in.getInt();
      long length = Integer.toUnsignedLong(in.getInt());
      if (length > in.remaining()) {
        break;
      }
      in.position(in.position() + (int) length);
      options.add(option);
    }
    return options;
  }

  @Test
  void noServerBringsTheClientDown() throws Exception {
    List<byte[]> corpus = new ArrayList<>();
    for (String recording : Talk.OURS) {
      corpus.add(Talk.said(recording, 'S'));
    }
    int done = 0;
    int ended = 0;
    for (int i = 0; i < INPUTS; i++) {
      Random random = new Random(SEED + i);
      byte[] input = mutate(corpus, random, 0);
      int kind = random.nextInt(6);
      try {
        ClientHandshake whole = client(kind);
        Fed one = feed(whole, input, new Random(0), input.length);
        ClientHandshake split = client(kind);
        Fed other = feed(split, input, random, 1 + random.nextInt(60));
        assertThat(other.takenBytes()).isEqualTo(one.takenBytes());
        assertThat(Arrays.equals(one.output(), other.output())).as("same when split").isTrue();
        assertThat(split.state()).isEqualTo(whole.state());
        checkOptions(one.output());
        if (whole.state() == ClientHandshake.State.OPEN) {
          assertThat(one.takenBytes()).isEqualTo(input.length);
          whole.peerClosed();
        }
        if (whole.state() == ClientHandshake.State.ENDED) {
          assertThat(whole.reason()).matches("(?s).*[.\"]").doesNotContain("\n");
          ended++;
        } else {
          done++;
        }
      } catch (RuntimeException | AssertionError e) {
        throw new AssertionError("seed " + (SEED + i), e);
      }
    }
    assertThat(done).isGreaterThan(INPUTS / 50);
    assertThat(ended).isGreaterThan(INPUTS / 20);
  }

  private static ClientHandshake client(int kind) {
    var tls = ClientHandshake.Tls.values()[kind % 3];
    return kind < 2
        ? ClientHandshake.list(tls)
        : ClientHandshake.open(ClientHandshake.Wishes.of(kind == 4 ? "disk" : "one", tls));
  }

  private static Fed feed(ClientHandshake client, byte[] input, Random random, int most) {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    MemorySegment bytes = MemorySegment.ofArray(input);
    int at = 0;
    while (true) {
      if (client.state() == ClientHandshake.State.START_TLS) {
        client.encrypted();
      }
      byte[] output = client.output();
      all.writeBytes(output);
      int piece = Math.min(1 + random.nextInt(Math.max(most, 1)), input.length - at);
      int taken = client.take(bytes, at, most >= input.length ? input.length - at : piece);
      assertThat(client.heldBytes()).isLessThanOrEqualTo(1 << 15);
      if (taken == 0 && output.length == 0) {
        return new Fed(all.toByteArray(), at);
      }
      at += taken;
    }
  }

  /** What a client says is its flags and whole options. */
  private static void checkOptions(byte[] output) {
    if (output.length == 0) {
      return;
    }
    ByteBuffer in = ByteBuffer.wrap(output);
    assertThat(in.getInt()).isBetween(0, 3);
    while (in.hasRemaining()) {
      assertThat(in.getLong()).isEqualTo(0x49484156454F5054L);
      int option = in.getInt();
      int length = in.getInt();
      boolean bare = option == 2 || option == 3 || option == 5 || option == 8 || option == 11;
      assertThat(option).isBetween(1, 11);
      assertThat(length).isBetween(0, bare ? 0 : 3 * 4096);
      in.position(in.position() + length);
    }
  }

  @Test
  void headersSayWhatIsWrong() {
    RequestHeader request = new RequestHeader();
    byte[] bytes = new byte[64];
    MemorySegment memory = MemorySegment.ofArray(bytes);
    int sound = 0;
    for (int i = 0; i < INPUTS; i++) {
      Random random = new Random(SEED + i);
      random.nextBytes(bytes);
      boolean extended = random.nextBoolean();
      ByteBuffer in = ByteBuffer.wrap(bytes);
      in.putInt(0, extended ? 0x21e41c71 : 0x25609513);
      in.putShort(4, (short) (random.nextInt(4) == 0 ? 1 << random.nextInt(7) : 0));
      in.putShort(6, (short) random.nextInt(9));
      in.putLong(16, random.nextInt(8) == 0 ? random.nextLong() : random.nextInt(5 << 20));
      in.putInt(24, extended && random.nextInt(8) > 0 ? 0 : random.nextInt(1 << 20));
      in.putInt(28, random.nextInt(1 << 20));
      Session session =
          new Session(
              EXPORTS[random.nextInt(EXPORTS.length)],
              extended || random.nextBoolean(),
              extended,
              random.nextBoolean(),
              1);
      assertThat(request.parse(memory, 0, extended)).isTrue();
      int error = request.error(session);
      assertThat(error).isIn(0, 1, 22, 28, 75);
      String refusal = request.refusal(session);
      assertThat(refusal == null).isEqualTo(error == 0);
      if (error == 0 && request.payloadBytes() == 0) {
        long end = request.offsetBytes() + request.lengthBytes();
        if (request.type() != Nbd.CMD_DISC) {
          assertThat(request.offsetBytes()).isNotNegative();
          assertThat(end).isBetween(request.offsetBytes(), session.export().sizeBytes());
        }
        sound++;
      }
      in.put(random.nextInt(4), (byte) 0x77);
      assertThat(request.parse(memory, 0, extended)).isFalse();
    }
    assertThat(sound).isGreaterThan(INPUTS / 20);
  }

  @Test
  void repliesThatMakeNoSenseAreSeen() {
    int sound = 0;
    for (int i = 0; i < INPUTS; i++) {
      Random random = new Random(SEED + i);
      byte[] bytes = new byte[20 + random.nextInt(60)];
      random.nextBytes(bytes);
      boolean extended = bytes.length >= 32 && random.nextBoolean();
      ByteBuffer in = ByteBuffer.wrap(bytes);
      boolean simple = !extended && random.nextInt(10) == 0;
      in.putInt(0, extended ? 0x6e8a278c : simple ? 0x67446698 : 0x668e33ef);
      in.putShort(6, (short) (random.nextInt(8) | (random.nextInt(3) == 0 ? 0x8000 : 0)));
      int head = extended ? 32 : simple ? 16 : 20;
      int length = random.nextInt(Math.max(1, bytes.length - head + 1));
      if (extended) {
        in.putLong(24, length);
      } else if (!simple) {
        in.putInt(16, length);
      }
      ReplyHeader reply = new ReplyHeader(new Session(EXPORTS[0], true, extended, true, 1));
      // Cut to what there is, so that reading beyond it throws.
      int parsed = reply.parse(MemorySegment.ofArray(bytes).asSlice(0, head), 0, head);
      assertThat(parsed).isIn(-1, head);
      if (parsed == head && !simple) {
        int fixed = reply.fixedBytes();
        assertThat(fixed).isBetween(0, length);
        MemorySegment payload = MemorySegment.ofArray(bytes).asSlice(head, fixed);
        if (reply.parseFixed(payload, 0)) {
          sound++;
          assertThat(reply.message(payload, 0)).doesNotContain("\n");
        }
      }
    }
    assertThat(sound).isGreaterThan(INPUTS / 50);
  }

  /** One of the corpus, with some things done to it; mostly few, so that it gets far. */
  private static byte[] mutate(List<byte[]> corpus, Random random, int spared) {
    byte[] bytes = corpus.get(random.nextInt(corpus.size())).clone();
    if (random.nextInt(50) == 0) {
      random.nextBytes(bytes);
    }
    int changes = random.nextInt(4) * random.nextInt(4);
    for (int i = 0; i < changes && bytes.length > 8; i++) {
      int at = random.nextInt(10) > 0 ? random.nextInt(spared, bytes.length) : 0;
      int word = Math.min(at & ~1, bytes.length - 4);
      switch (random.nextInt(7)) {
        case 0 -> bytes[at] ^= (byte) (1 << random.nextInt(8));
        case 1 -> bytes[at] = (byte) random.nextInt();
        case 2, 3 -> ByteBuffer.wrap(bytes).putInt(word, WORDS[random.nextInt(WORDS.length)]);
        case 4 -> bytes = Arrays.copyOf(bytes, at);
        case 5 -> {
          byte[] other = corpus.get(random.nextInt(corpus.size()));
          bytes = join(bytes, at, other, random.nextInt(other.length));
        }
        default -> bytes = join(bytes, at, bytes, random.nextInt(bytes.length));
      }
    }
    return bytes;
  }

  private static byte[] join(byte[] first, int to, byte[] second, int from) {
    byte[] both = Arrays.copyOf(first, Math.min(to + second.length - from, 4096));
    System.arraycopy(
        second, from, both, Math.min(to, both.length), both.length - Math.min(to, both.length));
    return both;
  }

  private static byte[] everyOption() {
    Outgoing all = new Outgoing().u32(3);
    for (int option = 0; option < 13; option++) {
      Outgoing contents = new Outgoing();
      switch (option) {
        case 6, 7 -> contents.u32(3).text("one").u16(2).u16(0).u16(3);
        case 9, 10 -> contents.u32(3).text("one").u32(2).u32(5).text("base:").u32(3).text("x-y");
        default -> {}
      }
      if (option != 1 && option != 2 && option != 7) {
        byte[] taken = contents.take();
        all.u64(Nbd.OPTION_MAGIC).u32(option).u32(taken.length).raw(taken);
      }
    }
    byte[] name = {'o', 'n', 'e'};
    return all.u64(Nbd.OPTION_MAGIC).u32(Nbd.OPT_EXPORT_NAME).u32(3).raw(name).take();
  }
}
