// SPDX-License-Identifier: Apache-2.0
package dev.belay.uring;

import java.util.ArrayList;
import java.util.List;

/**
 * The numbers of io_uring's interface, from include/uapi/linux/io_uring.h, under their names there
 * without the prefix. All methods are pure.
 */
public final class Abi {
  public static final int SETUP_CQSIZE = 1 << 3;
  public static final int SETUP_CLAMP = 1 << 4;
  public static final int SETUP_R_DISABLED = 1 << 6;
  public static final int SETUP_SUBMIT_ALL = 1 << 7;
  public static final int SETUP_COOP_TASKRUN = 1 << 8;
  public static final int SETUP_TASKRUN_FLAG = 1 << 9;
  public static final int SETUP_SINGLE_ISSUER = 1 << 12;
  public static final int SETUP_DEFER_TASKRUN = 1 << 13;
  public static final int SETUP_NO_SQARRAY = 1 << 16;

  public static final int FEAT_SINGLE_MMAP = 1;
  public static final int FEAT_NODROP = 1 << 1;
  public static final int FEAT_EXT_ARG = 1 << 8;

  /** The descriptor of an entry is an index into the registered files. */
  public static final int SQE_FIXED_FILE = 1;

  /** Starts after all earlier entries have completed. */
  public static final int SQE_IO_DRAIN = 1 << 1;

  /** The next entry starts only after this one succeeded; else it completes with ECANCELED. */
  public static final int SQE_IO_LINK = 1 << 2;

  /** As {@link #SQE_IO_LINK}, but the next one starts also after a failure. */
  public static final int SQE_IO_HARDLINK = 1 << 3;

  /** A worker of the kernel runs the entry; the submitter does not try it inline first. */
  public static final int SQE_ASYNC = 1 << 4;

  public static final int SQE_CQE_SKIP_SUCCESS = 1 << 6;

  /** More completions of the same entry follow. */
  public static final int CQE_F_MORE = 1 << 1;

  /** Of a receive: the socket holds more. */
  public static final int CQE_F_SOCK_NONEMPTY = 1 << 2;

  public static final int CANCEL_ALL = 1;
  public static final int CANCEL_FD = 1 << 1;
  public static final int CANCEL_ANY = 1 << 2;
  public static final int CANCEL_FD_FIXED = 1 << 3;

  public static final int FSYNC_DATASYNC = 1;
  public static final int POLL_ADD_MULTI = 1;
  public static final int POLLIN = 1;
  public static final int POLLERR = 1 << 3;
  public static final int POLLHUP = 1 << 4;
  public static final int POLLRDHUP = 1 << 13;

  static final int ENTER_GETEVENTS = 1;
  static final int ENTER_EXT_ARG = 1 << 3;
  static final int ENTER_REGISTERED_RING = 1 << 4;

  static final int SQ_CQ_OVERFLOW = 1 << 1;
  static final int SQ_TASKRUN = 1 << 2;

  static final int RSRC_REGISTER_SPARSE = 1;

  static final int REGISTER_BUFFERS = 0;
  static final int UNREGISTER_BUFFERS = 1;
  static final int REGISTER_FILES = 2;
  static final int UNREGISTER_FILES = 3;
  static final int REGISTER_EVENTFD = 4;
  static final int UNREGISTER_EVENTFD = 5;
  static final int REGISTER_FILES_UPDATE = 6;
  static final int REGISTER_PROBE = 8;
  static final int REGISTER_ENABLE_RINGS = 12;
  static final int REGISTER_BUFFERS2 = 15;
  static final int REGISTER_BUFFERS_UPDATE = 16;
  static final int REGISTER_IOWQ_MAX_WORKERS = 19;
  static final int REGISTER_RING_FDS = 20;
  static final int UNREGISTER_RING_FDS = 21;

