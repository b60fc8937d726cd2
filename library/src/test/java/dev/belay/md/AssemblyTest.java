// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.belay.md.Assembly.State;
import dev.belay.md.Assembly.Wish;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Random;
import java.util.UUID;
import org.junit.jupiter.api.Test;

final class AssemblyTest {
  private static final long SIZE = 16 << 20;
  private static final Wish RUN = new Wish(true, false, Optional.empty());
  private static final Wish FORCE = new Wish(true, true, Optional.empty());

  private final List<Superblock> blocks = new ArrayList<>();

  private void make(Level level, int members) throws MetadataException {
    blocks.clear();
    var creation = new Creation(level, members).assumeClean(true);
    for (Creation.Member member : CreationTest.plan(creation, SIZE, members)) {
      blocks.add(member.superblock());
      member.superblock().setEvents(20);
    }
  }

  private Assembly assemble(Wish wish, int... which) throws MetadataException {
    List<Candidate> candidates = new ArrayList<>();
    for (int i : which) {
      candidates.add(Candidate.of("m" + i, SIZE, blocks.get(i), Optional.empty()));
    }
    return Assembly.of(candidates, wish);
  }

  /** All but one go on without it. */
  private void fail(int failed) {
    for (int i = 0; i < blocks.size(); i++) {
      if (i != failed) {
        blocks.get(i).setRole(failed, Superblock.FAULTY);
        blocks.get(i).setEvents(24);
      }
    }
  }

  private void refused(String sentence, Wish wish, int... which) {
    assertThatThrownBy(() -> assemble(wish, which))
        .isInstanceOf(MetadataException.class)
        .hasMessageContaining(sentence);
  }

  @Test
  void anyOrderWillDo() throws Exception {
    make(Level.RAID5, 3);
    Assembly array = assemble(Wish.SAFE, 2, 0, 1);
    assertThat(array.seats().stream().map(s -> s.member().getAsInt())).containsExactly(1, 2, 0);
    assertThat(array.degraded()).isZero();
    assertThat(array.isClean()).isTrue();
    assertThat(array.remarks()).isEmpty();
  }

  @Test
  void aMissingMemberMustBeAskedForUnlessItWasMissingBefore() throws Exception {
    make(Level.RAID5, 3);
    refused("2 of the 3 members that were active", Wish.SAFE, 0, 2);
    assertThat(assemble(RUN, 0, 2).degraded()).isEqualTo(1);
    fail(1);
    assertThat(assemble(Wish.SAFE, 0, 2).seats().get(1).state()).isEqualTo(State.MISSING);
    refused("too few", FORCE, 2);
  }

  @Test
  void aStaleMemberIsLeftOutAndSaidSo() throws Exception {
    make(Level.RAID5, 3);
    fail(1);
    Assembly array = assemble(Wish.SAFE, 1, 0, 2);
    assertThat(array.left()).hasSize(1);
    assertThat(array.left().get(0).candidate()).isZero();
    assertThat(array.left().get(0).role()).hasValue(1);
    assertThat(array.left().get(0).canCatchUp()).isFalse();
    assertThat(array.remarks().get(0)).contains("m1").contains("stale").contains("20", "24");
  }

  @Test
  void oneEventLessIsCurrentUnlessTheFreshestSaysThatItFailed() throws Exception {
    make(Level.RAID1, 2);
    blocks.get(0).setEvents(21);
    assertThat(assemble(Wish.SAFE, 0, 1).degraded()).isZero();
    blocks.get(0).setRole(1, Superblock.FAULTY);
    Assembly array = assemble(Wish.SAFE, 0, 1);
    assertThat(array.degraded()).isEqualTo(1);
    assertThat(array.remarks().get(0)).contains("m0 says that it has failed");
    blocks.get(0).setRole(1, 1);
    blocks.get(0).setEvents(22);
    refused("stale", Wish.SAFE, 0, 1);
    assertThat(assemble(RUN, 0, 1).degraded()).isEqualTo(1);
  }

  @Test
  void realMembersOfADegradedArrayKnowWhatTheyAre() throws Exception {
    List<Candidate> candidates = new ArrayList<>();
    for (int i = 2; i >= 0; i--) {
      String name = "raid5-3-degraded-" + i;
      byte[] head = HeadFiles.at(HeadFiles.head(name), 8192, BitmapHead.BYTES);
      candidates.add(
          Candidate.of(
              name, SIZE, HeadFiles.superblock(name), Optional.of(BitmapHead.parse(head))));
    }
    Assembly array = Assembly.of(candidates, Wish.SAFE);
    assertThat(array.events()).isEqualTo(6);
    assertThat(array.seats().get(1).state()).isEqualTo(State.MISSING);
    assertThat(array.left().get(0).canCatchUp()).isTrue();
    Collections.swap(candidates, 0, 1);
    assertThat(Assembly.of(candidates, Wish.SAFE).seats().get(2).member()).hasValue(1);
  }

