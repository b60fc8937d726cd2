// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import dev.belay.Bio;
import dev.belay.Errno;
import dev.belay.Extents.State;
import dev.belay.Parked;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;

/** What is looked at before a file is opened, and how one that cannot be used is turned down. */
final class FileChecks {
  private static final int TYPE_MASK = 0xf000;
  private static final int TYPE_BLOCK = 0x6000;

  private FileChecks() {}

  /**
   * Looks at what is there before it is opened: opening some things (a pipe) would not return.
   *
   * @throws IOException with a sentence, if it is nothing that can be used
   */
  static Path checkPath(FileOptions options) throws IOException {
    Path path;
    try {
      path = Path.of(options.path());
    } catch (InvalidPathException e) {
      throw new IOException("\"" + options.path() + "\" cannot be a path: " + e.getReason(), e);
    }
    if (options.hasSize() && options.sizeBytes() < 1) {
      throw new IOException("a file of " + options.sizeBytes() + " bytes is no device: make it 1M");
    }
    if (options.hasBlock() && Integer.bitCount(options.blockBytes()) != 1) {
      throw new IOException("a block is a power of two, not " + options.blockBytes() + " bytes");
    }
    if (!Files.exists(path)) {
      checkMissing(path, options);
    } else if (Files.isDirectory(path)) {
      throw new IOException(path + " is a directory: name a file in it, or a block device");
    } else if (!Files.isRegularFile(path) && !isBlockDevice(path)) {
      throw new IOException(path + " is neither a file nor a block device");
    } else if (!Files.isReadable(path)) {
      throw new IOException(path + " may not be read by this user: " + whoMay());
    } else if (!options.readOnly() && !Files.isWritable(path)) {
      throw new IOException(
          path + " may not be written by this user: open it with read-only=on, or " + whoMay());
    }
    return path;
  }

  private static String whoMay() {
    return "have its owner change its permissions (chmod)";
  }

  private static void checkMissing(Path path, FileOptions options) throws IOException {
    Path directory = path.toAbsolutePath().getParent();
    if (directory != null && !Files.isDirectory(directory)) {
      throw new IOException("there is no directory " + directory + " for the file " + path);
    }
    if (!options.hasSize() || options.readOnly()) {
      throw new IOException(
          "there is no file " + path + ": to have it made, say how large, as in size=1G");
    }
    if (directory != null && !Files.isWritable(directory)) {
      throw new IOException(
          "the file " + path + " cannot be made: this user may not write to " + directory);
    }
  }

  private static boolean isBlockDevice(Path path) throws IOException {
    try {
      int mode = (int) Files.getAttribute(path, "unix:mode");
      return (mode & TYPE_MASK) == TYPE_BLOCK;
    } catch (UnsupportedOperationException e) {
      return false;
    }
  }

  /** The same for an error number that the kernel answered, positive. */
  static IOException cannotOpen(Path path, int errno) {
    String remedy =
        errno == Errno.EROFS || errno == Errno.EACCES || errno == Errno.EPERM
            ? "; open it with read-only=on to only read it"
            : "";
    return new IOException(path + " cannot be opened: " + Errno.describe(errno) + remedy);
  }

  /** How much of a file is used, once it is as long as it is to be. */
  static long checkSize(Path path, FileOptions options, long actualBytes) throws IOException {
    long bytes = options.hasSize() ? options.sizeBytes() : actualBytes;
    if (actualBytes == 0) {
      throw new IOException(path + " is empty: say how large it is to be, as in size=1G");
    }
    if (bytes > actualBytes) {
      throw new IOException(
          path
              + " has "
              + actualBytes
              + " bytes and is not made longer to the "
              + bytes
              + " of size=: leave size= out, or name less");
    }
    return bytes;
  }

  /** Checks that the size is one of whole blocks. */
  static void checkBlocks(Path path, long sizeBytes, int blockBytes) throws IOException {
    if (sizeBytes % blockBytes != 0) {
      long whole = sizeBytes - sizeBytes % blockBytes;
      throw new IOException(
          String.format(
              "%s has %d bytes, which is not a multiple of its block, %d: give size=%d to use only"
                  + " a part of it, or direct=off and block=1",
              path, sizeBytes, blockBytes, Math.max(whole, blockBytes)));
    }
  }

  /** Fails what comes to a file that was closed: nothing of it was sent. */
  static void refuseClosed(Bio bio, String path) {
    bio.fail(Errno.EBADF, path + " is closed", State.CLEAN);
  }

  /** The same for all that waited for the file when it was closed. */
  static void refuseClosed(Parked parked, String path) {
    for (Bio bio = parked.letGo(); bio != null; bio = parked.letGo()) {
      refuseClosed(bio, path);
    }
  }
}
