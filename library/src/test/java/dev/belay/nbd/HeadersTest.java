// SPDX-License-Identifier: Apache-2.0
package dev.belay.nbd;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.Errno;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** Headers of requests and replies, byte by byte as the text of the protocol draws them. */
final class HeadersTest {
  private static final ExportFacts DISK = Talk.facts("disk", "");
  private static final Session SIMPLE =
      new Session(DISK.withFlags(DISK.flags() & ~Nbd.FLAG_SEND_DF), false, false, false, 0);
  private static final Session CHUNKS = new Session(DISK, true, false, true, 7);
  private static final Session EXTENDED = new Session(DISK, true, true, true, 7);
  private static final long COOKIE = 0x0102030405060708L;

  private final byte[] bytes = new byte[256];
  private final MemorySegment memory = MemorySegment.ofArray(bytes);

  private byte[] wrote(int length) {
    return Arrays.copyOfRange(bytes, 3, 3 + length);
  }

  @Test
  void requestsAreAsDrawn() {
    int length = RequestHeader.write(memory, 3, false, Nbd.CMD_WRITE, 1, COOKIE, 0x1000, 0x200);
    assertThat(wrote(length))
        .isEqualTo(Talk.hex("25609513 0001 0001 0102030405060708 0000000000001000 00000200"));
    length = RequestHeader.write(memory, 3, true, Nbd.CMD_WRITE, 0x21, COOKIE, 0x1000, 0x200);
    assertThat(wrote(length))
        .isEqualTo(
            Talk.hex("21e41c71 0021 0001 0102030405060708 0000000000001000 0000000000000200"));
    RequestHeader request = new RequestHeader();
    assertThat(request.parse(memory, 3, false)).isFalse();
    assertThat(request.parse(memory, 3, true)).isTrue();
    assertThat(request.type()).isEqualTo(Nbd.CMD_WRITE);
    assertThat(request.flags()).isEqualTo(0x21);
    assertThat(request.cookie()).isEqualTo(COOKIE);
    assertThat(request.offsetBytes()).isEqualTo(0x1000);
    assertThat(request.payloadBytes()).isEqualTo(0x200);
    assertThat(request.error(EXTENDED)).isZero();
  }

  @Test
  void requestsSayWhatIsWrongWithThem() {
    assertThat(wrong(SIMPLE, Nbd.CMD_READ, 0, 4 << 20, 1)).contains("goes beyond the end");
    assertThat(wrong(SIMPLE, Nbd.CMD_READ, 0, -1, 1)).contains("18446744073709551615");
    assertThat(wrong(SIMPLE, Nbd.CMD_READ, Nbd.CMD_FLAG_DF, 0, 1)).contains("flags 0x4");
    assertThat(wrong(CHUNKS, Nbd.CMD_READ, Nbd.CMD_FLAG_DF, 0, 1)).isNull();
    assertThat(wrong(CHUNKS, Nbd.CMD_READ, Nbd.CMD_FLAG_FUA, 0, 1)).isNull();
    assertThat(wrong(CHUNKS, Nbd.CMD_WRITE, Nbd.CMD_FLAG_NO_HOLE, 0, 1)).contains("WRITE");
    assertThat(wrong(CHUNKS, Nbd.CMD_WRITE, Nbd.CMD_FLAG_PAYLOAD_LEN, 0, 1)).contains("0x20");
    assertThat(wrong(EXTENDED, Nbd.CMD_WRITE, 0, 0, 1)).contains("PAYLOAD_LEN");
    assertThat(wrong(CHUNKS, Nbd.CMD_WRITE_ZEROES, 0x12, 0, 9)).isNull();
    assertThat(wrong(SIMPLE, Nbd.CMD_BLOCK_STATUS, 8, 0, 9)).contains("base:allocation");
    assertThat(wrong(CHUNKS, Nbd.CMD_BLOCK_STATUS, 8, 0, 9)).isNull();
    assertThat(wrong(CHUNKS, Nbd.CMD_FLUSH, 0, 0, 1)).contains("must be 0");
    assertThat(wrong(CHUNKS, Nbd.CMD_CACHE, 0, 0, 1)).isNull();
    assertThat(wrong(CHUNKS, 99, 0, 0, 0)).isEqualTo("There is no command 99.");
    assertThat(wrong(CHUNKS, Nbd.CMD_DISC, 0, 5, 5)).isNull();
    ExportFacts locked =
        new ExportFacts("l", "", 1 << 20, Nbd.FLAG_HAS_FLAGS | Nbd.FLAG_READ_ONLY, 512, 512, 8192);
    Session strict = new Session(locked, true, false, false, 0);
    assertThat(wrong(strict, Nbd.CMD_WRITE, 0, 0, 512)).contains("read-only");
    assertThat(wrong(strict, Nbd.CMD_TRIM, 0, 0, 512)).contains("read-only");
    assertThat(wrong(strict, Nbd.CMD_FLUSH, 0, 0, 0)).contains("does not offer FLUSH");
    assertThat(wrong(strict, Nbd.CMD_READ, 0, 1, 512)).contains("not aligned to blocks of 512");
    assertThat(wrong(strict, Nbd.CMD_READ, 0, 0, 8704)).contains("longer than the 8192 bytes");
    assertThat(wrong(strict, Nbd.CMD_CACHE, 0, 0, 8704)).isNull();
    assertThat(wrong(strict, Nbd.CMD_READ, 1, 0, 512)).contains("0x1");
  }

