// SPDX-License-Identifier: Apache-2.0
package dev.belay.uring;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Which file systems can make a system call wait for somebody else's program or machine: a server
 * across the network, or one in user space.
 *
 * <p>Such a call may never return. The kernel makes some of them inline, in io_uring_enter itself
 * (a direct transfer of FUSE whose queue is full), and the others in the workers of the ring, of
 * which there are four a processor for all its files: eight requests that hang are enough to keep
 * everybody's flush waiting.
 *
 * <p>Numbers from include/uapi/linux/magic.h and the file systems' own sources.
 */
public final class FileSystems {
  private static final int STATFS_BYTES = 120;

  private FileSystems() {}

  /**
   * Why an open file may hang: the name of its file system; empty if it is on a local disk or in
   * memory. One that is not known here may hang. Any thread.
   */
  public static String mayHang(int fd) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment facts = arena.allocate(STATFS_BYTES, 8);
      int result = Kernel.fstatfs(fd, facts.address());
      if (result < 0) {
        return "one that does not say what it is (" + Errno.sentence(result) + ")";
      }
      return mayHangByType(facts.get(ValueLayout.JAVA_INT, 0));
    }
  }

  /** The same by the type that statfs(2) says. */
  static String mayHangByType(int type) {
    return switch (type) {
      case 0xef53, // ext2, ext3, ext4
          0x58465342, // xfs
          0x9123683e, // btrfs
          0xf2f52010, // f2fs
          0xca451a4e, // bcachefs
          0x2fc12fc1, // zfs
          0x3153464a, // jfs
          0x3434, // nilfs
          0x4d44, // vfat
          0x2011bab0, // exfat
          0x7366746e, // ntfs3
          0x482b, // hfsplus
          0x9660, // isofs
          0x15013346, // udf
          0x73717368, // squashfs
          0xe0f5e1e2, // erofs
          0x01021994, // tmpfs
          0x858458f6, // ramfs
          0x958458f6 // hugetlbfs
          ->
          "";
      case 0x65735546 -> "FUSE";
      case 0x6969 -> "NFS";
      case 0x517b, 0xff534d42, 0xfe534d42 -> "SMB";
      case 0x01021997 -> "9p";
      case 0x00c36400 -> "Ceph";
      case 0x5346414f, 0x6b414653 -> "AFS";
      case 0x0bd00bd0 -> "Lustre";
      case 0x01161970 -> "GFS2";
      case 0x7461636f -> "OCFS2";
      case 0x794c7630 -> "overlay";
      default -> "of the unknown type %#x".formatted(type);
    };
  }
}
