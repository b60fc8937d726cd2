// SPDX-License-Identifier: Apache-2.0
package dev.belay.front;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.Bio;
import dev.belay.CancelFlag;
import dev.belay.Device;
import dev.belay.Errno;
import dev.belay.Extents.State;
import dev.belay.IoError;
import dev.belay.Limits;
import dev.belay.Loop;
import dev.belay.Op;
import dev.belay.Verdict;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Memory that stands in for a caller's buffer, and what of it reaches that buffer. */
final class BounceTest {
  private static final byte OLD = 1;
  private static final byte READ = 2;

  private final Loop loop = Loop.driven();

  @AfterEach
  void close() {
    assertThat(loop.close(Long.MAX_VALUE)).isZero();
  }

  /** A read into {@code buffer} of which a device leaves four bytes clean and four unknown. */
  private Bio someDone(MemorySegment buffer) {
    Device leaf =
        new Device(loop, "leaf", new Limits(1L << 20, 1, 1, 1L << 20), List.of()) {
          @Override
          public Verdict map(Bio bio) {
            bio.recordCancelled(State.DONE);
            bio.mark(2, 4, State.CLEAN);
            bio.mark(10, 4, State.UNKNOWN);
            bio.complete();
            return Verdict.TAKEN;
          }
        };
    Bio bio = new Bio(loop, done -> {});
    bio.prepare(Op.READ, leaf, 0, 16, buffer, 0, new CancelFlag());
    loop.enter(bio);
    return bio;
  }

  /** Clean is a promise: the buffer is as it was. Nor does what is unknown overwrite anything. */
  @Test
  void onlyWhatIsDoneReachesTheCallersBuffers() {
    Bio bio = someDone(new Bounce(1).take(16).fill(READ));
    byte[] expected = {2, 2, 1, 1, 1, 1, 2, 2, 2, 2, 1, 1, 1, 1, 2, 2};
    for (int cut = 0; cut <= 16; cut++) {
      byte[] bytes = new byte[16];
      MemorySegment whole = MemorySegment.ofArray(bytes).fill(OLD);
      List<MemorySegment> parts = List.of(whole.asSlice(0, cut), whole.asSlice(cut));
      assertThat(Bounce.scatter(bio, parts, bio.outcome())).isNull();
      assertThat(bytes).as("cut at %d", cut).isEqualTo(expected);
    }
  }

  @Test
  void aBufferThatIsGoneIsSaidAndNotThrown() {
    MemorySegment gone;
    try (Arena arena = Arena.ofConfined()) {
      gone = arena.allocate(16);
    }
    Bio bio = someDone(new Bounce(1).take(16));
    assertThat(Bounce.scatter(bio, List.of(gone), bio.outcome()))
        .extracting(IoError::errno)
        .isEqualTo(Errno.EFAULT);
    assertThat(Bounce.gather(List.of(gone), bio))
        .extracting(IoError::errno)
        .isEqualTo(Errno.EFAULT);
  }

  @Test
  void buffersAreGatheredOneBehindTheOther() {
    MemorySegment target = new Bounce(1).take(16).fill(OLD);
    List<MemorySegment> parts =
        List.of(MemorySegment.ofArray(new byte[] {7, 8}), MemorySegment.ofArray(new byte[] {9}));
    assertThat(Bounce.gather(parts, someDone(target))).isNull();
    assertThat(target.asSlice(0, 4).toArray(ValueLayout.JAVA_BYTE)).containsExactly(7, 8, 9, 1);
  }

  @Test
  void memoryThatWasGivenBackIsTakenAgainUpToABound() {
    Bounce bounce = new Bounce(8192);
    MemorySegment small = bounce.take(1);
    assertThat(small.byteSize()).isEqualTo(4096);
    assertThat(small.address() % 8192).isZero();
    MemorySegment larger = bounce.take(4097);
    assertThat(larger.byteSize()).isEqualTo(8192);
    assertThat(bounce.take(8192).byteSize()).isEqualTo(8192);
    bounce.give(small);
    bounce.give(larger);
    assertThat(bounce.take(4096)).isSameAs(small);
    assertThat(bounce.take(4096)).isNotSameAs(small);
    assertThat(bounce.take(8192)).isSameAs(larger);
    MemorySegment half = bounce.take(32L << 20);
    MemorySegment otherHalf = bounce.take(32L << 20);
    MemorySegment tooMuch = bounce.take(32L << 20);
    bounce.give(half);
    bounce.give(otherHalf);
    bounce.give(tooMuch);
    assertThat(List.of(bounce.take(32L << 20), bounce.take(32L << 20), bounce.take(32L << 20)))
        .contains(half, otherHalf)
        .doesNotContain(tooMuch);
    bounce.give(tooMuch);
    assertThat(bounce.take(32L << 20)).as("there is room again").isSameAs(tooMuch);
  }

  @Test
  void onlyMemoryThatNobodyCanFreeGoesToTheDeviceItself() {
    MemorySegment automatic = Arena.ofAuto().allocate(64, 64);
    assertThat(Bounce.isDirect(automatic, 64)).isTrue();
    assertThat(Bounce.isDirect(automatic.asSlice(1), 64)).isFalse();
    assertThat(Bounce.isDirect(automatic.asSlice(1), 1)).isTrue();
    assertThat(Bounce.isDirect(Arena.global().allocate(64, 64), 64)).isTrue();
    assertThat(Bounce.isDirect(MemorySegment.ofArray(new byte[64]), 1)).isFalse();
    try (Arena arena = Arena.ofShared()) {
      assertThat(Bounce.isDirect(arena.allocate(64, 64), 64)).isFalse();
    }
  }
}
