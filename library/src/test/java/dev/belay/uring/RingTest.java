// SPDX-License-Identifier: Apache-2.0
package dev.belay.uring;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.BitSet;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(60)
final class RingTest {
  @ParameterizedTest
  @ValueSource(ints = {Ring.DEFAULT_FLAGS, 0, Abi.SETUP_COOP_TASKRUN, Abi.SETUP_SINGLE_ISSUER})
  void nopsComeBackOnceEachWithTheirTokens(int flags) throws Exception {
    try (Ring ring = Rings.started(32, 64, flags)) {
      BitSet seen = new BitSet();
      for (int batch = 0; batch < 100; batch++) {
        for (int i = 0; i < 32; i++) {
          assertThat(ring.nop(0, batch * 32L + i)).isTrue();
        }
        assertThat(ring.nop(0, -1)).as("the queue is full").isFalse();
        assertThat(ring.sqSpaceLeft()).isZero();
        assertThat(ring.submitAndWait(32, Ring.FOREVER)).isEqualTo(32);
        assertThat(ring.ready()).isEqualTo(32);
        for (int i = 0; i < 32; i++) {
          assertThat(ring.cqeResult(i)).isZero();
          assertThat(seen.get((int) ring.cqeToken(i))).isFalse();
          seen.set((int) ring.cqeToken(i));
        }
        ring.advance(32);
      }
      assertThat(seen.cardinality()).isEqualTo(3200);
      assertThat(ring.ready()).isZero();
    }
  }

  @Test
  void tokensKeepAllTheirBits() throws Exception {
    try (Ring ring = Rings.started(4, 8)) {
      ring.nop(0, 0x8123_4567_89ab_cdefL);
      assertThat(Rings.result(ring, 0x8123_4567_89ab_cdefL)).isZero();
      ring.nop(0, -1);
      assertThat(Rings.result(ring, -1)).isZero();
    }
  }

  @Test
  void aWaitThatNothingEndsTimesOut() throws Exception {
    try (Ring ring = Rings.started(4, 8)) {
      assertThat(ring.submitAndWait(1, 1_000_000)).isEqualTo(-Errno.ETIME);
      assertThat(ring.submitAndWait(1, -5)).isEqualTo(-Errno.ETIME);
      assertThat(ring.ready()).isZero();
    }
  }

  @Test
  void submittingNothingIsNothing() throws Exception {
    try (Ring ring = Rings.started(4, 8)) {
      assertThat(ring.submit()).isZero();
      assertThat(ring.submitAndPoll()).isZero();
      assertThat(ring.sqPending()).isZero();
    }
  }

  @Test
  void anotherThreadWakesTheOwnerThroughAnEventfd() throws Exception {
    try (Ring ring = Rings.started(4, 8);
        Arena arena = Arena.ofConfined()) {
      int fd = Kernel.eventfd();
      MemorySegment count = arena.allocate(ValueLayout.JAVA_LONG);
      for (int round = 0; round < 50; round++) {
        ring.read(fd, count.address(), 8, 0, 0, 0, round);
        Thread waker = Thread.ofPlatform().start(() -> Kernel.eventfdSignal(fd));
        assertThat(Rings.result(ring, round)).isEqualTo(8);
        assertThat(count.get(ValueLayout.JAVA_LONG, 0)).isEqualTo(1);
        waker.join();
      }
      Kernel.close(fd);
    }
  }

  @Test
  void aMultishotPollReportsEverySignal() throws Exception {
    try (Ring ring = Rings.started(4, 8)) {
      int fd = Kernel.eventfd();
      ring.pollAdd(fd, Abi.POLLIN, Abi.POLL_ADD_MULTI, 0, 5);
      ring.submit();
      for (int round = 0; round < 3; round++) {
        Kernel.eventfdSignal(fd);
        ring.submitAndWait(1, Rings.SECOND);
        assertThat(ring.ready()).isEqualTo(1);
        assertThat(ring.cqeFlags(0) & Abi.CQE_F_MORE).isNotZero();
        assertThat(ring.cqeResult(0) & Abi.POLLIN).isNotZero();
        assertThat(Kernel.eventfdDrain(fd)).isEqualTo(1);
        ring.advance(1);
      }
      Kernel.close(fd);
    }
  }

