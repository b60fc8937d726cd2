// SPDX-License-Identifier: Apache-2.0
package dev.belay.target;

import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.Bio;
import dev.belay.Device;
import dev.belay.Errno;
import dev.belay.Extents.State;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.Outcome.Kind;
import dev.belay.Verdict;
import dev.belay.leaf.Memory;
import dev.belay.md.Array;
import dev.belay.md.ArrayOptions;
import dev.belay.md.Level;
import dev.belay.md.Member;
import dev.belay.md.Members;
import dev.belay.md.ParityLayout;
import dev.belay.testing.DrivenStack;
import dev.belay.testing.Patterns;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Callers' memory that members cannot use, and operations that they do not have. */
@SuppressWarnings("MustBeClosedChecker") // a leaf closes arenas, while their memory is written
final class ParityMemoryTest implements AutoCloseable {
  private static final int CHUNK = 4096;
  private static final int ROWS = 8;
  private static final int MEMBERS = 5;
  private static final int MEMBER_BYTES = ROWS * CHUNK;

  private final DrivenStack stack = new DrivenStack();
  private final List<Picky> pickies = new ArrayList<>();
  private ParityLayout layout =
      new ParityLayout(Level.RAID5, ParityLayout.LEFT_SYMMETRIC, MEMBERS, CHUNK);

  /** What a member makes of the callers' bytes. */
  private enum Way {
    TAKES_ALL,
    /** A leaf that cannot use memory of the callers'. */
    REFUSES_MEMORY,
    /** The owner closes it right then. */
    MEMORY_GOES,
    KNOWS_NO_ZEROES
  }

  /** A member over memory that cannot do everything. */
  private static final class Picky extends Device {
    final Memory lower;
    Way way = Way.TAKES_ALL;
    @Nullable Arena toClose;

    Picky(Memory lower) {
      super(lower.loop(), "picky", lower.limits(), List.of(lower));
      this.lower = lower;
    }

