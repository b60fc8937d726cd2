// SPDX-License-Identifier: Apache-2.0
package dev.belay.target;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
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
import dev.belay.md.Array;
import dev.belay.md.ArrayOptions;
import dev.belay.md.Level;
import dev.belay.md.Member;
import dev.belay.md.Members;
import dev.belay.md.ParityLayout;
import dev.belay.md.SyncMode;
import dev.belay.target.Fault.Effect;
import dev.belay.target.Fault.Rule;
import dev.belay.testing.DrivenStack;
import dev.belay.testing.Patterns;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Members that fail, are filled again, and are looked over. */
final class ParityFailureTest implements AutoCloseable {
  private static final int CHUNK = 4096;
  private static final int ROWS = 24;
  private static final int MEMBER_BYTES = ROWS * CHUNK;

  private final DrivenStack stack = new DrivenStack();
  private final List<Memory> leaves = new ArrayList<>();
  private final List<Fault> faults = new ArrayList<>();
  private ParityLayout layout =
      new ParityLayout(Level.RAID5, ParityLayout.LEFT_SYMMETRIC, 4, CHUNK);

  @AfterEach
  @Override
  public void close() {
    stack.close();
  }

  private Fault member() {
    Memory leaf = new Memory(stack.loop, MEMBER_BYTES, 512);
    Fault fault = new Fault(stack.loop, leaf, List.of(), 1);
    leaves.add(leaf);
    faults.add(fault);
    return fault;
  }

  /** An array whose members are written whole, in the pattern of the seed 1. */
  private Parity array(Level level, int members, int spares) {
    layout = new ParityLayout(level, ParityLayout.LEFT_SYMMETRIC, members, CHUNK);
    Member[] slots = new Member[members];
    for (int i = 0; i < members; i++) {
      slots[i] = Members.inSync(member(), i);
    }
    List<Member> extra = new ArrayList<>();
    for (int i = 0; i < spares; i++) {
      extra.add(Members.spare(member()));
    }
    Array array = new Array(stack.loop, level, ArrayOptions.DEFAULT, slots, extra, null, null);
    Parity parity = new Parity(array, layout, MEMBER_BYTES);
    write(parity, 1);
    assertThat(parity.cache().fullStripes()).isEqualTo(ROWS);
    return parity;
  }

  private Outcome write(Parity parity, long seed) {
    MemorySegment all = stack.memory(parity.limits().sizeBytes());
    Patterns.fill(all, 0, seed);
    return stack.run(parity, Op.WRITE, 0, all);
  }

  private void hasPattern(Parity parity, long seed) {
    MemorySegment all = stack.memory(parity.limits().sizeBytes());
    assertThat(stack.run(parity, Op.READ, 0, all)).isEqualTo(Outcome.done(all.byteSize()));
    assertThat(Patterns.firstOther(all, 0, seed)).isEqualTo(-1);
  }

  private MemorySegment contents(Device leaf) {
    MemorySegment all = stack.memory(MEMBER_BYTES);
    stack.run(leaf, Op.READ, 0, all);
    return all;
  }

  /** Computes parity over the members that are in their places, word by word. */
  private boolean isParityRight(Parity parity) {
    List<MemorySegment> members = new ArrayList<>();
    for (int slot = 0; slot < layout.members(); slot++) {
      members.add(contents(Objects.requireNonNull(parity.array().member(slot)).device()));
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
      long onP = members.get(layout.parityMember(row)).get(JAVA_LONG_UNALIGNED, at);
      int qMember = layout.qMember(row);
      long onQ = qMember < 0 ? q : members.get(qMember).get(JAVA_LONG_UNALIGNED, at);
      if (onP != p || onQ != q) {
        return false;
      }
    }
    return true;
  }

  private void breakWrites(int member) {
    faults.get(member).setRules(List.of(Rule.of(Effect.ERROR).on(Op.WRITE, Op.WRITE_ZEROES)));
  }

  @ParameterizedTest
  @EnumSource(names = {"RAID4", "RAID5", "RAID6"})
  void aWriteThatParityCanGiveBackIsDone(Level level) {
    int members = level == Level.RAID6 ? 5 : 4;
    Parity parity = array(level, members, 0);
    for (int lost = 0; lost < level.parities(); lost++) {
      breakWrites(2 * lost);
      MemorySegment small = stack.memory(512);
      long size = parity.limits().sizeBytes();
      for (long at = 0; at < size; at += 3072) {
        Patterns.fill(small, at, 1); // what is there already: only the ways are new
        assertThat(stack.run(parity, Op.WRITE, at, small).kind()).isEqualTo(Kind.DONE);
      }
      assertThat(parity.array().faulty()).hasSize(lost + 1);
      hasPattern(parity, 1);
      assertThat(write(parity, 10 + lost).kind()).isEqualTo(Kind.DONE);
      hasPattern(parity, 10 + lost);
      write(parity, 1);
    }
    // One more is one too many: it stays, and the error is the caller's.
    breakWrites(3);
    Outcome outcome = write(parity, 3);
    assertThat(outcome.kind()).isEqualTo(Kind.FAILED);
    assertThat(Objects.requireNonNull(outcome.error()).errno()).isEqualTo(Errno.EIO);
    assertThat(parity.array().faulty()).hasSize(level.parities());
    assertThat(parity.cache().partsInUse()).isZero();
    assertThat(parity.cache().slicesInUse()).isZero();
  }

