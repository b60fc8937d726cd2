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
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class StripeTest {
  @ParameterizedTest
  @ValueSource(ints = {512, 1536, 4096})
  void chunksGoRound(int chunk) {
    try (DrivenStack stack = new DrivenStack()) {
      List<Memory> members =
          List.of(
              new Memory(stack.loop, 65536, 512),
              new Memory(stack.loop, 36864 + 512, 512), // the smallest, and not whole chunks
              new Memory(stack.loop, 49152, 512));
      Stripe stripe = new Stripe(stack.loop, members, chunk);
      long size = 3L * ((36864 + 512) / chunk * chunk);
      assertThat(stripe.limits().sizeBytes()).isEqualTo(size);
      MemorySegment buffer = stack.memory(size);
      Patterns.fill(buffer, 0, 1);
      assertThat(stack.run(stripe, Op.WRITE, 0, buffer)).isEqualTo(Outcome.done(size));
      MemorySegment read = stack.memory(chunk);
      for (long i = 0; i < size / chunk; i++) {
        stack.run(members.get((int) (i % 3)), Op.READ, i / 3 * chunk, read);
        assertThat(Patterns.firstOther(read, i * chunk, 1)).isEqualTo(-1);
      }
      MemorySegment across = stack.memory(2L * chunk);
      assertThat(stack.run(stripe, Op.READ, 512, across)).isEqualTo(Outcome.done(2L * chunk));
      assertThat(Patterns.firstOther(across, 512, 1)).isEqualTo(-1);
      assertThat(stack.run(stripe, Op.WRITE_ZEROES, size, 0)).isEqualTo(Outcome.done(0));
    }
  }

  @Test
  void whatIsInsideAChunkIsOneBioBelow() {
    try (DrivenStack stack = new DrivenStack()) {
      Null first = new Null(stack.loop, 1 << 20, 512);
      Null second = new Null(stack.loop, 1 << 20, 512);
      Stripe stripe = new Stripe(stack.loop, List.of(first, second), 4096);
      stack.run(stripe, Op.READ, 4096, stack.memory(4096));
      assertThat(first.bios()).isZero();
      assertThat(second.bios()).isEqualTo(1);
      stack.run(stripe, Op.READ, 4096, stack.memory(4096 + 512));
      assertThat(first.bios()).isEqualTo(1);
      assertThat(second.bios()).isEqualTo(2);
      stack.run(stripe, Op.FLUSH, 0, 0);
      assertThat(first.bios()).isEqualTo(2);
      assertThat(second.bios()).isEqualTo(3);
    }
  }

  @Test
  void aCancelledBioTellsTheChunksThatWereDoneFromTheOthers() {
    try (DrivenStack stack = new DrivenStack()) {
      Device quick = new Null(stack.loop, 1 << 20, 512);
      Device hung =
          new Fault(
              stack.loop,
              new Null(stack.loop, 1 << 20, 512),
              List.of(Fault.Rule.of(Effect.HANG)),
              1);
      Stripe stripe = new Stripe(stack.loop, List.of(quick, hung), 512);
      CancelFlag flag = new CancelFlag();
      var request = stack.submit(stripe, Op.WRITE, 0, stack.memory(2048), flag);
      flag.raise();
      Outcome outcome = stack.finish(request);
      assertThat(outcome.kind()).isEqualTo(Outcome.Kind.CANCELLED);
      assertThat(outcome.extents().list())
          .containsExactly(
              new Extent(0, 512, State.DONE),
              new Extent(512, 512, State.CLEAN),
              new Extent(1024, 512, State.DONE),
              new Extent(1536, 512, State.CLEAN));
    }
  }

  @Test
  void aChunkThatDoesNotFitIsRefusedWithASentence() {
    try (DrivenStack stack = new DrivenStack()) {
      Null lower = new Null(stack.loop, 1 << 20, 4096);
      for (long chunk : new long[] {0, -4096, 512, 6144}) {
        assertThatThrownBy(() -> new Stripe(stack.loop, List.of(lower), chunk))
            .isInstanceOf(IllegalArgumentException.class)
            .hasMessageContaining("4096 bytes, and " + chunk + " is not");
      }
      assertThatThrownBy(() -> new Stripe(stack.loop, List.of(), 4096))
          .hasMessageContaining("at least one lower device");
    }
  }
}
