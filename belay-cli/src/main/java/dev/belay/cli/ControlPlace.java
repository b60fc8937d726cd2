// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.net.ConnectException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Where the control sockets of a user's servers are, so that {@code belay ps} finds them: {@code
 * $XDG_RUNTIME_DIR/belay/PID.control}, or {@code /tmp/belay-UID/PID.control} where there is no such
 * directory. It belongs to the user, nobody else may look into it, and it is no symbolic link: what
 * another user put there is refused.
 */
final class ControlPlace {
  private static final String ENDING = ".control";

  /** What sockaddr_un has room for, less what the file is called while it is made. */
  private static final int LONGEST_BYTES = 88;

  private static final Path TEMPORARY = Path.of("/tmp");

  private final Path directory;
  private final int user;

  private ControlPlace(Path directory, int user) {
    this.directory = directory;
    this.user = user;
  }

  /** The place of the user who runs this program; nothing is looked at or made yet. */
  static ControlPlace ofUser(Map<String, String> environment) throws IOException {
    int user = userNumber();
    String runtime = environment.getOrDefault("XDG_RUNTIME_DIR", "");
    Path directory = Path.of(runtime);
    boolean isGood =
        directory.isAbsolute()
            && Files.isDirectory(directory)
            && owner(directory) == user
            && Files.isWritable(directory);
    return new ControlPlace(
        isGood ? directory.resolve("belay") : TEMPORARY.resolve("belay-" + user), user);
  }

  private static int userNumber() throws IOException {
    return owner(Path.of("/proc/self"));
  }

  private static int owner(Path path) throws IOException {
    return (Integer) Files.getAttribute(path, "unix:uid", LinkOption.NOFOLLOW_LINKS);
  }

  /** The socket of this very program; makes the directory. */
  Path ownSocket() throws IOException {
    try {
      Files.createDirectory(
          directory,
          PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
    } catch (FileAlreadyExistsException e) {
      // The check is for what is there, whoever made it.
    }
    check();
    return directory.resolve(ProcessHandle.current().pid() + ENDING);
  }

  private void check() throws IOException {
    int mode = (Integer) Files.getAttribute(directory, "unix:mode", LinkOption.NOFOLLOW_LINKS);
    boolean isOurs =
        Files.isDirectory(directory, LinkOption.NOFOLLOW_LINKS) && owner(directory) == user;
    if (!isOurs || (mode & 077) != 0) {
      throw new IOException(
          directory
              + " is no directory that only this user may look into: remove it, or give another"
              + " place with --control PATH");
    }
  }

  /**
   * The sockets of all servers that are running. Files that dead ones left are removed.
   *
   * @return in the order of their names
   */
  List<Path> sockets() throws IOException {
    if (!Files.exists(directory, LinkOption.NOFOLLOW_LINKS)) {
      return List.of();
    }
    check();
    List<Path> alive = new ArrayList<>();
    try (DirectoryStream<Path> list = Files.newDirectoryStream(directory, "*" + ENDING)) {
      for (Path path : list) {
        if (!removeIfStale(path)) {
          alive.add(path);
        }
      }
    }
    alive.sort(null);
    return alive;
  }

  /**
   * Removes a socket's file that nobody listens at any more. A socket gets its name only when it
   * listens (see {@link ControlSocket}), so none that is about to is taken for dead.
   *
   * @return whether there is nothing at the path now
   */
  static boolean removeIfStale(Path path) throws IOException {
    if (!Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
      return true;
    }
    int mode = (Integer) Files.getAttribute(path, "unix:mode", LinkOption.NOFOLLOW_LINKS);
    if ((mode & 0170000) != 0140000) {
      return false;
    }
    try (SocketChannel probe = SocketChannel.open(StandardProtocolFamily.UNIX)) {
      probe.configureBlocking(false);
      probe.connect(UnixDomainSocketAddress.of(path));
      return false;
    } catch (ConnectException | NoSuchFileException e) {
      Files.deleteIfExists(path);
      return true;
    } catch (IOException e) {
      // Its row of connections is full, or it is somebody else's: it is there.
      return false;
    }
  }

  /** Refuses a path that no socket can have. */
  static void checkLength(Path path) {
    int length = path.toString().getBytes(UTF_8).length;
    if (length > LONGEST_BYTES) {
      throw new ServeLimits.Misuse(
          "--control: a path of %d bytes is too long for the control socket, it has room for %d: %s"
              .formatted(length, LONGEST_BYTES, path));
    }
  }

  /** The number of the program in a socket's name; null for another name. */
  static @Nullable String pid(Path socket) {
    String name = String.valueOf(socket.getFileName());
    String number = name.substring(0, Math.max(0, name.length() - ENDING.length()));
    return name.endsWith(ENDING) && number.matches("\\d{1,10}") ? number : null;
  }
}
