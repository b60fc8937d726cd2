// SPDX-License-Identifier: Apache-2.0
package dev.belay.scenario;

import dev.belay.Bio;
import dev.belay.Device;
import dev.belay.Limits;
import dev.belay.Loop;
import dev.belay.Op;
import dev.belay.Parked;
import dev.belay.Verdict;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.List;

/**
 * A disk that hangs until it is released. As a leaf does, it has at most {@code depth} requests in
 * flight, where no flag reaches them, and parks the others. It does what it was asked, in memory,
 * when it is released and not before.
 */
@SuppressWarnings("NonAtomicOperationOnVolatileField") // only the loop's thread writes it
final class HeldLeaf extends Device {
  private final int depth;
  private final MemorySegment medium;
  private final ArrayDeque<Bio> inFlight = new ArrayDeque<>();
  private final Parked backlog = new Parked();
  private boolean isHeld = true;

  /** How many requests came into flight. */
  volatile int sent;

  HeldLeaf(Loop loop, long sizeBytes, int depth) {
    super(loop, "held", new Limits(sizeBytes, 512, 1, sizeBytes), List.of());
    this.depth = depth;
    medium = Arena.ofAuto().allocate(sizeBytes, 512);
  }

  @Override
  public Verdict map(Bio bio) {
    if (inFlight.size() < depth) {
      send(bio);
    } else {
      backlog.park(bio);
    }
    return Verdict.TAKEN;
  }

  private void send(Bio bio) {
    sent++;
    inFlight.add(bio);
    if (!isHeld) {
      answerAll();
    }
  }

  private void answerAll() {
    while (!inFlight.isEmpty()) {
      Bio bio = inFlight.poll();
      if (bio.op().hasBuffer()) {
        MemorySegment place = medium.asSlice(bio.offsetBytes(), bio.lengthBytes());
        MemorySegment buffer = bio.buffer().asSlice(bio.bufferOffsetBytes(), bio.lengthBytes());
        (bio.op() == Op.READ ? buffer : place).copyFrom(bio.op() == Op.READ ? place : buffer);
      }
      bio.complete();
      Bio next = backlog.letGo();
      if (next != null) {
        sent++;
        inFlight.add(next);
      }
    }
  }

  /** Has it answer all it has, and from now on everything at once. Any thread. */
  void release() {
    loop()
        .execute(
            () -> {
              isHeld = false;
              answerAll();
            });
  }

  /** Has it hang again. Any thread. */
  void hold() {
    loop().execute(() -> isHeld = true);
  }

  /** Waits until so many requests have come into flight. */
  void awaitSent(int count) throws InterruptedException {
    long began = System.nanoTime();
    while (sent < count) {
      if (System.nanoTime() - began > Ground.LONG.toNanos()) {
        throw new AssertionError("only " + sent + " of " + count + " requests came");
      }
      Thread.sleep(1);
    }
  }

  @Override
  public String status() {
    return inFlight.size() + " in flight, " + backlog.size() + " parked";
  }
}
