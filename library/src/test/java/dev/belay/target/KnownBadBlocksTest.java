// SPDX-License-Identifier: Apache-2.0
package dev.belay.target;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.Device;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.Outcome.Kind;
import dev.belay.leaf.Memory;
import dev.belay.md.Array;
import dev.belay.md.ArrayOptions;
import dev.belay.md.BadBlocks;
import dev.belay.md.CopiesLayout;
import dev.belay.md.Level;
import dev.belay.md.Member;
import dev.belay.md.Members;
import dev.belay.md.ParityLayout;
import dev.belay.md.SyncMode;
import dev.belay.testing.DrivenStack;
import dev.belay.testing.Patterns;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Ranges that members' logs call bad: what is said of them, and walks that come by. */
final class KnownBadBlocksTest implements AutoCloseable {
  private static final int CHUNK = 64 << 10;
  private static final long MEMBER_BYTES = 2 << 20;

  private final DrivenStack stack = new DrivenStack();
  private final List<Device> leaves = new ArrayList<>();

  @AfterEach
  @Override
  public void close() {
    stack.close();
  }

  private Member member(int slot, long... badBytes) {
    Device leaf = new Memory(stack.loop, MEMBER_BYTES, 512);
    leaves.add(leaf);
    BadBlocks bad = new BadBlocks(0);
    for (int i = 0; i < badBytes.length; i += 2) {
      bad.add(badBytes[i], badBytes[i + 1]);
    }
    return Members.inSync(leaf, slot).withBadBlocks(bad);
  }

  private Array array(Level level, @Nullable Member... slots) {
    return new Array(stack.loop, level, ArrayOptions.DEFAULT, slots, List.of(), null, null);
  }

  private Mirror mirror(Member... members) {
    CopiesLayout layout = CopiesLayout.raid1(members.length, MEMBER_BYTES);
    return new Mirror(stack.loop, array(Level.RAID1, members), layout, Hedge.NONE);
  }

  private String refusal(Outcome outcome) {
    assertThat(outcome.kind()).isEqualTo(Kind.FAILED);
    return Objects.requireNonNull(outcome.error()).sentence();
  }

  @Test
  void aDegradedReadNamesTheBadBlocksThatItLacks() {
    var layout = new ParityLayout(Level.RAID5, ParityLayout.LEFT_SYMMETRIC, 3, CHUNK);
    Array array = array(Level.RAID5, null, member(1), member(2, 4096, 1024, 8192, 512));
    Parity parity = new Parity(array, layout, MEMBER_BYTES);
    assertThat(refusal(stack.run(parity, Op.READ, 0, stack.memory(CHUNK))))
        .isEqualTo(
            "raid5 cannot compute bytes 0 to 65535 of its members: member 0 is missing,"
                + " and member 2 has known bad blocks at its bytes 4096 to 5119, 8192 to 8703");
    assertThat(refusal(stack.run(parity, Op.READ, 4608, stack.memory(512))))
        .contains("bytes 4608 to 5119 of its members", "bad blocks at its bytes 4608 to 5119");
    assertThat(stack.run(parity, Op.READ, 5120, stack.memory(512))).isEqualTo(Outcome.done(512));
  }

  @Test
  void aWriteThatNeedsBadBlocksNamesThem() {
    var layout = new ParityLayout(Level.RAID5, ParityLayout.LEFT_SYMMETRIC, 4, CHUNK);
    Array array = array(Level.RAID5, null, member(1), member(2, 4096, 1024), member(3));
    Parity parity = new Parity(array, layout, MEMBER_BYTES);
    long inColumnOfMissing = 4096;
    assertThat(refusal(stack.run(parity, Op.WRITE, inColumnOfMissing, stack.memory(512))))
        .contains("member 0 is missing", "member 2 has known bad blocks at its bytes 4096 to 4607");
  }

  @Test
  void aMirrorNamesTheBadBlocksOfAllItsLegs() {
    Mirror mirror = mirror(member(0, 8192, 1024), member(1, 8704, 4096));
    assertThat(refusal(stack.run(mirror, Op.READ, 8192, stack.memory(1024))))
        .isEqualTo(
            "raid1 cannot read byte 8704 from any member: member 0 has known bad blocks at its"
                + " bytes 8704 to 9215, and member 1 has known bad blocks at its bytes 8704 to"
                + " 9215");
  }

  /** Legs that differ only where the other one has bad blocks, or where both have. */
  @ParameterizedTest
  @EnumSource(names = {"CHECK", "REPAIR", "RESYNC"})
  void aWalkComesByPlacesThatOnlySomeLegsHave(SyncMode mode) {
    Mirror mirror =
        mirror(member(0, 0, 512, 400 << 10, 1536), member(1, 64 << 10, 1024, 401 << 10, 512));
    for (Device leaf : leaves) {
      MemorySegment bytes = stack.memory(MEMBER_BYTES);
      Patterns.fill(bytes, 0, 1);
      stack.run(leaf, Op.WRITE, 0, bytes);
    }
    // Beyond the bad blocks one place differs, which a walk must still find.
    stack.run(leaves.get(1), Op.WRITE, 500 << 10, stack.memory(512));
    assertThat(mirror.array.walk().begin(mode)).isTrue();
    stack.turnUntil(() -> !mirror.array.walk().isRunning());
    assertThat(mirror.array.walk().error()).isNull();
    assertThat(mirror.array.walk().positionBytes()).isEqualTo(MEMBER_BYTES);
    if (mode != SyncMode.RESYNC) {
      assertThat(mirror.array.walk().mismatchedBytes()).isEqualTo(512);
    }
    MemorySegment found = stack.memory(512);
    stack.run(leaves.get(1), Op.READ, 500 << 10, found);
    assertThat(Patterns.firstOther(found, 500 << 10, 1) < 0).isEqualTo(mode != SyncMode.CHECK);
  }

  @Test
  void aRebuildDoesNotCallRightWhatNobodyHas() {
    Device empty = new Memory(stack.loop, MEMBER_BYTES, 512);
    Member filled = new Member("member 1", empty, 0, 1, Member.State.REBUILDING, 0);
    Mirror mirror = mirror(member(0, 300 << 10, 512), filled);
    assertThat(mirror.array.walk().beginDue()).isTrue();
    stack.turnUntil(() -> !mirror.array.walk().isRunning());
    assertThat(Objects.requireNonNull(mirror.array.walk().error()).sentence())
        .contains("cannot read byte 307200 from any member", "known bad blocks");
    assertThat(filled.state()).isEqualTo(Member.State.REBUILDING);
  }
}