  @ParameterizedTest
  @EnumSource(names = {"RAID5", "RAID6"})
  void whatCannotBeReadIsComputedAndWrittenAnew(Level level) {
    Parity parity = array(level, 5, 0);
    MemorySegment whole = contents(leaves.get(1));
    MemorySegment damage = stack.memory(512);
    stack.run(leaves.get(1), Op.WRITE, 2 * CHUNK + 1024, damage);
    faults
        .get(1)
        .setRules(List.of(Rule.of(Effect.ERROR).on(Op.READ).within(2 * CHUNK + 1024, 512)));
    hasPattern(parity, 1);
    stack.turnUntil(() -> parity.cache().slicesInUse() == 0);
    assertThat(contents(leaves.get(1)).mismatch(whole)).isEqualTo(-1);
    Member member = Objects.requireNonNull(parity.array().member(1));
    assertThat(member.correctedReads()).isEqualTo(1);
    assertThat(parity.array().faulty()).isEmpty();
    // A write that needs to read there goes another way, and puts it right as well.
    stack.run(leaves.get(1), Op.WRITE, 2 * CHUNK + 1024, damage);
    MemorySegment small = stack.memory(512);
    for (long row = 0; row < 4; row++) {
      for (int column = 0; column < layout.columns(); column++) {
        long at = layout.arrayOffset(row, column) + 1024;
        Patterns.fill(small, at, 1);
        assertThat(stack.run(parity, Op.WRITE, at, small).kind()).isEqualTo(Kind.DONE);
      }
    }
    faults.get(1).setRules(List.of());
    hasPattern(parity, 1);
    stack.run(parity, Op.READ, 0, small);
    assertThat(isParityRight(parity)).isTrue();
  }

  @Test
  void tooManyBadPlacesFailTheReadAndNothingElse() {
    Parity parity = array(Level.RAID5, 4, 0);
    Rule bad = Rule.of(Effect.ERROR).on(Op.READ).within(0, 512);
    faults.get(0).setRules(List.of(bad));
    faults.get(1).setRules(List.of(bad));
    MemorySegment buffer = stack.memory(parity.limits().sizeBytes());
    Outcome outcome = stack.run(parity, Op.READ, 0, buffer);
    assertThat(outcome.kind()).isEqualTo(Kind.FAILED);
    assertThat(outcome.doneBytes()).isPositive();
    MemorySegment block = stack.memory(512);
    assertThat(stack.run(parity, Op.WRITE, 512, block).kind()).isEqualTo(Kind.DONE);
    assertThat(parity.array().faulty()).isEmpty();
    assertThat(parity.cache().slicesInUse()).isZero();
  }

  /** Holds reads until it is told how they end. */
  private static final class Held extends Device {
    final ArrayDeque<Bio> reads = new ArrayDeque<>();
    private final Device lower;

    Held(Device lower) {
      super(lower.loop(), "held", lower.limits(), List.of(lower));
      this.lower = lower;
    }

    @Override
    public Verdict map(Bio bio) {
      if (bio.op() == Op.READ) {
        reads.add(bio);
        return Verdict.TAKEN;
      }
      bio.remap(lower, bio.offsetBytes());
      return Verdict.REMAPPED;
    }
  }

