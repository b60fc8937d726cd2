// SPDX-License-Identifier: Apache-2.0
package dev.belay.contract;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import dev.belay.Bio;
import dev.belay.CancelFlag;
import dev.belay.Device;
import dev.belay.Errno;
import dev.belay.Extents.Extent;
import dev.belay.Extents.State;
import dev.belay.Holes;
import dev.belay.Loop;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.Outcome.Kind;
import dev.belay.contract.MatrixRows.Leaf;
import dev.belay.contract.MatrixRows.Target;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/** The laws, over every leaf alone and every target over every leaf, on real time. */
final class LeafMatrixTest {
  private static final byte UNREAD = 0x5E;

  @TempDir Path directory;

  /** What a test does with a stack. */
  @FunctionalInterface
  private interface Law {
    void hold(Rig rig) throws Exception;
  }

  /** One stack, and its requests. */
  private static final class Rig {
    final Leaf leaf;
    final Loop loop = Loop.driven();
    final Device top;
    final Arena arena;
    private final List<Throwable> defects = new ArrayList<>();

    Rig(Leaf leaf, @Nullable Target target, Path directory, Arena arena) throws Exception {
      this.leaf = leaf;
      this.arena = arena;
      loop.setDefects(defects::add);
      List<Device> leaves = new ArrayList<>();
      for (int i = 0; i < 3; i++) {
        leaves.add(leaf.opener().open(loop, directory));
      }
      int[] next = new int[1];
      top = target == null ? leaves.get(0) : target.make(loop, () -> leaves.get(next[0]++));
    }

    Ask ask(Op op, long offset, long length, CancelFlag flag) {
      return new Ask(this, op, offset, length, flag);
    }

    void turnUntil(Ask ask) {
      long start = System.nanoTime();
      while (ask.outcomes.isEmpty()) {
        loop.turn(1_000_000_000);
        assertThat(System.nanoTime() - start).as("it hangs").isLessThan(60_000_000_000L);
      }
      assertThat(defects).isEmpty();
    }

    Outcome run(Op op, long offset, long length, CancelFlag flag) {
      Ask ask = ask(op, offset, length, flag);
      turnUntil(ask);
      return ask.outcome();
    }
  }

  /** A request. */
  private static final class Ask {
    final Bio bio;
    final MemorySegment buffer;
    final List<Outcome> outcomes = new ArrayList<>();

    Ask(Rig rig, Op op, long offset, long length, CancelFlag flag) {
      boolean hasBuffer = op.hasBuffer();
      buffer = hasBuffer ? rig.arena.allocate(Math.max(length, 1), 4096) : MemorySegment.NULL;
      if (hasBuffer) {
        buffer.fill(UNREAD);
      }
      if (op == Op.WRITE) {
        for (long i = 0; i < length; i++) {
          buffer.set(JAVA_BYTE, i, valueAt(offset + i));
        }
      }
      bio = new Bio(rig.loop, done -> outcomes.add(done.outcome()));
      bio.prepare(op, rig.top, offset, length, buffer, 0, flag);
      rig.loop.enter(bio);
    }

    Outcome outcome() {
      assertThat(outcomes).as("it ends exactly once").hasSize(1);
      return outcomes.getFirst();
    }
  }

  private static byte valueAt(long offset) {
    return (byte) (offset * 31 + offset / 512 * 7 + 1);
  }

  private Stream<DynamicTest> everywhere(Law law) {
    List<DynamicTest> tests = new ArrayList<>();
    for (Leaf leaf : MatrixRows.LEAVES) {
      tests.add(test(leaf, null, law));
      for (Target target : MatrixRows.TARGETS) {
        if (target.passes() && !target.name().equals(MatrixRows.SLOW)) {
          tests.add(test(leaf, target, law));
        }
      }
    }
    return tests.stream();
  }

  private DynamicTest test(Leaf leaf, @Nullable Target target, Law law) {
    String name = target == null ? leaf.name() : target + " over " + leaf;
    return dynamicTest(
        name,
        () -> {
          try (Arena arena = Arena.ofShared()) {
            Rig rig = new Rig(leaf, target, directory, arena);
            law.hold(rig);
            assertThat(rig.loop.close(Long.MAX_VALUE)).isZero();
            assertThat(rig.defects).isEmpty();
          }
        });
  }

  @TestFactory
  Stream<DynamicTest> whatIsWrittenIsRead() {
    return everywhere(
        rig -> {
          long size = Math.min(rig.top.limits().sizeBytes(), 256 << 10);
          CancelFlag flag = new CancelFlag();
          assertThat(rig.run(Op.WRITE, 0, size, flag)).isEqualTo(Outcome.done(size));
          assertThat(rig.run(Op.FLUSH, 0, 0, flag)).isEqualTo(Outcome.done(0));
          Ask read = rig.ask(Op.READ, 0, size, flag);
          rig.turnUntil(read);
          assertThat(read.outcome()).isEqualTo(Outcome.done(size));
          for (long i = 0; i < size && rig.leaf.keeps(); i += 97) {
            assertThat(read.buffer.get(JAVA_BYTE, i)).as("byte " + i).isEqualTo(valueAt(i));
          }
          long block = 4096;
          assertThat(rig.run(Op.WRITE_ZEROES, block, block, flag)).isEqualTo(Outcome.done(block));
          assertThat(rig.run(Op.DISCARD, 2 * block, block, flag)).isEqualTo(Outcome.done(block));
          Ask zeroes = rig.ask(Op.READ, block, block, flag);
          rig.turnUntil(zeroes);
          assertThat(!rig.leaf.keeps() || zeroes.buffer.get(JAVA_BYTE, 0) == 0).isTrue();
        });
  }

