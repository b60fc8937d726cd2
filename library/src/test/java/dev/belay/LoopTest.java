// SPDX-License-Identifier: Apache-2.0
package dev.belay;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.belay.Extents.State;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** The loop, the way down and the way up, over devices that are made for the purpose. */
final class LoopTest {
  private static final Limits LIMITS = new Limits(1L << 40, 1, 1, Long.MAX_VALUE);

  private final Loop loop = Loop.driven();
  private final List<Throwable> defects = new ArrayList<>();
  private final List<Outcome> ended = new ArrayList<>();

  LoopTest() {
    loop.setDefects(defects::add);
  }

  @AfterEach
  void nothingIsLeft() {
    assertThat(loop.close(Long.MAX_VALUE)).isZero();
    assertThat(defects).isEmpty();
  }

  /** Completes what it gets, and counts. */
  private static final class Sink extends Device {
    long taken;

    Sink(Loop loop) {
      super(loop, "sink", LIMITS, List.of());
    }

    @Override
    public Verdict map(Bio bio) {
      taken++;
      bio.complete();
      return Verdict.TAKEN;
    }
  }

  /** Remaps. */
  private static final class Through extends Device {
    Through(Loop loop, Device lower) {
      super(loop, "through", LIMITS, List.of(lower));
    }

    @Override
    public Verdict map(Bio bio) {
      bio.remap(lowers().get(0), bio.offsetBytes());
      return Verdict.REMAPPED;
    }
  }

  /** Cuts into pieces of one byte. */
  private static final class Shredder extends Device {
    Shredder(Loop loop, Device lower) {
      super(loop, "shredder", LIMITS, List.of(lower));
    }

    @Override
    public Verdict map(Bio bio) {
      bio.split(
          piece -> {
            piece.remap(lowers().get(0), piece.offsetBytes());
            return 1;
          });
      return Verdict.TAKEN;
    }
  }

  /** Holds everything until it is told. */
  private static final class Holder extends Device {
    final Parked parked = new Parked();
    final Device lower;

    Holder(Loop loop, Device lower) {
      super(loop, "holder", LIMITS, List.of(lower));
      this.lower = lower;
    }

    @Override
    public Verdict map(Bio bio) {
      parked.park(bio);
      return Verdict.TAKEN;
    }

    void letGo(int count) {
      for (int i = 0; i < count; i++) {
        Bio bio = parked.letGo();
        if (bio != null) {
          bio.passOn(lower, bio.offsetBytes());
        }
      }
    }
  }

  private Bio request(Device top, long lengthBytes, CancelFlag flag) {
    Bio bio = new Bio(loop, done -> ended.add(done.outcome()));
    bio.prepare(Op.WRITE_ZEROES, top, 0, lengthBytes, MemorySegment.NULL, 0, flag);
    return bio;
  }

  @Test
  void aThousandLayers() {
    Sink sink = new Sink(loop);
    Device top = sink;
    for (int i = 0; i < 1000; i++) {
      top = i % 10 == 0 ? new Shredder(loop, top) : new Through(loop, top);
    }
    loop.enter(request(top, 3, new CancelFlag()));
    assertThat(ended).containsExactly(Outcome.done(3));
    assertThat(sink.taken).isEqualTo(3);
  }

  @Test
  void aMillionPieces() {
    Sink sink = new Sink(loop);
    loop.enter(request(new Shredder(loop, sink), 1_000_000, new CancelFlag()));
    assertThat(ended).containsExactly(Outcome.done(1_000_000));
    assertThat(sink.taken).isEqualTo(1_000_000);
  }

  @Test
  void aRaisedFlagStopsAtTheFirstCheckpoint() {
    Sink sink = new Sink(loop);
    CancelFlag flag = new CancelFlag();
    flag.raise();
    loop.enter(request(new Through(loop, sink), 10, flag));
    assertThat(sink.taken).isZero();
    assertThat(ended).hasSize(1);
    assertThat(ended.get(0).kind()).isEqualTo(Outcome.Kind.CANCELLED);
    assertThat(ended.get(0).extents()).isEqualTo(Extents.whole(10, State.CLEAN));
  }

