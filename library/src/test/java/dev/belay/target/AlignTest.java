// SPDX-License-Identifier: Apache-2.0
package dev.belay.target;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.belay.CancelFlag;
import dev.belay.Errno;
import dev.belay.Extents.Extent;
import dev.belay.Extents.State;
import dev.belay.Limits;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.leaf.Memory;
import dev.belay.leaf.Null;
import dev.belay.target.Fault.Effect;
import dev.belay.target.Fault.Rule;
import dev.belay.testing.DrivenStack;
import dev.belay.testing.DrivenStack.Request;
import dev.belay.testing.Patterns;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

final class AlignTest {
  private static final int BLOCK = 4096;
  private static final long SIZE = 16 << 20;

  private final DrivenStack stack = new DrivenStack();
  private final Arena arena = Arena.ofShared();
  private final Shuffle lower = new Shuffle(stack.loop, arena, SIZE, BLOCK, 512, 1);
  private final Align align = new Align(stack.loop, lower, BLOCK, 2 * 65536);

  @AfterEach
  void everythingEnds() {
    lower.finishAll();
    stack.close();
    arena.close();
  }

  private Request submit(Op op, long offset, MemorySegment buffer, CancelFlag flag) {
    return stack.submit(align, op, offset, buffer, flag);
  }

  private Request submit(Op op, long offset, long length, CancelFlag flag) {
    return stack.submit(align, op, offset, length, MemorySegment.NULL, flag, false);
  }

  private Outcome run(Op op, long offset, MemorySegment buffer) {
    Request request = submit(op, offset, buffer, new CancelFlag());
    lower.finishAll();
    return request.result();
  }

  @Test
  void itTakesAnything() {
    assertThat(align.limits()).isEqualTo(new Limits(SIZE, 1, 1, 1 << 20));
    MemorySegment buffer = stack.memory(300_001).asSlice(1);
    Patterns.fill(buffer, 1000, 3);
    assertThat(run(Op.WRITE, 1000, buffer)).isEqualTo(Outcome.done(300_000));
    assertThat(Patterns.firstOther(lower.medium.asSlice(1000, 300_000), 1000, 3)).isEqualTo(-1);
    assertThat(lower.medium.get(ValueLayout.JAVA_BYTE, 999)).isZero();
    MemorySegment read = stack.memory(1600);
    assertThat(run(Op.READ, 5000, read)).isEqualTo(Outcome.done(1600));
    assertThat(Patterns.firstOther(read, 5000, 3)).isEqualTo(-1);
    assertThat(submit(Op.READ, 77, 0, new CancelFlag()).result()).isEqualTo(Outcome.done(0));
    assertThat(align.bios()).isEqualTo(3);
  }

  @Test
  void whatFitsGoesStraight() {
    MemorySegment buffer = stack.memory(8 << 20);
    run(Op.READ, 0, buffer);
    assertThat(lower.bios()).isEqualTo(1);
    run(Op.WRITE, BLOCK, buffer.asSlice(0, BLOCK));
    assertThat(lower.bios()).isEqualTo(2);
    run(Op.WRITE, 0, buffer);
    assertThat(lower.bios()).as("a piece a region").isEqualTo(4);
  }

  @Test
  void onlyTheEdgesBounceWhereTheMemoryFitsTheRest() {
    MemorySegment buffer = stack.memory((1 << 20) + 512 + 1000).asSlice(BLOCK - 512);
    assertThat(run(Op.READ, BLOCK - 512, buffer).kind()).isEqualTo(Outcome.Kind.DONE);
    assertThat(lower.bios()).as("head, middle, tail").isEqualTo(3);
    run(Op.WRITE, BLOCK - 512, buffer);
    assertThat(lower.bios()).as("and two more reads").isEqualTo(3 + 5);
  }

  @Test
  void aWriteInsideABlockReadsItAndPutsTheRestBack() {
    MemorySegment block = stack.memory(BLOCK);
    Patterns.fill(block, 0, 1);
    run(Op.WRITE, 0, block);
    MemorySegment part = stack.memory(80);
    Patterns.fill(part, 800, 2);
    run(Op.WRITE, 800, part);
    assertThat(Patterns.firstOther(lower.medium.asSlice(0, 800), 0, 1)).isEqualTo(-1);
    assertThat(Patterns.firstOther(lower.medium.asSlice(800, 80), 800, 2)).isEqualTo(-1);
    assertThat(Patterns.firstOther(lower.medium.asSlice(880, BLOCK - 880), 880, 1)).isEqualTo(-1);
  }

