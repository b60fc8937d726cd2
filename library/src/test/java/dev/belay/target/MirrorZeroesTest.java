// SPDX-License-Identifier: Apache-2.0
package dev.belay.target;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.Bio;
import dev.belay.CancelFlag;
import dev.belay.Device;
import dev.belay.Errno;
import dev.belay.Extents.State;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.Outcome.Kind;
import dev.belay.Verdict;
import dev.belay.leaf.Memory;
import dev.belay.testing.DrivenStack;
import dev.belay.testing.Patterns;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Zeroes for mirrors of which some legs have no operation for them. */
final class MirrorZeroesTest implements AutoCloseable {
  private static final long BYTES = 4 << 20;

  private final DrivenStack stack = new DrivenStack();
  private final List<Leg> legs = new ArrayList<>();

  /** A leg that knows no zeroes, if it is told so, and can be made to fail or to wait. */
  private static final class Leg extends Device {
    final ArrayDeque<Bio> held = new ArrayDeque<>();
    final Memory lower;
    boolean knowsZeroes = true;
    boolean failsWrites;
    boolean holdsWrites;

    Leg(Memory lower) {
      super(lower.loop(), "leg", lower.limits(), List.of(lower));
      this.lower = lower;
    }

    @Override
    public Verdict map(Bio bio) {
      if (bio.op() == Op.WRITE_ZEROES && !knowsZeroes) {
        bio.fail(Errno.EOPNOTSUPP, "writing zeroes is not known here", State.CLEAN);
        return Verdict.TAKEN;
      }
      if (bio.op() == Op.WRITE && failsWrites) {
        bio.fail(Errno.EIO, "broken", State.UNKNOWN);
        return Verdict.TAKEN;
      }
      if (bio.op() == Op.WRITE && holdsWrites) {
        held.add(bio);
        return Verdict.TAKEN;
      }
      bio.remap(lower, bio.offsetBytes());
      return Verdict.REMAPPED;
    }
  }

  @AfterEach
  @Override
  public void close() {
    stack.close();
  }

  private Mirror mirror(boolean... knowZeroes) {
    for (boolean knows : knowZeroes) {
      Leg leg = new Leg(new Memory(stack.loop, BYTES, 512));
      leg.knowsZeroes = knows;
      legs.add(leg);
    }
    Mirror mirror = Mirror.raid1(stack.loop, legs, Hedge.NONE);
    MemorySegment all = stack.memory(BYTES);
    Patterns.fill(all, 0, 1);
    assertThat(stack.run(mirror, Op.WRITE, 0, all).kind()).isEqualTo(Kind.DONE);
    return mirror;
  }

  private MemorySegment contents(Leg leg) {
    MemorySegment all = stack.memory(BYTES);
    stack.run(leg.lower, Op.READ, 0, all);
    return all;
  }

  private void haveZeroes(long at, long length) {
    MemorySegment expected = stack.memory(BYTES);
    Patterns.fill(expected, 0, 1);
    expected.asSlice(at, length).fill((byte) 0);
    for (Leg leg : legs) {
      assertThat(contents(leg).mismatch(expected)).isEqualTo(-1);
    }
  }

  @ParameterizedTest
  @ValueSource(longs = {512, 64 << 10, 1 << 20, 3 << 20})
  void theyAreWrittenWhereALegHasNoOperationForThem(long length) {
    Mirror mirror = mirror(false, true, false);
    assertThat(stack.run(mirror, Op.WRITE_ZEROES, 4096, length)).isEqualTo(Outcome.done(length));
    haveZeroes(4096, length);
    assertThat(mirror.array.faulty()).isEmpty();
  }

  @Test
  void noLegIsTouchedIfNoneHasTheOperation() {
    Mirror mirror = mirror(false, false);
    Outcome outcome = stack.run(mirror, Op.WRITE_ZEROES, 4096, 8192);
    assertThat(outcome.kind()).isEqualTo(Kind.FAILED);
    assertThat(Objects.requireNonNull(outcome.error()).errno()).isEqualTo(Errno.EOPNOTSUPP);
    assertThat(outcome.cleanBytes()).isEqualTo(8192);
    haveZeroes(0, 0);
  }

  @Test
  void aLegThatCannotEvenBeWrittenIsOut() {
    Mirror mirror = mirror(true, false);
    legs.get(1).failsWrites = true;
    assertThat(stack.run(mirror, Op.WRITE_ZEROES, 4096, 8192)).isEqualTo(Outcome.done(8192));
    assertThat(mirror.array.faulty()).hasSize(1);
  }

  @Test
  void theRangeStaysLockedUntilAllLegsHaveThem() {
    Mirror mirror = mirror(true, false);
    legs.get(1).holdsWrites = true;
    CancelFlag flag = new CancelFlag();
    DrivenStack.Request zeroes =
        stack.submit(mirror, Op.WRITE_ZEROES, 4096, 8192, MemorySegment.NULL, flag, false);
    stack.turnUntil(() -> legs.get(1).held.size() == 1);
    flag.raise(); // behind the commit point: all legs finish
    MemorySegment newer = stack.memory(512);
    Patterns.fill(newer, 8192, 2);
    DrivenStack.Request write = stack.submit(mirror, Op.WRITE, 8192, newer, new CancelFlag());
    stack.loop.turn(0);
    assertThat(write.ended()).isFalse();
    assertThat(legs.get(1).held).hasSize(1);
    legs.get(1).holdsWrites = false;
    Bio held = legs.get(1).held.remove();
    stack.run(legs.get(1).lower, Op.WRITE_ZEROES, held.offsetBytes(), held.lengthBytes());
    held.complete();
    assertThat(stack.finish(zeroes).doneBytes()).isEqualTo(8192);
    assertThat(stack.finish(write)).isEqualTo(Outcome.done(512));
    MemorySegment both = contents(legs.get(0));
    assertThat(contents(legs.get(1)).mismatch(both)).isEqualTo(-1);
    assertThat(Patterns.firstOther(both.asSlice(8192, 512), 8192, 2)).isEqualTo(-1);
  }
}
