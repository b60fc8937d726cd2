// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import dev.belay.Device;
import dev.belay.Loop;
import dev.belay.uring.Kernel;
import dev.belay.uring.UringSupport;
import java.io.IOException;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/** What does a file's I/O. */
public enum FileEngine {
  /** Io_uring; threads where there is none, and for file systems that can hang. */
  AUTO,
  /** {@link UringFile}. */
  URING,
  /** {@link ThreadFile}. */
  THREADS;

  public static final int DEFAULT_THREADS = 16;
  public static final int DEFAULT_THREADS_DEPTH = 32;

  /** What the log says once for a program, and not for each file. */
  private static final Set<String> SAID = ConcurrentHashMap.newKeySet();

  /**
   * Opens a file or block device, before the loop starts. Where AUTO chooses threads, the device's
   * status says why; where that is for want of io_uring or of native access, so does the log, once.
   *
   * @param tuning for io_uring
   * @param depth for threads: how many requests may be with them
   * @param threads for threads: how many of those may be in a call
   * @throws IOException with a sentence that says what is in the way
   */
  public Device open(Loop loop, FileOptions options, UringTuning tuning, int depth, int threads)
      throws IOException {
    if (this == THREADS) {
      return ThreadFile.open(loop, options, depth, threads);
    }
    String lacking = UringPoller.tryOn(loop);
    if (lacking.isEmpty()) {
      NativeFile file = NativeFile.open(options);
      if (this == URING || file.mayHang().isEmpty()) {
        return UringFile.over(loop, file, options, tuning);
      }
      return new ThreadFile(loop, file, options, depth, threads)
          .because("its file system is " + file.mayHang() + ", which can hang");
    }
    if (this == URING) {
      throw new IOException(
          "%s cannot be opened with engine=uring: %s; engine=auto would use threads"
              .formatted(options.path(), lacking));
    }
    ThreadFile file = ThreadFile.open(loop, options, depth, threads).because(lacking);
    if (SAID.add(lacking)) {
      String instead =
          Kernel.available() ? "by threads" : "by threads and through the page cache, never direct";
      System.getLogger("dev.belay")
          .log(
              System.Logger.Level.WARNING,
              "files are read and written " + instead + ": " + lacking);
    }
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
