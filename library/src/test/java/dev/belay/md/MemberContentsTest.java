// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.Loop;
import dev.belay.leaf.Memory;
import java.util.List;
import java.util.OptionalLong;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

final class MemberContentsTest {
  private static final int SIZE = 16 << 20;

  private final Loop loop = Loop.driven();
  private final Random random = new Random(1);

  @AfterEach
  void close() {
    loop.close(Long.MAX_VALUE);
  }

  @Test
  void doesNotTakeWhatWasOnTheDeviceBeforeForBadBlocks() throws Exception {
    DirectIo io = new DirectIo(loop, new Memory(loop, SIZE, 512));
    byte[] noise = new byte[SIZE];
    random.nextBytes(noise);
    io.write(0, noise);
    List<OptionalLong> sizes = List.of(OptionalLong.of(SIZE), OptionalLong.of(SIZE));
    Creation creation = new Creation(Level.RAID1, 2).log(Creation.Log.BITMAP);
    Creation.Member member = creation.plan(sizes, random, 1_800_000_000).get(0).orElseThrow();
    for (Creation.Placed placed : member.writes()) {
      io.write(placed.atBytes(), placed.bytes());
    }

    MemberContents contents = MemberContents.read("a", io);

    assertThat(contents.problem()).isEmpty();
    assertThat(contents.badBlocks().isEmpty()).isTrue();
    assertThat(contents.superblock()).isNotNull();
    assertThat(member.superblock().badBlockLogAtBytes()).isPresent();
  }

  @Test
  void aSmallDeviceIsAskedForNoPlaceBeforeItsBeginning() {
    DirectIo io = new DirectIo(loop, new Memory(loop, 32 << 10, 512));

    MemberContents contents = MemberContents.read("a", io);

    assertThat(contents.problem()).contains("there is no md superblock");
  }
}
