// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.function.UnaryOperator;

/**
 * A unix socket, for its owner alone, that answers one line with a text and closes: {@code printf
 * 'ps\n' | nc -U PATH} is all that a client needs.
 *
 * <p>Who connects and says nothing, or does not take the answer, is cut off after five seconds; 8
 * are served at a time, and the answers are made one by one. Its threads are its own, and end with
 * the JVM at the latest.
 */
final class ControlSocket implements AutoCloseable {
  /** The longest line that is read. */
  static final int LONGEST_LINE_BYTES = 16 << 10;

  private static final int MOST_AT_A_TIME = 8;
  private static final Duration PATIENCE = Duration.ofSeconds(5);

  private final Path path;
  private final ServerSocketChannel server;
  private final UnaryOperator<String> answers;
  private final Semaphore free = new Semaphore(MOST_AT_A_TIME);
  private final ScheduledExecutorService watch =
      Executors.newSingleThreadScheduledExecutor(
          Thread.ofPlatform().daemon().name("belay-control-watch").factory());

  private final Duration patience;

  private ControlSocket(
      Path path, ServerSocketChannel server, UnaryOperator<String> answers, Duration patience) {
    this.path = path;
    this.server = server;
    this.answers = answers;
    this.patience = patience;
  }

  /**
   * Listens from now on.
   *
   * @param answers makes the answer to a line; called on one thread at a time
   * @throws IOException if there is something at the path that is alive or no socket, or it cannot
   *     be made there
   */
  static ControlSocket open(Path path, UnaryOperator<String> answers) throws IOException {
    return open(path, answers, PATIENCE);
  }

  /** The same with another time for clients to ask and to take the answer. */
  static ControlSocket open(Path path, UnaryOperator<String> answers, Duration patience)
      throws IOException {
    if (!ControlPlace.removeIfStale(path)) {
      throw new IOException(
          "--control: "
              + path
              + " is there already, and is no control socket that a dead server left");
    }
    ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
    try {
      bind(server, path);
    } catch (IOException e) {
      server.close();
      throw new IOException(
          "the control socket cannot be made at " + path + ": " + Main.sentence(e), e);
    }
    ControlSocket control = new ControlSocket(path, server, answers, patience);
    Thread.ofPlatform().daemon().name("belay-control").start(control::accept);
    return control;
  }

  /**
   * A socket's file is made with the mode that the umask leaves. So it is made where only this user
   * comes in, and takes its place when it is private and listens.
   */
  private static void bind(ServerSocketChannel server, Path path) throws IOException {
    Path parent = path.toAbsolutePath().getParent();
    if (parent == null) {
      throw new IOException("a control socket is a file in a directory");
    }
    Path near = path.getParent() == null ? Path.of("") : path.getParent();
    Path room =
        Files.createTempDirectory(
            near.toString().isEmpty() ? Path.of(".") : near,
            ".b",
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
    try {
      Path made = room.resolve("c");
      server.bind(UnixDomainSocketAddress.of(made));
      try {
        Files.setPosixFilePermissions(made, PosixFilePermissions.fromString("rw-------"));
        Files.move(made, path, StandardCopyOption.ATOMIC_MOVE);
      } finally {
        Files.deleteIfExists(made);
      }
    } finally {
      Files.deleteIfExists(room);
    }
  }

  private void accept() {
    while (server.isOpen()) {
      try {
        free.acquire();
        SocketChannel client = server.accept();
        Thread.ofVirtual().name("belay-control-client").start(() -> serve(client));
      } catch (IOException | InterruptedException e) {
        free.release();
      }
    }
  }

  private void serve(SocketChannel client) {
    try (client) {
      ScheduledFuture<?> end =
          watch.schedule(() -> close(client), patience.toMillis(), TimeUnit.MILLISECONDS);
      try {
        String line = readLine(client);
        ByteBuffer answer = ByteBuffer.wrap(answer(line).getBytes(UTF_8));
        while (answer.hasRemaining()) {
          client.write(answer);
        }
      } finally {
        end.cancel(false);
      }
    } catch (IOException | RejectedExecutionException e) {
      // Its client's loss, or all is being closed.
    } finally {
      free.release();
    }
  }

  private synchronized String answer(String line) {
    return answers.apply(line);
  }

  private static String readLine(SocketChannel client) throws IOException {
    ByteBuffer bytes = ByteBuffer.allocate(LONGEST_LINE_BYTES);
    int end = -1;
    while (end < 0) {
      if (!bytes.hasRemaining()) {
        throw new IOException("a line that is too long");
      }
      int from = bytes.position();
      if (client.read(bytes) < 0) {
        end = bytes.position();
      }
      for (int i = from; i < bytes.position() && end < 0; i++) {
        end = bytes.get(i) == '\n' ? i : -1;
      }
    }
    return new String(bytes.array(), 0, end, UTF_8).strip();
  }

  private static void close(SocketChannel client) {
    try {
      client.close();
    } catch (IOException e) {
      // It is closed.
    }
  }

  Path path() {
    return path;
  }

  @Override
  public void close() {
    watch.shutdownNow();
    try {
      // First the file: as long as it is there, it is ours.
      Files.deleteIfExists(path);
      server.close();
    } catch (IOException e) {
      // Whoever looks next finds it dead, and removes it.
    }
  }
}
