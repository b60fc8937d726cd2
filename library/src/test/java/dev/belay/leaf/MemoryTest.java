// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.CancelFlag;
import dev.belay.Extents;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.testing.DrivenStack;
import dev.belay.testing.Patterns;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

final class MemoryTest {
  private static final int CHUNK = Memory.CHUNK_BYTES;

  private final DrivenStack stack = new DrivenStack();

  @AfterEach
  void close() {
    stack.close();
  }

  @Test
  void keepsWhatIsWrittenAtAnyOffset() {
    Memory device = new Memory(stack.loop, 16L * CHUNK, 512);
    byte[] model = new byte[16 * CHUNK];
    Random random = new Random(5);
    MemorySegment buffer = stack.memory(4L * CHUNK);
    for (int i = 0; i < 300; i++) {
      int blocks = 1 + random.nextInt(i % 10 == 0 ? 4 * CHUNK / 512 : 16);
      int offset = 512 * random.nextInt(model.length / 512 - blocks + 1);
      MemorySegment part = buffer.asSlice(0, 512L * blocks);
      MemorySegment modelPart = MemorySegment.ofArray(model).asSlice(offset, 512L * blocks);
      int kind = random.nextInt(8);
      if (kind < 4) {
        Patterns.fill(part, offset, i);
        stack.run(device, Op.WRITE, offset, part);
        modelPart.copyFrom(part);
      } else if (kind == 4) {
        stack.run(device, i % 2 == 0 ? Op.DISCARD : Op.WRITE_ZEROES, offset, 512L * blocks);
        modelPart.fill((byte) 0);
      } else {
        part.fill((byte) 1);
        assertThat(stack.run(device, Op.READ, offset, part)).isEqualTo(Outcome.done(512L * blocks));
        assertThat(part.mismatch(modelPart)).isEqualTo(-1);
      }
    }
    assertThat(device.status()).endsWith("of 4 MiB written");
  }

  @Test
  void whatWasNeverWrittenCostsNothingAndReadsAsZeroes() {
    Memory device = new Memory(stack.loop, 1L << 40, 4096);
    MemorySegment buffer = stack.memory(2L * CHUNK);
    buffer.fill((byte) 7);
    assertThat(stack.run(device, Op.READ, (1L << 40) - 2L * CHUNK, buffer).doneBytes())
        .isEqualTo(2L * CHUNK);
    assertThat(Patterns.firstOtherByte(buffer, (byte) 0)).isEqualTo(-1);
    stack.run(device, Op.WRITE_ZEROES, 0, 1L << 36);
    assertThat(device.status()).startsWith("0 of");
  }

  @Test
  void aChunkThatWasDiscardedComesBackZeroed() {
    Memory device = new Memory(stack.loop, 4L * CHUNK, 512);
    MemorySegment buffer = stack.memory(CHUNK);
    Patterns.fill(buffer, 0, 1);
    stack.run(device, Op.WRITE, 0, buffer);
    stack.run(device, Op.DISCARD, 0, CHUNK);
    stack.run(device, Op.WRITE, 2L * CHUNK + 512, buffer.asSlice(0, 512));
    stack.run(device, Op.READ, 2L * CHUNK, buffer);
    assertThat(Patterns.firstOtherByte(buffer.asSlice(0, 512), (byte) 0)).isEqualTo(-1);
    assertThat(Patterns.firstOtherByte(buffer.asSlice(1024), (byte) 0)).isEqualTo(-1);
  }

  @Test
  void aLongWriteThatIsStoppedSaysWhatWasCopiedAndLeavesTheRest() {
    Memory device = new Memory(stack.loop, 64L * CHUNK, 512);
    MemorySegment buffer = stack.memory(64L * CHUNK);
    Patterns.fill(buffer, 0, 1);
    CancelFlag flag = new CancelFlag();
    DrivenStack.Request request = stack.submit(device, Op.WRITE, 0, buffer, flag);
    stack.loop.turn(0);
    flag.raise();
    Outcome outcome = stack.finish(request);
    assertThat(outcome.kind()).isEqualTo(Outcome.Kind.CANCELLED);
    long done = outcome.doneBytes();
    assertThat(done).isPositive().isLessThan(buffer.byteSize());
    assertThat(outcome.cleanBytes()).isEqualTo(buffer.byteSize() - done);
    MemorySegment read = stack.memory(buffer.byteSize());
    stack.run(device, Op.READ, 0, read);
    assertThat(Patterns.firstOther(read.asSlice(0, done), 0, 1)).isEqualTo(-1);
    assertThat(Patterns.firstOtherByte(read.asSlice(done), (byte) 0)).isEqualTo(-1);
  }

  @Test
  void longRequestsTakeTurns() {
    Memory device = new Memory(stack.loop, 64L * CHUNK, 512);
    MemorySegment buffer = stack.memory(64L * CHUNK);
    CancelFlag flag = new CancelFlag();
    DrivenStack.Request longest = stack.submit(device, Op.READ, 0, buffer, flag);
    MemorySegment other = stack.memory(2L * CHUNK);
    DrivenStack.Request shorter = stack.submit(device, Op.READ, 0, other, new CancelFlag());
    stack.finish(shorter);
    assertThat(longest.ended()).isFalse();
    assertThat(stack.run(device, Op.FLUSH, 0, 0).kind()).isEqualTo(Outcome.Kind.DONE);
    assertThat(stack.finish(longest)).isEqualTo(Outcome.done(64L * CHUNK));
  }

  @Test
  void closingStopsALongRequest() {
    Memory device = new Memory(stack.loop, 64L * CHUNK, 512);
    DrivenStack.Request request =
        stack.submit(device, Op.WRITE, 0, stack.memory(64L * CHUNK), new CancelFlag());
    assertThat(stack.loop.close(Long.MAX_VALUE)).isZero();
    assertThat(request.result().reason()).isEqualTo(CancelFlag.Reason.CLOSE);
    assertThat(request.result().extents().bytes(Extents.State.UNKNOWN)).isZero();
  }

  @Test
  void aLongRequestWhoseBufferIsGoneFailsAloneAndNotThoseBehindIt() {
    Memory device = new Memory(stack.loop, 64L * CHUNK, 512);
    DrivenStack.Request lost;
    try (Arena arena = Arena.ofConfined()) {
      lost = stack.submit(device, Op.WRITE, 0, arena.allocate(40L * CHUNK, 4096), new CancelFlag());
    }
    DrivenStack.Request other =
        stack.submit(device, Op.WRITE, 0, stack.memory(2L * CHUNK), new CancelFlag());
    assertThat(stack.finish(other)).isEqualTo(Outcome.done(2L * CHUNK));
    Outcome outcome = stack.finish(lost);
    assertThat(outcome.kind()).isEqualTo(Outcome.Kind.FAILED);
    assertThat(outcome.error()).asString().contains("EFAULT", "Already closed");
    assertThat(outcome.doneBytes()).isZero();
  }
}
