// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.UUID;

/** Makes superblocks of arrays that are smaller than {@link Creation} would plan them. */
public final class MadeArrays {
  private static final int PAGE = 4096;

  private MadeArrays() {}

  /** Where the members' part begins: behind superblock and bitmap. */
  public static long startBytes(int minor) {
    return minor == 0 ? 0 : 4 * PAGE;
  }

  /** How large a member is: large enough to be looked at for metadata of all kinds. */
  public static long deviceBytes(long usedBytes) {
    return Math.max(usedBytes + 4 * PAGE, 18 * PAGE);
  }

  /** Where the superblock is; the bitmap is a page before it with metadata 1.0, else behind it. */
  public static long superblockBytes(int minor, long usedBytes) {
    return switch (minor) {
      case 0 -> deviceBytes(usedBytes) - 2 * PAGE;
      case 1 -> 0;
      default -> PAGE;
    };
  }

  /**
   * What is to be written to each member of an array that is in sync, spares behind the others.
   *
   * @param usedBytes of each member, whole pages
   * @param bitmapChunkBytes 0 for no bitmap
   */
  public static List<List<Creation.Placed>> make(
      Level level,
      int layout,
      int members,
      int spares,
      long chunkBytes,
      long usedBytes,
      int minor,
      long bitmapChunkBytes)
      throws MetadataException {
    Superblock common = Superblock.blank(minor);
    common.setLevel(level);
    common.setLayout(layout);
    common.setRaidDevices(members);
    common.setChunkBytes(chunkBytes);
    common.setUsedBytes(usedBytes);
    common.setStartBytes(startBytes(minor));
    common.setName("sim:0".getBytes(StandardCharsets.UTF_8));
    common.setCreatedSeconds(1_700_000_000);
    common.setUpdatedSeconds(1_700_000_000);
    common.setUuid(new UUID(0x1234_5678_9abc_4defL, 0x8fed_cba9_8765_4321L));
    common.setSlots(128);
    for (int number = 0; number < members + spares; number++) {
      common.setRole(number, number < members ? number : Superblock.SPARE);
    }
    common.setResyncBytes(Superblock.CLEAN);
    common.setEvents(10);
    long atBytes = superblockBytes(minor, usedBytes);
    common.setAtBytes(atBytes);
    common.setRoomBytes(usedBytes);
    Optional<BitmapHead> bitmap = Optional.empty();
    if (bitmapChunkBytes > 0) {
      common.setBitmapAtBytes(minor == 0 ? atBytes - PAGE : atBytes + PAGE);
      BitmapHead head =
          BitmapHead.create(common.uuid(), BitmapHead.syncBytes(common), bitmapChunkBytes);
      head.setEvents(common.events());
      head.setEventsCleared(common.events());
      head.requireFor(common);
      bitmap = Optional.of(head);
    }
    List<List<Creation.Placed>> made = new ArrayList<>();
    for (int number = 0; number < members + spares; number++) {
      Superblock block = common.copy();
      block.setNumber(number);
      block.setDeviceUuid(new UUID(0x4000L, 0x8000_0000_0000_0000L | number));
      byte[] image = Arrays.copyOf(block.encode(), Superblock.BYTES);
      Superblock checked = Superblock.parse(image, minor, atBytes);
      made.add(new Creation.Member(checked, bitmap).writes());
    }
    return made;
  }
}