  @Test
  void aSplitThatIsStoppedSaysWhatWasDoneAndTheRestIsNeverCut() {
    Sink sink = new Sink(loop);
    Holder holder = new Holder(loop, sink);
    CancelFlag flag = new CancelFlag();
    loop.enter(request(new Shredder(loop, holder), 1000, flag));
    assertThat(holder.parked.size()).isEqualTo(Bio.SPLIT_WINDOW);
    holder.letGo(5);
    assertThat(holder.parked.size()).isEqualTo(Bio.SPLIT_WINDOW);
    flag.raise();
    assertThat(ended).as("raising completes nothing by itself").isEmpty();
    loop.turn(0);
    assertThat(sink.taken).isEqualTo(5);
    Outcome outcome = ended.get(0);
    assertThat(outcome.kind()).isEqualTo(Outcome.Kind.CANCELLED);
    assertThat(outcome.extents().list())
        .containsExactly(
            new Extents.Extent(0, 5, State.DONE), new Extents.Extent(5, 995, State.CLEAN));
  }

  @Test
  void aSplitKeepsToItsWindow() {
    Sink sink = new Sink(loop);
    Holder holder = new Holder(loop, sink);
    Device narrow =
        new Device(loop, "narrow", LIMITS, List.of(holder)) {
          @Override
          public Verdict map(Bio bio) {
            bio.split(
                piece -> {
                  piece.remap(holder, piece.offsetBytes());
                  return 1;
                },
                2);
            return Verdict.TAKEN;
          }
        };
    loop.enter(request(narrow, 10, new CancelFlag()));
    for (int i = 0; i < 9; i++) {
      assertThat(holder.parked.size()).isEqualTo(2);
      holder.letGo(1);
    }
    holder.letGo(1);
    assertThat(ended).containsExactly(Outcome.done(10));
  }

  @Test
  void aBioIsTakenOutOfTheMiddleOfAParkedQueueWithoutALookAtItsFlag() {
    Sink sink = new Sink(loop);
    Holder holder = new Holder(loop, sink);
    CancelFlag flag = new CancelFlag();
    List<Bio> bios = List.of(request(holder, 1, flag), request(holder, 2, flag));
    bios.forEach(loop::enter);
    flag.raise();
    holder.parked.take(bios.get(1));
    assertThat(holder.parked.size()).isEqualTo(1);
    assertThat(ended).isEmpty();
    bios.get(1).passOn(sink, 0);
    assertThat(ended).hasSize(1).allMatch(o -> o.cleanBytes() == 2);
    loop.turn(0);
    assertThat(ended).hasSize(2);
    assertThat(sink.taken).isZero();
  }

  @Test
  void aParentFlagFindsThoseWhoWaitWithChildrenOfIt() {
    Holder holder = new Holder(loop, new Sink(loop));
    CancelFlag root = new CancelFlag();
    CancelFlag middle = root.child();
    for (int i = 0; i < 100; i++) {
      loop.enter(request(holder, 1, i % 2 == 0 ? middle.child() : root.child().child()));
    }
    loop.enter(request(holder, 1, new CancelFlag()));
    middle.raise();
    loop.turn(0);
    assertThat(ended).hasSize(50);
    root.raise(CancelFlag.Reason.SCOPE);
    loop.turn(0);
    assertThat(ended).hasSize(100).allMatch(o -> o.cleanBytes() == 1);
    assertThat(ended.get(0).reason()).isEqualTo(CancelFlag.Reason.EXPLICIT);
    assertThat(ended.get(99).reason()).isEqualTo(CancelFlag.Reason.SCOPE);
    assertThat(root.watchOf(loop)).as("nothing waits, so nothing is watched").isNull();
    assertThat(holder.parked.size()).isEqualTo(1);
  }

  @Test
  void aDeadlineFlagWakesWhatIsParkedByItself() {
    Clock.Manual clock = new Clock.Manual();
    Loop virtual = Loop.driven(clock);
    Holder holder = new Holder(virtual, new Sink(virtual));
    List<Outcome> outcomes = new ArrayList<>();
    Bio bio = new Bio(virtual, done -> outcomes.add(done.outcome()));
    CancelFlag flag = new CancelFlag().withDeadline(clock, 1_000_000);
    bio.prepare(Op.WRITE_ZEROES, holder, 0, 1, MemorySegment.NULL, 0, flag.child());
    virtual.enter(bio);
    clock.advance(999_999);
    virtual.turn(0);
    assertThat(outcomes).isEmpty();
    clock.advance(1);
    virtual.turn(0);
    virtual.turn(0);
    assertThat(outcomes).hasSize(1);
    assertThat(outcomes.get(0).reason()).isEqualTo(CancelFlag.Reason.DEADLINE);
    assertThat(virtual.close(0)).isZero();
  }

