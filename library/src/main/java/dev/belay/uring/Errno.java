// SPDX-License-Identifier: Apache-2.0
package dev.belay.uring;

import java.util.Arrays;

/**
 * Linux error numbers: the ones that a program meets in block I/O, by name and as a sentence.
 *
 * <p>The constants are positive, as in errno.h; calls in this package return them negated, and
 * {@link #name} and {@link #sentence} take either sign. The numbers are those of
 * include/uapi/asm-generic/errno-base.h and errno.h, which x86_64 and aarch64 share. All methods
 * are pure.
 */
public final class Errno {
  public static final int EPERM = 1;
  public static final int ENOENT = 2;
  public static final int EINTR = 4;
  public static final int EIO = 5;
  public static final int ENXIO = 6;
  public static final int E2BIG = 7;
  public static final int EBADF = 9;
  public static final int EAGAIN = 11;
  public static final int ENOMEM = 12;
  public static final int EACCES = 13;
  public static final int EFAULT = 14;
  public static final int ENOTBLK = 15;
  public static final int EBUSY = 16;
  public static final int EEXIST = 17;
  public static final int EXDEV = 18;
  public static final int ENODEV = 19;
  public static final int ENOTDIR = 20;
  public static final int EISDIR = 21;
  public static final int EINVAL = 22;
  public static final int ENFILE = 23;
  public static final int EMFILE = 24;
  public static final int ENOTTY = 25;
  public static final int ETXTBSY = 26;
  public static final int EFBIG = 27;
  public static final int ENOSPC = 28;
  public static final int ESPIPE = 29;
  public static final int EROFS = 30;
  public static final int EPIPE = 32;
  public static final int ERANGE = 34;
  public static final int EDEADLK = 35;
  public static final int ENAMETOOLONG = 36;
  public static final int ENOSYS = 38;
  public static final int ENOTEMPTY = 39;
  public static final int ELOOP = 40;
  public static final int EBADE = 52;
  public static final int EBADR = 53;
  public static final int ENODATA = 61;
  public static final int ETIME = 62;
  public static final int ENOLINK = 67;
  public static final int EPROTO = 71;
  public static final int EBADMSG = 74;
  public static final int EOVERFLOW = 75;
  public static final int EILSEQ = 84;
  public static final int ERESTART = 85;
  public static final int EMSGSIZE = 90;
  public static final int EOPNOTSUPP = 95;
  public static final int EAFNOSUPPORT = 97;
  public static final int EADDRINUSE = 98;
  public static final int EADDRNOTAVAIL = 99;
  public static final int ENETUNREACH = 101;
  public static final int ECONNABORTED = 103;
  public static final int ECONNRESET = 104;
  public static final int ENOBUFS = 105;
  public static final int ENOTCONN = 107;
  public static final int ESHUTDOWN = 108;
  public static final int ETIMEDOUT = 110;
  public static final int ECONNREFUSED = 111;
  public static final int EHOSTUNREACH = 113;
  public static final int EALREADY = 114;
  public static final int EINPROGRESS = 115;
  public static final int ESTALE = 116;
  public static final int EUCLEAN = 117;
  public static final int EREMOTEIO = 121;
  public static final int EDQUOT = 122;
  public static final int ENOMEDIUM = 123;
  public static final int EMEDIUMTYPE = 124;
  public static final int ECANCELED = 125;
  public static final int EOWNERDEAD = 130;
  public static final int EHWPOISON = 133;

