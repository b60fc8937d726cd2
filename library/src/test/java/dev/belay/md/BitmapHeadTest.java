// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class BitmapHeadTest {
  @Test
  void whatLinuxWroteIsReadAndComesBack() throws Exception {
    byte[] member = HeadFiles.head("raid5-3-degraded-0");
    Superblock block = HeadFiles.superblock("raid5-3-degraded-0");
    int at = (int) block.bitmapAtBytes().orElseThrow();
    BitmapHead head = BitmapHead.parse(HeadFiles.at(member, at, BitmapHead.BYTES));
    assertThat(head.encode()).isEqualTo(HeadFiles.at(member, at, BitmapHead.BYTES));
    assertThat(head.uuid()).isEqualTo(block.uuid());
    assertThat(head.events()).isEqualTo(6);
    assertThat(head.eventsCleared()).isEqualTo(1);
    assertThat(head.syncBytes()).isEqualTo(15 << 20).isEqualTo(BitmapHead.syncBytes(block));
    assertThat(head.chunkBytes()).isEqualTo(64 << 20);
    assertThat(head.delaySeconds()).isEqualTo(5);
    assertThat(head.state()).isZero();
    assertThat(head.isCurrent(6)).isTrue();
    assertThat(head.isCurrent(7)).isFalse();
    assertThat(head.canCatchUp(1)).isTrue();
    assertThat(head.canCatchUp(0)).isFalse();
    assertThat(BitmapHead.roomBytes(block)).isEqualTo(4096);
    head.requireFor(block);
  }

  @Test
  void oneThatIsMadeIsRead() throws Exception {
    var uuid = new UUID(1, 2);
    BitmapHead head = BitmapHead.parse(BitmapHead.create(uuid, 1 << 30, 1 << 20).encode());
    head.setEvents(9);
    head.setEventsCleared(8);
    head.setState(BitmapHead.STALE);
    head = BitmapHead.parse(head.copy().encode());
    assertThat(head.uuid()).isEqualTo(uuid);
    assertThat(head.events()).isEqualTo(9);
    assertThat(head.eventsCleared()).isEqualTo(8);
    assertThat(head.isCurrent(9)).isFalse();
    assertThat(head.canCatchUp(9)).isFalse();
    assertThat(head.chunkBytes()).isEqualTo(1 << 20);
    assertThat(head.syncBytes()).isEqualTo(1 << 30);
  }

  @Test
  void theBitsFollowTheHead() {
    assertThat(BitmapHead.bits(1 << 20, 1 << 16)).isEqualTo(16);
    assertThat(BitmapHead.bits((1 << 20) + 512, 1 << 16)).isEqualTo(17);
    assertThat(BitmapHead.lengthBytes(1 << 20, 1 << 16)).isEqualTo(258);
    assertThat(BitmapHead.lengthBytes((1 << 20) + 512, 1 << 16)).isEqualTo(259);
    assertThat(BitmapHead.byteOf(17)).isEqualTo(258);
    assertThat(BitmapHead.maskOf(17)).isEqualTo(2);
    assertThat(BitmapHead.copiedBytes(0x102, 4, 15 << 20, 1 << 16)).isEqualTo(30 << 20);
    assertThat(BitmapHead.copiedBytes(0x201, 3, 15 << 20, 1 << 16)).isEqualTo(45 << 19);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "0  | 1          | no bitmap",
        "4  | 5          | cluster",
        "4  | 6          | lockless",
        "4  | 9          | version 9",
        "52 | 0          | covers 0 bytes",
        "52 | 5000       | covers 5000 bytes",
        "56 | 0          | delay is 0",
        "60 | 99999      | writes behind",
        "44 | 2147483647 | sectors",
        "28 | -1         | event counts",
      })
  void aWrongNumberIsASentence(int at, int value, String sentence) {
    byte[] bytes = BitmapHead.create(new UUID(1, 2), 1 << 30, 1 << 20).encode();
    ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putInt(at, value);
    assertThatThrownBy(() -> BitmapHead.parse(bytes))
        .isInstanceOf(MetadataException.class)
        .hasMessageContaining(sentence);
  }

  @Test
  void anothersBitmapAndOneTooLongAreSentences() throws Exception {
    Superblock block = HeadFiles.superblock("raid5-3-degraded-0");
    BitmapHead other = BitmapHead.create(new UUID(1, 2), 15 << 20, 1 << 20);
    assertThatThrownBy(() -> other.requireFor(block)).hasMessageContaining("belongs to");
    BitmapHead fine = BitmapHead.create(block.uuid(), 15 << 20, 512);
    fine.requireFor(block);
    block.setUsedBytes(1L << 30);
    assertThatThrownBy(() -> fine.requireFor(block)).hasMessageContaining("needs");
  }

  @Test
  void theChunkGrowsWithTheArray() throws Exception {
    assertThat(BitmapHead.chooseChunkBytes(1L << 40, 4 << 10)).isEqualTo(64 << 20);
    assertThat(BitmapHead.chooseChunkBytes(1L << 50, 128 << 10)).isEqualTo(2L << 30);
    assertThatThrownBy(() -> BitmapHead.chooseChunkBytes(1L << 40, 0))
        .hasMessageContaining("no room");
  }
}