  @Test
  void errorsAreTheOnesOfTheText() {
    assertThat(error(SIMPLE, Nbd.CMD_READ, 5 << 20, 1)).isEqualTo(Nbd.EINVAL);
    assertThat(error(SIMPLE, Nbd.CMD_WRITE, 5 << 20, 1)).isEqualTo(Nbd.ENOSPC);
    assertThat(error(SIMPLE, Nbd.CMD_WRITE_ZEROES, 5 << 20, 1)).isEqualTo(Nbd.ENOSPC);
    assertThat(error(SIMPLE, Nbd.CMD_TRIM, 5 << 20, 1)).isEqualTo(Nbd.EINVAL);
    assertThat(NbdErrors.ofErrno(Errno.EROFS)).isEqualTo(Nbd.EPERM);
    assertThat(NbdErrors.ofErrno(Errno.EDQUOT)).isEqualTo(Nbd.ENOSPC);
    assertThat(NbdErrors.ofErrno(Errno.ECANCELED)).isEqualTo(Nbd.EIO);
    assertThat(NbdErrors.toErrno(4242)).isEqualTo(Errno.EINVAL);
    assertThat(NbdErrors.describe(Nbd.ESHUTDOWN)).contains("shut down");
    RequestHeader large = new RequestHeader();
    RequestHeader.write(memory, 0, false, Nbd.CMD_WRITE, 0, 1, 0, (1 << 25) + 1);
    large.parse(memory, 0, false);
    assertThat(large.tooMuch(SIMPLE)).isTrue();
  }

  private String wrong(Session session, int type, int flags, long offset, long length) {
    RequestHeader request = request(session, type, flags, offset, length);
    assertThat(request.error(session) == 0).isEqualTo(request.refusal(session) == null);
    return request.refusal(session);
  }

  private int error(Session session, int type, long offset, long length) {
    return request(session, type, 0, offset, length).error(session);
  }

  private RequestHeader request(Session session, int type, int flags, long offset, long length) {
    boolean extended = session.extendedHeaders();
    RequestHeader.write(memory, 0, extended, type, flags, 1, offset, length);
    RequestHeader request = new RequestHeader();
    assertThat(request.parse(memory, 0, extended)).isTrue();
    return request;
  }

  @Test
  void simpleRepliesAreAsDrawn() {
    ReplyWriter writer = new ReplyWriter(SIMPLE);
    String head = "67446698 00000000 0102030405060708";
    assertThat(wrote(writer.done(memory, 3, COOKIE, 5))).isEqualTo(Talk.hex(head));
    assertThat(wrote(writer.content(memory, 3, COOKIE, 5, 5, 9, true))).isEqualTo(Talk.hex(head));
    assertThat(wrote(writer.error(memory, 3, 99, COOKIE, 5, Nbd.EIO, "why")))
        .isEqualTo(Talk.hex("67446698 00000005 0102030405060708"));
    ReplyHeader reply = new ReplyHeader(SIMPLE);
    assertThat(reply.parse(memory, 3, 15)).isZero();
    assertThat(reply.parse(memory, 3, 16)).isEqualTo(16);
    assertThat(reply.simple() && reply.last() && reply.failed()).isTrue();
    assertThat(reply.error()).isEqualTo(Nbd.EIO);
    assertThat(reply.cookie()).isEqualTo(COOKIE);
  }

