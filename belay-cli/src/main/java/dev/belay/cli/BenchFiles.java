// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.nbd.NbdUri;
import dev.belay.stack.BarePath;
import dev.belay.stack.DeviceCall;
import dev.belay.stack.Expression;
import dev.belay.stack.Sizes;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.UserDefinedFileAttributeView;
import java.util.ArrayList;
import java.util.List;

/**
 * The files below a benched stack: makes those that are missing, reads them once whole so that the
 * machine below is awake, and keeps a bench that writes away from what somebody may still want.
 */
final class BenchFiles {
  /** The extended attribute of files that a bench made; it may write over these. */
  private static final String MARK = "belay.bench";

  private static final int PIECE_BYTES = 1 << 20;

  private BenchFiles() {}

  /** The files and block devices of an expression, in the order of its text. */
  static List<Path> of(Expression expression) {
    List<Path> found = new ArrayList<>();
    for (Expression part : expression.inTextOrder()) {
      if (part instanceof BarePath path && !NbdUri.isOne(path.path())) {
        found.add(Path.of(path.path()));
      }
    }
    return found;
  }

  /** The names of the devices at the bottom: null, memory, file, nbd. */
  static List<String> leaves(Expression expression) {
    List<String> found = new ArrayList<>();
    for (Expression part : expression.inTextOrder()) {
      if (part instanceof BarePath path) {
        found.add(NbdUri.isOne(path.path()) ? "nbd" : "file");
      } else if (part instanceof DeviceCall call && call.args().isEmpty()) {
        found.add(call.name());
      }
    }
    return found;
  }

  /**
   * Makes a file of noise, for a bench, and marks it so.
   *
   * @throws IOException if it is there already, or cannot be written
   */
  static void make(Path path, long bytes) throws IOException {
    try (FileChannel channel =
        FileChannel.open(path, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
      MemorySegment piece = Arena.ofAuto().allocate(PIECE_BYTES, Buffers.ALIGNMENT_BYTES);
      for (long at = 0; at < bytes; at += PIECE_BYTES) {
        Buffers.fill(piece, at);
        long length = Math.min(PIECE_BYTES, bytes - at);
        ByteBuffer buffer = piece.asSlice(0, length).asByteBuffer();
        while (buffer.hasRemaining()) {
          channel.write(buffer, at + buffer.position());
        }
      }
      channel.force(true);
    }
    UserDefinedFileAttributeView view = attributes(path);
    if (view != null) {
      try {
        view.write(MARK, StandardCharsets.UTF_8.encode("made by belay bench"));
      } catch (IOException e) {
        // A file system without extended attributes: later benches want --overwrite, as they say.
      }
    }
  }

  /**
   * Why a bench must not write to this file; an empty text if it may.
   *
   * @param path of a file that exists
   */
  static String whyNotWrite(Path path) {
    UserDefinedFileAttributeView view = attributes(path);
    try {
      if (Files.isRegularFile(path) && view != null && view.list().contains(MARK)) {
        return "";
      }
    } catch (IOException e) {
      // No attributes here, so no mark.
    }
    return "this bench would write noise over "
        + path
        + ", which no bench has made: give the path of a file that does not exist yet and --size,"
        + " or say --overwrite if nobody needs what is in it";
  }

  @SuppressWarnings("NullAway") // null where the file system has none, which the caller asks
  private static UserDefinedFileAttributeView attributes(Path path) {
    return Files.getFileAttributeView(path, UserDefinedFileAttributeView.class);
  }

  /** Reads the first {@code bytes} with O_DIRECT, or without where the file system has none. */
  static void warm(Path path, long bytes) throws IOException {
    try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ, directOption())) {
      readThrough(channel, bytes);
    } catch (UnsupportedOperationException | IOException e) {
      try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
        readThrough(channel, bytes);
      }
    }
  }

  /**
   * The JDK's O_DIRECT. By its name, because javac warns, beyond silencing, of any use of the class
   * that it is exported in.
   */
  static OpenOption directOption() {
    try {
      Class<?> options = Class.forName("com.sun.nio.file.ExtendedOpenOption");
      return (OpenOption) options.getField("DIRECT").get(null);
    } catch (ReflectiveOperationException e) {
      throw new UnsupportedOperationException("this JDK opens no file with O_DIRECT", e);
    }
  }

  private static void readThrough(FileChannel channel, long bytes) throws IOException {
    MemorySegment piece = Arena.ofAuto().allocate(PIECE_BYTES, Buffers.ALIGNMENT_BYTES);
    ByteBuffer buffer = piece.asByteBuffer();
    for (long at = 0; at < bytes; ) {
      buffer.clear();
      int read = channel.read(buffer, at);
      if (read <= 0) {
        return;
      }
      at += read;
    }
  }

  /** What was made, and that it stays. */
  static String madeSentence(Path path, long bytes) {
    return "made " + path + " (" + Sizes.print(bytes) + "); it stays: remove it when you are done";
  }
}