  @TestFactory
  Stream<DynamicTest> whatDoesNotFitIsRefusedClean() {
    return everywhere(
        rig -> {
          long size = rig.top.limits().sizeBytes();
          boolean isCoarse = rig.top.limits().logicalBlockBytes() > 1;
          for (long[] range :
              new long[][] {{size, 4096}, {-4096, 4096}, {1, isCoarse ? 4096 : size}}) {
            Outcome outcome = rig.run(Op.READ, range[0], range[1], new CancelFlag());
            assertThat(outcome.kind()).isEqualTo(Kind.FAILED);
            assertThat(Objects.requireNonNull(outcome.error()).errno()).isEqualTo(Errno.EINVAL);
            assertThat(outcome.cleanBytes()).isEqualTo(range[1]);
          }
        });
  }

  @TestFactory
  Stream<DynamicTest> whatIsSaidToBeAHoleReadsAsZeroes() {
    return everywhere(
        rig -> {
          long size = Math.min(rig.top.limits().sizeBytes(), 1 << 20);
          long block = 4096;
          CancelFlag flag = new CancelFlag();
          Random random = new Random(5);
          for (int i = 0; i < 8; i++) {
            rig.run(Op.WRITE, random.nextLong(size / block) * block, block, flag);
          }
          long zeroed = Math.min(size / 2, 300 << 10) / block * block;
          rig.run(Op.WRITE_ZEROES, size / 4 / block * block, zeroed, flag);
          Ask read = rig.ask(Op.READ, 0, size, flag);
          rig.turnUntil(read);
          Ask search = rig.ask(Op.FIND_HOLES, 0, size, flag);
          rig.turnUntil(search);
          assertThat(search.outcome()).isEqualTo(Outcome.done(size));
          Holes holes = search.bio.holes();
          // Who keeps nothing does not read as zeroes, and so has no holes.
          assertThat(holes.size() > 0).as("holes: " + holes).isEqualTo(rig.leaf.keeps());
          for (int i = 0; i < holes.size(); i++) {
            for (long at = holes.startBytes(i); at < holes.endBytes(i); at++) {
              assertThat(read.buffer.get(JAVA_BYTE, at)).as("byte %d, %s", at, holes).isZero();
            }
          }
        });
  }

  @TestFactory
  Stream<DynamicTest> aFlagThatIsUpBeforeLeavesAllAsItWas() {
    return everywhere(
        rig -> {
          long size = Math.min(rig.top.limits().sizeBytes(), 128 << 10);
          rig.run(Op.WRITE_ZEROES, 0, size, new CancelFlag());
          CancelFlag flag = new CancelFlag();
          flag.raise();
          for (Op op : Op.values()) {
            Ask ask = rig.ask(op, 0, op == Op.FLUSH ? 0 : size, flag);
            rig.turnUntil(ask);
            assertThat(ask.outcome().kind()).isEqualTo(Kind.CANCELLED);
            assertThat(ask.outcome().cleanBytes()).isEqualTo(op == Op.FLUSH ? 0 : size);
            assertThat(op != Op.READ || ask.buffer.get(JAVA_BYTE, size - 1) == UNREAD).isTrue();
          }
          Ask read = rig.ask(Op.READ, 0, size, new CancelFlag());
          rig.turnUntil(read);
          assertThat(!rig.leaf.keeps() || read.buffer.get(JAVA_BYTE, 0) == 0).isTrue();
        });
  }

  @TestFactory
  Stream<DynamicTest> theTruthIsToldHoweverLateTheFlagGoesUp() {
    return everywhere(
        rig -> {
          long size = Math.min(rig.top.limits().sizeBytes(), 256 << 10);
          Random random = new Random(7);
          for (int round = 0; round < 8; round++) {
            rig.run(Op.WRITE_ZEROES, 0, size, new CancelFlag());
            CancelFlag flag = new CancelFlag();
            Ask write = rig.ask(Op.WRITE, 0, size, flag);
            for (int turns = random.nextInt(4); turns > 0 && write.outcomes.isEmpty(); turns--) {
              rig.loop.turn(0);
            }
            flag.raise();
            rig.turnUntil(write);
            assertThat(write.outcome().kind()).isNotEqualTo(Kind.FAILED);
            Ask read = rig.ask(Op.READ, 0, size, new CancelFlag());
            rig.turnUntil(read);
            for (Extent extent : write.outcome().extents().list()) {
              for (long at = extent.offsetBytes(); at < extent.endBytes(); at += 512) {
                byte expected = extent.state() == State.DONE ? valueAt(at) : 0;
                boolean isSure = rig.leaf.keeps() && extent.state() != State.UNKNOWN;
                assertThat(!isSure || read.buffer.get(JAVA_BYTE, at) == expected)
                    .as("byte %d after %s", at, write.outcome())
                    .isTrue();
              }
            }
          }
        });
  }

  @TestFactory
  Stream<DynamicTest> closeCancelsAllAndWaitsForAll() {
    return everywhere(
        rig -> {
          long size = Math.min(rig.top.limits().sizeBytes(), 64 << 10);
          List<Ask> asks = new ArrayList<>();
          for (int i = 0; i < 40; i++) {
            Op op = Op.values()[i % Op.values().length];
            asks.add(rig.ask(op, 0, op == Op.FLUSH ? 0 : size, new CancelFlag()));
          }
          assertThat(rig.loop.close(Long.MAX_VALUE)).isZero();
          assertThat(asks).allMatch(ask -> ask.outcome().kind() != Kind.FAILED);
        });
  }
}