  @Test
  void aParkedReadIsCancelled() throws Exception {
    try (Ring ring = Rings.started(8, 16);
        Arena arena = Arena.ofConfined()) {
      int fd = Kernel.eventfd();
      long buffer = arena.allocate(8, 8).address();
      ring.read(fd, buffer, 8, 0, 0, 0, 100);
      ring.submit();
      ring.cancel(100, 0, 200);
      assertThat(ring.submitAndWait(2, Rings.SECOND)).isEqualTo(1);
      assertThat(resultOf(ring, 100)).isEqualTo(-Errno.ECANCELED);
      assertThat(resultOf(ring, 200)).isZero();
      ring.advance(2);

      ring.cancel(100, 0, 201);
      assertThat(Rings.result(ring, 201)).as("it is gone").isEqualTo(-Errno.ENOENT);

      ring.read(fd, buffer, 8, 0, 0, 0, 101);
      ring.read(fd, buffer, 8, 0, 0, 0, 102);
      ring.submit();
      ring.cancelFd(fd, Abi.CANCEL_ALL, 202);
      ring.submitAndWait(3, Rings.SECOND);
      assertThat(resultOf(ring, 101)).isEqualTo(-Errno.ECANCELED);
      assertThat(resultOf(ring, 102)).isEqualTo(-Errno.ECANCELED);
      assertThat(resultOf(ring, 202)).isEqualTo(2);
      ring.advance(3);
      Kernel.close(fd);
    }
  }

  @Test
  void aLinkBreaksAtTheFirstFailure() throws Exception {
    try (Ring ring = Rings.started(8, 16)) {
      ring.fsync(-1, 0, Abi.SQE_IO_LINK, 1);
      ring.nop(0, 2);
      ring.submitAndWait(2, Rings.SECOND);
      assertThat(resultOf(ring, 1)).isEqualTo(-Errno.EBADF);
      assertThat(resultOf(ring, 2)).isEqualTo(-Errno.ECANCELED);
      ring.advance(2);
    }
  }

  @Test
  void completionsBeyondTheQueueAreKeptAndComeLater() throws Exception {
    try (Ring ring = Rings.started(8, 8)) {
      for (int batch = 0; batch < 4; batch++) {
        for (int i = 0; i < 8; i++) {
          ring.nop(0, batch * 8L + i);
        }
        assertThat(ring.submitAndPoll()).isEqualTo(8);
      }
      assertThat(ring.overflowed()).isTrue();
      assertThat(ring.wantsPoll()).isTrue();
      BitSet seen = new BitSet();
      for (int tries = 0; seen.cardinality() < 32 && tries < 100; tries++) {
        int n = ring.ready();
        for (int i = 0; i < n; i++) {
          seen.set((int) ring.cqeToken(i));
        }
        ring.advance(n);
        ring.submitAndPoll();
      }
      assertThat(seen.cardinality()).isEqualTo(32);
      assertThat(ring.overflowed()).isFalse();
      assertThat(ring.lostCompletions()).isZero();
    }
  }

  @Test
  void aClosedRingRefusesEverything() throws Exception {
    Ring ring = Rings.started(4, 8);
    ring.close();
    ring.close();
    assertThatIllegalStateException().isThrownBy(() -> ring.nop(0, 0)).withMessageMatching(CLOSED);
    assertThatIllegalStateException().isThrownBy(ring::ready).withMessageMatching(CLOSED);
    assertThatIllegalStateException().isThrownBy(ring::submit).withMessageMatching(CLOSED);
    assertThatIllegalStateException().isThrownBy(ring::submitAndPoll).withMessageMatching(CLOSED);
    assertThatIllegalStateException().isThrownBy(() -> ring.submitAndWait(1, 0));
    assertThatIllegalStateException().isThrownBy(() -> ring.cqeToken(0));
    assertThatIllegalStateException().isThrownBy(() -> ring.cqeResult(0));
    assertThatIllegalStateException().isThrownBy(() -> ring.cqeFlags(0));
    assertThatIllegalStateException().isThrownBy(() -> ring.advance(1));
    assertThatIllegalStateException().isThrownBy(ring::wantsPoll);
    assertThatIllegalStateException().isThrownBy(ring::overflowed);
    assertThatIllegalStateException().isThrownBy(ring::lostCompletions);
    assertThatIllegalStateException().isThrownBy(ring::sqSpaceLeft);
    assertThatIllegalStateException().isThrownBy(ring::start);
    assertThatIllegalStateException().isThrownBy(() -> ring.registry().registerFiles(1));
  }

