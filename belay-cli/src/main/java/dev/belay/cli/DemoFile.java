// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.CancelFlag;
import dev.belay.Extents.Extent;
import dev.belay.Extents.State;
import dev.belay.front.Volume;
import dev.belay.stack.BarePath;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The real file of the demonstration, in a directory of its own: each sector holds the {@link
 * Pattern} of its offset in the file, at first with the seed {@link #OLD}.
 *
 * <p>Belay sees it as a stripe over its two halves; {@link #place} says where a byte of that is.
 */
final class DemoFile implements AutoCloseable {
  static final long OLD = 1;
  static final int CHUNK_BYTES = 256 << 10;

  /** How often the file or a buffer is probed for what has arrived. */
  static final int PROBE_BYTES = 1 << 20;

  private static final Duration MAKING_LONGEST = Duration.ofMillis(2500);
  private static final long SMALLEST_BYTES = 4 << 20;
  private static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private final Path directory;
  private final Path path;
  private long sizeBytes;

  private DemoFile(Path directory) {
    this.directory = directory;
    path = directory.resolve("demo.img");
  }

  /**
   * Makes the file and fills it: as much as is asked for, or what can be written in 2.5 s.
   *
   * @param flag stops the making
   */
  static DemoFile make(Path in, long wantedBytes, CancelFlag flag)
      throws IOException, InterruptedException {
    long free = Files.getFileStore(in).getUsableSpace();
    if (free < wantedBytes + wantedBytes / 8) {
      throw new Main.Failure(
          "%s has only %s free: give --size=%dM, or another --dir"
              .formatted(in, Units.bytes(free), Math.max(4, free >> 21)));
    }
    DemoFile file = new DemoFile(Files.createTempDirectory(in, "belay-demo-"));
    try {
      file.fill(wantedBytes, flag);
      return file;
    } catch (IOException | InterruptedException | RuntimeException e) {
      file.close();
      throw e;
    }
  }

  private void fill(long wantedBytes, CancelFlag flag) throws IOException, InterruptedException {
    long done = 0;
    try (Volume volume = Volume.open("file(" + quoted() + ", size=" + wantedBytes + ")")) {
      IoRun run =
          new IoRun(
              volume,
              Io.Operation.write,
              0,
              wantedBytes,
              PROBE_BYTES,
              8,
              flag.withDeadline(MAKING_LONGEST));
      run.setContent(Io.Content.stamp, OLD);
      IoRun.Joined joined = run.run();
      if (joined.error() != null) {
        throw new Main.Failure("the file could not be made: " + joined.error());
      }
      Extent first = joined.extents().getFirst();
      done = first.state() == State.DONE ? first.lengthBytes() : 0;
    }
    sizeBytes = done - done % (2L * PROBE_BYTES);
    if (sizeBytes < SMALLEST_BYTES && !flag.isRaised()) {
      throw new Main.Failure(
          "%s takes only %s in %d ms, too little to see anything: give another --dir"
              .formatted(directory, Units.bytes(done), MAKING_LONGEST.toMillis()));
    }
    try (FileChannel channel = FileChannel.open(path, StandardOpenOption.WRITE)) {
      channel.truncate(sizeBytes);
    }
  }

  private String quoted() {
    return BarePath.of(path.toString()).print();
  }

  /** A stripe over the two halves of the file. */
  String expression(String engine) {
    String file = "file(" + quoted() + ", engine=" + engine + ")";
    long half = sizeBytes / 2;
    return "stripe(linear(%s, size=%d), linear(%s, offset=%d, size=%d), chunk=%d)"
        .formatted(file, half, file, half, half, CHUNK_BYTES);
  }

  Path path() {
    return path;
  }

  long sizeBytes() {
    return sizeBytes;
  }

  /** Where in the file a byte of the stripe is. */
  private long place(long offset) {
    long chunk = offset / CHUNK_BYTES;
    return chunk % 2 * (sizeBytes / 2) + chunk / 2 * CHUNK_BYTES + offset % CHUNK_BYTES;
  }

  /** Fills a buffer with what a write of the whole stripe is to bring. */
  void fillStriped(MemorySegment buffer, long seed) {
    Pattern pattern = new Pattern(seed);
    for (long at = 0; at < sizeBytes; at += CHUNK_BYTES) {
      pattern.fill(buffer, at, CHUNK_BYTES, place(at));
    }
  }

  /** Fills a buffer with what a write of the whole file is to bring. */
  void fillPlain(MemorySegment buffer, long seed) {
    new Pattern(seed).fill(buffer, 0, sizeBytes, 0);
  }

  /**
   * Compares a range of what a read of the stripe brought with the file's content.
   *
   * @return null, or what is wrong
   */
  @Nullable String checkRead(MemorySegment buffer, long at, long length) {
    Pattern pattern = new Pattern(OLD);
    long done = 0;
    while (done < length) {
      long offset = at + done;
      long part = Math.min(length - done, CHUNK_BYTES - offset % CHUNK_BYTES);
      long wrong = pattern.firstWrong(buffer, offset, part, place(offset));
      if (wrong >= 0) {
        return "byte " + (offset + wrong) + " of the buffer is not what the file holds";
      }
      done += part;
    }
    return null;
  }

  /**
   * Reads a range of the stripe by a FileChannel of its own, past Belay, and compares it.
   *
   * @return null, or what is wrong
   */
  @Nullable String checkWritten(List<Extent> extents, State state, long seed) throws IOException {
    Pattern pattern = new Pattern(seed);
    MemorySegment read = Arena.ofAuto().allocate(CHUNK_BYTES);
    try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
      for (Extent extent : extents) {
        long done = extent.state() == state ? 0 : extent.lengthBytes();
        while (done < extent.lengthBytes()) {
          long offset = extent.offsetBytes() + done;
          long part = Math.min(extent.lengthBytes() - done, CHUNK_BYTES - offset % CHUNK_BYTES);
          fully(channel, read.asSlice(0, part).asByteBuffer(), place(offset));
          long wrong = pattern.firstWrong(read, 0, part, place(offset));
          if (wrong >= 0) {
            return "byte %d of the file, in a %s range, holds %s"
                .formatted(place(offset) + wrong, state, "something else");
          }
          done += part;
        }
      }
    }
    return null;
  }

  private static void fully(FileChannel channel, ByteBuffer buffer, long at) throws IOException {
    while (buffer.hasRemaining()) {
      if (channel.read(buffer, at + buffer.position()) < 0) {
        throw new IOException("the file ends before it should");
      }
    }
  }

  /** How many bytes of the file hold {@code seed} by now, in steps of a megabyte. */
  long writtenBytes(FileChannel channel, long seed) throws IOException {
    MemorySegment head = Arena.ofAuto().allocate(24);
    long bytes = 0;
    for (long at = 0; at < sizeBytes; at += PROBE_BYTES) {
      fully(channel, head.asByteBuffer(), at + PROBE_BYTES - Pattern.SECTOR_BYTES);
      bytes += head.get(LONG, 16) == seed ? PROBE_BYTES : 0;
    }
    return bytes;
  }

  /** How many bytes of a buffer are not the filling any more, in steps of a megabyte. */
  static long arrivedBytes(MemorySegment buffer, byte filling) {
    long bytes = 0;
    for (long at = PROBE_BYTES - 512; at < buffer.byteSize(); at += PROBE_BYTES) {
      boolean isFilling = buffer.get(ValueLayout.JAVA_BYTE, at) == filling;
      isFilling &= buffer.get(ValueLayout.JAVA_BYTE, at + 1) == filling;
      bytes += isFilling ? 0 : PROBE_BYTES;
    }
    return bytes;
  }

  /** Takes the file away again. */
  @Override
  public void close() throws IOException {
    Files.deleteIfExists(path);
    Files.deleteIfExists(directory);
  }
}
