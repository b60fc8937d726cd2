// SPDX-License-Identifier: Apache-2.0
package dev.belay.serve;

import dev.belay.net.Gather;
import dev.belay.net.Sender;
import dev.belay.testing.PipeWire;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A client of the transmission phase that shares no code with the server: it sends bytes, and takes
 * apart what comes back by doc/proto.md alone. Whatever the text does not allow is a complaint. On
 * the loop's thread.
 */
final class TestClient implements Sender {
  static final int READ = 0;
  static final int WRITE = 1;
  static final int DISC = 2;
  static final int FLUSH = 3;
  static final int TRIM = 4;
  static final int CACHE = 5;
  static final int WRITE_ZEROES = 6;
  static final int BLOCK_STATUS = 7;

  /** What came back for a request. */
  static final class Answer {
    final int type;
    final long offsetBytes;
    final long lengthBytes;
    int error;
    String sentence = "";
    long errorOffsetBytes = -1;
    byte[] content = new byte[0];
    final List<long[]> extents = new ArrayList<>();
    boolean isDone;

    Answer(int type, long offsetBytes, long lengthBytes) {
      this.type = type;
      this.offsetBytes = offsetBytes;
      this.lengthBytes = lengthBytes;
    }
  }

  final PipeWire wire;
  final List<String> complaints = new ArrayList<>();
  final Map<Long, Answer> asked = new HashMap<>();
  private final Replying replying;
  private final MemorySegment in = Arena.ofAuto().allocate(64 << 10);
  private final ArrayDeque<byte[]> toSend = new ArrayDeque<>();
  private @Nullable MemorySegment sending;
  private byte[] received = new byte[1 << 12];
  private int filled;
  private boolean isReading;
  private boolean mayRead = true;
  private long nextCookie = 0x0102_0304_0506_0000L;

  /** How many bytes were handed to the wire. */
  long sentBytes;

  int answers;
  boolean isOver;
  int endedWith;

  /** What was agreed on. */
  enum Replying {
    SIMPLE,
    CHUNKS,
    /** Chunks, and lengths of 64 bits. */
    EXTENDED
  }

  TestClient(PipeWire wire, Replying replying) {
    this.wire = wire;
    this.replying = replying;
    receive();
  }

  // --- What a client says ---

  /** The bytes of a request, which is then awaited. */
  byte[] request(int type, int flags, long offsetBytes, long lengthBytes, byte[] payload) {
    long cookie = nextCookie++;
    long asks = replying == Replying.EXTENDED ? lengthBytes : lengthBytes & 0xffff_ffffL;
    asked.put(cookie, new Answer(type, offsetBytes, asks));
    return bytes(type, flags, cookie, offsetBytes, lengthBytes, payload);
  }

  byte[] bytes(
      int type, int flags, long cookie, long offsetBytes, long lengthBytes, byte[] payload) {
    if (replying == Replying.EXTENDED) {
      return ByteBuffer.allocate(32 + payload.length)
          .putInt(0x21e41c71)
          .putShort((short) (type == WRITE ? flags | 32 : flags))
          .putShort((short) type)
          .putLong(cookie)
          .putLong(offsetBytes)
          .putLong(lengthBytes)
          .put(payload)
          .array();
    }
    return ByteBuffer.allocate(28 + payload.length)
        .putInt(0x25609513)
        .putShort((short) flags)
        .putShort((short) type)
        .putLong(cookie)
        .putLong(offsetBytes)
        .putInt((int) lengthBytes)
        .put(payload)
        .array();
  }

  Answer ask(int type, int flags, long offsetBytes, long lengthBytes) {
    return ask(type, flags, offsetBytes, lengthBytes, new byte[0]);
  }

  Answer ask(int type, int flags, long offsetBytes, long lengthBytes, byte[] payload) {
    send(request(type, flags, offsetBytes, lengthBytes, payload));
    return lastAsked();
  }

  Answer write(long offsetBytes, byte[] payload) {
    return ask(WRITE, 0, offsetBytes, payload.length, payload);
  }

  Answer read(long offsetBytes, int lengthBytes) {
    return ask(READ, 0, offsetBytes, lengthBytes);
  }

  void sayGoodbye() {
    send(bytes(DISC, 0, 0, 0, 0, new byte[0]));
  }

  private Answer lastAsked() {
    Answer last = asked.get(nextCookie - 1);
    if (last == null) {
      throw new IllegalStateException("nothing was asked");
    }
    return last;
  }

  void send(byte[] bytes) {
    if (bytes.length > 0 && !isOver) {
      toSend.add(bytes);
      wire.wantSend(this);
    }
  }

  @Override
  public void gather(Gather into) {
    byte[] next = toSend.poll();
    if (next != null) {
      MemorySegment memory = Arena.ofAuto().allocate(next.length);
      MemorySegment.copy(MemorySegment.ofArray(next), 0, memory, 0, next.length);
      sending = memory;
      into.add(memory.address(), next.length);
      sentBytes += next.length;
    }
  }

  @Override
  public void sent(int result) {
    sending = null;
    if (result == 0 && !toSend.isEmpty() && !isOver) {
      wire.wantSend(this);
    }
  }

  /** Whether all that was to be sent is gone. */
  boolean hasSentAll() {
    return sending == null && toSend.isEmpty();
  }

  /** Takes replies, or leaves them where they are. */
  void setReads(boolean mayRead) {
    this.mayRead = mayRead;
    receive();
  }

  /** Goes away without a word. */
  void drop() {
    if (!isOver) {
      isOver = true;
      wire.close(() -> {});
    }
  }

  // --- What a server says ---