    @Override
    public Verdict map(Bio bio) {
      boolean isCallers = bio.buffer().equals(bio.root().buffer());
      Arena arena = toClose;
      if (way == Way.MEMORY_GOES && arena != null && bio.op() == Op.WRITE) {
        toClose = null;
        arena.close();
      }
      boolean refuses = way == Way.REFUSES_MEMORY && isCallers && bio.op() != Op.WRITE_ZEROES;
      if (refuses || !bio.buffer().scope().isAlive()) {
        bio.fail(Errno.EFAULT, "the memory cannot be used", State.UNKNOWN);
        return Verdict.TAKEN;
      }
      if (way == Way.KNOWS_NO_ZEROES && bio.op() == Op.WRITE_ZEROES) {
        bio.fail(Errno.EOPNOTSUPP, "writing zeroes is not known here", State.CLEAN);
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

  private Parity array(Level level) {
    layout = new ParityLayout(level, ParityLayout.LEFT_SYMMETRIC, MEMBERS, CHUNK);
    Member[] slots = new Member[MEMBERS];
    for (int i = 0; i < MEMBERS; i++) {
      pickies.add(new Picky(new Memory(stack.loop, MEMBER_BYTES, 512)));
      slots[i] = Members.inSync(pickies.get(i), i);
    }
    Array array = new Array(stack.loop, level, ArrayOptions.DEFAULT, slots, List.of(), null, null);
    Parity parity = new Parity(array, layout, MEMBER_BYTES);
    assertThat(stack.run(parity, Op.WRITE, 0, pattern(0, parity.limits().sizeBytes(), 1)).kind())
        .isEqualTo(Kind.DONE);
    return parity;
  }

  private MemorySegment pattern(long at, long length, long seed) {
    MemorySegment bytes = stack.memory(length);
    Patterns.fill(bytes, at, seed);
    return bytes;
  }

  private void isPattern(Parity parity, long at, long length, long seed) {
    MemorySegment bytes = stack.memory(length);
    assertThat(stack.run(parity, Op.READ, at, bytes)).isEqualTo(Outcome.done(length));
    assertThat(Patterns.firstOther(bytes, at, seed)).isEqualTo(-1);
  }

  /** Nothing of it was the members' fault, and P and Q are those of what the members have. */
  private void isWholeAndRight(Parity parity) {
    assertThat(parity.array().faulty()).isEmpty();
    assertThat(parity.cache().partsInUse()).isZero();
    assertThat(parity.cache().slicesInUse()).isZero();
    isParityRight();
  }

  private void isParityRight() {
    List<MemorySegment> members = new ArrayList<>();
    for (Picky picky : pickies) {
      MemorySegment all = stack.memory(MEMBER_BYTES);
      stack.run(picky.lower, Op.READ, 0, all);
      members.add(all);
    }
    for (long at = 0; at < MEMBER_BYTES; at += 8) {
      long row = at / CHUNK;
      long p = 0;
      long q = 0;
      for (int column = 0; column < layout.columns(); column++) {
        long word = members.get(layout.member(row, column)).get(JAVA_LONG_UNALIGNED, at);
        p ^= word;
        q ^= ParityRig.product(word, layout.qIndex(row, column));
      }
      assertThat(members.get(layout.parityMember(row)).get(JAVA_LONG_UNALIGNED, at))
          .as("P at %d", at)
          .isEqualTo(p);
      if (layout.qMember(row) >= 0) {
        assertThat(members.get(layout.qMember(row)).get(JAVA_LONG_UNALIGNED, at))
            .as("Q at %d", at)
            .isEqualTo(q);
      }
    }
  }

  private Picky memberOf(long offset) {
    return pickies.get(layout.member(layout.row(offset), layout.column(offset)));
  }

  @ParameterizedTest
  @EnumSource(names = {"RAID4", "RAID5", "RAID6"})
  void membersNeverSeeMemoryOfThoseWhoWrite(Level level) {
    Parity parity = array(level);
    for (long length : new long[] {512, CHUNK, layout.rowBytes()}) {
      for (long at : new long[] {0, layout.rowBytes()}) {
        Picky picky = memberOf(at);
        picky.way = Way.REFUSES_MEMORY;
        assertThat(stack.run(parity, Op.WRITE, at, pattern(at, length, 2)))
            .isEqualTo(Outcome.done(length));
        picky.way = Way.TAKES_ALL;
        isWholeAndRight(parity);
        isPattern(parity, at, length, 2);
      }
    }
    isPattern(
        parity, 2 * layout.rowBytes(), parity.limits().sizeBytes() - 2 * layout.rowBytes(), 1);
  }

  @ParameterizedTest
  @EnumSource(names = {"RAID4", "RAID5", "RAID6"})
  void memoryThatIsFreedUnderAWriteLeavesParityRight(Level level) {
    Parity parity = array(level);
    for (long length : new long[] {512, CHUNK, layout.rowBytes()}) {
      Picky picky = memberOf(0);
      Arena arena = Arena.ofShared();
      MemorySegment bytes = arena.allocate(length, 4096);
      Patterns.fill(bytes, 0, 7);
      picky.way = Way.MEMORY_GOES;
      picky.toClose = arena;
      assertThat(stack.run(parity, Op.WRITE, 0, bytes)).isEqualTo(Outcome.done(length));
      picky.way = Way.TAKES_ALL;
      isWholeAndRight(parity);
      isPattern(parity, 0, length, 7);
      isPattern(parity, layout.rowBytes(), parity.limits().sizeBytes() - layout.rowBytes(), 1);
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"RAID4", "RAID5", "RAID6"})
  void whatOnlyParityHoldsOutlivesMemoryThatIsFreed(Level level) {
    Parity parity = array(level);
    Member missing = Objects.requireNonNull(parity.array().member(layout.member(0, 1)));
    assertThat(parity.array().fail(missing, "the test says so")).isTrue();
    for (long length : new long[] {512, CHUNK}) {
      Picky picky = memberOf(0);
      Arena arena = Arena.ofShared();
      MemorySegment bytes = arena.allocate(length, 4096);
      Patterns.fill(bytes, 0, 7);
      picky.way = Way.MEMORY_GOES;
      picky.toClose = arena;
      assertThat(stack.run(parity, Op.WRITE, 0, bytes)).isEqualTo(Outcome.done(length));
      picky.way = Way.TAKES_ALL;
      isPattern(parity, CHUNK, parity.limits().sizeBytes() - CHUNK, 1);
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"RAID5", "RAID6"})
  void memoryThatCannotBeWrittenToIsNotTheMembersFault(Level level) {
    Parity parity = array(level);
    Picky picky = memberOf(0);
    picky.way = Way.REFUSES_MEMORY;
    for (int i = 0; i < 100; i++) { // so many errors of its own would have put it out
      Outcome outcome = stack.run(parity, Op.READ, 0, stack.memory(512));
      assertThat(outcome.kind()).isEqualTo(Kind.FAILED);
      assertThat(Objects.requireNonNull(outcome.error()).errno()).isEqualTo(Errno.EFAULT);
    }
    picky.way = Way.TAKES_ALL;
    isWholeAndRight(parity);
    Member member = Objects.requireNonNull(parity.array().member(layout.member(0, 0)));
    assertThat(member.correctedReads()).isZero();
  }

  @ParameterizedTest
  @EnumSource(names = {"RAID4", "RAID5", "RAID6"})
  void zeroesAreWrittenWhereAMemberKnowsNoOperationForThem(Level level) {
    Parity parity = array(level);
    pickies.get(0).way = Way.KNOWS_NO_ZEROES;
    pickies.get(3).way = Way.KNOWS_NO_ZEROES;
    long size = parity.limits().sizeBytes();
    long[][] ranges = {{512, 1024}, {3 * CHUNK, CHUNK}, {2 * layout.rowBytes(), layout.rowBytes()}};
    for (long[] range : ranges) {
      assertThat(stack.run(parity, Op.WRITE_ZEROES, range[0], range[1]))
          .isEqualTo(Outcome.done(range[1]));
      MemorySegment found = pattern(0, range[1], 3);
      stack.run(parity, Op.READ, range[0], found);
      assertThat(found.mismatch(stack.memory(range[1]))).isEqualTo(-1);
      isWholeAndRight(parity);
    }
    assertThat(stack.run(parity, Op.WRITE_ZEROES, 0, size)).isEqualTo(Outcome.done(size));
    isWholeAndRight(parity);
  }
}
