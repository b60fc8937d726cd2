// SPDX-License-Identifier: Apache-2.0
package dev.belay.target;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.CancelFlag;
import dev.belay.Clock;
import dev.belay.Device;
import dev.belay.Inside;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.leaf.Memory;
import dev.belay.md.Level;
import dev.belay.md.ParityLayout;
import dev.belay.testing.DrivenStack;
import dev.belay.testing.DrivenStack.Request;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/**
 * An exception in the middle of a layer, at each place where one looks at the clock or at a flag
 * that has a deadline: every request ends once, and what waited behind is let go.
 */
final class ThrowingClockTest {
  private static final long MEMBER_BYTES = 1 << 20;
  private static final int MOST_LOOKS = Integer.getInteger("belay.clock.looks", 60);

  /** A clock that throws once. */
  private static final class ThrowingClock implements Clock {
    private long nowNanos;
    private int looksLeft = -1;

    @Override
    public long nanos() {
      if (looksLeft >= 0 && looksLeft-- == 0) {
        throw new IllegalStateException("a clock of the test's threw");
      }
      return nowNanos;
    }
  }

  private static List<Device> members(DrivenStack stack, int count) {
    List<Device> members = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      Device memory = new Memory(stack.loop, MEMBER_BYTES, 512);
      members.add(new Delay(stack.loop, memory, 1_000_000, 1_000_000, 1_000_000));
    }
    return members;
  }

  private static DynamicTest test(String name, Function<DrivenStack, Device> maker) {
    return DynamicTest.dynamicTest(
        name,
        () -> {
          int thrown = 0;
          List<String> wrong = new ArrayList<>();
          for (int look = 0; look < MOST_LOOKS; look++) {
            try {
              thrown += throwAt(look, maker);
            } catch (AssertionError e) {
              wrong.add("thrown at look " + look + ": " + e.getMessage());
            }
          }
          assertThat(wrong).isEmpty();
          assertThat(thrown).isPositive();
        });
  }

  @TestFactory
  Stream<DynamicTest> whatThrowsOnceHoldsUpNobody() {
    return Stream.of(
        test("delay", stack -> members(stack, 1).getFirst()),
        test(
            "throttle",
            stack -> new Throttle(stack.loop, members(stack, 1).getFirst(), 1000, 0, 1_000_000)),
        test("align", stack -> new Align(stack.loop, members(stack, 1).getFirst(), 4096, 64 << 10)),
        test("raid1", stack -> Mirror.raid1(stack.loop, members(stack, 2), Hedge.NONE)),
        test(
            "raid1 with hedges",
            stack -> Mirror.raid1(stack.loop, members(stack, 2), Hedge.after(500_000))),
        test(
            "raid5",
            stack ->
                Parity.byHand(
                    stack.loop,
                    Level.RAID5,
                    members(stack, 3),
                    64 << 10,
                    ParityLayout.LEFT_SYMMETRIC)));
  }

  private static int throwAt(int look, Function<DrivenStack, Device> maker) {
    ThrowingClock clock = new ThrowingClock();
    DrivenStack stack = new DrivenStack(clock);
    boolean isRight = false;
    try {
      Device device = maker.apply(stack);
      List<Request> requests = new ArrayList<>();
      clock.looksLeft = look;
      for (int i = 0; i < 6; i++) {
        CancelFlag flag = new CancelFlag().withDeadline(clock, Long.MAX_VALUE - 1);
        Op op = i == 4 ? Op.READ : Op.WRITE;
        requests.add(stack.prepare(device, op, i / 2 * 4096L, stack.memory(8192), flag));
        stack.loop.send(requests.getLast().bio);
      }
      turn(stack, clock, requests);
      int thrown = clock.looksLeft < 0 ? 1 : 0;
      clock.looksLeft = -1;
      for (Request request : requests) {
        assertThat(request.completions).as("completions").isEqualTo(1);
      }
      Request after = stack.submit(device, Op.WRITE, 0, stack.memory(16_384), new CancelFlag());
      turn(stack, clock, List.of(after));
      assertThat(after.outcome).as("of who comes later").isEqualTo(Outcome.done(16_384));
      assertThat(stack.loop.openRequests()).as("of its own").isZero();
      stack.defects.clear();
      isRight = true;
      return thrown;
    } finally {
      if (isRight) {
        stack.close();
      } else {
        Inside.abandon(stack.loop); // what is lost would be waited for
      }
    }
  }

  private static void turn(DrivenStack stack, ThrowingClock clock, List<Request> requests) {
    for (int i = 0; i < 300; i++) {
      if (requests.stream().allMatch(Request::ended) && stack.loop.openRequests() == 0) {
        return;
      }
      try {
        for (int turns = 0; turns < 100 && stack.loop.turn(0); turns++) {
          // until it has nothing to do at this time
        }
      } catch (IllegalStateException thrown) {
        // It was the loop itself that looked.
      }
      clock.nowNanos += 1_000_000;
    }
  }
}
