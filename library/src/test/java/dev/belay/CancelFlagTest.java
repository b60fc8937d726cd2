// SPDX-License-Identifier: Apache-2.0
package dev.belay;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
final class CancelFlagTest {
  @Test
  void itGoesUpOnceAndKeepsTheFirstReason() {
    CancelFlag flag = new CancelFlag();
    assertThat(flag.isRaised()).isFalse();
    assertThat(flag.reason()).isNull();
    flag.raise(CancelFlag.Reason.DISCONNECT);
    flag.raise();
    assertThat(flag.isRaised()).isTrue();
    assertThat(flag.reason()).isEqualTo(CancelFlag.Reason.DISCONNECT);
    assertThat(flag).hasToString("CancelFlag[raised: DISCONNECT]");
  }

  @Test
  void whicheverReasonComesFirstIsKept() {
    for (CancelFlag.Reason first : CancelFlag.Reason.values()) {
      for (CancelFlag.Reason second : CancelFlag.Reason.values()) {
        CancelFlag parent = new CancelFlag();
        CancelFlag flag = parent.child();
        flag.raise(first);
        flag.raise(second);
        parent.raise(second);
        assertThat(flag.reason()).isEqualTo(first);
        assertThat(parent.reason()).isEqualTo(second);
      }
    }
  }

  @Test
  void aParentCountsForItsChildrenAndNotTheOtherWayRound() {
    CancelFlag parent = new CancelFlag();
    CancelFlag child = parent.child();
    CancelFlag grandchild = child.child();
    CancelFlag sibling = parent.child();
    child.raise(CancelFlag.Reason.INTERRUPT);
    assertThat(grandchild.isRaised()).isTrue();
    assertThat(grandchild.reason()).isEqualTo(CancelFlag.Reason.INTERRUPT);
    assertThat(parent.isRaised()).isFalse();
    assertThat(sibling.isRaised()).isFalse();
    parent.raise();
    assertThat(sibling.reason()).isEqualTo(CancelFlag.Reason.EXPLICIT);
    assertThat(child.reason()).isEqualTo(CancelFlag.Reason.INTERRUPT);
  }

  @Test
  void aDeadlineRaisesItWithoutALoop() {
    Clock.Manual clock = new Clock.Manual();
    CancelFlag flag = new CancelFlag().withDeadline(clock, 10);
    CancelFlag child = flag.child();
    CancelFlag sooner = flag.withDeadline(clock, 5);
    assertThat(child.deadlineNanos()).isEqualTo(10);
    assertThat(sooner.deadlineNanos()).isEqualTo(5);
    clock.advance(9);
    assertThat(child.isRaised()).isFalse();
    assertThat(sooner.isRaised()).isTrue();
    clock.advance(1);
    assertThat(child.isRaised()).isTrue();
    assertThat(child.reason()).isEqualTo(CancelFlag.Reason.DEADLINE);
    assertThat(flag.reason()).isEqualTo(CancelFlag.Reason.DEADLINE);
    CancelFlag parent = new CancelFlag();
    CancelFlag later = parent.withDeadline(clock, 100);
    assertThat(later.isRaised()).isFalse();
    parent.raise(CancelFlag.Reason.SCOPE);
    assertThat(later.reason()).isEqualTo(CancelFlag.Reason.SCOPE);
    assertThat(CancelFlag.NEVER.withDeadline(Duration.ZERO).isRaised()).isTrue();
  }

  @Test
  void neverIsNever() {
    CancelFlag.NEVER.raise();
    assertThat(CancelFlag.NEVER.isRaised()).isFalse();
    CancelFlag child = CancelFlag.NEVER.child();
    child.raise();
    assertThat(child.isRaised()).isTrue();
  }

  @Test
  void aThousandThreadsRaiseItAndOneReasonStays() throws Exception {
    CancelFlag flag = new CancelFlag();
    CountDownLatch go = new CountDownLatch(1);
    List<Thread> threads = new ArrayList<>();
    List<CancelFlag.Reason> seen = java.util.Collections.synchronizedList(new ArrayList<>());
    for (int i = 0; i < 1000; i++) {
      CancelFlag.Reason mine = CancelFlag.Reason.values()[i % 6];
      threads.add(
          Thread.startVirtualThread(
              () -> {
                try {
                  go.await();
                } catch (InterruptedException e) {
                  throw new AssertionError(e);
                }
                flag.raise(mine);
                seen.add(flag.reason());
              }));
    }
    go.countDown();
    for (Thread thread : threads) {
      thread.join();
    }
    assertThat(seen).hasSize(1000).containsOnly(flag.reason());
  }

  @Test
  void aDeadlineThatPassedLongAgoIsUpAtOnceHoweverLongAgo() {
    for (long seconds : new long[] {-1, -1_000_000, Long.MIN_VALUE / 2, Long.MIN_VALUE}) {
      CancelFlag flag = new CancelFlag().withDeadline(Duration.ofSeconds(seconds));
      assertThat(flag.isRaised()).as("%d s", seconds).isTrue();
      assertThat(flag.reason()).isEqualTo(CancelFlag.Reason.DEADLINE);
    }
    assertThat(new CancelFlag().withDeadline(Duration.ofSeconds(Long.MAX_VALUE)).isRaised())
        .isFalse();
  }
}
