// SPDX-License-Identifier: Apache-2.0
package dev.belay;

import java.util.Map;

/** The error numbers of Linux that a stack gives or meets, with their names and meanings. */
public final class Errno {
  public static final int EPERM = 1;
  public static final int ENOENT = 2;
  public static final int EINTR = 4;
  public static final int EIO = 5;
  public static final int ENXIO = 6;
  public static final int EBADF = 9;
  public static final int EAGAIN = 11;
  public static final int ENOMEM = 12;
  public static final int EACCES = 13;
  public static final int EFAULT = 14;
  public static final int EBUSY = 16;
  public static final int EEXIST = 17;
  public static final int ENODEV = 19;
  public static final int ENOTDIR = 20;
  public static final int EISDIR = 21;
  public static final int EINVAL = 22;
  public static final int EMFILE = 24;
  public static final int ENOTTY = 25;
  public static final int EFBIG = 27;
  public static final int ENOSPC = 28;
  public static final int EROFS = 30;
  public static final int EPIPE = 32;
  public static final int ENOSYS = 38;
  public static final int ENODATA = 61;
  public static final int ETIME = 62;
  public static final int EPROTO = 71;
  public static final int EOVERFLOW = 75;
  public static final int EOPNOTSUPP = 95;
  public static final int ECONNRESET = 104;
  public static final int ENOTCONN = 107;
  public static final int ESHUTDOWN = 108;
  public static final int ETIMEDOUT = 110;
  public static final int ECONNREFUSED = 111;
  public static final int EALREADY = 114;
  public static final int EDQUOT = 122;
  public static final int ECANCELED = 125;

  private static final Map<Integer, String> NAMES =
      Map.ofEntries(
          Map.entry(EPERM, "EPERM: operation not permitted"),
          Map.entry(ENOENT, "ENOENT: no such file or directory"),
          Map.entry(EINTR, "EINTR: interrupted by a signal"),
          Map.entry(EIO, "EIO: input/output error"),
          Map.entry(ENXIO, "ENXIO: no such device or address"),
          Map.entry(EBADF, "EBADF: the file is not open for this"),
          Map.entry(EAGAIN, "EAGAIN: not now, try again"),
          Map.entry(ENOMEM, "ENOMEM: not enough memory, or over the memlock limit"),
          Map.entry(EACCES, "EACCES: permission denied"),
          Map.entry(EFAULT, "EFAULT: bad address"),
          Map.entry(EBUSY, "EBUSY: device or resource busy"),
          Map.entry(EEXIST, "EEXIST: it exists already"),
          Map.entry(ENODEV, "ENODEV: no such device"),
          Map.entry(ENOTDIR, "ENOTDIR: not a directory"),
          Map.entry(EISDIR, "EISDIR: is a directory"),
          Map.entry(EINVAL, "EINVAL: invalid argument"),
          Map.entry(EMFILE, "EMFILE: too many open files"),
          Map.entry(ENOTTY, "ENOTTY: not that kind of device"),
          Map.entry(EFBIG, "EFBIG: file too large"),
          Map.entry(ENOSPC, "ENOSPC: no space left on device"),
          Map.entry(EROFS, "EROFS: read-only file system"),
          Map.entry(EPIPE, "EPIPE: the peer is gone"),
          Map.entry(ENOSYS, "ENOSYS: the kernel does not have this"),
          Map.entry(ENODATA, "ENODATA: no data"),
          Map.entry(ETIME, "ETIME: timer expired"),
          Map.entry(EPROTO, "EPROTO: the peer broke the protocol"),
          Map.entry(EOVERFLOW, "EOVERFLOW: value too large"),
          Map.entry(EOPNOTSUPP, "EOPNOTSUPP: operation not supported"),
          Map.entry(ECONNRESET, "ECONNRESET: the peer reset the connection"),
          Map.entry(ENOTCONN, "ENOTCONN: not connected"),
          Map.entry(ESHUTDOWN, "ESHUTDOWN: it is shut down"),
          Map.entry(ETIMEDOUT, "ETIMEDOUT: timed out"),
          Map.entry(ECONNREFUSED, "ECONNREFUSED: the connection was refused"),
          Map.entry(EALREADY, "EALREADY: already under way"),
          Map.entry(EDQUOT, "EDQUOT: disk quota exceeded"),
          Map.entry(ECANCELED, "ECANCELED: cancelled"));

  private Errno() {}

  /** Name and meaning of a positive error number: {@code "ENOSPC: no space left on device"}. */
  public static String describe(int errno) {
    String name = NAMES.get(errno);
    return name == null ? "errno " + errno : name;
  }
}
