// SPDX-License-Identifier: Apache-2.0
package dev.belay.target;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.Bio;
import dev.belay.CancelFlag;
import dev.belay.Extents;
import dev.belay.Extents.State;
import dev.belay.Loop;
import dev.belay.Op;
import dev.belay.Outcome;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Owners of neighbouring byte ranges, whose borders fall anywhere in the blocks, all write and read
 * at once, each one request at a time: so each knows every byte of its own, and a neighbour's
 * read-modify-write that lost one of them is seen.
 */
final class AlignModelTest {
  private static final int BLOCK = 4096;
  private static final byte UNTOUCHED = 0x55;

  private final Loop loop = Loop.driven();
  private final List<Throwable> defects = new ArrayList<>();

  @ParameterizedTest
  @CsvSource({
    "1, 700, 65536, 0", "2, 700, 4194304, 0", "3, 3000, 131072, 30", "4, 90000, 262144, 30",
    "5, 9000, 4194304, 0", "6, 400000, 131072, 10", "7, 200, 131072, 30", "8, 5000, 65536, 5"
  })
  void nobodyLosesAByte(long seed, int widthBytes, long bounceBytes, int failures) {
    loop.setDefects(defects::add);
    SplittableRandom random = new SplittableRandom(seed);
    try (Arena arena = Arena.ofShared()) {
      int ownerCount = 40;
      long size = (((long) ownerCount * widthBytes) / BLOCK + 1) * BLOCK;
      Shuffle lower = new Shuffle(loop, arena, size, BLOCK, 512, random.nextLong());
      Align align = new Align(loop, lower, BLOCK, bounceBytes);
      List<Owner> owners = new ArrayList<>();
      for (int i = 0; i < ownerCount; i++) {
        owners.add(new Owner(align, arena, (long) i * widthBytes, widthBytes, random.split()));
      }
      lower.failures = failures;
      for (int i = Math.min(15_000, 20_000_000 / widthBytes); i > 0; i--) {
        owners.get(random.nextInt(ownerCount)).act();
        for (int steps = random.nextInt(4); steps > 0; steps--) {
          lower.step();
        }
        loop.turn(0);
      }
      lower.finishAll();
      lower.failures = 0;
      for (Owner owner : owners) {
        assertThat(owner.isBusy).as("every request ended").isFalse();
        owner.submit(Op.READ, 0, widthBytes);
      }
      lower.finishAll();
      assertThat(owners).allMatch(owner -> owner.last != null && owner.last.doneBytes() > 0);
      assertThat(align.status()).contains("0 pieces under way", " 0 wait for one");
      assertThat(defects).isEmpty();
      assertThat(loop.close(0)).isZero();
    }
  }

  /** One owner; where a write ended unknown, a byte may be what it was or what it was to be. */
  private final class Owner {
    private final Align align;
    private final long offsetBytes;
    private final int widthBytes;
    private final SplittableRandom random;
    private final MemorySegment buffer;
    private final byte[] before;
    private final byte[] after;
    private final Bio bio = new Bio(loop, done -> ended());
    private CancelFlag flag = new CancelFlag();
    private long bufferStart;
    private long start;
    private boolean isBusy;
    private @Nullable Outcome last;

    Owner(Align align, Arena arena, long offsetBytes, int widthBytes, SplittableRandom random) {
      this.align = align;
      this.offsetBytes = offsetBytes;
      this.widthBytes = widthBytes;
      this.random = random;
      buffer = arena.allocate(widthBytes + 1024L, BLOCK);
      before = new byte[widthBytes];
      after = new byte[widthBytes];
    }

    void act() {
      if (isBusy) {
        if (random.nextInt(8) == 0) {
          flag.raise();
        }
        return;
      }
      Op op = random.nextInt(10) == 0 ? Op.WRITE_ZEROES : random.nextBoolean() ? Op.WRITE : Op.READ;
      int from = random.nextInt(widthBytes);
      int length = 1 + random.nextInt(widthBytes - from);
      if (random.nextInt(4) == 0) { // whole blocks, where there are any
        int aligned = (int) (-offsetBytes & (BLOCK - 1));
        int whole = (widthBytes - aligned) / BLOCK * BLOCK;
        if (whole > 0) {
          from = aligned;
          length = whole;
        }
      }
      submit(op, from, length);
    }

    void submit(Op op, int from, int length) {
      isBusy = true;
      flag = new CancelFlag();
      start = from;
      // Memory that is aligned as it is, or once the offset is, or never.
      long wanted = offsetBytes + from;
      bufferStart = random.nextInt(3) == 0 ? 0 : random.nextBoolean() ? wanted & 511 : 1;
      for (int i = 0; i < length; i++) {
        byte value = op == Op.READ ? UNTOUCHED : (byte) random.nextInt();
        buffer.set(ValueLayout.JAVA_BYTE, bufferStart + i, value);
      }
      MemorySegment memory = op.hasBuffer() ? buffer : MemorySegment.NULL;
      bio.prepare(op, align, wanted, length, memory, op.hasBuffer() ? bufferStart : 0, flag);
      loop.enter(bio);
    }

    private void ended() {
      assertThat(isBusy).as("one completion each").isTrue();
      isBusy = false;
      Outcome outcome = bio.outcome();
      last = outcome;
      assertThat(outcome.kind() == Outcome.Kind.DONE)
          .isEqualTo(outcome.doneBytes() == outcome.lengthBytes());
      for (Extents.Extent extent : outcome.extents().list()) {
        for (long i = extent.offsetBytes(); i < extent.endBytes(); i++) {
          if (bio.op() == Op.READ) {
            compare(i, extent.state());
          } else {
            note(i, extent.state());
          }
        }
      }
    }

    private void compare(long i, State state) {
      int at = (int) (start + i);
      byte found = buffer.get(ValueLayout.JAVA_BYTE, bufferStart + i);
      if (state == State.CLEAN && found != UNTOUCHED) {
        throw new AssertionError("a clean byte of the buffer was touched, " + at);
      }
      if (state != State.DONE) {
        return;
      }
      if (found != before[at] && found != after[at]) {
        throw new AssertionError(
            "byte %d of the owner at %d is %d, not %d or %d"
                .formatted(at, offsetBytes, found, before[at], after[at]));
      }
      before[at] = found;
      after[at] = found;
    }

    private void note(long i, State state) {
      int at = (int) (start + i);
      byte written = bio.op() == Op.WRITE ? buffer.get(ValueLayout.JAVA_BYTE, bufferStart + i) : 0;
      if (state == State.DONE) {
        before[at] = written;
        after[at] = written;
      } else if (state == State.UNKNOWN && before[at] == after[at]) {
        after[at] = written;
      } else if (state == State.UNKNOWN) {
        wild(at);
      }
    }

    /** Two writes in a row ended unknown: looked up on the medium, for want of a third value. */
    private void wild(int at) {
      Shuffle lower = (Shuffle) align.lowers().get(0);
      byte now = lower.medium.get(ValueLayout.JAVA_BYTE, offsetBytes + at);
      before[at] = now;
      after[at] = now;
    }
  }
}
