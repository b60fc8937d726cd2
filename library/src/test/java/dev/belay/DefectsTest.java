// SPDX-License-Identifier: Apache-2.0
package dev.belay;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.belay.Extents.State;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/**
 * Devices, ends, timers and holders that throw: each exception is reported, no request is lost,
 * none ends twice, and none but the one concerned is touched.
 */
final class DefectsTest {
  private static final Limits LIMITS = new Limits(1L << 40, 1, 1, Long.MAX_VALUE);

  private final Loop loop = Loop.driven();
  private final List<Throwable> defects = new ArrayList<>();
  private final List<Outcome> ended = new ArrayList<>();

  DefectsTest() {
    loop.setDefects(defects::add);
  }

  @AfterEach
  void nothingIsLeft() {
    assertThat(loop.openRequests()).isZero();
    assertThat(loop.close(Long.MAX_VALUE)).isZero();
    assertThat(defects)
        .isNotEmpty()
        .allMatch(t -> String.valueOf(t.getMessage()).equals("planted"));
  }

  private static Error planted() {
    return new InternalError("planted");
  }

  /** A target that does with each bio what a test says. */
  private final class Target extends Device {
    private final Consumer<Bio> how;

    Target(Device lower, Consumer<Bio> how) {
      super(loop, "target", LIMITS, List.of(lower));
      this.how = how;
    }

    @Override
    public Verdict map(Bio bio) {
      how.accept(bio);
      return Verdict.TAKEN;
    }
  }

  /** Holds everything, to be finished by hand. */
  private final class Leaf extends Device {
    final Parked parked = new Parked();

    Leaf() {
      super(loop, "leaf", LIMITS, List.of());
    }

    @Override
    public Verdict map(Bio bio) {
      parked.park(bio);
      return Verdict.TAKEN;
    }

    void finishOne() {
      Bio bio = parked.peek();
      assertThat(bio).isNotNull();
      parked.take(bio);
      bio.complete();
    }
  }

  private Bio request(Device top, CancelFlag flag) {
    Bio bio = new Bio(loop, done -> ended.add(done.outcome()));
    bio.prepare(Op.WRITE_ZEROES, top, 0, 10, MemorySegment.NULL, 0, flag);
    return bio;
  }

  private void assertFailedUnknown() {
    assertThat(ended).hasSize(1);
    assertThat(ended.get(0).kind()).isEqualTo(Outcome.Kind.FAILED);
    assertThat(ended.get(0).extents()).isEqualTo(Extents.whole(10, State.UNKNOWN));
    assertThat(ended.get(0).error()).asString().contains("target", "defective", "planted");
  }

  @Test
  void aMapThatThrowsAfterItRemappedTheBio() {
    Leaf leaf = new Leaf();
    Target target =
        new Target(
            leaf,
            bio -> {
              bio.remap(leaf, 5);
              throw planted();
            });
    loop.enter(request(target, new CancelFlag()));
    assertFailedUnknown();
    assertThat(leaf.parked.isEmpty()).isTrue();
  }

  @Test
  void aMapThatThrowsBetweenItsClonesEndsWhenThoseThatWereSentAreBack() {
    Leaf leaf = new Leaf();
    Target target =
        new Target(
            leaf,
            bio -> {
              bio.beginChain();
              bio.chain().remap(leaf, 0).submit();
              bio.chain().remap(leaf, 0); // made, and never sent
              throw planted();
            });
    loop.enter(request(target, new CancelFlag()));
    assertThat(ended).as("its buffer is in use").isEmpty();
    leaf.finishOne();
    assertFailedUnknown();
  }

  @Test
  void anEndThatThrowsBeforeItCompletesTheParent() {
    Leaf leaf = new Leaf();
    Target target =
        new Target(
            leaf,
            bio ->
                bio.newClone(
                        clone -> {
                          throw planted();
                        })
                    .remap(leaf, 0)
                    .submit());
    loop.enter(request(target, new CancelFlag()));
    leaf.finishOne();
    assertFailedUnknown();
  }

  @Test
  void anEndThatThrowsAfterItCompletedTheParentChangesNothing() {
    Leaf leaf = new Leaf();
    Target target =
        new Target(
            leaf,
            bio ->
                bio.newClone(
                        clone -> {
                          clone.parent().join(clone);
                          clone.parent().complete();
                          throw planted();
                        })
                    .remap(leaf, 0)
                    .submit());
    loop.enter(request(target, new CancelFlag()));
    leaf.finishOne();
    assertThat(ended).containsExactly(Outcome.done(10));
  }