  public static final int OP_NOP = 0;
  public static final int OP_READV = 1;
  public static final int OP_WRITEV = 2;
  public static final int OP_FSYNC = 3;
  public static final int OP_READ_FIXED = 4;
  public static final int OP_WRITE_FIXED = 5;
  public static final int OP_POLL_ADD = 6;
  public static final int OP_SENDMSG = 9;
  public static final int OP_ACCEPT = 13;
  public static final int OP_ASYNC_CANCEL = 14;
  public static final int OP_CONNECT = 16;
  public static final int OP_FALLOCATE = 17;
  public static final int OP_READ = 22;
  public static final int OP_WRITE = 23;
  public static final int OP_SEND = 26;
  public static final int OP_RECV = 27;

  private static final String[] SETUP_NAMES =
      words(
          "IOPOLL SQPOLL SQ_AFF CQSIZE CLAMP ATTACH_WQ R_DISABLED SUBMIT_ALL COOP_TASKRUN"
              + " TASKRUN_FLAG SQE128 CQE32 SINGLE_ISSUER DEFER_TASKRUN NO_MMAP"
              + " REGISTERED_FD_ONLY NO_SQARRAY HYBRID_IOPOLL");

  private static final String[] FEATURE_NAMES =
      words(
          "SINGLE_MMAP NODROP SUBMIT_STABLE RW_CUR_POS CUR_PERSONALITY FAST_POLL POLL_32BITS"
              + " SQPOLL_NONFIXED EXT_ARG NATIVE_WORKERS RSRC_TAGS CQE_SKIP LINKED_FILE"
              + " REG_REG_RING RECVSEND_BUNDLE MIN_TIMEOUT RW_ATTR NO_IOWAIT");

  private static final String[] OP_NAMES =
      words(
          "NOP READV WRITEV FSYNC READ_FIXED WRITE_FIXED POLL_ADD POLL_REMOVE SYNC_FILE_RANGE"
              + " SENDMSG RECVMSG TIMEOUT TIMEOUT_REMOVE ACCEPT ASYNC_CANCEL LINK_TIMEOUT CONNECT"
              + " FALLOCATE OPENAT CLOSE FILES_UPDATE STATX READ WRITE FADVISE MADVISE SEND RECV"
              + " OPENAT2 EPOLL_CTL SPLICE PROVIDE_BUFFERS REMOVE_BUFFERS TEE SHUTDOWN RENAMEAT"
              + " UNLINKAT MKDIRAT SYMLINKAT LINKAT MSG_RING FSETXATTR SETXATTR FGETXATTR GETXATTR"
              + " SOCKET URING_CMD SEND_ZC SENDMSG_ZC READ_MULTISHOT WAITID FUTEX_WAIT FUTEX_WAKE"
              + " FUTEX_WAITV FIXED_FD_INSTALL FTRUNCATE BIND LISTEN RECV_ZC EPOLL_WAIT"
              + " READV_FIXED WRITEV_FIXED PIPE");

  private Abi() {}

  /** The names of the bits of set-up flags; a bit without a known name becomes "bit 27". */
  public static List<String> setupNames(int flags) {
    return bitNames(flags, SETUP_NAMES);
  }

  /** The names of the bits of a ring's features. */
  public static List<String> featureNames(int features) {
    return bitNames(features, FEATURE_NAMES);
  }

  /** The name of an operation, 0..255; "op 200" where it is not known here. */
  public static String opName(int op) {
    return op >= 0 && op < OP_NAMES.length ? OP_NAMES[op] : "op " + op;
  }

  private static List<String> bitNames(int bits, String[] names) {
    List<String> found = new ArrayList<>();
    for (int bit = 0; bit < Integer.SIZE; bit++) {
      if (((bits >>> bit) & 1) != 0) {
        found.add(bit < names.length ? names[bit] : "bit " + bit);
      }
    }
    return List.copyOf(found);
  }

  private static String[] words(String text) {
    return text.split(" ", -1);
  }
}