  @Test
  void zeroesAreWrittenAtTheEdgesAndDiscardsRoundInwards() {
    lower.medium.fill((byte) 9);
    Request zeroes = submit(Op.WRITE_ZEROES, 100, 2L * BLOCK, new CancelFlag());
    lower.finishAll();
    assertThat(zeroes.result()).isEqualTo(Outcome.done(2L * BLOCK));
    assertThat(Patterns.firstOtherByte(lower.medium.asSlice(0, 100), (byte) 9)).isEqualTo(-1);
    assertThat(Patterns.firstOtherByte(lower.medium.asSlice(100, 2 * BLOCK), (byte) 0))
        .isEqualTo(-1);
    assertThat(Patterns.firstOtherByte(lower.medium.asSlice(100 + 2 * BLOCK, 3000), (byte) 9))
        .isEqualTo(-1);
    lower.medium.fill((byte) 9);
    Request discard = submit(Op.DISCARD, 100, 2L * BLOCK, new CancelFlag());
    lower.finishAll();
    assertThat(discard.result()).isEqualTo(Outcome.done(2L * BLOCK));
    assertThat(Patterns.firstOtherByte(lower.medium.asSlice(0, BLOCK), (byte) 9)).isEqualTo(-1);
    assertThat(Patterns.firstOtherByte(lower.medium.asSlice(BLOCK, BLOCK), (byte) 0)).isEqualTo(-1);
    assertThat(Patterns.firstOtherByte(lower.medium.asSlice(2 * BLOCK, BLOCK), (byte) 9))
        .isEqualTo(-1);
    assertThat(submit(Op.DISCARD, 1, BLOCK, new CancelFlag()).result())
        .isEqualTo(Outcome.done(BLOCK));
  }

  @Test
  void whoSharesABlockWaitsForItAndACancelReachesWhoWaits() {
    MemorySegment buffer = stack.memory(BLOCK);
    Request first = submit(Op.WRITE, 0, buffer.asSlice(0, 100), new CancelFlag());
    CancelFlag flag = new CancelFlag();
    Request waits = submit(Op.WRITE, 100, buffer.asSlice(0, 100), flag);
    Request whole = submit(Op.WRITE, 0, buffer, new CancelFlag());
    Request elsewhere = submit(Op.WRITE, BLOCK, buffer, new CancelFlag());
    assertThat(lower.waiting).as("the first one's read, and the one elsewhere").hasSize(2);
    flag.raise();
    stack.loop.turn(0);
    assertThat(waits.result().cleanBytes()).isEqualTo(100);
    assertThat(lower.waiting).as("the whole one still waits for the first").hasSize(2);
    lower.finishAll();
    assertThat(List.of(first, whole, elsewhere))
        .allMatch(r -> r.result().kind() == Outcome.Kind.DONE);
    assertThat(lower.bios()).isEqualTo(4);
  }

  @Test
  void aWriteOfAWholeBlockIsNotUndoneByOneInsideIt() {
    MemorySegment whole = stack.memory(BLOCK);
    MemorySegment inside = stack.memory(80);
    inside.fill((byte) 7);
    for (int round = 0; round < 100; round++) {
      lower.medium.fill((byte) 0);
      whole.fill((byte) 1);
      boolean isWholeFirst = round % 2 == 0;
      submit(Op.WRITE, isWholeFirst ? 0 : 800, isWholeFirst ? whole : inside, new CancelFlag());
      submit(Op.WRITE, isWholeFirst ? 800 : 0, isWholeFirst ? inside : whole, new CancelFlag());
      lower.finishAll();
      assertThat(Patterns.firstOtherByte(lower.medium.asSlice(0, 800), (byte) 1)).isEqualTo(-1);
      assertThat(Patterns.firstOtherByte(lower.medium.asSlice(880, BLOCK - 880), (byte) 1))
          .isEqualTo(-1);
    }
  }

  @Test
  void aCancelReachesWhoWaitsForMemory() {
    MemorySegment buffer = stack.memory(100);
    List<Request> running = new ArrayList<>();
    for (int i = 0; i < 2; i++) {
      running.add(submit(Op.READ, 1 + i * BLOCK, buffer, new CancelFlag()));
    }
    CancelFlag flag = new CancelFlag();
    Request flagged = submit(Op.WRITE, 5 * BLOCK + 1, buffer, flag);
    Request later = submit(Op.READ, 6 * BLOCK + 1, buffer, new CancelFlag());
    assertThat(align.status())
        .isEqualTo(
            "blocks of 4096 bytes; 4 pieces under way, 0 bounce buffers free, 2 wait for one");
    flag.raise();
    stack.loop.turn(0);
    assertThat(flagged.result().cleanBytes()).isEqualTo(100);
    assertThat(lower.waiting).hasSize(2);
    lower.finishAll();
    assertThat(later.result()).isEqualTo(Outcome.done(100));
    assertThat(running).allMatch(r -> r.result().kind() == Outcome.Kind.DONE);
  }