  private void receive() {
    if (!isReading && !isOver && mayRead) {
      isReading = true;
      wire.receive(in.address(), (int) in.byteSize(), this::received);
    }
  }

  private void received(int result) {
    isReading = false;
    if (isOver) {
      return;
    }
    if (result <= 0) {
      endedWith = result;
      isOver = true;
      if (filled > 0) {
        complaints.add("the server ended within a reply, of which " + filled + " bytes came");
      }
      wire.close(() -> {});
      return;
    }
    if (filled + result > received.length) {
      received = Arrays.copyOf(received, 2 * (filled + result));
    }
    MemorySegment.copy(in, 0, MemorySegment.ofArray(received), filled, result);
    filled += result;
    takeReplies();
    receive();
  }

  private void takeReplies() {
    ByteBuffer from = ByteBuffer.wrap(received, 0, filled);
    for (; ; ) {
      int start = from.position();
      if (!takeReply(from)) {
        from.position(start);
        break;
      }
    }
    filled = from.remaining();
    System.arraycopy(received, from.position(), received, 0, filled);
  }

  /** Takes one reply, or one chunk; false if it is not all there. */
  private boolean takeReply(ByteBuffer from) {
    if (from.remaining() < 16) {
      return false;
    }
    int magic = from.getInt();
    if (magic == 0x67446698 && replying != Replying.EXTENDED) {
      return takeSimple(from);
    }
    boolean isExtended = replying == Replying.EXTENDED;
    if (magic != (isExtended ? 0x6e8a278c : 0x668e33ef) || replying == Replying.SIMPLE) {
      complaints.add("a reply begins with %#x".formatted(magic));
      from.position(from.limit());
      return true;
    }
    if (from.remaining() < (isExtended ? 28 : 16)) {
      return false;
    }
    int flags = from.getShort();
    int type = Short.toUnsignedInt(from.getShort());
    Answer answer = answerOf(from.getLong());
    if (isExtended && from.getLong() != answer.offsetBytes) {
      complaints.add("a reply repeats another offset");
    }
    int length = isExtended ? Math.toIntExact(from.getLong()) : from.getInt();
    if (from.remaining() < length) {
      return false;
    }
    ByteBuffer chunk = from.slice(from.position(), length);
    from.position(from.position() + length);
    takeChunk(answer, type, chunk);
    if ((flags & 1) != 0) {
      end(answer);
    } else {
      complaints.add("the server sends one chunk a reply, and this one is not its last");
    }
    return true;
  }

  private boolean takeSimple(ByteBuffer from) {
    int error = from.getInt();
    Answer answer = answerOf(from.getLong());
    if (answer.type == READ && replying != Replying.SIMPLE) {
      complaints.add("a READ has a simple reply");
    }
    if (answer.type == READ && error == 0) {
      if (from.remaining() < answer.lengthBytes) {
        return false;
      }
      answer.content = new byte[(int) answer.lengthBytes];
      from.get(answer.content);
    }
    answer.error = error;
    end(answer);
    return true;
  }

  private void takeChunk(Answer answer, int type, ByteBuffer chunk) {
    switch (type) {
      case 0 -> complainUnless(chunk.remaining() == 0, "NONE has content");
      case 1 -> {
        complainUnless(answer.type == READ, "content for what is no READ");
        complainUnless(chunk.getLong() == answer.offsetBytes, "content of another place");
        complainUnless(chunk.remaining() == answer.lengthBytes, "content of another length");
        answer.content = new byte[chunk.remaining()];
        chunk.get(answer.content);
      }
      case 5 -> {
        complainUnless(answer.type == BLOCK_STATUS, "status for what is no BLOCK_STATUS");
        complainUnless(chunk.getInt() == 1, "another context");
        complainUnless(chunk.remaining() >= 8 && chunk.remaining() % 8 == 0, "half an extent");
        while (chunk.remaining() >= 8) {
          answer.extents.add(new long[] {Integer.toUnsignedLong(chunk.getInt()), chunk.getInt()});
        }
      }
      case 6 -> {
        complainUnless(answer.type == BLOCK_STATUS, "status for what is no BLOCK_STATUS");
        complainUnless(chunk.getInt() == 1, "another context");
        int count = chunk.getInt();
        complainUnless(count > 0 && chunk.remaining() == 16 * count, "half an extent");
        while (chunk.remaining() >= 16) {
          answer.extents.add(new long[] {chunk.getLong(), chunk.getLong()});
        }
      }
      case 0x8001, 0x8002 -> {
        answer.error = chunk.getInt();
        byte[] text = new byte[chunk.getShort()];
        chunk.get(text);
        answer.sentence = new String(text, StandardCharsets.UTF_8);
        if (type == 0x8002) {
          answer.errorOffsetBytes = chunk.getLong();
          long inside = answer.errorOffsetBytes - answer.offsetBytes;
          complainUnless(inside >= 0 && inside < answer.lengthBytes, "an error outside");
        }
        complainUnless(answer.error != 0, "an error of 0");
        complainUnless(chunk.remaining() == 0, "an error with something behind it");
      }
      default -> complaints.add("a chunk of type " + type);
    }
  }

  private void complainUnless(boolean holds, String sentence) {
    if (!holds) {
      complaints.add(sentence);
    }
  }

  private Answer answerOf(long cookie) {
    Answer answer = asked.get(cookie);
    if (answer == null) {
      complaints.add("a reply to %#x, which was not asked".formatted(cookie));
      return new Answer(-1, 0, 0);
    }
    return answer;
  }

  private void end(Answer answer) {
    complainUnless(!answer.isDone, "a second reply to one request");
    answer.isDone = true;
    answers++;
  }

  /** Whether every request was answered. */
  boolean hasAllAnswers() {
    return answers == asked.size();
  }
}
