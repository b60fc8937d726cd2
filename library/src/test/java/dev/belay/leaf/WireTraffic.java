// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import dev.belay.net.Gather;
import dev.belay.net.Sender;
import dev.belay.net.Wire;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;

/**
 * What one end of a wire sends and receives in a test: bytes that follow from their place in the
 * stream, in ranges of all sizes, each checked where it arrives. Counts every end.
 */
final class WireTraffic implements Sender {
  private static final long MULTIPLIER = 0x9E37_79B9_7F4A_7C15L;

  final Wire wire;
  private final SplittableRandom random;
  private final MemorySegment outgoing;
  private final MemorySegment incoming;

  long toSend;
  long sentBytes;
  private long gatheredBytes;
  int sendResult = 1;
  int gathers;
  int sents;

  long receivedBytes;
  long wrongBytes;
  int receiveResult = 1;
  int receives;
  int receiveEnds;
  boolean mayReceive = true;

  WireTraffic(Wire wire, WireGround ground, int bufferBytes, long seed) {
    this.wire = wire;
    random = new SplittableRandom(seed);
    outgoing = ground.memory(bufferBytes);
    incoming = ground.memory(bufferBytes);
  }

  private static byte at(long place) {
    return (byte) ((place * MULTIPLIER) >>> 33);
  }

  /** Wants to send so many bytes more. */
  void send(long bytes) {
    toSend += bytes;
    wire.wantSend(this);
  }

  @Override
  public void gather(Gather into) {
    long bytes = Math.min(toSend - sentBytes, outgoing.byteSize());
    for (int i = 0; i < bytes; i++) {
      outgoing.set(ValueLayout.JAVA_BYTE, i, at(sentBytes + i));
    }
    gatheredBytes = 0;
    while (gatheredBytes < bytes && into.room() > 0) {
      long left = bytes - gatheredBytes;
      int length = (int) Math.min(left, 1 + random.nextInt(random.nextBoolean() ? 64 : 100_000));
      into.add(outgoing.address() + gatheredBytes, length);
      gatheredBytes += length;
    }
    gathers += bytes > 0 ? 1 : 0;
  }

  @Override
  public void sent(int result) {
    sents++;
    if (result < 0) {
      sendResult = result;
      return;
    }
    sentBytes += gatheredBytes;
    if (sentBytes < toSend) {
      wire.wantSend(this);
    } else {
      sendResult = 0;
    }
  }

  /** Receives for ever, until the end or an error, or as long as it may. */
  void receive() {
    if (mayReceive) {
      receives++;
      int length = 1 + random.nextInt((int) incoming.byteSize());
      wire.receive(incoming.address(), length, this::received);
    }
  }

  private void received(int result) {
    receiveEnds++;
    if (result <= 0) {
      receiveResult = result;
      return;
    }
    for (int i = 0; i < result; i++) {
      if (incoming.get(ValueLayout.JAVA_BYTE, i) != at(receivedBytes + i)) {
        wrongBytes++;
      }
    }
    receivedBytes += result;
    receive();
  }

  /** What the other end would send, to compare. */
  static byte[] bytes(long from, int count) {
    byte[] bytes = new byte[count];
    for (int i = 0; i < count; i++) {
      bytes[i] = at(from + i);
    }
    return bytes;
  }
}
