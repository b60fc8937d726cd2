// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

final class CreationTest {
  private static final long NOW = 1_800_000_000L;
  private static final long SIZE = 16 << 20;

  @Test
  void placesAreThoseThatMdadmChose() throws Exception {
    Creation raid5 = new Creation(Level.RAID5, 3).chunkBytes(64 << 10).assumeClean(true);
    Superblock ours = plan(raid5.log(Creation.Log.BITMAP), SIZE, 3).get(0).superblock();
    assertSamePlaces(ours, HeadFiles.superblock("raid5-3-degraded-0"));
    Creation raid1 = new Creation(Level.RAID1, 2).log(Creation.Log.BITMAP);
    ours = plan(raid1, SIZE, 2).get(1).superblock();
    assertSamePlaces(ours, HeadFiles.superblock("raid1-2-0"));
    ours = plan(new Creation(Level.RAID0, 3).chunkBytes(64 << 10), SIZE, 3).get(2).superblock();
    assertSamePlaces(ours, HeadFiles.superblock("raid0-3-0"));
  }

  @Test
  void placesAreThoseOfEveryArrayAtHand() throws Exception {
    for (Path file : HeadFiles.golden()) {
      String first = file.toString();
      if (!first.matches(".*-0\\.img(\\.gz)?") || first.contains("0.90")) {
        continue;
      }
      List<OptionalLong> sizes = new ArrayList<>();
      List<Superblock> theirs = new ArrayList<>();
      Optional<BitmapHead> bitmap = Optional.empty();
      for (int i = 0;
          Files.exists(Path.of(first.replaceFirst("-0\\.img", "-" + i + ".img")));
          i++) {
        byte[] member =
            HeadFiles.unzipped(Path.of(first.replaceFirst("-0\\.img", "-" + i + ".img")));
        sizes.add(OptionalLong.of(member.length));
        theirs.add(HeadFiles.find(member));
        if (theirs.get(i).has(Feature.BITMAP)) {
          int at = (int) theirs.get(i).bitmapAtBytes().orElseThrow();
          bitmap = Optional.of(BitmapHead.parse(HeadFiles.at(member, at, BitmapHead.BYTES)));
          bitmap.get().requireFor(theirs.get(i));
        }
      }
      Superblock like = theirs.get(0);
      if (theirs.size() < like.raidDevices() || like.unserved().isPresent()) {
        continue;
      }
      var creation = new Creation(like.level(), like.raidDevices()).minor(like.minor());
      creation.layout(like.layout()).chunkBytes(like.chunkBytes()).assumeClean(true);
      creation.bitmapChunkBytes(bitmap.map(BitmapHead::chunkBytes).orElse(0L));
      creation.usedBytes(first.contains("size") ? like.usedBytes() : 0);
      creation.log(
          bitmap.isPresent()
              ? Creation.Log.BITMAP
              : like.pplAtBytes().isPresent() ? Creation.Log.PPL : Creation.Log.NONE);
      List<Optional<Creation.Member>> ours = creation.plan(sizes, new Random(1), NOW);
      for (int i = 0; i < theirs.size(); i++) {
        Superblock our = ours.get(i).orElseThrow().superblock();
        assertSamePlaces(our, theirs.get(i));
        assertThat(our.pplAtBytes()).as(first).isEqualTo(theirs.get(i).pplAtBytes());
      }
    }
  }

  private static void assertSamePlaces(Superblock ours, Superblock theirs) {
    String name = theirs.name() + " 1." + theirs.minor();
    assertThat(ours.startBytes()).as(name).isEqualTo(theirs.startBytes());
    assertThat(ours.usedBytes()).as(name).isEqualTo(theirs.usedBytes());
    assertThat(ours.roomBytes()).as(name).isEqualTo(theirs.roomBytes());
    assertThat(ours.atBytes()).as(name).isEqualTo(theirs.atBytes());
    assertThat(ours.bitmapAtBytes()).as(name).isEqualTo(theirs.bitmapAtBytes());
    assertThat(ours.badBlockLogAtBytes()).as(name).isEqualTo(theirs.badBlockLogAtBytes());
    assertThat(ours.badBlockLogBytes()).as(name).isEqualTo(theirs.badBlockLogBytes());
    assertThat(ours.slots()).as(name).isEqualTo(theirs.slots());
    assertThat(ours.layout()).as(name).isEqualTo(theirs.layout());
    assertThat(ours.chunkBytes()).as(name).isEqualTo(theirs.chunkBytes());
  }