  @Test
  void closeCancelsWhatWaits() {
    Holder holder = new Holder(loop, new Sink(loop));
    loop.enter(request(holder, 1, new CancelFlag()));
    assertThat(loop.close(Long.MAX_VALUE)).isZero();
    assertThat(ended.get(0).reason()).isEqualTo(CancelFlag.Reason.CLOSE);
    assertThat(loop.send(request(holder, 1, new CancelFlag()))).isFalse();
  }

  @Test
  void aBioThatDoesNotFitIsRefusedWithASentence() {
    Sink sink = new Sink(loop);
    Bio bio = new Bio(loop, done -> ended.add(done.outcome()));
    for (long[] range :
        new long[][] {{1L << 40, 1}, {-1, 1}, {0, -1}, {Long.MAX_VALUE, Long.MAX_VALUE}}) {
      bio.prepare(Op.DISCARD, sink, range[0], range[1], MemorySegment.NULL, 0, new CancelFlag());
      loop.enter(bio);
    }
    assertThat(ended).hasSize(4);
    assertThat(ended)
        .allSatisfy(o -> assertThat(o.error()).asString().contains("does not fit the device sink"));
    assertThat(sink.taken).isZero();
  }

  @Test
  void completingTwiceIsADefectAndNotASecondCompletion() {
    Sink sink = new Sink(loop);
    Bio bio = request(sink, 1, new CancelFlag());
    loop.enter(bio);
    assertThatThrownBy(bio::complete).hasMessageContaining("not in the stack");
    assertThat(ended).hasSize(1);
  }

  @Test
  void aPollerThatThrowsDoesNotEndTheLoopsThread() throws Exception {
    Loop threaded = Loop.threaded("test");
    List<Throwable> seen = java.util.Collections.synchronizedList(new ArrayList<>());
    threaded.setDefects(seen::add);
    Poller good = threaded.poller();
    java.util.concurrent.CountDownLatch thrown = new java.util.concurrent.CountDownLatch(1);
    threaded.setPoller(
        new Poller() {
          private boolean hasThrown;

          @Override
          public int reap() {
            return 0;
          }

          @Override
          public void enter(long waitNanos) {
            if (!hasThrown) {
              hasThrown = true;
              thrown.countDown();
              throw new IllegalStateException("planted");
            }
            good.enter(waitNanos);
          }

          @Override
          public void wake() {
            good.wake();
          }

          @Override
          public void close() {}
        });
    Sink sink = new Sink(threaded);
    threaded.start();
    assertThat(thrown.await(20, java.util.concurrent.TimeUnit.SECONDS)).isTrue();
    java.util.concurrent.CountDownLatch done = new java.util.concurrent.CountDownLatch(1);
    Bio bio = new Bio(threaded, ended -> done.countDown());
    bio.prepare(Op.FLUSH, sink, 0, 0, MemorySegment.NULL, 0, new CancelFlag());
    assertThat(threaded.send(bio)).isTrue();
    assertThat(done.await(20, java.util.concurrent.TimeUnit.SECONDS)).isTrue();
    assertThat(threaded.close(Long.MAX_VALUE)).isZero();
    assertThat(seen).hasSize(1).allMatch(t -> t.getMessage().equals("planted"));
  }

  @Test
  void aDeviceThatThrowsWhenItHasParkedABioLosesNothing() {
    Parked parked = new Parked();
    Sink sink = new Sink(loop);
    Device throwing =
        new Device(loop, "throwing", LIMITS, List.of(sink)) {
          @Override
          public Verdict map(Bio bio) {
            parked.park(bio);
            throw new IllegalStateException("planted");
          }
        };
    loop.send(request(throwing, 1, new CancelFlag()));
    loop.send(request(sink, 2, new CancelFlag()));
    loop.turn(0);
    assertThat(ended).as("the one behind it").containsExactly(Outcome.done(2));
    Bio bio = parked.letGo();
    assertThat(bio).isNotNull();
    bio.passOn(sink, 0);
    assertThat(ended).hasSize(2);
    assertThat(defects).hasSize(1).allMatch(t -> t.getMessage().equals("planted"));
    defects.clear();
  }

  @Test
  void aPollerThatThrowsWhileClosingKeepsNobodyWaiting() {
    for (boolean whenClosed : new boolean[] {false, true}) {
      Loop threaded = Loop.threaded("test");
      List<Throwable> seen = java.util.Collections.synchronizedList(new ArrayList<>());
      threaded.setDefects(seen::add);
      Poller good = threaded.poller();
      threaded.setPoller(
          new Poller() {
            @Override
            public int reap() {
              return 0;
            }

            @Override
            public void enter(long waitNanos) {
              if (!whenClosed && threaded.isClosing()) {
                throw new IllegalStateException("planted");
              }
              good.enter(waitNanos);
            }

            @Override
            public void wake() {
              good.wake();
            }

            @Override
            public void close() {
              if (whenClosed) {
                throw new IllegalStateException("planted");
              }
            }
          });
      threaded.start();
      assertThat(threaded.close(20_000_000_000L)).isZero();
    }
  }

