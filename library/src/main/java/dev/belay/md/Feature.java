// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

/** The bits of a superblock's feature map, as {@code md_p.h} of Linux numbers them. */
public enum Feature {
  /** There is an internal write-intent bitmap, and the superblock says where. */
  BITMAP(0, "a write-intent bitmap"),
  /** The member is being rebuilt and is right only before its recovery offset. */
  RECOVERY(1, "a recovery offset"),
  /** The array is being reshaped. */
  RESHAPE(2, "a reshape in progress"),
  /** The log of bad blocks is not empty. */
  BAD_BLOCKS(3, "bad blocks"),
  /** The member is taking over the role of another that is still active. */
  REPLACEMENT(4, "a replacement"),
  /** The reshape runs from the end to the beginning. */
  RESHAPE_BACKWARDS(5, "a reshape in progress"),
  /** The reshape moves the beginning of the members' contents. */
  NEW_OFFSET(6, "a reshape in progress"),
  /** The rebuild is a catching up, guided by the bitmap. */
  RECOVERY_BITMAP(7, "a recovery guided by the bitmap"),
  /** The bitmap belongs to a cluster of hosts. */
  CLUSTERED(8, "a clustered bitmap"),
  /** One of the members is a write journal. */
  JOURNAL(9, "a write journal"),
  /** There is a partial parity log, and the superblock says where. */
  PPL(10, "a partial parity log"),
  /**
   * The place of the partial parity log is large enough for several, written in turn; the kernel
   * sets this instead of {@link #PPL}, and on all arrays that mdadm makes with such a log.
   */
  MULTIPLE_PPLS(11, "multiple partial parity logs"),
  /** The layout of a RAID 0 means something. */
  RAID0_LAYOUT(12, "a layout of RAID 0");

  private final int bit;
  private final String words;

  Feature(int bit, String words) {
    this.bit = bit;
    this.words = words;
  }

  /** The bit in the map. */
  public int mask() {
    return 1 << bit;
  }

  /** As a sentence has it. */
  public String words() {
    return words;
  }

  /** All the bits that are known. */
  static int known() {
    int all = 0;
    for (Feature feature : values()) {
      all |= feature.mask();
    }
    return all;
  }
}
