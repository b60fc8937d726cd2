// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class SuperblockTest {
  @ParameterizedTest
  @ValueSource(strings = {"raid0-3-0", "raid1-2-0", "raid5-3-degraded-0", "raid5-3-degraded-1"})
  void whatLinuxWroteComesBackByteForByte(String name) throws Exception {
    byte[] bytes = HeadFiles.at(HeadFiles.head(name), 4096, 4096);
    Superblock block = Superblock.parse(bytes, 2, 4096);
    byte[] again = block.encode();
    assertThat(again).hasSize(block.lengthBytes()).isEqualTo(Arrays.copyOf(bytes, again.length));
    block.requireRoom(HeadFiles.DEVICE_BYTES);
    assertThat(block.unserved()).isEmpty();
  }

  @Test
  void everyWholeMemberAtHandComesBackByteForByte() throws Exception {
    for (var file : HeadFiles.golden()) {
      byte[] member = HeadFiles.unzipped(file);
      if (file.toString().contains("0.90")) {
        assertThatThrownBy(() -> HeadFiles.find(member)).hasMessageContaining("metadata 0.90");
        continue;
      }
      Superblock block = HeadFiles.find(member);
      byte[] again = block.encode();
      assertThat(again)
          .as("%s", file)
          .isEqualTo(HeadFiles.at(member, (int) block.atBytes(), again.length));
      block.requireRoom(member.length);
    }
  }

  @Test
  void everyFieldIsRead() throws Exception {
    Superblock block = HeadFiles.superblock("raid5-3-degraded-0");
    assertThat(Superblock.text(block.uuid())).isEqualTo("bde1feaf:68b40b3d:f7649c30:693f068c");
    assertThat(Superblock.text(block.deviceUuid()))
        .isEqualTo("6ad34ce5:7d332500:99fc80e9:98baf356");
    assertThat(block.name()).isEqualTo("any:raid5-3-degraded");
    assertThat(block.level()).isEqualTo(Level.RAID5);
    assertThat(block.layout()).isEqualTo(2);
    assertThat(block.chunkBytes()).isEqualTo(64 << 10);
    assertThat(block.raidDevices()).isEqualTo(3);
    assertThat(block.usedBytes()).isEqualTo(15 << 20);
    assertThat(block.roomBytes()).isEqualTo(15 << 20);
    assertThat(block.startBytes()).isEqualTo(1 << 20);
    assertThat(block.atBytes()).isEqualTo(4096);
    assertThat(block.bitmapAtBytes()).hasValue(8192);
    assertThat(block.badBlockLogAtBytes()).hasValue(12288);
    assertThat(block.badBlockLogBytes()).isEqualTo(4096);
    assertThat(block.events()).isEqualTo(6);
    assertThat(block.resyncBytes()).isEqualTo(Superblock.CLEAN);
    assertThat(block.recoveryBytes()).isEmpty();
    assertThat(block.slots()).isEqualTo(128);
    assertThat(block.role()).isZero();
    assertThat(block.role(1)).isEqualTo(Superblock.FAULTY);
    assertThat(block.role(2)).isEqualTo(2);
    assertThat(block.role(5000)).isEqualTo(Superblock.SPARE);
    assertThat(block.activeRoles()).isEqualTo(2);
    assertThat(block.updatedSeconds() - block.createdSeconds()).isEqualTo(3);
  }

  @Test
  void whatWasSetIsReadAgain() throws Exception {
    Superblock block = HeadFiles.superblock("raid5-3-degraded-0");
    block.setEvents(77);
    block.setUpdatedSeconds(1_800_000_000L);
    block.setResyncBytes(4096);
    block.setRecovery(1 << 20, true);
    block.setRole(1, 1);
    block.setRole(200, Superblock.SPARE);
    block.setCorrectedReads(3);
    block.setWriteMostly(true);
    block.setFailFast(true);
    byte[] bytes = Arrays.copyOf(block.encode(), Superblock.BYTES);
    Superblock again = Superblock.parse(bytes, 2, 4096);
    assertThat(again.events()).isEqualTo(77);
    assertThat(again.updatedSeconds()).isEqualTo(1_800_000_000L);
    assertThat(again.resyncBytes()).isEqualTo(4096);
    assertThat(again.recoveryBytes()).hasValue(1 << 20);
    assertThat(again.has(Feature.RECOVERY_BITMAP)).isTrue();
    assertThat(again.role(1)).isEqualTo(1);
    assertThat(again.slots()).isEqualTo(201);
    assertThat(again.correctedReads()).isEqualTo(3);
    assertThat(again.writeMostly()).isTrue();
    assertThat(again.failFast()).isTrue();
    again.setNoRecovery();
    again.setResyncBytes(Superblock.CLEAN);
    again.setPpl(8192, 1 << 18);
    assertThat(again.recoveryBytes()).isEmpty();
    assertThat(again.resyncBytes()).isEqualTo(Superblock.CLEAN);
    assertThat(again.pplAtBytes()).hasValue(8192);
    assertThat(again.pplBytes()).isEqualTo(1 << 18);
    assertThat(again.bitmapAtBytes()).isEmpty();
  }

  @ParameterizedTest
  @CsvSource({
    "0, 16777216, 16769024",
    "0, 16777215, 16764928",
    "0, 12288, 4096",
    "1, 16777216, 0",
    "2, 16777216, 4096"
  })
  void aSuperblockLiesWhereMdadmPutsIt(int minor, long deviceBytes, long placeBytes)
      throws Exception {
    assertThat(Superblock.placeBytes(minor, deviceBytes)).isEqualTo(placeBytes);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "0   | 0          | no md superblock",
        "4   | 2          | major version 2",
        "8   | 65536      | unknown to Belay",
        "72  | 7          | level is 7",
        "76  | 99         | no layout",
        "84  | 2147483647 | used size",
        "88  | 3          | chunk is 1536 bytes",
        "92  | 0          | 0 members",
        "92  | -1         | 4294967295 members",
        "96  | 0          | its bitmap lies",
        "96  | 4000       | its bitmap lies",
        "132 | -1         | start",
        "128 | 8          | inside the superblock",
        "140 | -1         | room",
        "144 | 16         | resized",
        "160 | -1         | number of its member",
        "188 | 2040       | bad block log",
        "204 | -1         | event count",
        "220 | 99999      | table of roles",
        "220 | -1         | table of roles",
      })
  void aWrongNumberIsASentence(int at, int value, String sentence) {
    byte[] bytes = changed("raid5-3-degraded-0", at, value);
    assertThatThrownBy(() -> Superblock.parse(bytes, 2, 4096))
        .isInstanceOf(MetadataException.class)
        .hasMessageContaining(sentence);
  }

  @Test
  void damageIsASentence() {
    byte[] bytes = HeadFiles.at(HeadFiles.head("raid1-2-0"), 4096, 4096);
    bytes[260] ^= 1;
    assertThatThrownBy(() -> Superblock.parse(bytes, 2, 4096)).hasMessageContaining("damaged");
    assertThatThrownBy(() -> Superblock.parse(new byte[100], 2, 4096))
        .isInstanceOf(MetadataException.class);
    assertThatThrownBy(() -> HeadFiles.superblock("raid1-2-0").requireRoom(15 << 20))
        .hasMessageContaining("cut off");
    assertThatThrownBy(() -> Superblock.find(new byte[3][4096], 1 << 20))
        .hasMessageContaining("no md superblock");
    assertThatThrownBy(() -> Superblock.placeBytes(2, 4096)).hasMessageContaining("12288");
  }

  @ParameterizedTest
  @CsvSource({"4, reshape", "512, journal", "256, clustered"})
  void whatIsNotServedIsASentence(int features, String word) throws Exception {
    byte[] bytes = changed("raid0-3-0", 8, features);
    assertThat(Superblock.parse(bytes, 2, 4096).unserved().orElseThrow()).contains(word);
  }

  @Test
  void noBytesMakeAnythingButASentence() {
    long seed = 20261122;
    var random = new Random(seed);
    int sane = 0;
    for (int round = 0; round < 50_000; round++) {
      byte[] bytes = HeadFiles.at(HEAD, 4096, 4096);
      for (int change = random.nextInt(1, 4); change > 0; change--) {
        bytes[random.nextInt(8, 264)] = (byte) random.nextInt();
      }
      fixSum(bytes);
      try {
        Superblock block = Superblock.parse(bytes, 2, 4096);
        assertThat(block.encode()).as("seed %d", seed).startsWith(Arrays.copyOf(bytes, 256));
        assertThat(BitmapHead.syncBytes(block)).isNotNegative();
        sane++;
      } catch (MetadataException e) {
        assertThat(e.getMessage()).isNotBlank();
      }
    }
    assertThat(sane).isPositive();
  }

  private static final byte[] HEAD = HeadFiles.head("raid5-3-degraded-0");

  private static byte[] changed(String name, int at, int value) {
    byte[] bytes = HeadFiles.at(HeadFiles.head(name), 4096, 4096);
    ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putInt(at, value);
    fixSum(bytes);
    return bytes;
  }

  private static void fixSum(byte[] bytes) {
    ByteBuffer image = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    if (image.getInt(220) >= 0 && image.getInt(220) <= Superblock.MOST_MEMBERS) {
      image.putInt(216, Superblock.sum(image));
    }
  }
}
