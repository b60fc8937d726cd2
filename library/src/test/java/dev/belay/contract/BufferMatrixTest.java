// SPDX-License-Identifier: Apache-2.0
package dev.belay.contract;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import dev.belay.CancelFlag;
import dev.belay.Device;
import dev.belay.Errno;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.contract.MatrixRows.Target;
import dev.belay.leaf.Memory;
import dev.belay.testing.DrivenStack;
import dev.belay.testing.DrivenStack.Request;
import dev.belay.testing.Patterns;
import dev.belay.testing.SimClock;
import dev.belay.testing.SimPoller;
import dev.belay.testing.Steps;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/**
 * A caller's memory that fails, over every target and array alone and in every stacking of two: one
 * completion, with EFAULT, and whoever wants the same blocks goes on.
 */
final class BufferMatrixTest {
  private static final long LENGTH = 24 << 10;

  @TempDir private Path directory;

  /** A stack over memory, on virtual time. */
  private static final class Rig implements AutoCloseable {
    final DrivenStack stack;
    final Device top;

    Rig(Function<DrivenStack, Device> maker) {
      SimClock clock = new SimClock(new Steps());
      stack = new DrivenStack(clock);
      stack.loop.setPoller(new SimPoller(clock, new Steps()));
      top = maker.apply(stack);
    }

    Request submit(Op op, long offsetBytes, MemorySegment buffer) {
      return stack.submit(top, op, offsetBytes, LENGTH, buffer, new CancelFlag(), false);
    }

    Request write(long offsetBytes, long seed) {
      MemorySegment buffer = stack.memory(LENGTH);
      Patterns.fill(buffer, offsetBytes, seed);
      return submit(Op.WRITE, offsetBytes, buffer);
    }

    void isThere(long offsetBytes, long seed) {
      MemorySegment buffer = stack.memory(LENGTH);
      assertThat(stack.finish(submit(Op.READ, offsetBytes, buffer)))
          .isEqualTo(Outcome.done(LENGTH));
      assertThat(Patterns.firstOther(buffer, offsetBytes, seed)).isEqualTo(-1);
    }

    @Override
    public void close() {
      stack.close();
    }
  }

  private static Device leaf(DrivenStack stack) {
    return new Memory(stack.loop, MatrixRows.LEAF_BYTES, HeldLeaf.BLOCK_BYTES);
  }

  private static Device make(DrivenStack stack, Target upper, @Nullable Target lower) {
    return upper.make(
        stack.loop, () -> lower == null ? leaf(stack) : lower.make(stack.loop, () -> leaf(stack)));
  }

  private Stream<DynamicTest> everywhere() {
    List<Target> all = new ArrayList<>(MatrixRows.TARGETS);
    all.addAll(MatrixRows.ARRAYS);
    all.removeIf(target -> !target.passes() || target.name().equals(MatrixRows.SLOW));
    List<DynamicTest> tests = new ArrayList<>();
    tests.add(test("memory", BufferMatrixTest::leaf));
    for (Target upper : all) {
      tests.add(test(upper.name(), stack -> make(stack, upper, null)));
      for (Target lower : all) {
        tests.add(test(upper + " over " + lower, stack -> make(stack, upper, lower)));
      }
    }
    return tests.stream();
  }

  private DynamicTest test(String name, Function<DrivenStack, Device> maker) {
    return dynamicTest(
        name,
        () -> {
          for (FailingBuffers.Kind kind : FailingBuffers.KINDS) {
            try (Rig rig = new Rig(maker)) {
              fails(rig, kind);
            } catch (AssertionError e) {
              throw new AssertionError("memory " + kind + ": " + e.getMessage(), e);
            }
          }
        });
  }

  @TestFactory
  Stream<DynamicTest> memoryThatFailsFailsItsOwnRequest() {
    return everywhere();
  }

  private void fails(Rig rig, FailingBuffers.Kind kind) {
    // In the middle of a block, where the device has none, and across chunks and stripes.
    long offset = rig.top.limits().logicalBlockBytes() == 1 ? 61_500 : 57_344;
    MemorySegment bad = kind.make(directory, LENGTH);
    rig.stack.finish(rig.write(offset - LENGTH, 7));
    List<Request> bystanders = new ArrayList<>();
    List<Request> failing = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      bystanders.add(rig.write(offset, i));
      failing.add(rig.submit(Op.WRITE, offset, bad));
      failing.add(rig.submit(Op.READ, offset, bad));
      bystanders.add(rig.write(offset - LENGTH, i));
    }
    rig.stack.finishAll();
    for (Request request : failing) {
      if (request.op == Op.WRITE && !kind.failsWrites()) {
        assertThat(request.result()).isEqualTo(Outcome.done(LENGTH));
      } else {
        assertThat(request.result().kind()).as("%s", request.op).isEqualTo(Outcome.Kind.FAILED);
        int errno = Objects.requireNonNull(request.result().error()).errno();
        assertThat(errno).as("%s", request.result()).isEqualTo(Errno.EFAULT);
      }
    }
    for (Request request : bystanders) {
      assertThat(request.result()).isEqualTo(Outcome.done(LENGTH));
    }
    assertThat(rig.stack.finish(rig.write(offset, 9))).isEqualTo(Outcome.done(LENGTH));
    rig.isThere(offset, 9);
    rig.isThere(offset - LENGTH, 2);
    assertNothingIsHeld(rig.top);
  }

  private static void assertNothingIsHeld(Device device) {
    device.showHeld((bio, how) -> assertThat(how).as("%s", bio).isNull());
    device.lowers().forEach(BufferMatrixTest::assertNothingIsHeld);
  }
}
