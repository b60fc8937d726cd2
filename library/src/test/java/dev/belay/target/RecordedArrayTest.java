// SPDX-License-Identifier: Apache-2.0
package dev.belay.target;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.belay.CancelFlag;
import dev.belay.Device;
import dev.belay.Extents.State;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.Outcome.Kind;
import dev.belay.leaf.Memory;
import dev.belay.md.ArrayOptions;
import dev.belay.md.Assembly;
import dev.belay.md.Creation;
import dev.belay.md.Creation.Log;
import dev.belay.md.DirectIo;
import dev.belay.md.Level;
import dev.belay.md.MemberContents;
import dev.belay.md.Superblock;
import dev.belay.md.SyncMode;
import dev.belay.stack.MdArray;
import dev.belay.stack.MdOptions;
import dev.belay.testing.DrivenStack;
import dev.belay.testing.DrivenStack.Request;
import dev.belay.testing.Patterns;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Arrays with superblocks whose members fail, hang, or disagree. */
final class RecordedArrayTest {
  private static final ArrayOptions QUIET = ArrayOptions.DEFAULT.withSyncsByItself(false);
  private static final int KIB = 1 << 10;

  private static RecordedRig open(Level level, int members, Log log, ArrayOptions options)
      throws Exception {
    return new RecordedRig(RecordedRig.creation(level, members, log), members, options);
  }

  @Test
  void readOnlyAnArrayRecordsNoFailureAndWaitsForNone() throws Exception {
    try (RecordedRig rig = open(Level.RAID1, 2, Log.BITMAP, QUIET.withReadOnly(true))) {
      rig.leg(1).fails = bio -> bio.op() == Op.FLUSH;
      assertThat(rig.flush().result()).isEqualTo(Outcome.done(0));
      assertThat(rig.flush().result()).isEqualTo(Outcome.done(0));
      assertThat(rig.array.faulty()).hasSize(1);
      assertThat(rig.leg(0).writes()).isZero();
    }
  }

  @Test
  void readOnlyAnArrayIsCheckedButNotRepaired() throws Exception {
    for (Level level : Arrays.asList(Level.RAID1, Level.RAID5)) {
      int members = level == Level.RAID1 ? 2 : 3;
      try (RecordedRig rig = open(level, members, Log.NONE, QUIET.withReadOnly(true))) {
        rig.leg(1).medium.asSlice(RecordedRig.LEG_BYTES / 2, 512).fill((byte) 7);
        assertThat(rig.array.walk().begin(SyncMode.REPAIR)).isFalse();
        rig.walkToItsEnd();
        rig.legs.forEach(leg -> assertThat(leg.writes()).isZero());
        assertThat(rig.array.walk().begin(SyncMode.CHECK)).isTrue();
        rig.walkToItsEnd();
        assertThat(rig.array.walk().mismatchedBytes()).isPositive();
        rig.legs.forEach(leg -> assertThat(leg.writes()).isZero());
      }
    }
  }

  @Test
  void aWriteThatTearsWhatAResyncHasPassedIsResyncedOnceMore() throws Exception {
    for (Log log : Arrays.asList(Log.NONE, Log.BITMAP)) {
      ArrayOptions slow = QUIET.withSyncRates(1 << 20, 1 << 20);
      Creation dirty = RecordedRig.creation(Level.RAID5, 3, log).assumeClean(false);
      try (RecordedRig rig = new RecordedRig(dirty, 3, slow)) {
        rig.array.walk().begin(SyncMode.RESYNC);
        rig.turn();
        for (int i = 0; i < 200 && rig.array.walk().positionBytes() < 256 * KIB; i++) {
          rig.pass(50_000_000);
        }
        assertThat(rig.array.walk().isRunning()).isTrue();
        // Two of three fail one write each, so that one goes and the array cannot lose the other.
        int parity = slotOfParityOfRow0(rig);
        rig.leg(parity).fails = bio -> bio.op() == Op.WRITE && bio.lengthBytes() == 64 * KIB;
        rig.leg((parity + 1) % 3).fails = rig.leg(parity).fails;
        assertThat(rig.write(0, 64 * KIB, 2).result().kind()).isEqualTo(Kind.FAILED);
        rig.legs.forEach(leg -> leg.fails = bio -> false);
        rig.walkToItsEnd();
        rig.pass(20_000_000_000L);
        assertThat(rig.array.mayDisagree(0, 64 * KIB)).as("after the walk, %s", log).isTrue();
        assertThat(rig.array.records().resyncBytes()).isNotEqualTo(Superblock.CLEAN);
      }
    }
  }

  @Test
  void whereParityMayBeWrongAShortWriteMakesItRight() throws Exception {
    for (Log log : Arrays.asList(Log.NONE, Log.BITMAP)) {
      Creation dirty = RecordedRig.creation(Level.RAID5, 5, log).assumeClean(false);
      ArrayOptions slow = QUIET.withSyncRates(1 << 20, 1 << 20);
      try (RecordedRig rig = new RecordedRig(dirty, 5, slow)) {
        long start = rig.array.writable().getFirst().startBytes();
        Random random = new Random(3);
        for (LegLeaf leg : rig.legs) {
          byte[] noise = new byte[1 << 20];
          random.nextBytes(noise);
          MemorySegment.copy(MemorySegment.ofArray(noise), 0, leg.medium, start, noise.length);
        }
        long inMember = 512 * KIB; // the resync is far from there
        assertThat(rig.array.mayDisagree(inMember, 4 * KIB)).isTrue();
        assertThat(rig.write(4 * inMember, 4 * KIB, 2).result()).isEqualTo(Outcome.done(4 * KIB));
        for (long at = start + inMember; at < start + inMember + 4 * KIB; at++) {
          byte sum = 0;
          for (LegLeaf leg : rig.legs) {
            sum ^= leg.medium.get(ValueLayout.JAVA_BYTE, at);
          }
          assertThat(sum).as("the sum of all members at %d", at).isZero();
        }
      }
    }
  }

