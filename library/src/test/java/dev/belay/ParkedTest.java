// SPDX-License-Identifier: Apache-2.0
package dev.belay;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.Extents.State;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** A queue of bios that wait, of which some are stopped. */
final class ParkedTest {
  private final Loop loop = Loop.driven();
  private final Parked parked = new Parked();
  private final List<Bio> ended = new ArrayList<>();
  private final Device holder =
      new Device(loop, "holder", new Limits(1L << 20, 1, 1, 1L << 20), List.of()) {
        @Override
        public Verdict map(Bio bio) {
          parked.park(bio);
          return Verdict.TAKEN;
        }
      };

  @AfterEach
  void close() {
    assertThat(loop.close(Long.MAX_VALUE)).isZero();
  }

  private Bio parkedBio(CancelFlag flag) {
    Bio bio = new Bio(loop, ended::add);
    bio.prepare(Op.WRITE_ZEROES, holder, 0, 8, MemorySegment.NULL, 0, flag);
    loop.enter(bio);
    return bio;
  }

  private List<Bio> held() {
    List<Bio> held = new ArrayList<>();
    parked.showHeld(
        (bio, how) -> {
          assertThat(how).isEqualTo("waits");
          held.add(bio);
        },
        "waits");
    assertThat(parked.size()).isEqualTo(held.size());
    assertThat(parked.isEmpty()).isEqualTo(held.isEmpty());
    assertThat(parked.peek()).isSameAs(held.isEmpty() ? null : held.getFirst());
    return held;
  }

  private static void assertClean(Bio bio) {
    assertThat(bio.isCancelled()).isTrue();
    assertThat(bio.extents()).isEqualTo(Extents.whole(8, State.CLEAN));
  }

  /** The loop has not seen the flags yet: the queue looks for itself, from either end. */
  @Test
  void whatIsLetGoIsTheFirstWhoseFlagIsDownAndThoseBeforeItEndClean() {
    CancelFlag flag = new CancelFlag();
    Bio one = parkedBio(flag);
    Bio two = parkedBio(new CancelFlag());
    Bio three = parkedBio(new CancelFlag());
    Bio four = parkedBio(flag);
    assertThat(held()).containsExactly(one, two, three, four);
    flag.raise();
    assertThat(ended).isEmpty();
    assertThat(parked.letGo()).isSameAs(two);
    assertThat(ended).containsExactly(one);
    assertThat(held()).containsExactly(three, four);
    assertThat(parked.letGoLast()).isSameAs(three);
    assertThat(ended).containsExactly(one, four);
    ended.forEach(ParkedTest::assertClean);
    assertThat(held()).isEmpty();
    assertThat(parked.letGo()).isNull();
    assertThat(parked.letGoLast()).isNull();
    assertThat(two.isWatched()).isFalse();
    two.complete();
    three.complete();
    assertThat(ended).hasSize(4);
  }

  @Test
  void fromTheBackTheLastComesFirst() {
    Bio one = parkedBio(new CancelFlag());
    Bio two = parkedBio(new CancelFlag());
    Bio three = parkedBio(new CancelFlag());
    assertThat(parked.letGoLast()).isSameAs(three);
    assertThat(held()).containsExactly(one, two);
    assertThat(three.isWatched()).isFalse();
    three.complete();
    assertThat(parked.letGoLast()).isSameAs(two);
    two.complete();
    assertThat(parked.letGoLast()).isSameAs(one);
    one.complete();
    assertThat(held()).isEmpty();
    assertThat(ended).containsExactly(three, two, one).allMatch(Bio::isDone);
  }

  @Test
  void whereverItStandsOneThatIsStoppedLeavesTheOthersInOrder() {
    List<CancelFlag> flags = new ArrayList<>();
    List<Bio> bios = new ArrayList<>();
    for (int i = 0; i < 5; i++) {
      flags.add(new CancelFlag());
      bios.add(parkedBio(flags.get(i)));
    }
    List<Bio> expected = new ArrayList<>(bios);
    for (int i : new int[] {2, 0, 4, 3, 1}) {
      flags.get(i).raise();
      loop.turn(0);
      expected.remove(bios.get(i));
      assertThat(held()).isEqualTo(expected);
      assertClean(ended.getLast());
    }
    assertThat(ended).hasSize(5);
  }
}
