// SPDX-License-Identifier: Apache-2.0
package dev.belay.target;

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
import dev.belay.md.Level;
import dev.belay.md.ParityLayout;
import dev.belay.testing.DrivenStack;
import dev.belay.testing.Patterns;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Discards of arrays with parity: whole rows are zeroed, and parity stays right. */
final class ParityDiscardTest implements AutoCloseable {
  private static final int MEMBERS = 5;
  private static final long SEED = Long.getLong("belay.discard.seed", 42);

  private final DrivenStack stack = new DrivenStack();
  private final List<Counting> members = new ArrayList<>();
  private ParityLayout layout =
      new ParityLayout(Level.RAID5, ParityLayout.LEFT_SYMMETRIC, MEMBERS, 4096);
  private MemorySegment model = MemorySegment.NULL;

  /** A member that counts what it is asked for, and may have no operation for zeroes. */
  private static final class Counting extends Device {
    final Map<Op, Integer> counts = new EnumMap<>(Op.class);
    final Memory lower;
    boolean isFast = true;
    boolean knowsZeroes = true;

    Counting(Memory lower) {
      super(lower.loop(), "counting", lower.limits(), List.of(lower));
      this.lower = lower;
    }

    @Override
    public Verdict map(Bio bio) {
      counts.merge(bio.op(), 1, Integer::sum);
      if (bio.op() == Op.WRITE_ZEROES && !knowsZeroes) {
        bio.fail(Errno.EOPNOTSUPP, "writing zeroes is not known here", State.CLEAN);
        return Verdict.TAKEN;
      }
      bio.remap(lower, bio.offsetBytes());
      return Verdict.REMAPPED;
    }

    @Override
    public boolean zeroesFast() {
      return isFast;
    }
  }

  @AfterEach
  @Override
  public void close() {
    stack.close();
  }

  private Parity array(Level level, long chunkBytes) {
    layout = new ParityLayout(level, ParityLayout.LEFT_SYMMETRIC, MEMBERS, chunkBytes);
    for (int i = 0; i < MEMBERS; i++) {
      members.add(new Counting(new Memory(stack.loop, 8 * chunkBytes, 512)));
    }
    Parity parity =
        Parity.byHand(stack.loop, level, members, chunkBytes, ParityLayout.LEFT_SYMMETRIC);
    model = stack.memory(parity.limits().sizeBytes());
    Patterns.fill(model, 0, 1);
    assertThat(stack.run(parity, Op.WRITE, 0, model).kind()).isEqualTo(Kind.DONE);
    members.forEach(member -> member.counts.clear());
    return parity;
  }

  private int count(Op op) {
    return members.stream().mapToInt(member -> member.counts.getOrDefault(op, 0)).sum();
  }

  private void isAsTheModel(Parity parity) {
    MemorySegment all = stack.memory(model.byteSize());
    assertThat(stack.run(parity, Op.READ, 0, all)).isEqualTo(Outcome.done(all.byteSize()));
    assertThat(all.mismatch(model)).isEqualTo(-1);
    assertThat(parity.cache().partsInUse()).isZero();
    assertThat(parity.cache().slicesInUse()).isZero();
  }

  private void isParityRight() {
    List<MemorySegment> media = new ArrayList<>();
    for (Counting member : members) {
      MemorySegment all = stack.memory(member.limits().sizeBytes());
      stack.run(member.lower, Op.READ, 0, all);
      media.add(all);
    }
    for (long at = 0; at < media.getFirst().byteSize(); at += 8) {
      long row = at / layout.chunkBytes();
      long p = 0;
      long q = 0;
      for (int column = 0; column < layout.columns(); column++) {
        long word = media.get(layout.member(row, column)).get(JAVA_LONG_UNALIGNED, at);
        p ^= word;
        q ^= ParityRig.product(word, layout.qIndex(row, column));
      }
      long onP = media.get(layout.parityMember(row)).get(JAVA_LONG_UNALIGNED, at);
      int qMember = layout.qMember(row);
      long onQ = qMember < 0 ? q : media.get(qMember).get(JAVA_LONG_UNALIGNED, at);
      assertThat(onP == p && onQ == q).as("parity at %d", at).isTrue();
    }
  }

