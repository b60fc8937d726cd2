// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Random;
import org.junit.jupiter.api.Test;

final class BadBlocksTest {
  @Test
  void itDoesWhatASetOfSectorsDoes() throws Exception {
    long seed = 7;
    var random = new Random(seed);
    var blocks = new BadBlocks(0);
    var model = new BitSet();
    for (int round = 0; round < 5000; round++) {
      int from = random.nextInt(300);
      int to = from + random.nextInt(1, 30);
      if (random.nextBoolean()) {
        blocks.add(from * 512L, (to - from) * 512L);
        model.set(from, to);
      } else {
        blocks.remove(from * 512L, (to - from) * 512L);
        model.clear(from, to);
      }
      int next = model.nextSetBit(from);
      assertThat(blocks.hits(from * 512L, (to - from) * 512L))
          .as("seed %d, round %d", seed, round)
          .isEqualTo(next >= 0 && next < to);
      long bad = blocks.ranges().stream().mapToLong(BadBlocks.Range::lengthBytes).sum();
      assertThat(bad).isEqualTo(model.cardinality() * 512L);
      assertThat(BadBlocks.parse(blocks.encode(4096), 0).ranges()).isEqualTo(blocks.ranges());
    }
  }

  @Test
  void theLogIsTheKernels() throws Exception {
    var blocks = new BadBlocks(0);
    blocks.add(1 << 20, 8 * 512);
    byte[] log = blocks.encode(4096);
    ByteBuffer image = ByteBuffer.wrap(log).order(ByteOrder.LITTLE_ENDIAN);
    assertThat(image.getLong(0)).isEqualTo(2048L << 10 | 8);
    assertThat(image.getLong(8)).isEqualTo(-1);
    assertThat(blocks.within(0, (1 << 20) + 512))
        .containsExactly(new BadBlocks.Range(1 << 20, 512));
    blocks.add(1L << 30, 600 * 512);
    assertThat(ByteBuffer.wrap(blocks.encode(4096)).order(ByteOrder.LITTLE_ENDIAN).getLong(16))
        .isEqualTo(((1L << 21) + 512) << 10 | 88);
  }

  @Test
  void unitsAreWhole() throws Exception {
    var blocks = new BadBlocks(3);
    blocks.add(5000, 1);
    assertThat(blocks.ranges()).containsExactly(new BadBlocks.Range(4096, 4096));
    blocks.remove(4096, 4095);
    assertThat(blocks.isEmpty()).isFalse();
    assertThat(BadBlocks.parse(blocks.encode(512), 3).ranges()).isEqualTo(blocks.ranges());
    blocks.remove(4096, 4096);
    assertThat(blocks.isEmpty()).isTrue();
  }

  @Test
  void whatCannotBeIsASentence() {
    byte[] log = new byte[512];
    Arrays.fill(log, (byte) 0xff);
    ByteBuffer.wrap(log).order(ByteOrder.LITTLE_ENDIAN).putLong(0, -2);
    assertThatThrownBy(() -> BadBlocks.parse(log, 0)).isInstanceOf(MetadataException.class);
    assertThatThrownBy(() -> BadBlocks.parse(log, 99)).isInstanceOf(MetadataException.class);
    var blocks = new BadBlocks(0);
    for (int i = 0; i < 65; i++) {
      blocks.add(i * 1024L, 512);
    }
    assertThatThrownBy(() -> blocks.encode(512))
        .hasMessageContaining("more bad blocks than the 64");
  }
}