  @ParameterizedTest
  @CsvSource({
    "RAID0, 3, 0",
    "RAID0, 3, 1",
    "RAID0, 3, 2",
    "RAID1, 2, 0",
    "RAID1, 2, 1",
    "RAID1, 2, 2",
    "RAID4, 3, 0",
    "RAID5, 3, 1",
    "RAID5, 4, 2",
    "RAID6, 4, 0",
    "RAID6, 5, 1",
    "RAID10, 4, 2",
    "RAID10, 3, 0",
  })
  void mdadmAcceptsWhatWasMade(Level level, int members, int minor, @TempDir Path directory)
      throws Exception {
    assumeTrue(
        Files.isExecutable(Path.of("/usr/sbin/mdadm"))
            || Files.isExecutable(Path.of("/sbin/mdadm")));
    var creation = new Creation(level, members).minor(minor).name("host:made");
    creation.log(level == Level.RAID0 ? Creation.Log.NONE : Creation.Log.BITMAP);
    Creation.Member member = plan(creation, 64 << 20, members).get(1);
    Path file = directory.resolve("member");
    try (var device = new RandomAccessFile(file.toFile(), "rw")) {
      device.setLength(64 << 20);
      for (Creation.Placed placed : member.writes()) {
        device.seek(placed.atBytes());
        device.write(placed.bytes());
      }
    }
    String shown = examine(file);
    assertThat(shown)
        .contains("Version : 1." + minor)
        .contains("Raid Level : " + level.word())
        .contains("Raid Devices : " + members)
        .contains("Array UUID : " + Superblock.text(member.superblock().uuid()))
        .contains(" - correct")
        .contains("Device Role : Active device 1")
        .contains("Array State : " + "A".repeat(members) + " ")
        .contains("Bad Block Log : 512 entries available")
        .contains(level == Level.RAID0 ? "State : clean" : "State : active")
        .doesNotContain("TRUNCATED");
    assertThat(shown.contains("Internal Bitmap")).isEqualTo(level != Level.RAID0);
  }

