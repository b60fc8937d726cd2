// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.Bio;
import dev.belay.CancelFlag;
import dev.belay.Extents;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.testing.DrivenStack;
import dev.belay.testing.Patterns;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;

final class NullTest {
  @Test
  void everythingIsDoneAtOnceAndNothingIsTouched() {
    try (DrivenStack stack = new DrivenStack()) {
      Null device = new Null(stack.loop, 1L << 50, 512);
      MemorySegment buffer = stack.memory(4096);
      buffer.fill((byte) 5);
      for (Op op : Op.values()) {
        var request = stack.submit(device, op, 4096, buffer, new CancelFlag());
        assertThat(request.result()).isEqualTo(Outcome.done(4096));
      }
      assertThat(Patterns.firstOtherByte(buffer, (byte) 5)).isEqualTo(-1);
      assertThat(device.bios()).isEqualTo(Op.values().length);
      assertThat(device.bytes()).isEqualTo(Op.values().length * 4096L);
    }
  }

  @Test
  void aFlagThatIsUpStopsItBefore() {
    try (DrivenStack stack = new DrivenStack()) {
      Null device = new Null(stack.loop, 4096, 512);
      CancelFlag flag = new CancelFlag();
      flag.raise();
      var request = stack.submit(device, Op.READ, 0, stack.memory(512), flag);
      assertThat(request.result().extents()).isEqualTo(Extents.whole(512, Extents.State.CLEAN));
      assertThat(device.bios()).isZero();
    }
  }

  @Test
  void nothingOfItIsAHoleBecauseNothingReadsAsZeroes() {
    try (DrivenStack stack = new DrivenStack()) {
      Null device = new Null(stack.loop, 4096, 512);
      int[] found = {-1};
      Bio bio = new Bio(stack.loop, ended -> found[0] = ended.holes().size());
      bio.prepare(Op.FIND_HOLES, device, 0, 4096, MemorySegment.NULL, 0, new CancelFlag());
      stack.loop.enter(bio);
      assertThat(found[0]).isZero();
    }
  }
}
