// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.md.DirectIo;
import dev.belay.md.MemberContents;
import dev.belay.md.MetadataException;
import dev.belay.md.Superblock;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;

/** What a device holds before it becomes a member: whoever has something there is asked first. */
final class MdSigns {
  private static final int MD_MAGIC = 0xa92b4efc;
  private static final int SECTOR = 512;

  /** What is known by the bytes at a place, and its name. */
  private record Sign(String what, long atBytes, String text) {
    byte[] bytes() {
      return text.getBytes(StandardCharsets.ISO_8859_1);
    }
  }

  private static final List<Sign> SIGNS =
      List.of(
          new Sign("an ext2, ext3 or ext4 file system", 1080, "S\u00ef"),
          new Sign("an XFS file system", 0, "XFSB"),
          new Sign("a btrfs file system", 65600, "_BHRfS_M"),
          new Sign("a LUKS volume", 0, "LUKS\u00ba\u00be"),
          new Sign("an LVM volume", 512, "LABELONE"),
          new Sign("a swap area", 4086, "SWAPSPACE2"),
          new Sign("a partition table (GPT)", 512, "EFI PART"),
          new Sign("a partition table", 510, "U\u00aa"));

  private MdSigns() {}

  /** Where superblocks of all kinds would lie on a device of this size. */
  private static List<Long> places(long deviceBytes) throws MetadataException {
    return List.of(
        Superblock.placeBytes(0, deviceBytes),
        Superblock.placeBytes(1, deviceBytes),
        Superblock.placeBytes(2, deviceBytes),
        Superblock.oldPlaceBytes(deviceBytes));
  }

  private static boolean hasSuperblock(DirectIo io, long atBytes) throws IOException {
    return atBytes >= 0
        && atBytes <= io.sizeBytes() - SECTOR
        && ByteBuffer.wrap(io.read(atBytes, 4)).order(ByteOrder.LITTLE_ENDIAN).getInt() == MD_MAGIC;
  }

  /**
   * Says what would be lost if the device became a member.
   *
   * @return a sentence; empty if nothing is known there
   */
  static String found(MemberContents member, DirectIo io) throws IOException {
    Superblock block = member.superblock();
    if (block != null) {
      return "it is a member of the array %s (\"%s\", %s, made %s)"
          .formatted(
              Superblock.text(block.uuid()),
              block.name(),
              MdText.level(block),
              MdText.time(block.createdSeconds()));
    }
    try {
      for (long at : places(member.deviceBytes())) {
        if (hasSuperblock(io, at)) {
          return "it has a superblock of md that cannot be relied upon: " + member.problem();
        }
      }
    } catch (MetadataException e) {
      throw new IOException(member.name() + ": " + e.getMessage());
    }
    for (Sign sign : SIGNS) {
      int length = sign.text.length();
      if (sign.atBytes + length <= io.sizeBytes()
          && Arrays.equals(io.read(sign.atBytes, length), sign.bytes())) {
        return "it has " + sign.what;
      }
    }
    return "";
  }

  /**
   * Makes all superblocks unreadable but that of one minor version, which is about to be written.
   *
   * @param minor the one to be left; -1 for none
   * @return how many there were
   */
  static int wipe(DirectIo io, int minor) throws IOException {
    int wiped = 0;
    try {
      List<Long> places = places(io.sizeBytes());
      for (int i = 0; i < places.size(); i++) {
        long at = places.get(i);
        if (i != minor && hasSuperblock(io, at)) {
          io.write(at, new byte[(int) Math.min(Superblock.BYTES, io.sizeBytes() - at)]);
          wiped++;
        }
      }
    } catch (MetadataException e) {
      return wiped; // too small for a superblock
    }
    return wiped;
  }
}
