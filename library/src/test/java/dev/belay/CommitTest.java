// SPDX-License-Identifier: Apache-2.0
package dev.belay;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.Extents.State;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** The commit point: before it a flag stops a bio without a trace, after it nothing does. */
final class CommitTest {
  private static final Limits LIMITS = new Limits(1L << 40, 1, 1, Long.MAX_VALUE);

  private final Loop loop = Loop.driven();
  private final List<Outcome> ended = new ArrayList<>();

  @AfterEach
  void close() {
    assertThat(loop.close(Long.MAX_VALUE)).isZero();
  }

  /** Holds what it gets, and sees the flags of what came. */
  private static final class Holder extends Device {
    final Parked parked = new Parked();
    final List<CancelFlag> flags = new ArrayList<>();

    Holder(Loop loop) {
      super(loop, "holder", LIMITS, List.of());
    }

    @Override
    public Verdict map(Bio bio) {
      flags.add(bio.flag());
      parked.park(bio);
      return Verdict.TAKEN;
    }

    void finishAll() {
      for (Bio bio = parked.peek(); bio != null; bio = parked.peek()) {
        parked.take(bio);
        bio.complete();
      }
    }
  }

  /** Writes twice, both or neither: parks the bio until it is told to go on. */
  private final class Twice extends Device {
    final Parked parked = new Parked();
    final Holder lower;

    Twice(Holder lower) {
      super(lower.loop(), "twice", LIMITS, List.of(lower));
      this.lower = lower;
    }

    @Override
    public Verdict map(Bio bio) {
      parked.park(bio);
      return Verdict.TAKEN;
    }

    void dispatch() {
      Bio bio = parked.peek();
      if (bio == null) {
        return;
      }
      parked.take(bio);
      if (!bio.commit()) {
        bio.cancelClean();
        return;
      }
      bio.beginChain();
      bio.chain().remap(lower, 0).submit();
      bio.chain().remap(lower, 100).submit();
      bio.endChain();
    }
  }

  private Bio request(Device top, CancelFlag flag) {
    Bio bio = new Bio(loop, done -> ended.add(done.outcome()));
    bio.prepare(Op.WRITE_ZEROES, top, 0, 10, MemorySegment.NULL, 0, flag);
    return bio;
  }

  @Test
  void aFlagThatIsUpBeforeItLeavesNoTrace() {
    Holder lower = new Holder(loop);
    Twice twice = new Twice(lower);
    CancelFlag flag = new CancelFlag();
    loop.enter(request(twice, flag));
    flag.raise();
    twice.dispatch();
    assertThat(lower.flags).isEmpty();
    assertThat(ended).hasSize(1);
    assertThat(ended.get(0).extents()).isEqualTo(Extents.whole(10, State.CLEAN));
  }

  @Test
  void aFlagThatGoesUpAfterItStopsNothingAndIsStillTheRequestsOwnAtItsEnd() {
    Holder lower = new Holder(loop);
    Twice twice = new Twice(lower);
    CancelFlag flag = new CancelFlag();
    List<CancelFlag> seen = new ArrayList<>();
    Bio bio =
        new Bio(
            loop,
            done -> {
              seen.add(done.flag());
              ended.add(done.outcome());
            });
    bio.prepare(Op.WRITE_ZEROES, twice, 0, 10, MemorySegment.NULL, 0, flag);
    loop.enter(bio);
    twice.dispatch();
    assertThat(bio.flag()).isSameAs(CancelFlag.NEVER);
    flag.raise();
    loop.turn(0);
    assertThat(lower.flags).containsExactly(CancelFlag.NEVER, CancelFlag.NEVER);
    assertThat(lower.parked.size()).isEqualTo(2);
    assertThat(ended).isEmpty();
    lower.finishAll();
    assertThat(ended).hasSize(1);
    assertThat(ended.get(0).kind()).isEqualTo(Outcome.Kind.DONE);
    assertThat(seen).containsExactly(flag);
  }

  @Test
  void itEndsAWatchSoThatALateRaiseFindsNothing() {
    Holder lower = new Holder(loop);
    CancelFlag flag = new CancelFlag();
    Bio bio = request(lower, flag);
    loop.enter(bio);
    assertThat(bio.isWatched()).isTrue();
    assertThat(bio.commit()).isTrue();
    assertThat(bio.isWatched()).isFalse();
    assertThat(flag.watchOf(loop)).isNull();
    assertThat(bio.commit()).as("a second look finds nothing to look at").isTrue();
    lower.finishAll();
    assertThat(ended).hasSize(1);
  }
}