  @Test
  void halvesOfASplitMirrorAreRefused() throws Exception {
    make(Level.RAID1, 2);
    blocks.get(0).setRole(1, Superblock.FAULTY);
    blocks.get(1).setRole(0, Superblock.SPARE);
    refused("split", RUN, 0, 1);
    blocks.get(0).setEvents(40);
    refused("split", RUN, 1, 0);
    Assembly array = assemble(FORCE, 1, 0);
    assertThat(array.seats().get(0).member()).hasValue(1);
    assertThat(array.seats().get(1).state()).isEqualTo(State.MISSING);
    assertThat(assemble(Wish.SAFE, 1).seats().get(1).state()).isEqualTo(State.IN_SYNC);
  }

  @Test
  void aCopyOfAMemberIsRefusedAndAnOlderOneLeftOut() throws Exception {
    make(Level.RAID1, 2);
    refused("one is a copy of the other", Wish.SAFE, 0, 1, 1);
    blocks.add(blocks.get(1).copy());
    blocks.get(0).setEvents(21);
    blocks.get(2).setEvents(21);
    Assembly array = assemble(Wish.SAFE, 0, 1, 2);
    assertThat(array.seats().get(1).member()).hasValue(2);
    assertThat(array.left().get(0).candidate()).isEqualTo(1);
  }

  @Test
  void strangersAndCutOffMembersAreNamed() throws Exception {
    make(Level.RAID5, 3);
    blocks.get(1).setUuid(new UUID(3, 4));
    refused("m1: it belongs to the array 00000000:00000003", Wish.SAFE, 0, 1, 2);
    var wish = new Wish(true, false, Optional.of(blocks.get(0).uuid()));
    assertThat(assemble(wish, 0, 1, 2).degraded()).isEqualTo(1);
    make(Level.RAID5, 3);
    blocks.get(1).setChunkBytes(1 << 20);
    refused(
        "m1 is left out: it does not fit m0: its chunk in bytes is 1048576", Wish.SAFE, 0, 1, 2);
    make(Level.RAID5, 3);
    List<Candidate> candidates =
        List.of(
            Candidate.of("a", SIZE, blocks.get(0), Optional.empty()),
            Candidate.of("b", SIZE - 512, blocks.get(1), Optional.empty()),
            Candidate.without("c", SIZE, "there is no md superblock"));
    assertThatThrownBy(() -> Assembly.of(candidates, RUN))
        .hasMessageContaining("too few")
        .hasMessageContaining("b is left out: the device has 16776704 bytes")
        .hasMessageContaining("c is left out: there is no md superblock");
  }

  @Test
  void whatIsNotThereOrNotServedIsASentence() throws Exception {
    assertThatThrownBy(() -> Assembly.of(List.of(), Wish.SAFE))
        .hasMessageContaining("needs members");
    List<Candidate> none = List.of(Candidate.without("a", 0, "it is empty"));
    assertThatThrownBy(() -> Assembly.of(none, Wish.SAFE)).hasMessageContaining("a is left out");
    make(Level.RAID1, 2);
    blocks.get(0).set(Feature.RESHAPE, true);
    refused("reshape", Wish.SAFE, 0, 1);
    make(Level.RAID1, 2);
    blocks.forEach(b -> b.setRole(b.number(), Superblock.SPARE));
    refused("none of the devices is an active member", FORCE, 0, 1);
  }

  @Test
  void dirtyAndDegradedParityIsRefusedWithoutForce() throws Exception {
    make(Level.RAID5, 3);
    fail(1);
    blocks.forEach(b -> b.setResyncBytes(0));
    refused("dirty and degraded", RUN, 0, 2);
    assertThat(assemble(FORCE, 0, 2).isClean()).isFalse();
    blocks.forEach(b -> b.setPpl(8192, 1 << 18));
    assertThat(assemble(Wish.SAFE, 0, 2).degraded()).isEqualTo(1);
    make(Level.RAID1, 2);
    fail(1);
    blocks.forEach(b -> b.setResyncBytes(0));
    assertThat(assemble(Wish.SAFE, 0).degraded()).isEqualTo(1);
    make(Level.RAID4, 3);
    fail(2);
    blocks.forEach(b -> b.setResyncBytes(0));
    assertThat(assemble(Wish.SAFE, 0, 1).degraded()).isEqualTo(1);
  }

