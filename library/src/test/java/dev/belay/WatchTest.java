// SPDX-License-Identifier: Apache-2.0
package dev.belay;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What a flag knows of the loops that hold bios of it, and what it forgets. */
@Timeout(60)
final class WatchTest {
  /** A driven loop of this thread over a device that holds all. */
  private static final class Stand {
    final Loop loop;
    final Parked parked = new Parked();
    final List<Bio> ended = new ArrayList<>();
    final Device holder;

    Stand(Clock clock) {
      loop = Loop.driven(clock);
      holder =
          new Device(loop, "holder", new Limits(1L << 20, 1, 1, 1L << 20), List.of()) {
            @Override
            public Verdict map(Bio bio) {
              parked.park(bio);
              return Verdict.TAKEN;
            }
          };
    }

    Stand() {
      this(Clock.SYSTEM);
    }

    Bio parkedBio(CancelFlag flag) {
      Bio bio = new Bio(loop, ended::add);
      park(bio, flag);
      return bio;
    }

    void park(Bio bio, CancelFlag flag) {
      bio.prepare(Op.FLUSH, holder, 0, 0, MemorySegment.NULL, 0, flag);
      loop.enter(bio);
    }

    void letGo() {
      Bio bio = parked.letGo();
      assertThat(bio).isNotNull();
      bio.complete();
    }

    void close() {
      assertThat(loop.close(Long.MAX_VALUE)).isZero();
    }
  }

  /** Whichever of three loops loses its interest, the two others are still woken. */
  @Test
  void ofThreeLoopsAnyMayTakeItsWatchOff() {
    for (int gone = 0; gone < 3; gone++) {
      CancelFlag flag = new CancelFlag();
      List<Stand> stands = List.of(new Stand(), new Stand(), new Stand());
      stands.forEach(stand -> stand.parkedBio(flag));
      stands.get(gone).letGo();
      assertThat(flag.watchOf(stands.get(gone).loop)).isNull();
      stands.get(gone).parkedBio(flag);
      stands.get(gone).letGo();
      flag.raise();
      for (int i = 0; i < 3; i++) {
        Stand stand = stands.get(i);
        stand.loop.turn(0);
        assertThat(stand.ended).as("loop %d without %d", i, gone).hasSize(i == gone ? 2 : 1);
        assertThat(stand.ended).allMatch(i == gone ? Bio::isDone : Bio::isCancelled);
        assertThat(flag.watchOf(stand.loop)).isNull();
        stand.close();
      }
    }
  }

  @Test
  void aWatchGoesWithItsLastBioAndThoseOfTheFlagsAboveWithTheirLastChild() {
    Stand stand = new Stand();
    CancelFlag root = new CancelFlag();
    CancelFlag left = root.child();
    CancelFlag right = root.child();
    CancelFlag below = right.child();
    for (CancelFlag flag : new CancelFlag[] {left, left, below, root}) {
      stand.parkedBio(flag);
    }
    stand.letGo();
    assertThat(left.watchOf(stand.loop)).as("it has another").isNotNull();
    stand.letGo();
    assertThat(left.watchOf(stand.loop)).isNull();
    assertThat(root.watchOf(stand.loop)).isNotNull();
    assertThat(right.watchOf(stand.loop)).isNotNull();
    stand.letGo();
    assertThat(below.watchOf(stand.loop)).isNull();
    assertThat(right.watchOf(stand.loop)).isNull();
    assertThat(root.watchOf(stand.loop)).as("its own").isNotNull();
    stand.letGo();
    assertThat(root.watchOf(stand.loop)).isNull();
    stand.close();
  }

  /**
   * Children of one flag come and go in any order, and the flag still finds those that are left.
   */
  @Test
  void aRaiseFindsWhatIsBelowAfterAnySiblingHasLeft() {
    for (int gone = 0; gone < 3; gone++) {
      Stand stand = new Stand();
      CancelFlag root = new CancelFlag();
      List<CancelFlag> flags = List.of(root.child(), root.child(), root.child());
      flags.forEach(stand::parkedBio);
      flags.get(gone).raise();
      stand.loop.turn(0);
      assertThat(stand.ended).hasSize(1);
      root.raise();
      stand.loop.turn(0);
      assertThat(stand.ended).hasSize(3).allMatch(Bio::isCancelled);
      assertThat(stand.parked.isEmpty()).isTrue();
      stand.close();
    }
  }

  @Test
  void aDeadlineHasATimerOnlyWhileSomethingWaits() {
    Clock.Manual clock = new Clock.Manual();
    Stand stand = new Stand(clock);
    CancelFlag flag = new CancelFlag().withDeadline(clock, 100);
    assertThat(stand.loop.timers().isEmpty()).isTrue();
    stand.parkedBio(flag.child());
    assertThat(stand.loop.timers().soonestNanos()).isEqualTo(100);
    stand.letGo();
    assertThat(stand.loop.timers().isEmpty()).as("nothing waits any more").isTrue();
    stand.parkedBio(flag.child());
    clock.advance(99);
    stand.loop.turn(0);
    assertThat(stand.ended).hasSize(1);
    clock.advance(1);
    stand.loop.turn(0); // raises, which puts the watch into the mailbox
    stand.loop.turn(0);
    assertThat(stand.ended).hasSize(2);
    assertThat(flag.reason()).isEqualTo(CancelFlag.Reason.DEADLINE);
    stand.parkedBio(new CancelFlag().withDeadline(Duration.ofSeconds(-1)));
    assertThat(stand.ended).as("it had passed").hasSize(3);
    stand.close();
  }

  /** Loops change a flag's list at the same moment: none of them loses its own watch. */
  @Test
  void loopsThatComeAndGoAtTheSameMomentFindTheirOwnWatches() throws Exception {
    CancelFlag flag = new CancelFlag();
    CyclicBarrier start = new CyclicBarrier(3);
    Callable<Integer> comesAndGoes =
        () -> {
          Stand stand = new Stand();
          int lost = 0;
          start.await();
          for (int i = 0; i < 20_000; i++) {
            Bio bio = stand.parkedBio(flag);
            lost += flag.watchOf(stand.loop) == bio.watch ? 0 : 1;
            stand.letGo();
            lost += flag.watchOf(stand.loop) == null ? 0 : 1;
            stand.ended.clear();
          }
          stand.close();
          return lost;
        };
    ExecutorService threads = Executors.newFixedThreadPool(3);
    try {
      for (Future<Integer> each :
          threads.invokeAll(List.of(comesAndGoes, comesAndGoes, comesAndGoes))) {
        assertThat(each.get()).isZero();
      }
    } finally {
      threads.shutdownNow();
    }
  }
}
