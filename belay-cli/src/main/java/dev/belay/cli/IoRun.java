// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.CancelFlag;
import dev.belay.Extents.Extent;
import dev.belay.Extents.State;
import dev.belay.IoError;
import dev.belay.Outcome;
import dev.belay.front.IoFuture;
import dev.belay.front.IoOptions;
import dev.belay.front.Volume;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** One operation on a range of a volume, as a row of requests, and what became of them together. */
final class IoRun {
  private final Volume volume;
  private final Io.Operation operation;
  private final long begin;
  private final long lengthBytes;
  private final long blockBytes;
  private final int depth;
  private final CancelFlag flag;
  private final ArrayDeque<Sent> sent = new ArrayDeque<>();
  private final ArrayDeque<MemorySegment> buffers = new ArrayDeque<>();

  private Io.Content content = Io.Content.stamp;
  private Pattern pattern = new Pattern(1);
  private long seed = 1;
  private @Nullable FileChannel file;
  private long raiseAfterBytes = Long.MAX_VALUE;
  private @Nullable Duration raiseAfterTime;
  private volatile long raisedNanos;

  // The result.
  private final List<Extent> extents = new ArrayList<>();
  private boolean isCancelled;
  private @Nullable IoError error;
  private long doneBytes;
  private long wrongSectors;
  private @Nullable String firstWrong;
  private long startNanos;
  private long endNanos;

  /**
   * How all requests together ended, joined as the loop joins children.
   *
   * @param extents in order, without gaps, from the first byte of the range
   */
  record Joined(
      Outcome.Kind kind,
      long lengthBytes,
      List<Extent> extents,
      CancelFlag.@Nullable Reason reason,
      @Nullable IoError error) {
    long bytes(State state) {
      return extents.stream()
          .filter(extent -> extent.state() == state)
          .mapToLong(Extent::lengthBytes)
          .sum();
    }
  }

  /** A request under way. */
  private record Sent(long at, long lengthBytes, IoFuture future, @Nullable MemorySegment buffer) {}

  IoRun(
      Volume volume,
      Io.Operation operation,
      long begin,
      long lengthBytes,
      long blockBytes,
      int depth,
      CancelFlag flag) {
    this.volume = volume;
    this.operation = operation;
    this.begin = begin;
    this.lengthBytes = lengthBytes;
    this.blockBytes = Math.max(1, Math.min(blockBytes, lengthBytes));
    this.depth = depth;
    this.flag = flag;
  }

  void setContent(Io.Content content, long seed) {
    this.content = content;
    this.seed = seed;
    pattern = new Pattern(seed);
  }

  void setFile(@Nullable FileChannel file) {
    this.file = file;
  }

  /** Raises the flag so long after the first request was sent. */
  void raiseAfter(Duration delay) {
    raiseAfterTime = delay;
  }

  /** Raises the flag as soon as so many bytes are done. */
  void raiseAfter(long bytes) {
    raiseAfterBytes = bytes;
  }

  private void startTimer() {
    if (raiseAfterTime != null) {
      CompletableFuture.delayedExecutor(
              raiseAfterTime.toNanos(), TimeUnit.NANOSECONDS, Runnable::run)
          .execute(this::raise);
      raiseAfterTime = null;
    }
  }

  private void raise() {
    raisedNanos = System.nanoTime();
    flag.raise();
  }

  /** Runs it to its end, on the calling thread. */
  Joined run() throws IOException, InterruptedException {
    startNanos = System.nanoTime();
    if (operation == Io.Operation.flush) {
      Sent flush = new Sent(0, 0, volume.flushAsync(options()), null);
      startTimer();
      collect(flush);
    }
    long at = 0;
    while (at < lengthBytes || !sent.isEmpty()) {
      boolean isOver = at == lengthBytes || flag.isRaised() || error != null;
      if (!sent.isEmpty() && (isOver || sent.size() == depth)) {
        collect(sent.remove());
      } else if (isOver) {
        note(at, lengthBytes - at, State.CLEAN);
        isCancelled = true;
        at = lengthBytes;
      } else {
        long part = Math.min(blockBytes, lengthBytes - at);
        sent.add(send(at, part));
        startTimer();
        at += part;
      }
    }
    endNanos = System.nanoTime();
    Outcome.Kind kind =
        error != null
            ? Outcome.Kind.FAILED
            : isCancelled ? Outcome.Kind.CANCELLED : Outcome.Kind.DONE;
    return new Joined(kind, lengthBytes, List.copyOf(extents), flag.reason(), error);
  }

  private IoOptions options() {
    return IoOptions.NONE.withFlag(flag);
  }

