// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import java.util.Optional;

/** The levels of Linux md that Belay knows, by the number that a superblock has for each. */
public enum Level {
  RAID0(0),
  RAID1(1),
  RAID4(4),
  RAID5(5),
  RAID6(6),
  RAID10(10);

  private final int number;

  Level(int number) {
    this.number = number;
  }

  /** The number of a level in a superblock; none for one that is not known here. */
  public static Optional<Level> of(int number) {
    for (Level level : values()) {
      if (level.number == number) {
        return Optional.of(level);
      }
    }
    return Optional.empty();
  }

  /** As a superblock has it. */
  public int number() {
    return number;
  }

  /** As mdadm and a stack expression have it: {@code raid5}. */
  public String word() {
    return "raid" + number;
  }

  /** How many members of a row hold parity: one, two for RAID 6, none for those without. */
  public int parities() {
    return switch (this) {
      case RAID4, RAID5 -> 1;
      case RAID6 -> 2;
      case RAID0, RAID1, RAID10 -> 0;
    };
  }
}
