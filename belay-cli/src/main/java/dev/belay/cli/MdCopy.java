// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.Bio;
import dev.belay.CancelFlag;
import dev.belay.Device;
import dev.belay.IoError;
import dev.belay.Loop;
import dev.belay.Op;
import java.io.PrintWriter;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import org.jspecify.annotations.Nullable;

/**
 * Copies a range from one device to the same place of another, a few pieces at a time, and stops at
 * the first piece that cannot be read. The thread that drives the loop.
 */
final class MdCopy {
  private static final long PIECE_BYTES = 1 << 20;
  private static final int TOGETHER = 4;
  private static final long TURN_NANOS = 20_000_000;
  private static final long PLAIN_NANOS = 2_000_000_000;

  private final Loop loop;
  private final Device from;
  private final Device to;
  private final long startBytes;
  private final long lengthBytes;
  private final long bytesPerSecond;
  private final CancelFlag flag = new CancelFlag();

  private long nextBytes;
  private long copiedBytes;
  private long goodBytes;
  private int underWay;
  private final ArrayDeque<MemorySegment> idle = new ArrayDeque<>();
  private @Nullable IoError writeError;

  MdCopy(
      Loop loop, Device from, Device to, long startBytes, long lengthBytes, long bytesPerSecond) {
    this.loop = loop;
    this.from = from;
    this.to = to;
    this.startBytes = startBytes;
    this.lengthBytes = lengthBytes;
    this.bytesPerSecond = bytesPerSecond;
    goodBytes = lengthBytes;
  }

  /** What lies from here on is not to be copied: it is known to be bad. */
  void endBefore(long offsetBytes) {
    goodBytes = Math.min(goodBytes, offsetBytes - offsetBytes % PIECE_BYTES);
  }

  /** Up to where all was copied: less than the length where the source could not be read. */
  long goodBytes() {
    return goodBytes;
  }

  /** Copies; stops when the program is told to end. */
  MdWalk.End run(PrintWriter out) {
    Screen screen = Screen.on(out, false);
    long start = System.nanoTime();
    long plain = start;
    try (OnExit _ = OnExit.ask(flag::raise);
        Arena arena = Arena.ofShared()) {
      long alignment =
          Math.max(
              4096,
              Math.max(from.limits().memoryAlignmentBytes(), to.limits().memoryAlignmentBytes()));
      for (int i = 0; i < TOGETHER; i++) {
        idle.add(arena.allocate(PIECE_BYTES, alignment));
      }
      while (underWay > 0 || !isOver()) {
        long now = System.nanoTime();
        double mayHave = (now - start) / 1e9 * bytesPerSecond + PIECE_BYTES;
        while (!isOver() && !idle.isEmpty() && nextBytes <= mayHave) {
          copyNext(idle.remove());
        }
        loop.turn(TURN_NANOS);
        long rate = (long) (copiedBytes * 1e9 / Math.max(1, now - start));
        String line = "  " + MdWalk.line("copy", copiedBytes, lengthBytes, rate);
        screen.live(line);
        if (!screen.isLive() && now - plain >= PLAIN_NANOS) {
          plain = now;
          screen.line(line);
        }
      }
      if (writeError != null) {
        screen.line("  copy ended: the new member cannot be written: " + writeError.sentence());
        return MdWalk.End.FAILED;
      }
      if (flag.isRaised()) {
        screen.line("  copy stopped");
        return MdWalk.End.STOPPED;
      }
      screen.line(
          "  copy done: %s in %s"
              .formatted(Units.bytes(goodBytes), Units.nanos(System.nanoTime() - start)));
      return MdWalk.End.DONE;
    }
  }

  private boolean isOver() {
    return nextBytes >= goodBytes || writeError != null || flag.isRaised();
  }

  private void copyNext(MemorySegment buffer) {
    long at = nextBytes;
    long length = Math.min(PIECE_BYTES, lengthBytes - at);
    nextBytes += length;
    underWay++;
    Bio read = new Bio(loop, done -> readEnded(done, at, buffer));
    read.prepare(Op.READ, from, startBytes + at, length, buffer, 0, flag);
    loop.enter(read);
  }

  private void readEnded(Bio read, long at, MemorySegment buffer) {
    if (!read.isDone()) {
      underWay--;
      idle.add(buffer);
      if (read.isFailed()) {
        goodBytes = Math.min(goodBytes, at);
      }
      return;
    }
    long length = Math.min(PIECE_BYTES, lengthBytes - at);
    Bio write = new Bio(loop, done -> writeEnded(done, length, buffer));
    write.prepare(Op.WRITE, to, startBytes + at, length, buffer, 0, flag);
    loop.enter(write);
  }

  private void writeEnded(Bio write, long length, MemorySegment buffer) {
    underWay--;
    idle.add(buffer);
    if (write.isFailed()) {
      writeError = write.error();
    } else if (write.isDone()) {
      copiedBytes += length;
    }
  }
}