  private Sent send(long at, long length) throws IOException {
    long offset = begin + at;
    return switch (operation) {
      case read, verify -> {
        MemorySegment buffer = buffer(length);
        yield new Sent(at, length, volume.readAsync(offset, List.of(buffer), options()), buffer);
      }
      case write -> {
        MemorySegment buffer = buffer(length);
        load(buffer, at, length);
        yield new Sent(at, length, volume.writeAsync(offset, List.of(buffer), options()), buffer);
      }
      case discard -> new Sent(at, length, volume.discardAsync(offset, length, options()), null);
      case zeroes -> new Sent(at, length, volume.writeZeroesAsync(offset, length, options()), null);
      case flush, holes -> throw new IllegalStateException(operation + " moves no bytes");
    };
  }

  private MemorySegment buffer(long length) {
    MemorySegment kept = buffers.poll();
    if (kept != null && kept.byteSize() == length) {
      return kept;
    }
    return Arena.ofAuto().allocate(length, volume.limits().memoryAlignmentBytes());
  }

  /** Puts into the buffer what belongs at a place: from the file, or by the pattern. */
  private void load(MemorySegment buffer, long at, long length) throws IOException {
    FileChannel from = file;
    if (from != null) {
      ByteBuffer bytes = buffer.asSlice(0, length).asByteBuffer();
      while (bytes.hasRemaining()) {
        if (from.read(bytes, at + bytes.position()) < 0) {
          throw new Main.Failure(
              "the file has only %d of the %d bytes: give --length=%d"
                  .formatted(from.size(), lengthBytes, from.size()));
        }
      }
    } else if (content == Io.Content.zero) {
      buffer.fill((byte) 0);
    } else {
      pattern.fill(buffer, 0, length, begin + at);
    }
  }

  private void collect(Sent one) throws IOException, InterruptedException {
    try {
      one.future().get();
    } catch (ExecutionException | CancellationException e) {
      // The outcome says it.
    }
    Outcome outcome = one.future().outcome();
    isCancelled |= outcome.kind() == Outcome.Kind.CANCELLED;
    if (error == null) {
      error = outcome.error();
    }
    for (Extent extent : outcome.extents().list()) {
      note(one.at() + extent.offsetBytes(), extent.lengthBytes(), extent.state());
      if (extent.state() == State.DONE && one.buffer() != null) {
        unload(one.buffer(), extent.offsetBytes(), extent.lengthBytes(), one.at());
      }
    }
    if (one.buffer() != null) {
      buffers.add(one.buffer());
    }
    doneBytes += outcome.doneBytes();
    if (doneBytes >= raiseAfterBytes && !flag.isRaised()) {
      raise();
    }
  }

  /** What was read: to the file, or compared with what belongs there. */
  private void unload(MemorySegment buffer, long from, long length, long at) throws IOException {
    if (operation == Io.Operation.verify) {
      verify(buffer, from, length, at);
    } else if (operation == Io.Operation.read && file != null) {
      ByteBuffer bytes = buffer.asSlice(from, length).asByteBuffer();
      while (bytes.hasRemaining()) {
        file.write(bytes, at + from + bytes.position());
      }
    }
  }

  private void verify(MemorySegment buffer, long from, long length, long at) throws IOException {
    long wrong;
    String found = "something else";
    if (file == null && content == Io.Content.stamp) {
      wrong = pattern.firstWrong(buffer, from, length, begin + at + from);
      if (wrong >= 0) {
        long inSector = (begin + at + from + wrong) % Pattern.SECTOR_BYTES;
        long sector = Math.max(0, from + wrong - inSector);
        found = Pattern.diagnose(buffer, sector, buffer.byteSize() - sector, seed);
      }
    } else {
      MemorySegment expected = Arena.ofAuto().allocate(from + length);
      load(expected, at, from + length);
      wrong = MemorySegment.mismatch(buffer, from, from + length, expected, from, from + length);
    }
    if (wrong >= 0) {
      wrongSectors++;
      if (firstWrong == null) {
        firstWrong = "at " + (begin + at + from + wrong) + " there is " + found;
      }
    }
  }

  /** Ranges come in order; neighbours in one state become one. */
  private void note(long offset, long length, State state) {
    if (length == 0) {
      return;
    }
    if (!extents.isEmpty() && extents.getLast().state() == state) {
      Extent last = extents.removeLast();
      extents.add(new Extent(last.offsetBytes(), last.lengthBytes() + length, state));
    } else {
      extents.add(new Extent(offset, length, state));
    }
  }

  /** How many blocks were not as they should be. */
  long wrongSectors() {
    return wrongSectors;
  }

  @Nullable String firstWrong() {
    return firstWrong;
  }

  long tookNanos() {
    return endNanos - startNanos;
  }

  /** From the raise by this run to the last completion; -1 if it did not raise the flag in time. */
  long flagToEndNanos() {
    long raised = raisedNanos;
    return raised == 0 || raised > endNanos ? -1 : endNanos - raised;
  }
}