  @Test
  void aFlagBetweenTheReadAndTheWriteLeavesTheMediumClean() {
    MemorySegment buffer = stack.memory(100);
    buffer.fill((byte) 1);
    CancelFlag flag = new CancelFlag();
    Request request = submit(Op.WRITE, 10, buffer, flag);
    lower.step(); // the read takes effect
    flag.raise();
    lower.finishAll();
    assertThat(request.result().kind()).isEqualTo(Outcome.Kind.CANCELLED);
    assertThat(request.result().cleanBytes()).isEqualTo(100);
    assertThat(lower.bios()).as("no write was sent").isEqualTo(1);
    assertThat(Patterns.firstOtherByte(lower.medium.asSlice(0, BLOCK), (byte) 0)).isEqualTo(-1);
  }

  @Test
  void aLongWriteThatIsStoppedTellsThePiecesApart() {
    CancelFlag flag = new CancelFlag();
    MemorySegment buffer = stack.memory(4 * 65536 + 1).asSlice(1);
    Request request = submit(Op.WRITE, 0, buffer, flag);
    lower.step();
    lower.step(); // both bounce buffers are in flight or done
    lower.step();
    lower.step();
    flag.raise();
    stack.loop.turn(0);
    lower.finishAll();
    Outcome outcome = request.result();
    assertThat(outcome.kind()).isEqualTo(Outcome.Kind.CANCELLED);
    assertThat(outcome.doneBytes()).isPositive();
    assertThat(outcome.cleanBytes()).isGreaterThanOrEqualTo(65536);
    assertThat(outcome.unknownBytes()).isZero();
  }

  @Test
  void whatIsUnknownBelowIsClippedToTheRequest() {
    lower.failures = 0;
    Fault lost = new Fault(stack.loop, lower, List.of(Rule.of(Effect.LOST).on(Op.WRITE)), 1);
    Align over = new Align(stack.loop, lost, BLOCK, 65536);
    Request request = stack.submit(over, Op.WRITE, 4000, stack.memory(1000), new CancelFlag());
    lower.finishAll();
    assertThat(request.result().extents().list())
        .containsExactly(new Extent(0, 1000, State.UNKNOWN));
    lost.setRules(List.of(Rule.of(Effect.ERROR).on(Op.READ)));
    request = stack.submit(over, Op.WRITE, 4000, stack.memory(1000), new CancelFlag());
    lower.finishAll();
    assertThat(request.result().kind()).isEqualTo(Outcome.Kind.FAILED);
    assertThat(request.result().extents().list()).containsExactly(new Extent(0, 1000, State.CLEAN));
  }

  @Test
  void aBufferThatItsOwnerClosedIsAnErrorAndNobodyElseIsHeldUp() {
    for (Op op : List.of(Op.READ, Op.WRITE)) {
      Request request;
      try (Arena early = Arena.ofShared()) {
        request = submit(op, 10, early.allocate(100), new CancelFlag());
      }
      lower.finishAll();
      assertThat(request.result().result()).isEqualTo(-Errno.EFAULT);
      assertThat(request.result().error()).asString().contains("is not usable");
    }
    assertThat(run(Op.WRITE, 11, stack.memory(10))).isEqualTo(Outcome.done(10));
  }

  @Test
  void aThousandWhoWaitForOneBlockAreAllCancelledAtOnce() {
    CancelFlag flag = new CancelFlag();
    MemorySegment buffer = stack.memory(1);
    List<Request> waiting = new ArrayList<>();
    submit(Op.WRITE, 0, buffer, new CancelFlag());
    for (int i = 1; i < 1000; i++) {
      waiting.add(submit(Op.WRITE, i, buffer, flag));
    }
    flag.raise();
    lower.finishAll();
    assertThat(waiting).allMatch(r -> r.result().cleanBytes() == 1);
    assertThat(lower.bios()).isEqualTo(2);
  }

  @Test
  void blocksAndMemoryThatMakeNoSenseAreRefused() {
    Memory fine = new Memory(stack.loop, 10_240, 512);
    assertThat(new Align(stack.loop, fine, BLOCK, 65536).limits().sizeBytes()).isEqualTo(8192);
    Null coarse = new Null(stack.loop, 1 << 20, BLOCK);
    for (int block : new int[] {512, 0, 12288, 2 << 20}) {
      assertThatThrownBy(() -> new Align(stack.loop, coarse, block, 1 << 20))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("from 4096, the lower device's block, to 1 MiB, not " + block);
    }
    assertThatThrownBy(() -> new Align(stack.loop, coarse, BLOCK, 1000))
        .hasMessageContaining("one bounce buffer at least, 65536 bytes, and got 1000");
  }
}