  @ParameterizedTest
  @CsvSource({"RAID4, 4096", "RAID5, 4096", "RAID6, 4096", "RAID5, 131072", "RAID6, 262144"})
  void wholeRowsAreZeroedOnAllMembersAndTheRestStays(Level level, long chunkBytes) {
    Parity parity = array(level, chunkBytes);
    long row = layout.rowBytes();
    long at = row - 512;
    long length = 3 * row + 1024;
    assertThat(stack.run(parity, Op.DISCARD, at, length)).isEqualTo(Outcome.done(length));
    model.asSlice(row, 3 * row).fill((byte) 0);
    assertThat(count(Op.READ)).as("nothing is read").isZero();
    assertThat(count(Op.WRITE)).as("nothing is written").isZero();
    assertThat(count(Op.DISCARD)).as("nor left to the members").isZero();
    long slices = 3 * chunkBytes / Math.min(chunkBytes, 64 << 10);
    assertThat(count(Op.WRITE_ZEROES)).isEqualTo((int) slices * MEMBERS);
    isAsTheModel(parity);
    isParityRight();
  }

  @Test
  void nothingHappensWhereAMemberWouldHaveToWrite() {
    Parity parity = array(Level.RAID5, 4096);
    members.get(2).isFast = false;
    long size = parity.limits().sizeBytes();
    assertThat(stack.run(parity, Op.DISCARD, 0, size)).isEqualTo(Outcome.done(size));
    assertThat(members).allMatch(member -> member.counts.isEmpty());
    isAsTheModel(parity);
  }

  @Test
  void lessThanARowIsLeftAlone() {
    Parity parity = array(Level.RAID5, 4096);
    long length = 2 * layout.rowBytes() - 1024;
    assertThat(stack.run(parity, Op.DISCARD, 512, length - 512).kind()).isEqualTo(Kind.DONE);
    assertThat(stack.run(parity, Op.DISCARD, 512, 0)).isEqualTo(Outcome.done(0));
    assertThat(members).allMatch(member -> member.counts.isEmpty());
    isAsTheModel(parity);
  }

  @ParameterizedTest
  @EnumSource(names = {"RAID5", "RAID6"})
  void aMemberThatHasNoOperationForZeroesAfterAllGetsThem(Level level) {
    Parity parity = array(level, 4096);
    members.get(1).knowsZeroes = false;
    members.get(4).knowsZeroes = false;
    long size = parity.limits().sizeBytes();
    assertThat(stack.run(parity, Op.DISCARD, 0, size)).isEqualTo(Outcome.done(size));
    model.fill((byte) 0);
    assertThat(parity.array().faulty()).isEmpty();
    isAsTheModel(parity);
    isParityRight();
  }

  @Test
  void aDiscardWhoseFlagIsUpTouchesNothing() {
    Parity parity = array(Level.RAID5, 4096);
    CancelFlag flag = new CancelFlag();
    flag.raise();
    long size = parity.limits().sizeBytes();
    DrivenStack.Request request =
        stack.submit(parity, Op.DISCARD, 0, size, MemorySegment.NULL, flag, false);
    assertThat(stack.finish(request).cleanBytes()).isEqualTo(size);
    assertThat(members).allMatch(member -> member.counts.isEmpty());
  }

  @ParameterizedTest
  @EnumSource(names = {"RAID4", "RAID5", "RAID6"})
  void whatAMissingMemberHadIsZeroToo(Level level) {
    Parity parity = array(level, 4096);
    assertThat(
            parity
                .array()
                .fail(Objects.requireNonNull(parity.array().member(1)), "the test says so"))
        .isTrue();
    long row = layout.rowBytes();
    assertThat(stack.run(parity, Op.DISCARD, row, 4 * row)).isEqualTo(Outcome.done(4 * row));
    model.asSlice(row, 4 * row).fill((byte) 0);
    isAsTheModel(parity);
  }

  /** Each byte is what one of those wrote that were under way with it; parity is right. */
  @ParameterizedTest
  @EnumSource(names = {"RAID5", "RAID6"})
  void besideWritesParityStaysRight(Level level) {
    Parity parity = array(level, 4096);
    SplittableRandom random = new SplittableRandom(SEED);
    long blocks = model.byteSize() / 512;
    for (int batch = 0; batch < 60; batch++) {
      for (int i = 0; i < 6; i++) {
        long at = random.nextLong(blocks) * 512;
        long length = Math.min(model.byteSize() - at, (1 + random.nextLong(100)) * 512);
        if (random.nextInt(3) == 0) {
          stack.submit(parity, Op.DISCARD, at, length, MemorySegment.NULL, new CancelFlag(), false);
        } else {
          MemorySegment bytes = stack.memory(length);
          Patterns.fill(bytes, at, batch);
          stack.submit(parity, Op.WRITE, at, bytes, new CancelFlag());
        }
      }
      stack.finishAll();
    }
    stack.turnUntil(() -> parity.cache().slicesInUse() == 0);
    assertThat(parity.array().faulty()).as("seed %d", SEED).isEmpty();
    isParityRight();
  }
}
