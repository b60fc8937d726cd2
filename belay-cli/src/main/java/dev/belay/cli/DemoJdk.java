// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousFileChannel;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/** The part of the demonstration that the JDK's own channels do, on the same file. */
final class DemoJdk {
  private static final byte FILLING = DemoBelay.FILLING;
  private static final long NEW = 3;

  /**
   * How long nothing may have moved before it counts as over, and how long it is watched at most.
   */
  private static final long QUIET_NANOS = 150_000_000;

  private static final long WATCH_LONGEST_NANOS = 2_000_000_000;

  private final DemoFile file;
  private final MemorySegment buffer;
  private final Screen screen;

  DemoJdk(DemoFile file, MemorySegment buffer, Screen screen) {
    this.file = file;
    this.buffer = buffer;
    this.screen = screen;
  }

  /** How much has moved by now. */
  private interface Progress {
    long bytes() throws IOException;
  }

  /** Somebody else who uses the channel all the while: reads a little, again and again. */
  private abstract static sealed class Bystander extends Thread {
    private volatile boolean isOver;
    volatile @Nullable String end;

    abstract void readOnce() throws IOException, InterruptedException;

    @Override
    public final void run() {
      try {
        while (!isOver) {
          readOnce();
          LockSupport.parkNanos(100_000);
        }
        end = "reads on";
      } catch (IOException | InterruptedException | RuntimeException e) {
        end = e.getClass().getSimpleName();
      }
    }

    String finish() throws InterruptedException {
      isOver = true;
      join();
      return String.valueOf(end);
    }
  }

  private static final class AsynchronousBystander extends Bystander {
    private final AsynchronousFileChannel channel;

    AsynchronousBystander(AsynchronousFileChannel channel) {
      this.channel = channel;
    }

    @Override
    void readOnce() throws IOException, InterruptedException {
      try {
        channel.read(ByteBuffer.allocate(512), 0).get();
      } catch (ExecutionException e) {
        throw e.getCause() instanceof IOException io ? io : new IOException(e);
      }
    }
  }

  private static final class ChannelBystander extends Bystander {
    private final FileChannel channel;

    ChannelBystander(FileChannel channel) {
      this.channel = channel;
    }

    @Override
    void readOnce() throws IOException {
      channel.read(ByteBuffer.allocate(512), 0);
    }
  }

  /** AsynchronousFileChannel.read of the whole file, and Future.cancel midway. */
  Shot read(boolean mayInterrupt) throws IOException, InterruptedException {
    buffer.fill(FILLING);
    return asynchronous(false, mayInterrupt, this::arrivedBytes);
  }

  /** AsynchronousFileChannel.write of the whole file, and Future.cancel midway. */
  Shot write(boolean mayInterrupt) throws IOException, InterruptedException {
    long seed = mayInterrupt ? NEW + 1 : NEW;
    file.fillPlain(buffer, seed);
    try (FileChannel probe = FileChannel.open(file.path(), StandardOpenOption.READ)) {
      return asynchronous(true, mayInterrupt, () -> file.writtenBytes(probe, seed));
    }
  }

  private Shot asynchronous(boolean isWrite, boolean mayInterrupt, Progress progress)
      throws IOException, InterruptedException {
    Path path = file.path();
    ByteBuffer bytes = buffer.asByteBuffer();
    try (AsynchronousFileChannel channel =
        AsynchronousFileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
      Bystander bystander = new AsynchronousBystander(channel);
      bystander.start();
      Future<Integer> future = isWrite ? channel.write(bytes, 0) : channel.read(bytes, 0);
      long reached = awaitMidway(isWrite ? "write" : "read", progress, future::isDone);
      long askedNanos = System.nanoTime();
      boolean isCancelled = future.cancel(mayInterrupt);
      long returnedNanos = System.nanoTime();
      String said = said(future, isCancelled);
      long answeredNanos = System.nanoTime();
      long then = progress.bytes();
      long last = watch(progress, then);
      return new Shot(
          Units.bytes(reached) + " moved",
          returnedNanos - askedNanos,
          answeredNanos - askedNanos,
          said,
          truth(isCancelled, last - then, last),
          last - then,
          last,
          bystander.finish());
    }
  }

  private String truth(boolean isCancelled, long movedAfterBytes, long movedBytes) {
    if (isCancelled && movedAfterBytes > 0) {
      return "no: it went on after the answer";
    }
    return isCancelled && movedBytes == buffer.byteSize()
        ? "no: everything was moved"
        : "it does not say what was moved";
  }

  private static String said(Future<Integer> future, boolean isCancelled)
      throws InterruptedException {
    try {
      return "done: " + Units.bytes(future.get());
    } catch (CancellationException e) {
      return (isCancelled ? "cancelled: true, " : "") + "CancellationException, no byte count";
    } catch (ExecutionException e) {
      Throwable cause = e.getCause() == null ? e : e.getCause();
      return cause.getClass().getSimpleName() + ", no byte count";
    }
  }

  /** FileChannel.read of the whole file, whose thread is interrupted midway. */
  Shot interrupted() throws IOException, InterruptedException {
    buffer.fill(FILLING);
    try (FileChannel channel = FileChannel.open(file.path(), StandardOpenOption.READ)) {
      Bystander bystander = new ChannelBystander(channel);
      bystander.start();
      String[] said = new String[1];
      long[] endedNanos = new long[1];
      Thread reader =
          new Thread(
              () -> {
                try {
                  said[0] = "read " + Units.bytes(channel.read(buffer.asByteBuffer(), 0));
                } catch (ClosedChannelException e) {
                  said[0] = e.getClass().getSimpleName() + ", no byte count";
                } catch (IOException e) {
                  said[0] = Main.sentence(e);
                }
                endedNanos[0] = System.nanoTime();
              });
      reader.start();
      long reached = awaitMidway("read", this::arrivedBytes, () -> !reader.isAlive());
      long askedNanos = System.nanoTime();
      reader.interrupt();
      long returnedNanos = System.nanoTime();
      reader.join();
      long then = arrivedBytes();
      long last = watch(this::arrivedBytes, then);
      return new Shot(
          Units.bytes(reached) + " moved",
          returnedNanos - askedNanos,
          endedNanos[0] - askedNanos,
          String.valueOf(said[0]),
          "it does not say what was moved",
          last - then,
          last,
          bystander.finish());
    }
  }

  private long arrivedBytes() {
    return DemoFile.arrivedBytes(buffer, FILLING);
  }

  private long awaitMidway(
      String what, Progress progress, java.util.function.BooleanSupplier isOver)
      throws IOException {
    long size = buffer.byteSize();
    long bytes = 0;
    while (bytes < size / 2 && !isOver.getAsBoolean()) {
      bytes = progress.bytes();
      screen.progress(what, bytes, size);
    }
    return bytes;
  }

  /** Waits until nothing moves any more; answers how much has moved then. */
  private long watch(Progress progress, long begin) throws IOException {
    long start = System.nanoTime();
    long movedNanos = start;
    long bytes = begin;
    for (long now = start;
        now - movedNanos < QUIET_NANOS && now - start < WATCH_LONGEST_NANOS;
        now = System.nanoTime()) {
      long moved = progress.bytes();
      if (moved != bytes) {
        bytes = moved;
        movedNanos = now;
      }
      screen.progress("after the answer", bytes, buffer.byteSize());
      LockSupport.parkNanos(1_000_000);
    }
    return bytes;
  }
}
