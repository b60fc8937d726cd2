// SPDX-License-Identifier: Apache-2.0
package dev.belay.nbd;

import dev.belay.Errno;

/** Error numbers of Linux to those eight that the protocol knows, and back. */
public final class NbdErrors {
  private NbdErrors() {}

  /**
   * What to answer for an error of a device. ENOTSUP and EOVERFLOW are for special cases of the
   * protocol, said by {@link RequestHeader} and by who serves; a device's own become EINVAL.
   *
   * @param errno positive
   * @return one of the E constants of {@link Nbd}
   */
  public static int ofErrno(int errno) {
    return switch (errno) {
      case Errno.EPERM, Errno.EROFS, Errno.EACCES -> Nbd.EPERM;
      case Errno.ENOMEM -> Nbd.ENOMEM;
      case Errno.EINVAL, Errno.EOPNOTSUPP, Errno.EOVERFLOW, Errno.ENOSYS -> Nbd.EINVAL;
      case Errno.ENOSPC, Errno.EDQUOT, Errno.EFBIG -> Nbd.ENOSPC;
      case Nbd.ESHUTDOWN -> Nbd.ESHUTDOWN;
      default -> Nbd.EIO;
    };
  }

  /**
   * The error number of Linux for one that a server sent. The allowed ones are equal; any other is
   * EINVAL, as the text wants.
   *
   * @param error not 0
   */
  public static int toErrno(int error) {
    return switch (error) {
      case Nbd.EPERM,
          Nbd.EIO,
          Nbd.ENOMEM,
          Nbd.EINVAL,
          Nbd.ENOSPC,
          Nbd.EOVERFLOW,
          Nbd.ENOTSUP,
          Nbd.ESHUTDOWN ->
          error;
      default -> Errno.EINVAL;
    };
  }

  /** {@code "ESHUTDOWN: the server is being shut down"}, or {@code "error 77"}. */
  public static String describe(int error) {
    return switch (error) {
      case Nbd.EPERM -> "EPERM: operation not permitted";
      case Nbd.EIO -> "EIO: input/output error";
      case Nbd.ENOMEM -> "ENOMEM: not enough memory";
      case Nbd.EINVAL -> "EINVAL: invalid argument";
      case Nbd.ENOSPC -> "ENOSPC: no space left on device";
      case Nbd.EOVERFLOW -> "EOVERFLOW: value too large";
      case Nbd.ENOTSUP -> "ENOTSUP: operation not supported";
      case Nbd.ESHUTDOWN -> "ESHUTDOWN: the server is being shut down";
      default -> "error " + Integer.toUnsignedString(error);
    };
  }
}