  @Test
  void oneEndOfThreeThatThrowsWaitsForTheOthers() {
    for (int thrower = 0; thrower < 3; thrower++) {
      ended.clear();
      Leaf leaf = new Leaf();
      int throwing = thrower;
      Target target =
          new Target(
              leaf,
              bio -> {
                int[] left = {3};
                for (int i = 0; i < 3; i++) {
                  int mine = i;
                  BioEnd end =
                      clone -> {
                        if (mine == throwing) {
                          throw planted();
                        }
                        if (--left[0] == 0) {
                          clone.parent().complete();
                        }
                      };
                  bio.newClone(end).remap(leaf, 0).submit();
                }
              });
      loop.enter(request(target, new CancelFlag()));
      leaf.finishOne();
      leaf.finishOne();
      assertThat(ended).isEmpty();
      leaf.finishOne();
      assertFailedUnknown();
    }
  }

  /** The device completes, late, what a defect of its own has ended: that hits nobody. */
  @Test
  void whatADefectEndedIsNeverUsedAgain() {
    Leaf leaf = new Leaf();
    List<Bio> kept = new ArrayList<>();
    Target target =
        new Target(
            leaf,
            bio -> {
              kept.add(bio);
              bio.newClone(
                      clone -> {
                        throw planted();
                      })
                  .remap(leaf, 0)
                  .submit();
            });
    Target above = new Target(target, bio -> bio.passOn(target, 0));
    loop.enter(request(above, new CancelFlag()));
    leaf.finishOne();
    assertThat(ended).hasSize(1);
    Bio dead = kept.get(0);
    List<Bio> others = new ArrayList<>();
    Target other = new Target(leaf, others::add);
    Target aboveOther = new Target(other, bio -> bio.passOn(other, 0));
    loop.enter(request(aboveOther, new CancelFlag()));
    assertThat(others).doesNotContain(dead);
    dead.complete();
    assertThat(ended).hasSize(1);
    others.get(0).complete();
    assertThat(ended).hasSize(2);
    assertThat(ended.get(1)).isEqualTo(Outcome.done(10));
  }

  @Test
  void aFrontGetsAnotherBioInPlaceOfOneThatADefectEnded() {
    Leaf leaf = new Leaf();
    Target target =
        new Target(
            leaf,
            bio ->
                bio.newClone(
                        clone -> {
                          throw planted();
                        })
                    .remap(leaf, 0)
                    .submit());
    Bio bio = request(target, new CancelFlag());
    loop.enter(bio);
    leaf.finishOne();
    assertThatThrownBy(
            () -> bio.prepare(Op.FLUSH, leaf, 0, 0, MemorySegment.NULL, 0, CancelFlag.NEVER))
        .isInstanceOf(IllegalStateException.class);
    Bio next = bio.orNew();
    assertThat(next).isNotSameAs(bio);
    next.prepare(Op.FLUSH, leaf, 0, 0, MemorySegment.NULL, 0, CancelFlag.NEVER);
    loop.enter(next);
    leaf.finishOne();
    assertThat(ended).hasSize(2);
    assertThat(ended.get(1).kind()).isEqualTo(Outcome.Kind.DONE);
    assertThat(next.orNew()).isSameAs(next);
  }