  private static int slotOfParityOfRow0(RecordedRig rig) {
    return rig.legs.size() - 1;
  }

  @Test
  void aCancelledWriteDoesNotWaitForTheWriteThatItLiesOver() throws Exception {
    try (RecordedRig rig = open(Level.RAID5, 3, Log.NONE, QUIET)) {
      assertThat(rig.write(0, 4 * KIB, 1).result()).isEqualTo(Outcome.done(4 * KIB));
      rig.legs.forEach(LegLeaf::holdAll);
      CancelFlag flag = new CancelFlag();
      Request[] both = new Request[2];
      // Both come in one turn, so that they would share a round, but for what they write.
      rig.stack.loop.execute(
          () -> {
            both[0] = rig.submit(0, 8 * KIB, 2, new CancelFlag());
            both[1] = rig.submit(4 * KIB, 8 * KIB, 3, flag);
          });
      rig.turn();
      flag.raise();
      rig.turn();
      assertThat(both[0].ended()).isFalse();
      assertThat(both[1].ended()).as("it waits for nobody").isTrue();
      assertThat(both[1].result().extents().bytes(State.CLEAN)).isEqualTo(8 * KIB);
    }
  }

  @Test
  void whatNoMemberTookIsNotDone() throws Exception {
    try (RecordedRig rig = open(Level.RAID5, 3, Log.NONE, QUIET)) {
      assertThat(rig.write(0, 128 * KIB, 1).result()).isEqualTo(Outcome.done(128 * KIB));
      rig.fail(1);
      rig.leg(0).fails = bio -> bio.op() == Op.WRITE && bio.lengthBytes() == 4 * KIB;
      rig.leg(2).fails = rig.leg(0).fails;
      Outcome outcome = rig.write(0, 4 * KIB, 2).result();
      assertThat(outcome.kind()).isEqualTo(Kind.FAILED);
      assertThat(outcome.extents().bytes(State.DONE)).isZero();
    }
  }

  @Test
  void aDegradedArrayDoesNotMakeUpWhatAFailedWriteTore() throws Exception {
    for (int failing : new int[] {0, 2}) {
      try (RecordedRig rig = open(Level.RAID5, 3, Log.NONE, QUIET)) {
        assertThat(rig.write(0, 128 * KIB, 1).result()).isEqualTo(Outcome.done(128 * KIB));
        rig.fail(1);
        rig.leg(failing).fails = bio -> bio.op() == Op.WRITE && bio.lengthBytes() == 4 * KIB;
        assertThat(rig.write(0, 4 * KIB, 2).result().kind()).isEqualTo(Kind.FAILED);
        rig.leg(failing).fails = bio -> false;
        Request torn = rig.read(64 * KIB, 4 * KIB);
        if (torn.result().kind() == Kind.DONE) {
          assertThat(Patterns.firstOther(torn.buffer, 64 * KIB, 1)).isEqualTo(-1);
        }
        // What lies beside it is as it was, and a whole stripe makes it good.
        rig.isRead(rig.read(72 * KIB, 4 * KIB), 1);
        assertThat(rig.write(0, 128 * KIB, 3).result()).isEqualTo(Outcome.done(128 * KIB));
        rig.isRead(rig.read(0, 128 * KIB), 3);
      }
    }
  }

  @Test
  void aBitmapInTheSuperblocksBlockIsNotWritten() throws Exception {
    try (DrivenStack stack = new DrivenStack()) {
      Creation creation = RecordedRig.creation(Level.RAID1, 2, Log.BITMAP).minor(0);
      OptionalLong size = OptionalLong.of(RecordedRig.LEG_BYTES);
      List<Device> devices = new ArrayList<>();
      List<MemberContents> contents = new ArrayList<>();
      for (Optional<Creation.Member> planned :
          creation.plan(Collections.nCopies(2, size), new Random(1), 1_700_000_000L)) {
        Superblock superblock = planned.orElseThrow().superblock();
        superblock.setBitmapAtBytes(superblock.atBytes() + KIB);
        Memory device = new Memory(stack.loop, RecordedRig.LEG_BYTES, 4 * KIB);
        DirectIo io = new DirectIo(stack.loop, device);
        for (Creation.Placed placed : planned.orElseThrow().writes()) {
          io.write(placed.atBytes(), Arrays.copyOf(placed.bytes(), 512));
        }
        devices.add(device);
        contents.add(MemberContents.read("m" + devices.size(), io));
      }
      Assembly assembly = MdArray.assemble(contents, Assembly.Wish.SAFE);
      assertThatThrownBy(
              () -> MdArray.open(stack.loop, devices, contents, assembly, MdOptions.DEFAULT))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("m1 has blocks of 4096 bytes")
          .hasMessageContaining("read-only=on");
    }
  }
}