  @Test
  void aRebuildIsSeenAndDoesNotCountAsInSync() throws Exception {
    make(Level.RAID1, 2);
    blocks.get(1).setRecovery(4 << 20, true);
    Assembly array = assemble(Wish.SAFE, 0, 1);
    assertThat(array.seats().get(1).state()).isEqualTo(State.RECOVERING);
    assertThat(array.seats().get(1).recoveryBytes()).isEqualTo(4 << 20);
    assertThat(array.seats().get(1).byBitmap()).isTrue();
    refused("too few", FORCE, 1);
  }

  @Test
  void aReplacementThatIsNotDoneLeavesTheMemberInItsSeat() throws Exception {
    make(Level.RAID5, 3);
    Superblock replacement = blocks.get(1).copy();
    blocks.add(replacement);
    replacement.setNumber(3);
    replacement.set(Feature.REPLACEMENT, true);
    replacement.setRecovery(1 << 20, false);
    blocks.forEach(b -> b.setRole(3, 1));
    for (int[] order : new int[][] {{0, 1, 2, 3}, {3, 2, 1, 0}}) {
      Assembly array = assemble(Wish.SAFE, order);
      assertThat(array.degraded()).isZero();
      assertThat(array.remarks().get(0)).contains("m3 is left out: it was to replace m1");
    }
    Assembly without = assemble(Wish.SAFE, 0, 2, 3);
    assertThat(without.seats().get(1).state()).isEqualTo(State.RECOVERING);
  }

  @Test
  void everyChunkOfRaid10NeedsACopy() throws Exception {
    make(Level.RAID10, 4);
    assertThat(assemble(RUN, 0, 2).degraded()).isEqualTo(2);
    assertThat(assemble(RUN, 1, 3).degraded()).isEqualTo(2);
    refused("too few", RUN, 0, 1);
    make(Level.RAID0, 2);
    refused("too few", FORCE, 0);
  }

  @Test
  void sparesAreKeptWhateverTheirEvents() throws Exception {
    blocks.clear();
    var sizes = Collections.nCopies(3, OptionalLong.of(SIZE));
    new Creation(Level.RAID1, 2)
        .plan(sizes, new Random(1), 1)
        .forEach(m -> blocks.add(m.orElseThrow().superblock()));
    blocks.get(2).setEvents(99);
    Assembly array = assemble(Wish.SAFE, 2, 1, 0);
    assertThat(array.spares()).containsExactly(0);
    assertThat(array.freshest()).isEqualTo(1);
    assertThat(array.isClean()).isFalse();
  }

  @Test
  void aSpareWhoseNumberAnotherHasIsLeftOut() throws Exception {
    make(Level.RAID1, 2);
    Superblock spare = blocks.get(1).copy();
    blocks.add(spare);
    spare.setRole(1, Superblock.SPARE);
    Assembly array = assemble(Wish.SAFE, 0, 1, 2);
    assertThat(array.spares()).isEmpty();
    assertThat(array.remarks()).anyMatch(said -> said.contains("number 1, which m1 has"));
    spare.setNumber(2);
    spare.setRole(2, Superblock.SPARE);
    assertThat(assemble(Wish.SAFE, 0, 1, 2).spares()).containsExactly(2);
  }

  @Test
  void aMemberWithoutTheBitmapThatTheOthersHaveIsLeftOut() throws Exception {
    var creation = new Creation(Level.RAID1, 3).assumeClean(true).log(Creation.Log.BITMAP);
    blocks.clear();
    CreationTest.plan(creation, SIZE, 3).forEach(member -> blocks.add(member.superblock()));
    blocks.get(2).setNoLog();
    Assembly array = assemble(RUN, 0, 1, 2);
    assertThat(array.degraded()).isEqualTo(1);
    assertThat(array.remarks()).anyMatch(said -> said.contains("its bitmap is none, not internal"));
  }

  @Test
  void aNumberBeyondTheTableOfRolesIsDamage() throws Exception {
    make(Level.RAID1, 2);
    blocks.get(0).setNumber(50_000);
    byte[] bytes = java.util.Arrays.copyOf(blocks.get(0).encode(), Superblock.BYTES);
    assertThatThrownBy(() -> Superblock.parse(bytes, 2, 4096))
        .isInstanceOf(MetadataException.class)
        .hasMessageContaining("number of its member is 50000");
  }
}
