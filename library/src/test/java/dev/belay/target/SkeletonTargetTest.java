// SPDX-License-Identifier: Apache-2.0
package dev.belay.target;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.belay.Bio;
import dev.belay.CancelFlag;
import dev.belay.Device;
import dev.belay.Limits;
import dev.belay.Loop;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.Verdict;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** The skeleton works, so that a copy of it starts from something that does. */
final class SkeletonTargetTest {
  private final Loop loop = Loop.driven();
  private final Slow slow = new Slow(loop);
  private final SkeletonTarget skeleton = new SkeletonTarget(loop, slow, 2);
  private final List<Outcome> ended = new ArrayList<>();

  /** Takes what comes, and completes it when it is told to. */
  private static final class Slow extends Device {
    final Queue<Bio> taken = new ArrayDeque<>();

    Slow(Loop loop) {
      super(loop, "slow", new Limits(1 << 20, 1, 1, 1 << 20), List.of());
    }

    @Override
    public Verdict map(Bio bio) {
      taken.add(bio);
      return Verdict.TAKEN;
    }

    void completeOne() {
      taken.remove().complete();
    }
  }

  @AfterEach
  void closes() {
    while (!slow.taken.isEmpty()) {
      slow.completeOne();
      loop.turn(0);
    }
    assertThat(loop.close(Long.MAX_VALUE)).isZero();
  }

  private CancelFlag request() {
    CancelFlag flag = new CancelFlag();
    Bio bio = new Bio(loop, done -> ended.add(done.outcome()));
    bio.prepare(Op.WRITE_ZEROES, skeleton, 0, 512, MemorySegment.NULL, 0, flag);
    loop.enter(bio);
    return flag;
  }

  @Test
  void noMoreThanAllowedAreBelow() {
    for (int i = 0; i < 5; i++) {
      request();
    }
    assertThat(slow.taken).hasSize(2);
    assertThat(skeleton.status()).isEqualTo("2 under way, 3 parked");
    slow.completeOne();
    loop.turn(0);
    assertThat(slow.taken).hasSize(2);
    assertThat(ended).containsExactly(Outcome.done(512));
  }

  @Test
  void whatIsParkedAndCancelledNeverComesBelow() {
    request();
    request();
    CancelFlag third = request();
    third.raise();
    loop.turn(0);
    assertThat(ended).singleElement().matches(o -> o.cleanBytes() == 512);
    slow.completeOne();
    slow.completeOne();
    loop.turn(0);
    assertThat(slow.bios()).isEqualTo(2);
    assertThat(ended).hasSize(3);
  }

  @Test
  void aWrongLimitIsRefusedWithASentence() {
    assertThatThrownBy(() -> new SkeletonTarget(loop, slow, 0))
        .hasMessage("skeleton lets through 1 request at a time or more, not 0");
  }
}