  private static String examine(Path file) throws Exception {
    Process mdadm =
        new ProcessBuilder("mdadm", "--examine", file.toString()).redirectErrorStream(true).start();
    String shown = new String(mdadm.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(mdadm.waitFor(20, TimeUnit.SECONDS)).isTrue();
    return shown;
  }

  @Test
  void sparesAndMissingOnesHaveTheirRoles() throws Exception {
    List<OptionalLong> sizes =
        List.of(
            OptionalLong.of(SIZE),
            OptionalLong.empty(),
            OptionalLong.of(SIZE),
            OptionalLong.of(SIZE));
    var made = new Creation(Level.RAID5, 3).plan(sizes, new Random(1), NOW);
    assertThat(made.get(1)).isEmpty();
    Superblock spare = made.get(3).orElseThrow().superblock();
    assertThat(spare.role()).isEqualTo(Superblock.SPARE);
    assertThat(spare.activeRoles()).isEqualTo(2);
    assertThat(spare.resyncBytes()).isEqualTo(Superblock.CLEAN);
    Superblock whole = plan(new Creation(Level.RAID5, 3), SIZE, 3).get(0).superblock();
    assertThat(whole.resyncBytes()).isZero();
    List<OptionalLong> six = new ArrayList<>(Collections.nCopies(4, OptionalLong.of(SIZE)));
    six.set(3, OptionalLong.empty());
    var rebuilt = new Creation(Level.RAID6, 4).plan(six, new Random(1), NOW);
    assertThat(rebuilt.get(2).orElseThrow().superblock().recoveryBytes()).hasValue(0);
    assertThat(rebuilt.get(1).orElseThrow().superblock().recoveryBytes()).isEmpty();
  }

  @Test
  void unequalMembersOfRaid0HaveALayout() throws Exception {
    List<OptionalLong> sizes = List.of(OptionalLong.of(SIZE), OptionalLong.of(2 * SIZE));
    Superblock block =
        new Creation(Level.RAID0, 2)
            .plan(sizes, new Random(1), NOW)
            .get(0)
            .orElseThrow()
            .superblock();
    assertThat(block.has(Feature.RAID0_LAYOUT)).isTrue();
    assertThat(block.layout()).isEqualTo(1);
  }

  @Test
  void largeMembersGetABitmapAndHeadroom() throws Exception {
    Creation.Member member = plan(new Creation(Level.RAID6, 4), 4L << 40, 4).get(0);
    assertThat(member.superblock().startBytes()).isEqualTo(129 << 20);
    assertThat(member.bitmap().orElseThrow().chunkBytes()).isEqualTo(64 << 20);
    assertThat(member.superblock().bitmapAtBytes()).hasValue(8192);
    assertThat(member.writes()).hasSize(2);
  }

  @Test
  void whatCannotBeIsASentence() {
    refused(new Creation(Level.RAID5, 3), 2, "needs 3 members");
    refused(new Creation(Level.RAID0, 2), 3, "no spares");
    refused(new Creation(Level.RAID1, 2).chunkBytes(65536), 2, "no chunks");
    refused(new Creation(Level.RAID6, 4).log(Creation.Log.PPL), 4, "raid5");
    refused(new Creation(Level.RAID0, 2).log(Creation.Log.BITMAP), 2, "no bitmap");
    refused(new Creation(Level.RAID5, 3).minor(3), 3, "metadata 1.3");
    refused(new Creation(Level.RAID5, 3).layout(77), 3, "layout");
    refused(new Creation(Level.RAID5, 3).chunkBytes(5000), 3, "chunk");
    refused(new Creation(Level.RAID10, 4).chunkBytes(0), 4, "chunk");
    refused(new Creation(Level.RAID6, 3), 3, "from 4");
    refused(new Creation(Level.RAID5, 3).usedBytes(SIZE), 3, "room for");
    refused(new Creation(Level.RAID5, 3).log(Creation.Log.BITMAP).bitmapChunkBytes(77), 3, "power");
    assertThatThrownBy(() -> plan(new Creation(Level.RAID1, 2), 1 << 19, 2))
        .hasMessageContaining("larger");
  }

  /** The products of such sizes do not fit 63 bits, and what is left of them may look possible. */
  @ParameterizedTest
  @EnumSource(Level.class)
  void membersLargerThanAnyDeviceAreRefused(Level level) {
    for (long size : new long[] {Long.MAX_VALUE, Long.MAX_VALUE - 4095, 1L << 62, (1L << 51) + 1}) {
      for (int members = 4; members <= 6; members++) {
        int count = members;
        Creation creation = new Creation(level, members).log(Creation.Log.NONE);
        assertThatThrownBy(() -> plan(creation, size, count))
            .as("%s of %d", level, size)
            .isInstanceOf(MetadataException.class)
            .hasMessageContaining("no array is made of more than 2 PiB a member");
      }
    }
  }

  private static void refused(Creation creation, int members, String sentence) {
    assertThatThrownBy(() -> plan(creation, SIZE, members))
        .isInstanceOf(MetadataException.class)
        .hasMessageContaining(sentence);
  }

  static List<Creation.Member> plan(Creation creation, long size, int members)
      throws MetadataException {
    creation.uuid(new UUID(0x1122334455667788L, 0x99aabbccddeeff00L));
    return creation
        .plan(Collections.nCopies(members, OptionalLong.of(size)), new Random(members), NOW)
        .stream()
        .map(Optional::orElseThrow)
        .toList();
  }
}