  @Test
  void chunksAreAsDrawn() {
    ReplyWriter writer = new ReplyWriter(CHUNKS);
    assertThat(wrote(writer.done(memory, 3, COOKIE, 5)))
        .isEqualTo(Talk.hex("67446698 00000000 0102030405060708"));
    assertThat(wrote(writer.content(memory, 3, COOKIE, 5, 6, 512, false)))
        .isEqualTo(Talk.hex("668e33ef 0000 0001 0102030405060708 00000208 0000000000000006"));
    assertThat(wrote(writer.content(memory, 3, COOKIE, 5, 6, 0, true)))
        .isEqualTo(Talk.hex("668e33ef 0001 0000 0102030405060708 00000000"));
    assertThat(wrote(writer.hole(memory, 3, COOKIE, 5, 6, 512, true)))
        .isEqualTo(
            Talk.hex("668e33ef 0001 0002 0102030405060708 0000000c 0000000000000006 00000200"));
    int length = writer.status(memory, 3, COOKIE, 5, 2);
    length += writer.extent(memory, 3 + length, 4096, 0);
    length += writer.extent(memory, 3 + length, 8192, Nbd.STATE_HOLE | Nbd.STATE_ZERO);
    assertThat(wrote(length))
        .isEqualTo(
            Talk.hex(
                "668e33ef 0001 0005 0102030405060708 00000014 00000007",
                "00001000 00000000 00002000 00000003"));
    assertThat(wrote(writer.error(memory, 3, 99, COOKIE, 5, Nbd.EIO, "why")))
        .isEqualTo(Talk.hex("668e33ef 0001 8001 0102030405060708 00000009 00000005 0003 776879"));
    assertThat(wrote(writer.errorAt(memory, 3, 99, COOKIE, 5, Nbd.EIO, "", 6, true)))
        .isEqualTo(
            Talk.hex(
                "668e33ef 0001 8002 0102030405060708 0000000e 00000005 0000 0000000000000006"));
  }

  @Test
  void extendedRepliesAreAsDrawn() {
    ReplyWriter writer = new ReplyWriter(EXTENDED);
    assertThat(wrote(writer.done(memory, 3, COOKIE, 5)))
        .isEqualTo(
            Talk.hex("6e8a278c 0001 0000 0102030405060708 0000000000000005 0000000000000000"));
    int length = writer.status(memory, 3, COOKIE, 5, 1);
    length += writer.extent(memory, 3 + length, 1L << 40, Nbd.STATE_ZERO);
    assertThat(wrote(length))
        .isEqualTo(
            Talk.hex(
                "6e8a278c 0001 0006 0102030405060708 0000000000000005 0000000000000018",
                "00000007 00000001 0000010000000000 0000000000000002"));
    ReplyHeader reply = new ReplyHeader(EXTENDED);
    assertThat(reply.parse(memory, 3, length)).isEqualTo(32);
    assertThat(reply.parseFixed(memory, 35)).isTrue();
    assertThat(reply.extents()).isEqualTo(1);
    assertThat(reply.context()).isEqualTo(7);
    assertThat(reply.extentLength(memory, 43)).isEqualTo(1L << 40);
    assertThat(reply.extentStates(memory, 43)).isEqualTo(Nbd.STATE_ZERO);
  }

  @Test
  void aSentenceIsCutToItsRoomAtACharacter() {
    ReplyWriter writer = new ReplyWriter(CHUNKS);
    int length = writer.errorAt(memory, 3, 20 + 14 + 4, COOKIE, 0, Nbd.EIO, "abc\u20ac", 6, true);
    assertThat(length).isEqualTo(20 + 14 + 3);
    ReplyHeader reply = new ReplyHeader(CHUNKS);
    assertThat(reply.parse(memory, 3, length)).isEqualTo(20);
    assertThat(reply.parseFixed(memory, 23)).isTrue();
    assertThat(reply.message(memory, 23)).isEqualTo("abc");
    assertThat(reply.offsetBytes()).isEqualTo(6);
    assertThat(reply.failed()).isTrue();
  }
}
