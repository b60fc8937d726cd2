// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.md.BitmapHead;
import dev.belay.md.CopiesLayout;
import dev.belay.md.Level;
import dev.belay.md.ParityLayout;
import dev.belay.md.Superblock;
import dev.belay.md.ZonesLayout;
import java.time.Instant;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.util.List;
import java.util.Locale;

/** What md's numbers are called where people read them; mdadm's words. */
final class MdText {
  /** As ctime(3) has it. */
  private static final DateTimeFormatter TIME =
      DateTimeFormatter.ofPattern("EEE MMM ppd HH:mm:ss yyyy", Locale.ENGLISH);

  private MdText() {}

  static String time(long seconds) {
    return TIME.format(Instant.ofEpochSecond(seconds).atZone(ZoneId.systemDefault()));
  }

  /** A size in both kinds of units: {@code (15.00 MiB 15.73 MB)}; nothing for a small one. */
  static String human(long bytes) {
    if (bytes < 5000L << 10) {
      return "";
    }
    double mib = bytes / 1048576.0;
    return bytes < 2L << 30
        ? " (%s MiB %s MB)".formatted(two(mib), two(bytes / 1e6))
        : bytes < 2L << 40
            ? " (%s GiB %s GB)".formatted(two(mib / 1024), two(bytes / 1e9))
            : " (%s TiB %s TB)".formatted(two(mib / 1048576), two(bytes / 1e12));
  }

  private static String two(double value) {
    return String.format(Locale.ROOT, "%.2f", value);
  }

  /** The level, and how many members it is good for: {@code raid5 of 3 members}. */
  static String level(Superblock array) {
    return array.level().word() + " of " + array.raidDevices() + " members";
  }

  /** The layout in mdadm's words; empty where the level has none. */
  static String layout(Superblock array) {
    int number = array.layout();
    return switch (array.level()) {
      case RAID1, RAID4 -> "";
      case RAID0 -> number == ZonesLayout.UNKNOWN ? "" : ZonesLayout.word(number);
      case RAID5, RAID6 -> ParityLayout.word(array.level(), number);
      case RAID10 -> copies(number);
    };
  }

  private static String copies(int number) {
    int near = number & 0xff;
    int far = number >> 8 & 0xff;
    String text = near == 1 && far > 1 ? "" : "near=" + near;
    if (far > 1) {
      String kind = (number & 1 << 16) != 0 ? "offset=" : "far=";
      text += (text.isEmpty() ? "" : ", ") + kind + far;
    }
    return text + (number >>> 17 == 0 ? "" : " (sets of " + near * far + ")");
  }

  /** The number of a layout by mdadm's word for it. */
  static int layout(Level level, String word) {
    return switch (level) {
      case RAID1, RAID4 ->
          throw new IllegalArgumentException(
              "a " + level.word() + " has no layouts: leave --layout away");
      case RAID0 -> ZonesLayout.number(word);
      case RAID5, RAID6 -> ParityLayout.number(level, word);
      case RAID10 -> CopiesLayout.number(word);
    };
  }

  /** A level as mdadm takes it: {@code 5}, {@code raid5}, {@code mirror}, {@code stripe}. */
  static Level level(String word) {
    String plain = word.toLowerCase(Locale.ROOT);
    return switch (plain) {
      case "0", "raid0", "stripe" -> Level.RAID0;
      case "1", "raid1", "mirror" -> Level.RAID1;
      case "4", "raid4" -> Level.RAID4;
      case "5", "raid5" -> Level.RAID5;
      case "6", "raid6" -> Level.RAID6;
      case "10", "raid10" -> Level.RAID10;
      default ->
          throw new IllegalArgumentException(
              "--level is 0, 1, 4, 5, 6 or 10, also written raid5, mirror or stripe, not " + word);
    };
  }

  /**
   * How much the array holds.
   *
   * @param members what its members say; all of them for RAID 0
   */
  static long arrayBytes(Superblock array, List<Superblock> members) {
    long used = array.usedBytes();
    return switch (array.level()) {
      case RAID0 -> {
        long chunk = array.chunkBytes();
        yield members.stream().mapToLong(m -> m.roomBytes() / chunk * chunk).sum();
      }
      case RAID1 -> used;
      case RAID4, RAID5, RAID6 -> used * (array.raidDevices() - array.level().parities());
      case RAID10 -> BitmapHead.syncBytes(array);
    };
  }

  /** How it is kept right after a crash, as mdadm has it. */
  static String policy(Superblock array) {
    if (array.level() == Level.RAID0) {
      return "none";
    }
    return array.bitmapAtBytes().isPresent()
        ? "bitmap"
        : array.pplAtBytes().isPresent() ? "ppl" : "resync";
  }

  /** The roles of the array, a sign each: A active, . missing, R replacing. */
  static String letters(Superblock array) {
    StringBuilder text = new StringBuilder();
    for (int role = 0; role < array.raidDevices(); role++) {
      int count = 0;
      for (int number = 0; number < array.slots(); number++) {
        count += array.role(number) == role ? 1 : 0;
      }
      text.append(count == 0 ? '.' : count == 1 ? 'A' : 'R');
    }
    return text.toString();
  }
}
