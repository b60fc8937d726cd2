// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import java.io.IOException;
import java.net.ConnectException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFilePermission;
import java.util.EnumSet;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * The file of a unix socket that somebody here listens at. It is removed only as long as it is the
 * one that was made: perhaps another program has put its own in the same place by then.
 */
final class UnixFile {
  private static final long LINGERING_NANOS = 2_000_000_000L;

  private final Path path;
  private final @Nullable Object key;

  private UnixFile(Path path, @Nullable Object key) {
    this.path = path;
    this.key = key;
  }

  /** The file that there is now. */
  static UnixFile at(String path) throws IOException {
    Path at = Path.of(path);
    return new UnixFile(at, keyOf(at));
  }

  /**
   * Makes way: removes a socket's file that nobody listens at any more.
   *
   * @throws IOException with a sentence, if somebody does, or it is another kind of file
   */
  static void clear(String path) throws IOException {
    Path at = Path.of(path);
    BasicFileAttributes found;
    try {
      found = attributes(at);
    } catch (NoSuchFileException e) {
      return;
    }
    if (!found.isOther()) {
      throw new IOException(path + " exists, and is not a socket: give another path, or move it");
    }
    if (isAlive(at)) {
      throw new IOException(path + " is in use: another program listens at it");
    }
    if (Objects.equals(found.fileKey(), keyOf(at))) {
      Files.deleteIfExists(at);
    }
  }

  /**
   * Waits a little for somebody else's listening socket to go, but not for ever. A program that was
   * killed is gone before its ring is: the kernel takes that apart later, and with it the sockets.
   */
  static boolean mayEndSoon(long startNanos) {
    if (System.nanoTime() - startNanos > LINGERING_NANOS) {
      return false;
    }
    LockSupport.parkNanos(LINGERING_NANOS / 100);
    return true;
  }

  /** Who is there when one connects to a socket's file. */
  private enum Found {
    NOBODY,
    SOMEBODY,
    /** Somebody who does not stay. */
    ENDING
  }

  private static boolean isAlive(Path path) throws IOException {
    long start = System.nanoTime();
    Found found = look(path, start);
    while (found == Found.ENDING && mayEndSoon(start)) {
      found = look(path, start);
    }
    return found != Found.NOBODY;
  }

  /** A living server greets; what a killed program left ends soon, and the connection with it. */
  private static Found look(Path path, long startNanos) throws IOException {
    try (SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX)) {
      channel.configureBlocking(false); // else a listener whose queue is full would hold us up
      channel.connect(UnixDomainSocketAddress.of(path));
      return isEnding(channel, startNanos) ? Found.ENDING : Found.SOMEBODY;
    } catch (ConnectException e) {
      return Found.NOBODY;
    } catch (IOException e) {
      String words = String.valueOf(e.getMessage());
      if (words.contains("refused")) {
        return Found.NOBODY;
      }
      if (words.contains("temporarily unavailable")) {
        return Found.ENDING; // or a crowd is at its door
      }
      throw new IOException(path + " exists, and it cannot be seen who listens at it: " + words, e);
    }
  }

  private static boolean isEnding(SocketChannel channel, long startNanos) {
    ByteBuffer greeting = ByteBuffer.allocate(1);
    try {
      int count = 0;
      while (count == 0 && mayEndSoon(startNanos)) {
        count = channel.read(greeting);
      }
      return count < 0;
    } catch (IOException e) {
      return true; // reset
    }
  }

  /** Sets the permission bits, which the umask may have narrowed. */
  static void setMode(Path path, int mode) throws IOException {
    Set<PosixFilePermission> permissions = EnumSet.noneOf(PosixFilePermission.class);
    PosixFilePermission[] all = PosixFilePermission.values(); // from the owner's read on
    for (int i = 0; i < all.length; i++) {
      if ((mode & (0400 >> i)) != 0) {
        permissions.add(all[i]);
      }
    }
    Files.setPosixFilePermissions(path, permissions);
  }

  /** Removes it, if it is still the same. */
  void remove() {
    try {
      if (key != null && key.equals(keyOf(path))) {
        Files.deleteIfExists(path);
      }
    } catch (IOException e) {
      // It is gone, or may not be removed: then it stays, and the next who listens replaces it.
    }
  }

  private static @Nullable Object keyOf(Path path) throws IOException {
    return attributes(path).fileKey();
  }

  private static BasicFileAttributes attributes(Path path) throws IOException {
    return Files.readAttributes(path, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
  }
}