  @Test
  void whatCompletesWhileThePollerEntersRunsAfterIt() {
    Sink sink = new Sink(loop);
    Holder holder = new Holder(loop, sink);
    List<String> order = new ArrayList<>();
    Bio bio = new Bio(loop, done -> order.add("ended"));
    bio.prepare(Op.FLUSH, holder, 0, 0, MemorySegment.NULL, 0, new CancelFlag());
    loop.setPoller(
        new Poller() {
          @Override
          public int reap() {
            return 0;
          }

          @Override
          public void enter(long waitNanos) {
            Bio held = holder.parked.letGo();
            if (held != null) {
              held.passOn(sink, 0);
              order.add("entered");
            }
          }

          @Override
          public void wake() {}

          @Override
          public void close() {}
        });
    loop.enter(bio);
    loop.turn(0);
    assertThat(order).containsExactly("entered", "ended");
  }

  /** Cuts pieces of one byte, and throws where it would cut the fourth. */
  private Device throwingShredder(Device lower) {
    return new Device(loop, "throwing", LIMITS, List.of(lower)) {
      @Override
      public Verdict map(Bio bio) {
        bio.split(
            piece -> {
              if (piece.offsetBytes() == 3) {
                throw new IllegalStateException("planted");
              }
              piece.remap(lower, piece.offsetBytes());
              return 1;
            },
            2);
        return Verdict.TAKEN;
      }
    };
  }

  @Test
  void aCutThatThrowsFailsTheBioWhenItsPiecesHaveEnded() {
    Holder holder = new Holder(loop, new Sink(loop));
    loop.enter(request(throwingShredder(holder), 9, new CancelFlag()));
    holder.letGo(2);
    assertThat(ended).as("a piece is under way").isEmpty();
    holder.letGo(1);
    assertThat(ended).hasSize(1);
    assertThat(ended.get(0).kind()).isEqualTo(Outcome.Kind.FAILED);
    assertThat(ended.get(0).extents().list())
        .containsExactly(
            new Extents.Extent(0, 3, State.DONE), new Extents.Extent(3, 6, State.CLEAN));
    assertThat(defects).hasSize(1);
    defects.clear();
  }

  @Test
  void aDeviceThatThrowsWhileItWaitsForClonesCompletesWhenTheyHave() {
    Holder holder = new Holder(loop, new Sink(loop));
    Device throwing =
        new Device(loop, "throwing", LIMITS, List.of(holder)) {
          @Override
          public Verdict map(Bio bio) {
            bio.beginChain();
            bio.chain().remap(holder, 0).submit();
            throw new OutOfMemoryError("planted");
          }
        };
    loop.enter(request(throwing, 9, new CancelFlag()));
    assertThat(ended).as("a clone is under way").isEmpty();
    holder.letGo(1);
    assertThat(ended).hasSize(1);
    assertThat(ended.get(0).kind()).isEqualTo(Outcome.Kind.FAILED);
    assertThat(defects).hasSize(1);
    defects.clear();
  }

  @Test
  void aTurnThatFinishedWorkDoesNotSleepOnIt() {
    Loop own = Loop.driven();
    int[] sleeps = {0};
    own.setPoller(
        new Poller() {
          @Override
          public int reap() {
            return 0;
          }

          @Override
          public void enter(long waitNanos) {
            sleeps[0] += waitNanos > 0 ? 1 : 0;
          }

          @Override
          public void wake() {}

          @Override
          public void close() {}
        });
    Holder holder = new Holder(own, new Sink(own));
    CancelFlag flag = new CancelFlag();
    int[] count = {0};
    int all = 100_000; // more than one turn finishes
    for (int i = 0; i < all; i++) {
      Bio bio = new Bio(own, done -> count[0]++);
      bio.prepare(Op.FLUSH, holder, 0, 0, MemorySegment.NULL, 0, flag);
      own.enter(bio);
    }
    flag.raise();
    while (count[0] < all) {
      own.turn(Long.MAX_VALUE);
    }
    assertThat(sleeps[0]).isZero();
    assertThat(own.close(0)).isZero();
  }
}