  private List<Held> heldMembers(int count) {
    List<Held> held = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      held.add(new Held(member()));
    }
    return held;
  }

  @Test
  void aReadThatFailsWithItsFlagUpIsNotTriedAgain() {
    List<Held> held = heldMembers(4);
    Parity parity =
        Parity.byHand(stack.loop, Level.RAID5, held, CHUNK, ParityLayout.LEFT_SYMMETRIC);
    CancelFlag flag = new CancelFlag();
    DrivenStack.Request read = stack.submit(parity, Op.READ, 0, stack.memory(512), flag);
    flag.raise();
    Bio bio = held.get(0).reads.remove();
    bio.fail(Errno.EIO, "bad", State.UNKNOWN);
    Outcome outcome = stack.finish(read);
    assertThat(outcome.kind()).isEqualTo(Kind.FAILED);
    assertThat(outcome.unknownBytes()).isEqualTo(512);
    assertThat(held).allMatch(each -> each.reads.isEmpty());
  }

  @Test
  void readsOfARoundAreStoppedOnlyWhenAllHaveAsked() {
    List<Held> held = heldMembers(4);
    List<Device> members = new ArrayList<>(held);
    members.set(0, null);
    Parity parity =
        Parity.byHand(stack.loop, Level.RAID5, members, CHUNK, ParityLayout.LEFT_SYMMETRIC);
    List<CancelFlag> flags = List.of(new CancelFlag(), new CancelFlag());
    List<DrivenStack.Request> reads = new ArrayList<>();
    for (CancelFlag flag : flags) {
      MemorySegment buffer = stack.memory(512);
      buffer.fill((byte) 5);
      reads.add(stack.submit(parity, Op.READ, 0, buffer, flag));
    }
    stack.turnUntil(() -> held.stream().mapToInt(each -> each.reads.size()).sum() == 3);
    Bio shared = Objects.requireNonNull(held.get(1).reads.peek());
    flags.get(0).raise();
    stack.turnUntil(reads.get(0)::ended);
    assertThat(reads.get(0).result().cleanBytes()).isEqualTo(512);
    assertThat(reads.get(0).buffer.get(JAVA_BYTE, 0)).isEqualTo((byte) 5);
    assertThat(shared.flag().isRaised()).isFalse();
    flags.get(1).raise();
    stack.turnUntil(reads.get(1)::ended);
    assertThat(shared.flag().isRaised()).isTrue();
    held.forEach(each -> each.reads.forEach(Bio::cancelClean));
    stack.turnUntil(() -> parity.cache().slicesInUse() == 0);
    assertThat(parity.cache().partsInUse()).isZero();
  }

  @ParameterizedTest
  @EnumSource(names = {"RAID4", "RAID5", "RAID6"})
  void aSpareIsFilledBesideWrites(Level level) {
    Parity parity = array(level, 5, level.parities());
    Array array = parity.array();
    for (int slot = 1; slot <= level.parities(); slot++) {
      assertThat(array.fail(Objects.requireNonNull(array.member(slot)), "the test says so"))
          .isTrue();
    }
    MemorySegment shadow = stack.memory(parity.limits().sizeBytes());
    Patterns.fill(shadow, 0, 1);
    SplittableRandom random = new SplittableRandom(1);
    int writes = 0;
    while (array.isDegraded() || writes < 200) {
      long at = random.nextLong(shadow.byteSize() / 512 - 16) * 512;
      MemorySegment part = shadow.asSlice(at, 512L * random.nextInt(1, 16));
      Patterns.fill(part, at, 2 + writes++);
      DrivenStack.Request write = stack.submit(parity, Op.WRITE, at, part, new CancelFlag());
      stack.finish(write);
      assertThat(write.result().kind()).isEqualTo(Kind.DONE);
    }
    assertThat(array.spares()).isEmpty();
    assertThat(isParityRight(parity)).isTrue();
    MemorySegment all = stack.memory(shadow.byteSize());
    stack.run(parity, Op.READ, 0, all);
    assertThat(all.mismatch(shadow)).isEqualTo(-1);
  }

  private long walk(Parity parity, SyncMode mode) {
    assertThat(parity.array().walk().begin(mode)).isTrue();
    stack.turnUntil(() -> !parity.array().walk().isRunning());
    assertThat(parity.array().walk().error()).isNull();
    return parity.array().walk().mismatchedBytes();
  }

  @ParameterizedTest
  @EnumSource(names = {"RAID5", "RAID6"})
  void aCheckFindsWhatDiffersAndARepairMendsIt(Level level) {
    Parity parity = array(level, 4, 0);
    assertThat(walk(parity, SyncMode.CHECK)).isZero();
    MemorySegment damage = stack.memory(512);
    damage.fill((byte) 0x77);
    for (int row = 0; row < 3; row++) {
      int member = row == 1 && level == Level.RAID6 ? layout.qMember(1) : layout.parityMember(row);
      stack.run(leaves.get(member), Op.WRITE, (long) row * CHUNK + 1024, damage);
    }
    assertThat(isParityRight(parity)).isFalse();
    assertThat(walk(parity, SyncMode.CHECK)).isEqualTo(3 * CHUNK);
    assertThat(isParityRight(parity)).as("a check changes nothing").isFalse();
    assertThat(walk(parity, SyncMode.REPAIR)).isEqualTo(3 * CHUNK);
    assertThat(isParityRight(parity)).isTrue();
    assertThat(walk(parity, SyncMode.RESYNC)).isZero();
    hasPattern(parity, 1);
  }

  @Test
  void aWalkThatIsStoppedWritesNothingMore() {
    Parity parity = array(Level.RAID5, 4, 0);
    MemorySegment damage = stack.memory(512);
    for (int row = 0; row < ROWS; row++) {
      stack.run(leaves.get(layout.parityMember(row)), Op.WRITE, (long) row * CHUNK, damage);
    }
    assertThat(parity.array().walk().begin(SyncMode.REPAIR)).isTrue();
    parity.array().walk().stop();
    stack.turnUntil(() -> !parity.array().walk().isRunning());
    assertThat(isParityRight(parity)).isFalse();
    hasPattern(parity, 1);
    assertThat(parity.cache().slicesInUse()).isZero();
  }
}
