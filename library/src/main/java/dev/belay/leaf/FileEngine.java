// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import dev.belay.Device;
import dev.belay.Loop;
import dev.belay.uring.UringSupport;
import java.io.IOException;

/** What does a file's I/O. */
public enum FileEngine {
  /** Io_uring, and where there is none, threads. */
  AUTO,
  /** {@link UringFile}. */
  URING,
  /** {@link ThreadFile}. */
  THREADS;

  public static final int DEFAULT_THREADS = 16;
  public static final int DEFAULT_THREADS_DEPTH = 32;

  /**
   * Opens a file or block device, before the loop starts. Where AUTO falls back on threads, the
   * device's status says why.
   *
   * @param tuning for io_uring
   * @param depth for threads: how many requests may be with them
   * @param threads for threads: how many of those may be in a call
   * @throws IOException with a sentence that says what is in the way
   */
  public Device open(Loop loop, FileOptions options, UringTuning tuning, int depth, int threads)
      throws IOException {
    String why = "";
    if (this != THREADS) {
      why = UringPoller.tryOn(loop);
      if (why.isEmpty()) {
        return UringFile.open(loop, options, tuning);
      }
      if (this == URING) {
        throw new IOException(
            "%s cannot be opened with engine=uring: %s; engine=auto would use threads"
                .formatted(options.path(), why));
      }
    }
    ThreadFile file = ThreadFile.open(loop, options, depth, threads);
    file.setReason(why);
    return file;
  }

  /** The same with everything as it usually is. */
  public Device open(Loop loop, FileOptions options) throws IOException {
    return open(loop, options, UringTuning.DEFAULT, DEFAULT_THREADS_DEPTH, DEFAULT_THREADS);
  }

  /** What AUTO would choose here, and why: one line. Any thread. */
  public static String choice() {
    UringSupport support = UringSupport.look();
    return support.usable()
        ? "files by io_uring: " + support.sentence()
        : "files by threads, because " + support.sentence();
  }
}
