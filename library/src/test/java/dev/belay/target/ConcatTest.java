// SPDX-License-Identifier: Apache-2.0
package dev.belay.target;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.belay.CancelFlag;
import dev.belay.Device;
import dev.belay.Extents.Extent;
import dev.belay.Extents.State;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.leaf.Memory;
import dev.belay.leaf.Null;
import dev.belay.target.Fault.Effect;
import dev.belay.testing.DrivenStack;
import dev.belay.testing.Patterns;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.junit.jupiter.api.Test;

final class ConcatTest {
  @Test
  void membersLieOneBehindTheOther() {
    try (DrivenStack stack = new DrivenStack()) {
      List<Device> members =
          List.of(
              new Memory(stack.loop, 4096, 512),
              new Memory(stack.loop, 512, 512), // smaller than a block of the coarsest
              new Memory(stack.loop, 8192 + 512, 512),
              new Memory(stack.loop, 4096, 4096));
      Concat concat = new Concat(stack.loop, members);
      assertThat(concat.limits().sizeBytes()).isEqualTo(16384);
      assertThat(concat.limits().logicalBlockBytes()).isEqualTo(4096);
      MemorySegment buffer = stack.memory(16384);
      Patterns.fill(buffer, 0, 1);
      assertThat(stack.run(concat, Op.WRITE, 0, buffer)).isEqualTo(Outcome.done(16384));
      assertMemberHolds(stack, members.get(0), 4096, 0);
      assertMemberHolds(stack, members.get(2), 8192, 4096);
      assertMemberHolds(stack, members.get(3), 4096, 12288);
      MemorySegment read = stack.memory(8192);
      assertThat(stack.run(concat, Op.READ, 8192, read)).isEqualTo(Outcome.done(8192));
      assertThat(Patterns.firstOther(read, 8192, 1)).isEqualTo(-1);
      assertThat(stack.run(concat, Op.WRITE_ZEROES, 16384, 0)).isEqualTo(Outcome.done(0));
    }
  }

  private static void assertMemberHolds(
      DrivenStack stack, Device member, int bytes, long offsetBytes) {
    MemorySegment read = stack.memory(bytes);
    stack.run(member, Op.READ, 0, read);
    assertThat(Patterns.firstOther(read, offsetBytes, 1)).isEqualTo(-1);
  }

  @Test
  void aFlushGoesToAll() {
    try (DrivenStack stack = new DrivenStack()) {
      Null first = new Null(stack.loop, 4096, 512);
      Null second = new Null(stack.loop, 4096, 512);
      Concat concat = new Concat(stack.loop, List.of(first, second));
      assertThat(stack.run(concat, Op.FLUSH, 0, 0)).isEqualTo(Outcome.done(0));
      assertThat(first.bios()).isEqualTo(1);
      assertThat(second.bios()).isEqualTo(1);
    }
  }

  @Test
  void whatOneMemberHoldsBackIsCleanAndTheOtherPartDone() {
    try (DrivenStack stack = new DrivenStack()) {
      Null lower = new Null(stack.loop, 4096, 512);
      Fault fault =
          new Fault(
              stack.loop, new Null(stack.loop, 4096, 512), List.of(Fault.Rule.of(Effect.HANG)), 1);
      Concat concat = new Concat(stack.loop, List.of(lower, fault));
      CancelFlag flag = new CancelFlag();
      var request = stack.submit(concat, Op.WRITE, 3072, stack.memory(2048), flag);
      flag.raise();
      Outcome outcome = stack.finish(request);
      assertThat(outcome.kind()).isEqualTo(Outcome.Kind.CANCELLED);
      assertThat(outcome.extents().list())
          .containsExactly(new Extent(0, 1024, State.DONE), new Extent(1024, 1024, State.CLEAN));
    }
  }

  @Test
  void noMemberIsRefused() {
    try (DrivenStack stack = new DrivenStack()) {
      assertThatThrownBy(() -> new Concat(stack.loop, List.of()))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("at least one lower device");
    }
  }
}