  /** One line an error: number, name, words. */
  private static final String TEXT =
      """
      1 EPERM operation not permitted: a privilege or a sandbox rule forbids it
      2 ENOENT no such file, or no such request
      4 EINTR interrupted by a signal
      5 EIO input/output error: the device failed the request
      6 ENXIO no such device or address
      7 E2BIG the argument list is too long
      9 EBADF bad file descriptor, or one opened for the other direction
      11 EAGAIN the resource is temporarily unavailable: try again
      12 ENOMEM out of memory, or above the limit on locked memory (ulimit -l)
      13 EACCES permission denied
      14 EFAULT bad address: the buffer is not mapped memory
      15 ENOTBLK a block device is required
      16 EBUSY the device or resource is busy
      17 EEXIST it exists already
      18 EXDEV that crosses devices
      19 ENODEV no such device
      20 ENOTDIR not a directory
      21 EISDIR it is a directory
      22 EINVAL invalid argument (for direct I/O: an offset, a length or a buffer is not aligned)
      23 ENFILE too many open files in the system
      24 EMFILE too many open files in this program (ulimit -n)
      25 ENOTTY the device does not know this control request
      26 ETXTBSY the file is a running program
      27 EFBIG the file would become too large
      28 ENOSPC no space left on the device
      29 ESPIPE it cannot seek: a pipe or a socket
      30 EROFS the file system is read-only
      32 EPIPE broken pipe: the reader is gone
      34 ERANGE the number is out of range
      35 EDEADLK waiting would deadlock
      36 ENAMETOOLONG the file name is too long
      38 ENOSYS the kernel does not have this call
      39 ENOTEMPTY the directory is not empty
      40 ELOOP too many levels of symbolic links
      52 EBADE invalid exchange: reservation conflict
      53 EBADR the request is bad (of a ring: the kernel lost completions for want of memory)
      61 ENODATA the medium has no readable data there
      62 ETIME the timer expired
      67 ENOLINK the link to the device is severed
      71 EPROTO protocol error
      74 EBADMSG bad message: a protected block failed its check
      75 EOVERFLOW the value is too large for its type
      84 EILSEQ illegal byte sequence: a protected block failed its check
      85 ERESTART interrupted, to be restarted
      90 EMSGSIZE the message is too long
      95 EOPNOTSUPP the operation is not supported there
      97 EAFNOSUPPORT that kind of address is not supported here
      98 EADDRINUSE the address is in use
      99 EADDRNOTAVAIL the address is not one of this machine
      101 ENETUNREACH there is no way to that network
      103 ECONNABORTED the connection was given up
      104 ECONNRESET the peer reset the connection
      105 ENOBUFS no buffer space is available
      107 ENOTCONN not connected
      108 ESHUTDOWN the transport is shut down
      110 ETIMEDOUT timed out
      111 ECONNREFUSED the connection was refused
      113 EHOSTUNREACH there is no way to that host
      114 EALREADY the operation has started and can no longer be stopped
      115 EINPROGRESS the operation is in progress
      116 ESTALE stale file: the server no longer knows it
      117 EUCLEAN the structure on the device needs cleaning
      121 EREMOTEIO the remote side failed the request
      122 EDQUOT the disk quota is used up
      123 ENOMEDIUM there is no medium
      124 EMEDIUMTYPE the wrong type of medium
      125 ECANCELED cancelled, as asked
      130 EOWNERDEAD the owner died
      133 EHWPOISON a memory page has a hardware error
      """;

  /** Name, a blank, and words; indexed by number; empty where the list has no entry. */
  private static final String[] LINES = lines();

  private Errno() {}

  /**
   * The symbolic name of an error number.
   *
   * @param errno an error number or its negation
   * @return for instance "ECANCELED"; "errno 999" where the number is not in the list
   */
  public static String name(int errno) {
    int number = Math.abs(errno);
    String line = line(number);
    return line.isEmpty() ? "errno " + number : line.substring(0, line.indexOf(' '));
  }

  /**
   * An error number as words to show a person.
   *
   * @param errno an error number or its negation
   * @return for instance "no space left on the device (ENOSPC)"
   */
  public static String sentence(int errno) {
    String line = line(Math.abs(errno));
    return line.isEmpty()
        ? "unknown error (" + name(errno) + ")"
        : line.substring(line.indexOf(' ') + 1) + " (" + name(errno) + ")";
  }

  private static String line(int number) {
    return number > 0 && number < LINES.length ? LINES[number] : "";
  }

  private static String[] lines() {
    String[] lines = new String[134];
    Arrays.fill(lines, "");
    for (String line : TEXT.lines().toList()) {
      int blank = line.indexOf(' ');
      lines[Integer.parseInt(line, 0, blank, 10)] = line.substring(blank + 1);
    }
    return lines;
  }
}
