// SPDX-License-Identifier: Apache-2.0
package dev.belay.nbd;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * Reads what a server says during a handshake, knowing nothing but the text of the protocol; fails
 * where it is not well-formed.
 */
final class OptionAnswers {
  /**
   * One reply.
   *
   * @param contents after its head
   */
  record Reply(int option, int type, byte[] contents) {
    boolean last() {
      return type < 0 || type == 1;
    }
  }

  private OptionAnswers() {}

  /**
   * The replies after the greeting.
   *
   * @param tail how many bytes at the end answer EXPORT_NAME: 0, 10 or 134
   */
  static List<Reply> read(byte[] output, int tail) {
    ByteBuffer from = ByteBuffer.wrap(output, 0, output.length - tail);
    assertThat(from.getLong()).isEqualTo(0x4e42444d41474943L);
    assertThat(from.getLong()).isEqualTo(0x49484156454F5054L);
    assertThat(from.getShort()).isEqualTo((short) 3);
    List<Reply> replies = new ArrayList<>();
    while (from.hasRemaining()) {
      assertThat(from.getLong()).isEqualTo(0x3e889045565a9L);
      Reply reply = new Reply(from.getInt(), from.getInt(), new byte[from.getInt()]);
      from.get(reply.contents());
      check(reply);
      replies.add(reply);
    }
    if (!replies.isEmpty()) {
      assertThat(replies.getLast().last()).isTrue();
    }
    return replies;
  }

  private static void check(Reply reply) {
    ByteBuffer in = ByteBuffer.wrap(reply.contents());
    int option = reply.option();
    switch (reply.type()) {
      case 1 -> assertThat(in.remaining()).isZero();
      case 2 -> {
        assertThat(option).isEqualTo(3);
        int length = in.getInt();
        string(in, length);
        string(in, in.remaining());
      }
      case 3 -> {
        assertThat(option).isIn(6, 7);
        int kind = in.getShort();
        switch (kind) {
          case 0 -> assertThat(in.remaining()).isEqualTo(10);
          case 1, 2 -> string(in, in.remaining());
          case 3 -> assertThat(in.remaining()).isEqualTo(12);
          default -> assertThat(kind).as("a kind of INFO").isBetween(0, 3);
        }
      }
      case 4 -> {
        assertThat(option).isIn(9, 10);
        in.getInt();
        string(in, in.remaining());
      }
      default -> {
        assertThat(reply.type()).isBetween(0x80000001, 0x8000000a);
        string(in, in.remaining());
      }
    }
  }

  private static void string(ByteBuffer in, int length) {
    assertThat(length).isBetween(0, 4096);
    byte[] text = new byte[length];
    in.get(text);
    try {
      String read = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(text)).toString();
      assertThat(read).doesNotContain("\0");
    } catch (CharacterCodingException e) {
      throw new AssertionError("not UTF-8", e);
    }
  }
}
