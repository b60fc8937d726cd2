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
import dev.belay.Parked;
import dev.belay.Verdict;
import dev.belay.testing.CommitWitness;
import dev.belay.testing.Recording;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.function.Predicate;
import java.util.function.ToLongFunction;

/**
 * A leg of a mirror under test: native memory, with bad blocks that a write cures, that holds back
 * or parks what it is told to, and notes what was sent to it.
 */
final class LegLeaf extends Device {
  static final int BLOCK_BYTES = 512;

  /** What was sent, as it was then. */
  record Sent(Op op, long offsetBytes, long lengthBytes, boolean isShielded, boolean isFua) {}

  final MemorySegment medium;
  final List<Sent> sent = new ArrayList<>();
  final List<Bio> held = new ArrayList<>();
  final Parked parked = new Parked();
  final BitSet bad = new BitSet();
  boolean staysBad;
  boolean parks;
  Predicate<Bio> holds = bio -> false;
  Predicate<Bio> fails = bio -> false;

  /** How long an answer takes; 0: it comes at once. */
  ToLongFunction<Bio> delayNanos = bio -> 0;

  /** Who looks at what arrives, where law 3 is the matter. */
  CommitWitness witness = new CommitWitness();

  /** What was sent although the request's flag was up, and without a shield. */
  int lateSends;

  LegLeaf(Loop loop, MemorySegment medium) {
    super(loop, "leg", new Limits(medium.byteSize(), BLOCK_BYTES, 1, Long.MAX_VALUE), List.of());
    this.medium = medium;
  }

  @Override
  public Verdict map(Bio bio) {
    witness.arrives(bio);
    if (parks) {
      parked.park(bio);
    } else {
      send(bio);
    }
    return Verdict.TAKEN;
  }

  /** Lets go what is parked. */
  void unpark() {
    parks = false;
    for (Bio bio = parked.letGo(); bio != null; bio = parked.letGo()) {
      send(bio);
    }
  }

  private void send(Bio bio) {
    boolean isShielded = bio.flag() == dev.belay.CancelFlag.NEVER;
    lateSends += !isShielded && Recording.flagOf(bio).isRaised() ? 1 : 0;
    sent.add(new Sent(bio.op(), bio.offsetBytes(), bio.lengthBytes(), isShielded, bio.isFua()));
    long delay = delayNanos.applyAsLong(bio);
    if (holds.test(bio)) {
      held.add(bio);
    } else if (delay > 0) {
      loop().timers().newTimer(() -> answer(bio)).set(loop().clock().nanos() + delay);
    } else {
      answer(bio);
    }
  }

  void holdAll() {
    holds = bio -> true;
  }

  /** Answers all that is held, and holds nothing any more. */
  void release() {
    holds = bio -> false;
    while (!held.isEmpty()) {
      answer(held.removeFirst());
    }
  }

  /** Takes effect, and completes. */
  void answer(Bio bio) {
    witness.nextMoment();
    if (bio.op() == Op.FLUSH) {
      if (fails.test(bio)) {
        bio.fail(Errno.EIO, "the flush failed", State.DONE);
      } else {
        bio.complete();
      }
      return;
    }
    int first = (int) (bio.offsetBytes() / BLOCK_BYTES);
    int end = first + (int) (bio.lengthBytes() / BLOCK_BYTES);
    int firstBad = bad.nextSetBit(first);
    boolean isBad = firstBad >= 0 && firstBad < end && (bio.op() == Op.READ || staysBad);
    if (isBad || fails.test(bio)) {
      bio.recordFailed(new IoError(Errno.EIO, bio.op() + " of a leg failed"), State.UNKNOWN);
    } else {
      transfer(bio);
      if (bio.op().changesMedium()) {
        bad.clear(first, end);
      }
    }
    bio.complete();
  }

  private void transfer(Bio bio) {
    long at = bio.offsetBytes();
    long length = bio.lengthBytes();
    switch (bio.op()) {
      case READ -> MemorySegment.copy(medium, at, bio.buffer(), bio.bufferOffsetBytes(), length);
      case WRITE -> MemorySegment.copy(bio.buffer(), bio.bufferOffsetBytes(), medium, at, length);
      case DISCARD, WRITE_ZEROES -> medium.asSlice(at, length).fill((byte) 0);
      case FLUSH, FIND_HOLES -> {}
    }
  }

  /** How many reads were sent. */
  long reads() {
    return sent.stream().filter(each -> each.op == Op.READ).count();
  }

  /** How many were sent that change something. */
  long writes() {
    return sent.stream().filter(each -> each.op.changesMedium()).count();
  }
}
