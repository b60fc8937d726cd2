// SPDX-License-Identifier: Apache-2.0
package dev.belay.target;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.belay.CancelFlag;
import dev.belay.Clock;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.leaf.Null;
import dev.belay.testing.DrivenStack;
import dev.belay.testing.DrivenStack.Request;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

final class DelayTest {
  private final Clock.Manual clock = new Clock.Manual();

  private void pass(DrivenStack stack, long nanos) {
    clock.advance(nanos);
    stack.loop.turn(0);
  }

  @Test
  void eachDirectionHasItsTime() {
    try (DrivenStack stack = new DrivenStack(clock)) {
      Null lower = new Null(stack.loop, 1 << 20, 512);
      Delay delay = new Delay(stack.loop, lower, 100, 200, 0);
      List<Request> requests = new ArrayList<>();
      for (Op op : List.of(Op.READ, Op.WRITE, Op.DISCARD)) {
        requests.add(stack.submit(delay, op, 0, stack.memory(512), new CancelFlag()));
      }
      assertThat(stack.run(delay, Op.FLUSH, 0, 0)).isEqualTo(Outcome.done(0));
      assertThat(delay.status())
          .isEqualTo("1 reads wait 100 ns, 2 writes wait 200 ns, 0 flushes wait 0 ns");
      pass(stack, 99);
      assertThat(requests).noneMatch(Request::ended);
      pass(stack, 1);
      assertThat(requests).extracting(Request::ended).containsExactly(true, false, false);
      pass(stack, 100);
      assertThat(requests).allMatch(Request::ended);
      assertThat(lower.bios()).isEqualTo(4);
    }
  }

  @Test
  void aCancelledBioIsCleanAndThoseBehindItStillWaitTheirTime() {
    try (DrivenStack stack = new DrivenStack(clock)) {
      Null lower = new Null(stack.loop, 1 << 20, 512);
      Delay delay = new Delay(stack.loop, lower, 100, 100, 100);
      CancelFlag flag = new CancelFlag();
      Request first = stack.submit(delay, Op.READ, 0, stack.memory(512), flag);
      pass(stack, 60);
      Request second = stack.submit(delay, Op.READ, 0, stack.memory(512), new CancelFlag());
      flag.raise();
      assertThat(first.ended()).isFalse();
      stack.loop.turn(0);
      assertThat(first.result().cleanBytes()).isEqualTo(512);
      pass(stack, 99);
      assertThat(second.ended()).isFalse();
      pass(stack, 1);
      assertThat(second.result()).isEqualTo(Outcome.done(512));
      assertThat(lower.bios()).isEqualTo(1);
    }
  }

  @Test
  void aFlagThatGoesUpAsTheTimerGoesOffIsSeen() {
    try (DrivenStack stack = new DrivenStack(clock)) {
      Null lower = new Null(stack.loop, 1 << 20, 512);
      Delay delay = new Delay(stack.loop, lower, 100, 100, 100);
      CancelFlag flag = new CancelFlag().withDeadline(clock, 100);
      Request first = stack.submit(delay, Op.READ, 0, stack.memory(512), flag);
      pass(stack, 100);
      stack.finish(first);
      assertThat(first.result().cleanBytes()).isEqualTo(512);
      assertThat(lower.bios()).isZero();
    }
  }

  @Test
  void aNegativeTimeIsRefused() {
    try (DrivenStack stack = new DrivenStack()) {
      Null lower = new Null(stack.loop, 1 << 20, 512);
      assertThatThrownBy(() -> new Delay(stack.loop, lower, 0, -1, 0))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("holds writes back for a time of zero or more, not -1 ns");
    }
  }
}
