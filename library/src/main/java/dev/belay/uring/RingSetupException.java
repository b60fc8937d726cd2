// SPDX-License-Identifier: Apache-2.0
package dev.belay.uring;

import java.io.IOException;

/** There is no ring to be had: says why in a sentence, and keeps the kernel's error number. */
public final class RingSetupException extends IOException {
  private static final long serialVersionUID = 1L;

  private final int errno;

  /**
   * @param errno the positive error number of io_uring_setup(2) or of mapping its rings
   */
  RingSetupException(int errno) {
    super(UringSupport.sentence(errno, UringSupport.currentDisabledSetting()));
    this.errno = errno;
  }

  /** The positive error number, see {@link Errno}. */
  public int errno() {
    return errno;
  }
}