  private static final String CLOSED = "the ring is closed";

  @Test
  void onlyTheOwnerMayUseIt() throws Exception {
    try (Ring ring = Rings.started(4, 8)) {
      assertThat(failureOn(ring::submit)).hasMessageContaining("the ring belongs to");
      assertThat(failureOn(ring::close)).hasMessageContaining("who owns the ring");
      assertThat(failureOn(ring::start)).hasMessageContaining("belongs already");
      assertThat(failureOn(() -> ring.registry().registerFiles(1))).isNotNull();
      ring.nop(0, 3);
      assertThat(Rings.result(ring, 3)).isZero();
    }
  }

  @Test
  void anOrphanMayBeClosedByAnybody() throws Exception {
    AtomicReference<Ring> orphan = new AtomicReference<>();
    Ring ring = Rings.started(4, 8);
    ring.close();
    Thread.ofPlatform().start(() -> orphan.set(startedQuietly())).join();
    orphan.get().close();
    assertThatIllegalStateException().isThrownBy(() -> orphan.get().ready());
  }

  private static Ring startedQuietly() {
    try {
      return Rings.started(4, 8);
    } catch (RingSetupException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void aRingWithoutAnOwnerSaysWhatToDo() throws Exception {
    Rings.started(1, 1).close();
    try (Ring ring = Ring.open(4, 8)) {
      assertThatIllegalStateException()
          .isThrownBy(ring::submit)
          .withMessageContaining("calls start() first");
    }
  }

  @Test
  void sizesAreChecked() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Ring.open(0, 8))
        .withMessageContaining("1 to 32768 entries, not 0");
    assertThatIllegalArgumentException().isThrownBy(() -> Ring.open(8, 4));
    assertThatIllegalArgumentException().isThrownBy(() -> Ring.open(8, 70_000));
  }

  @Test
  void flagsThatAKernelLacksAreGivenUp() throws Exception {
    // DEFER_TASKRUN without SINGLE_ISSUER is refused by every kernel, as an unknown flag would be.
    int flags = Abi.SETUP_DEFER_TASKRUN | Abi.SETUP_NO_SQARRAY | Abi.SETUP_SUBMIT_ALL;
    try (Ring ring = Rings.started(4, 8, flags)) {
      assertThat(ring.setupFlags() & (Abi.SETUP_DEFER_TASKRUN | Abi.SETUP_NO_SQARRAY)).isZero();
      assertThat(ring.setupFlags() & Abi.SETUP_COOP_TASKRUN).isNotZero();
      ring.nop(0, 9);
      assertThat(Rings.result(ring, 9)).isZero();
    }
  }

  private static int resultOf(Ring ring, long token) {
    for (int i = 0; i < ring.ready(); i++) {
      if (ring.cqeToken(i) == token) {
        return ring.cqeResult(i);
      }
    }
    throw new AssertionError("no completion with token " + token + " of " + ring.ready());
  }

  private static Throwable failureOn(Runnable body) throws InterruptedException {
    AtomicReference<Throwable> thrown = new AtomicReference<>();
    Thread other =
        Thread.ofPlatform()
            .start(
                () -> {
                  try {
                    body.run();
                  } catch (IllegalStateException e) {
                    thrown.set(e);
                  }
                });
    other.join();
    return thrown.get();
  }
}
