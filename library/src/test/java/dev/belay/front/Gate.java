// SPDX-License-Identifier: Apache-2.0
package dev.belay.front;

import dev.belay.Bio;
import dev.belay.Device;
import dev.belay.Limits;
import dev.belay.Loop;
import dev.belay.Verdict;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.List;

/**
 * A device that answers nothing until it is opened: what it has is in flight, where no flag
 * reaches. A read gives bytes of the value 7, when it is answered and not before.
 */
final class Gate extends Device {
  private final ArrayDeque<Bio> held = new ArrayDeque<>();
  volatile boolean isOpen;
  volatile int arrived;
  volatile boolean lastWasFua;

  Gate(Loop loop, boolean isOpen) {
    super(loop, "gate", new Limits(1L << 41, 512, 512, 1L << 30), List.of());
    this.isOpen = isOpen;
  }

  @Override
  @SuppressWarnings("NonAtomicOperationOnVolatileField")
  public Verdict map(Bio bio) {
    arrived++;
    lastWasFua = bio.isFua();
    if (isOpen) {
      answer(bio);
    } else {
      held.add(bio);
    }
    return Verdict.TAKEN;
  }

  private static void answer(Bio bio) {
    switch (bio.op()) {
      case READ -> bufferOf(bio).fill((byte) 7);
      case WRITE -> bufferOf(bio).get(java.lang.foreign.ValueLayout.JAVA_BYTE, 0);
      default -> {}
    }
    bio.complete();
  }

  private static MemorySegment bufferOf(Bio bio) {
    return bio.buffer().asSlice(bio.bufferOffsetBytes(), bio.lengthBytes());
  }

  /** Answers all that it holds, and from now on everything at once. Any thread. */
  void open() {
    loop()
        .execute(
            () -> {
              isOpen = true;
              while (!held.isEmpty()) {
                answer(held.poll());
              }
            });
  }

  /** Answers the one that it has held for longest. Any thread. */
  void openOne() {
    loop().execute(() -> answer(held.remove()));
  }

  /** Waits until so many bios have come. */
  void awaitArrived(int count) throws InterruptedException {
    long deadline = System.nanoTime() + 20_000_000_000L;
    while (arrived < count) {
      if (System.nanoTime() - deadline > 0) {
        throw new AssertionError("only " + arrived + " of " + count + " bios came");
      }
      Thread.sleep(1);
    }
  }
}
