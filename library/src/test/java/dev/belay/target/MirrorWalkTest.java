// SPDX-License-Identifier: Apache-2.0
package dev.belay.target;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.CancelFlag;
import dev.belay.Op;
import dev.belay.Outcome.Kind;
import dev.belay.md.CopiesLayout;
import dev.belay.md.Member;
import dev.belay.md.SyncMode;
import dev.belay.testing.DrivenStack.Request;
import dev.belay.testing.Patterns;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** Checks, repairs, resyncs and rebuilds of mirrors. */
final class MirrorWalkTest {
  private static final long KIB = 1024;

  private static MirrorRig filled(CopiesLayout layout, int spares) {
    MirrorRig rig = new MirrorRig(layout, Hedge.NONE, spares);
    rig.write(0, rig.mirror.limits().sizeBytes(), 1);
    return rig;
  }

  private static CopiesLayout raid1(int members) {
    return CopiesLayout.raid1(members, MirrorRig.LEG_BYTES);
  }

  private static Member member(MirrorRig rig, int slot) {
    return Objects.requireNonNull(rig.array.member(slot));
  }

  @Test
  void aCheckCountsWhatDiffersAndChangesNothingAndARepairMendsIt() {
    for (CopiesLayout layout : List.of(raid1(2), MirrorRig.raid10("f2", 3))) {
      try (MirrorRig rig = filled(layout, 0)) {
        rig.leg(1).medium.asSlice(200 * KIB, 700).fill((byte) 9);
        long writes = rig.leg(1).writes();
        assertThat(rig.array.walk().begin(SyncMode.CHECK)).isTrue();
        rig.walkToItsEnd();
        assertThat(rig.array.walk().mismatchedBytes()).isEqualTo(1024);
        assertThat(rig.leg(1).writes()).isEqualTo(writes);
        rig.array.walk().begin(SyncMode.REPAIR);
        rig.walkToItsEnd();
        assertThat(rig.array.walk().mismatchedBytes()).isEqualTo(1024);
        rig.array.walk().begin(SyncMode.CHECK);
        rig.walkToItsEnd();
        assertThat(rig.array.walk().mismatchedBytes()).isZero();
        assertThat(rig.array.walk().error()).isNull();
      }
    }
  }

  @Test
  void aCheckHasUnreadableBlocksRewritten() {
    try (MirrorRig rig = filled(raid1(3), 0)) {
      rig.leg(2).bad.set(700, 703);
      rig.leg(0).bad.set(900);
      rig.array.walk().begin(SyncMode.CHECK);
      rig.walkToItsEnd();
      assertThat(rig.array.walk().mismatchedBytes()).isZero();
      assertThat(rig.leg(2).bad.isEmpty() && rig.leg(0).bad.isEmpty()).isTrue();
      rig.legsAreIdentical();
    }
  }

  @Test
  void aResyncMakesAllLegsAsTheFirstAndReadsAskOnlyThatMeanwhile() {
    try (MirrorRig rig = filled(raid1(2), 0)) {
      rig.leg(1).medium.fill((byte) 5);
      rig.array.walk().begin(SyncMode.RESYNC);
      for (int i = 0; i < 8; i++) {
        rig.reads(MirrorRig.LEG_BYTES - (64 - i) * KIB, 4 * KIB, 1);
      }
      rig.walkToItsEnd();
      rig.legsAreIdentical();
      rig.reads(0, MirrorRig.LEG_BYTES, 1);
    }
  }

  @Test
  void aSpareIsFilledBesideWrites() {
    for (CopiesLayout layout :
        List.of(raid1(2), MirrorRig.raid10("n2", 4), MirrorRig.raid10("f2", 3))) {
      try (MirrorRig rig = filled(layout, 1)) {
        SplittableRandom random = new SplittableRandom(3);
        long size = rig.mirror.limits().sizeBytes();
        assertThat(rig.array.fail(member(rig, 1), "the test says so")).isTrue();
        rig.turn();
        assertThat(rig.array.walk().mode()).isEqualTo(SyncMode.REBUILD);
        List<Request> writes = new ArrayList<>();
        for (int i = 0; i < 1000 && rig.array.walk().isRunning(); i++) {
          long at = random.nextLong(size / 512 - 256) * 512;
          writes.add(rig.write(at, 512 * (1 + random.nextInt(255)), 1, new CancelFlag()));
          rig.pass(1_000_000);
        }
        rig.walkToItsEnd();
        assertThat(writes).isNotEmpty().allMatch(each -> each.result().kind() == Kind.DONE);
        assertThat(rig.array.letters()).doesNotContain("_");
        rig.array.walk().begin(SyncMode.CHECK);
        rig.walkToItsEnd();
        assertThat(rig.array.walk().mismatchedBytes()).isZero();
        rig.array.fail(member(rig, 0), "now the new one has to do");
        rig.reads(0, size, 1);
      }
    }
  }

  @Test
  void aRebuildWaitsForTheWriteThatHasItsRange() {
    try (MirrorRig rig = filled(raid1(2), 1)) {
      rig.leg(0).holds = bio -> bio.op() == Op.WRITE;
      Request write = rig.write(4 * KIB, 4 * KIB, 2, new CancelFlag());
      rig.turn();
      rig.array.fail(member(rig, 1), "the test says so");
      rig.turn();
      rig.pass(1_000_000_000);
      assertThat(Patterns.firstOther(rig.leg(2).medium.asSlice(4 * KIB, 4 * KIB), 4 * KIB, 1))
          .as("nothing is copied under a write")
          .isEqualTo(0);
      rig.leg(0).release();
      assertThat(rig.ended(write).kind()).isEqualTo(Kind.DONE);
      rig.walkToItsEnd();
      assertThat(rig.leg(2).medium.mismatch(rig.leg(0).medium)).isEqualTo(-1);
    }
  }

  @Test
  void aTargetThatFailsIsOutAndTheWalkEnds() {
    try (MirrorRig rig = filled(raid1(2), 1)) {
      rig.leg(2).fails = bio -> bio.op() == Op.WRITE;
      rig.array.fail(member(rig, 1), "the test says so");
      rig.turn();
      rig.walkToItsEnd();
      assertThat(rig.array.letters()).isEqualTo("[U_]");
      assertThat(rig.array.faulty()).hasSize(2);
      rig.reads(0, MirrorRig.LEG_BYTES, 1);
    }
  }

  @Test
  void aWalkThatIsStoppedWritesNoMoreAndBystandersGoOn() {
    try (MirrorRig rig = filled(raid1(2), 0)) {
      rig.leg(1).medium.fill((byte) 5);
      rig.leg(0).holds = bio -> bio.op() == Op.READ;
      rig.array.walk().begin(SyncMode.RESYNC);
      rig.turn();
      rig.array.walk().stop();
      long writes = rig.leg(1).writes();
      rig.leg(0).release();
      rig.turn();
      rig.walkToItsEnd();
      assertThat(rig.leg(1).writes()).isEqualTo(writes);
      assertThat(rig.write(0, 4 * KIB, 2).kind()).isEqualTo(Kind.DONE);
    }
  }
}
