// SPDX-License-Identifier: Apache-2.0
package dev.belay.target;

import dev.belay.Bio;
import dev.belay.Device;
import dev.belay.Errno;
import dev.belay.Extents.State;
import dev.belay.IoError;
import dev.belay.Limits;
import dev.belay.Loop;
import dev.belay.Op;
import dev.belay.Verdict;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;

/**
 * A member with a cache that a power loss empties: what a flush has not reached is there or not
 * afterwards, and so is what is under way. Requests wait until the test answers them, in any order.
 */
final class CachedLeg extends Device {
  /** A write that a power loss may undo. */
  private record Write(long number, long offsetBytes, byte[] bytes) {
    boolean touches(long fromBytes, long toBytes) {
      return offsetBytes < toBytes && fromBytes < offsetBytes + bytes.length;
    }
  }

  /** What waits for its answer. */
  record Pending(Bio bio, long number) {}

  final List<Pending> pending = new ArrayList<>();
  final byte[] durable;
  private final byte[] now;
  private final List<Write> volatiles = new ArrayList<>();
  private final List<Write> underWay = new ArrayList<>();
  private final Runnable changed;
  private long numbers;
  boolean holds;
  boolean failsFlushes;

  CachedLeg(Loop loop, byte[] contents, Runnable changed) {
    super(loop, "cached", new Limits(contents.length, 512, 1, Long.MAX_VALUE), List.of());
    now = contents.clone();
    durable = contents.clone();
    this.changed = changed;
  }

  @Override
  public Verdict map(Bio bio) {
    Pending asked = new Pending(bio, ++numbers);
    if (bio.op() == Op.WRITE) {
      byte[] bytes =
          bio.buffer()
              .asSlice(bio.bufferOffsetBytes(), bio.lengthBytes())
              .toArray(ValueLayout.JAVA_BYTE);
      underWay.add(new Write(asked.number, bio.offsetBytes(), bytes));
    }
    if (holds) {
      pending.add(asked);
    } else {
      answer(asked);
    }
    changed.run();
    return Verdict.TAKEN;
  }

  void answer(Pending asked) {
    pending.remove(asked);
    Bio bio = asked.bio;
    switch (bio.op()) {
      case READ ->
          MemorySegment.copy(
              MemorySegment.ofArray(now),
              bio.offsetBytes(),
              bio.buffer(),
              bio.bufferOffsetBytes(),
              bio.lengthBytes());
      case WRITE -> written(asked);
      case FLUSH -> {
        if (failsFlushes) {
          bio.recordFailed(new IoError(Errno.EIO, "the flush failed"), State.DONE);
        } else {
          flushed(asked.number);
        }
      }
      case DISCARD, WRITE_ZEROES, FIND_HOLES -> throw new AssertionError("not asked for here");
    }
    bio.complete();
    changed.run();
  }

  private void written(Pending asked) {
    Write write =
        underWay.stream().filter(each -> each.number == asked.number).findFirst().orElseThrow();
    underWay.remove(write);
    System.arraycopy(write.bytes, 0, now, (int) write.offsetBytes, write.bytes.length);
    if (asked.bio.isFua()) {
      System.arraycopy(write.bytes, 0, durable, (int) write.offsetBytes, write.bytes.length);
    } else {
      volatiles.add(new Write(++numbers, write.offsetBytes, write.bytes));
    }
  }

  /** All that had been answered when the flush began is durable. */
  private void flushed(long beganAt) {
    List<Write> reached = volatiles.stream().filter(each -> each.number < beganAt).toList();
    volatiles.removeAll(reached);
    for (Write write : reached) {
      // Where a newer one lies over it that is not flushed, that is unsure all the same.
      System.arraycopy(
          now, (int) write.offsetBytes, durable, (int) write.offsetBytes, write.bytes.length);
    }
  }

  /** Whether a power loss now leaves what {@link #durable} has there, and nothing else. */
  boolean isSure(long fromBytes, long toBytes) {
    return volatiles.stream().noneMatch(each -> each.touches(fromBytes, toBytes))
        && underWay.stream().noneMatch(each -> each.touches(fromBytes, toBytes));
  }

  /** Whether a bit is set after a power loss now, whatever that leaves. */
  boolean isSurelySet(long byteAt, int mask) {
    boolean isSet = (durable[(int) byteAt] & mask) != 0;
    for (List<Write> some : List.of(volatiles, underWay)) {
      for (Write write : some) {
        isSet &=
            !write.touches(byteAt, byteAt + 1)
                || (write.bytes[(int) (byteAt - write.offsetBytes)] & mask) != 0;
      }
    }
    return isSet;
  }
}
