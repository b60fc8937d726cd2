// SPDX-License-Identifier: Apache-2.0
package dev.belay.target;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.leaf.Memory;
import dev.belay.testing.DrivenStack;
import dev.belay.testing.Patterns;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;

final class LinearTest {
  @Test
  void byteZeroIsTheByteAtTheOffset() {
    try (DrivenStack stack = new DrivenStack()) {
      Memory memory = new Memory(stack.loop, 1 << 20, 512);
      Linear linear = new Linear(stack.loop, memory, 8192, 4096);
      MemorySegment buffer = stack.memory(1024);
      Patterns.fill(buffer, 8192 + 3072, 1);
      assertThat(stack.run(linear, Op.WRITE, 3072, buffer)).isEqualTo(Outcome.done(1024));
      MemorySegment read = stack.memory(1024);
      stack.run(memory, Op.READ, 8192 + 3072, read);
      assertThat(Patterns.firstOther(read, 8192 + 3072, 1)).isEqualTo(-1);
      assertThat(stack.run(linear, Op.FLUSH, 0, 0)).isEqualTo(Outcome.done(0));
      assertThat(linear.limits()).isEqualTo(memory.limits().withSize(4096));
      assertThat(linear.status()).isEqualTo("from byte 8192");
    }
  }

  @Test
  void nothingReachesWhatIsBehindTheWindow() {
    try (DrivenStack stack = new DrivenStack()) {
      Memory memory = new Memory(stack.loop, 1 << 20, 512);
      Linear linear = new Linear(stack.loop, memory, 512, 4096);
      Outcome outcome = stack.run(linear, Op.WRITE, 3584, stack.memory(1024));
      assertThat(outcome.error()).asString().contains("does not fit the device linear");
      assertThat(memory.bios()).isZero();
    }
  }

  @Test
  void aWindowThatDoesNotFitIsRefusedWithASentence() {
    try (DrivenStack stack = new DrivenStack()) {
      Memory memory = new Memory(stack.loop, 1 << 20, 512);
      assertThatThrownBy(() -> new Linear(stack.loop, memory, 100, 512))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("blocks of 512 bytes; its offset is 100");
      for (long[] window : new long[][] {{1 << 20, 512}, {-512, 512}, {0, 2 << 20}, {0, -512}}) {
        assertThatThrownBy(() -> new Linear(stack.loop, memory, window[0], window[1]))
            .isInstanceOf(IllegalArgumentException.class)
            .hasMessageContaining("which has 1048576 bytes");
      }
    }
  }
}