  @Test
  void aTimerThatThrowsKeepsNoOtherFromGoingOff() {
    Clock.Manual clock = new Clock.Manual();
    Loop virtual = Loop.driven(clock);
    virtual.setDefects(defects::add);
    List<Integer> seen = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      int mine = i;
      virtual
          .timers()
          .newTimer(
              () -> {
                seen.add(mine);
                throw planted();
              })
          .set(10);
    }
    clock.advance(10);
    virtual.turn(0);
    assertThat(seen).containsExactly(0, 1, 2);
    assertThat(defects).hasSize(3);
    assertThat(virtual.close(0)).isZero();
  }

  @Test
  void aPollerThatThrowsWhenItReapsKeepsNoTimerFromGoingOff() {
    Clock.Manual clock = new Clock.Manual();
    Loop virtual = Loop.driven(clock);
    virtual.setDefects(defects::add);
    virtual.setPoller(
        new Poller() {
          @Override
          public int reap() {
            throw planted();
          }

          @Override
          public void enter(long waitNanos) {}

          @Override
          public void wake() {}

          @Override
          public void close() {}
        });
    boolean[] hasGoneOff = {false};
    virtual.timers().newTimer(() -> hasGoneOff[0] = true).set(10);
    clock.advance(10);
    virtual.turn(0);
    assertThat(hasGoneOff[0]).isTrue();
    assertThat(virtual.close(0)).isZero();
  }

  /** Holds bios by itself, and throws when it is told of the second one's flag. */
  private static final class Thrower implements Waiting {
    final List<Bio> told = new ArrayList<>();

    @Override
    public void flagRaised(Bio bio) {
      told.add(bio);
      if (told.size() == 2) {
        throw planted();
      }
      bio.cancelClean();
    }
  }

  @Test
  void aHolderThatThrowsKeepsNobodyElseFromBeingTold() {
    Thrower thrower = new Thrower();
    Target target = new Target(new Leaf(), bio -> bio.watch(thrower));
    CancelFlag above = new CancelFlag();
    for (int i = 0; i < 4; i++) {
      loop.enter(request(target, i % 2 == 0 ? above : above.child()));
    }
    above.raise();
    loop.turn(0);
    assertThat(thrower.told).hasSize(4);
    assertThat(ended).hasSize(4);
    assertThat(ended).filteredOn(o -> o.kind() == Outcome.Kind.CANCELLED).hasSize(3);
    assertThat(ended)
        .filteredOn(o -> o.kind() == Outcome.Kind.FAILED)
        .singleElement()
        .satisfies(o -> assertThat(o.extents()).isEqualTo(Extents.whole(10, State.UNKNOWN)));
  }

  @Test
  void aLeafThatThrowsWhenItIsToldMayHaveTheBioInFlightAndAnswersForIt() {
    Thrower thrower = new Thrower();
    List<Bio> inFlight = new ArrayList<>();
    Device leaf =
        new Device(loop, "leaf", LIMITS, List.of()) {
          @Override
          public Verdict map(Bio bio) {
            inFlight.add(bio);
            bio.watch(thrower);
            return Verdict.TAKEN;
          }
        };
    CancelFlag flag = new CancelFlag();
    loop.enter(request(leaf, flag));
    loop.enter(request(leaf, flag));
    flag.raise();
    loop.turn(0);
    assertThat(ended).hasSize(1);
    inFlight.remove(thrower.told.get(0));
    inFlight.get(0).complete();
    assertThat(ended).hasSize(2);
    assertThat(ended.get(1).kind()).isEqualTo(Outcome.Kind.DONE);
  }

  @Test
  void aReporterThatThrowsLosesNothing() {
    defects.add(planted()); // what is asserted at the end
    Leaf leaf = new Leaf();
    Target target =
        new Target(
            leaf,
            bio -> {
              throw planted();
            });
    loop.setDefects(
        defect -> {
          throw planted();
        });
    loop.enter(request(target, new CancelFlag()));
    assertFailedUnknown();
  }

  @Test
  void aCutterThatThrowsFailsTheBioWhenItsPiecesAreBack() {
    Leaf leaf = new Leaf();
    Target target =
        new Target(
            leaf,
            bio ->
                bio.split(
                    piece -> {
                      if (piece.offsetBytes() == 4) {
                        throw planted();
                      }
                      piece.remap(leaf, piece.offsetBytes());
                      return 2;
                    }));
    loop.enter(request(target, new CancelFlag()));
    leaf.finishOne();
    assertThat(ended).isEmpty();
    leaf.finishOne();
    assertThat(ended).hasSize(1);
    assertThat(ended.get(0).kind()).isEqualTo(Outcome.Kind.FAILED);
    assertThat(ended.get(0).extents().list())
        .containsExactly(
            new Extents.Extent(0, 4, State.DONE), new Extents.Extent(4, 6, State.CLEAN));
  }

  /** Completing a bio whose clones still use its buffer is refused. */
  @Test
  void aBioDoesNotCompleteBeforeItsClones() {
    Leaf leaf = new Leaf();
    Target target =
        new Target(
            leaf,
            bio -> {
              bio.beginChain();
              bio.chain().remap(leaf, 0).submit();
              bio.endChain();
              assertThatThrownBy(bio::complete).hasMessageContaining("waits for 1 clones");
              throw planted();
            });
    loop.enter(request(target, new CancelFlag()));
    leaf.finishOne();
    assertFailedUnknown();
  }
}
