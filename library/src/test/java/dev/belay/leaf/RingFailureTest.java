// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.CancelFlag;
import dev.belay.Errno;
import dev.belay.Limits;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.net.Gather;
import dev.belay.net.Sender;
import dev.belay.net.Wire;
import dev.belay.testing.DrivenStack;
import dev.belay.testing.DrivenStack.Request;
import dev.belay.testing.SimClock;
import dev.belay.testing.SimMedium;
import dev.belay.testing.Steps;
import dev.belay.uring.Kernel;
import dev.belay.uring.RingWeather;
import dev.belay.uring.RingWeather.Knob;
import dev.belay.uring.SimDevice;
import dev.belay.uring.SimDisk;
import dev.belay.uring.SimEntry;
import dev.belay.uring.SimKernel;
import dev.belay.uring.SimStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a file on a ring does where the kernel fails in one certain way, on virtual time. */
final class RingFailureTest {
  private static final int BLOCK = 64;
  private static final int BLOCKS = 512;
  private static final int SIZE = BLOCK * BLOCKS;
  private static final long SECOND = 1_000_000_000L;
  private static final UringTuning TUNING = new UringTuning(64, 512, 64 << 10);

  /** Where the list of refusals begins with what does not pass. */
  private static final int EPERM = 4;

  private static final int ENXIO = 5;
  private static final int FOR_EVER = 1000;

  private final SimClock clock = new SimClock(new Steps());
  private final DrivenStack stack = new DrivenStack(clock);
  private final SimMedium medium = new SimMedium(0, SIZE / 8, BLOCK / 8);
  private final List<String> log = new ArrayList<>();
  private final Logger logger = Logger.getLogger("dev.belay");
  private final Level levelBefore = logger.getLevel(); // the simulators turn it off
  private final Handler listener =
      new Handler() {
        @Override
        public void publish(LogRecord record) {
          log.add(record.getMessage());
        }

        @Override
        public void flush() {}

        @Override
        public void close() {}
      };

  @BeforeAll
  static void needsRawMemory() {
    Assumptions.assumeTrue(Kernel.available(), Kernel.unavailableReason());
  }

  @AfterEach
  void stopListening() {
    logger.removeHandler(listener);
    logger.setLevel(levelBefore);
  }

  private SimKernel kernel(RingWeather weather) {
    logger.setLevel(Level.ALL);
    logger.addHandler(listener);
    MemorySegment space = Arena.ofAuto().allocate(SimKernel.SPACE_BYTES, 4096);
    return new SimKernel(clock, new Steps(), weather, new SplittableRandom(1), space);
  }

  private UringFile file(SimKernel kernel) {
    return file(kernel, new SimDisk(medium, true), SIZE, BLOCK);
  }

  private UringFile file(SimKernel kernel, SimDevice device, long sizeBytes, int block) {
    Limits limits = new Limits(sizeBytes, block, 1, Long.MAX_VALUE);
    return SimFile.open(stack.loop, kernel, device, limits, true, false, false, TUNING);
  }

  private List<Request> write(UringFile file, int count) {
    List<Request> requests = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      MemorySegment buffer = stack.memory(BLOCK);
      buffer.fill((byte) (i + 1));
      long at = (long) i % BLOCKS * BLOCK;
      requests.add(stack.submit(file, Op.WRITE, at, buffer, new CancelFlag()));
    }
    return requests;
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 2, 3, EPERM, ENXIO})
  void aRefusedCallLosesNothing(int how) {
    for (int at = 0; at < 6; at++) {
      RingWeather weather =
          RingWeather.calm()
              .with(Knob.REFUSES_FROM, at)
              .with(Knob.REFUSES_FOR, 1 + at % 3)
              .with(Knob.REFUSES_WITH, how);
      try (DrivenStack own = new DrivenStack(clock)) {
        SimKernel kernel = kernel(weather);
        Limits limits = new Limits(SIZE, BLOCK, 1, Long.MAX_VALUE);
        UringFile file =
            SimFile.open(
                own.loop, kernel, new SimDisk(medium, true), limits, true, false, false, TUNING);
        for (int i = 0; i < 3; i++) {
          MemorySegment buffer = own.memory(BLOCK);
          assertThat(own.run(file, Op.WRITE, 0, buffer)).isEqualTo(Outcome.done(BLOCK));
        }
        assertThat(kernel.violations()).isEmpty();
      }
    }
    stack.close();
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 2, 3})
  void aKernelThatIsShortOfMemoryIsWaitedForAndAskedSeldom(int how) {
    SimKernel kernel =
        kernel(
            RingWeather.calm()
                .with(Knob.REFUSES_FOR, FOR_EVER)
                .with(Knob.REFUSES_WITH, how)
                .with(Knob.SQ_ENTRIES, 3));
    UringFile file = file(kernel);
    List<Request> requests = write(file, 100);
    long start = clock.nowNanos();
    while (clock.nowNanos() - start < 10 * SECOND) {
      stack.loop.turn(SECOND);
    }
    assertThat(kernel.enters()).as("calls in ten seconds").isLessThan(5000);
    assertThat(requests).noneMatch(Request::ended);
    assertThat(log).as("reported once").hasSize(1);
    Request last = requests.getLast();
    Request sixtieth = requests.get(60);
    last.flag.raise();
    sixtieth.flag.raise();
    long raised = clock.nowNanos();
    stack.turnUntil(() -> last.ended() && sixtieth.ended());
    assertThat(clock.nowNanos() - raised).isLessThan(20_000_000);
    assertThat(sixtieth.result().cleanBytes()).isEqualTo(BLOCK);
    assertThat(stack.loop.close(Long.MAX_VALUE)).as("closing ends").isZero();
    assertThat(requests).allMatch(r -> r.result().kind() == Outcome.Kind.CANCELLED);
    assertThat(requests).allMatch(r -> r.result().cleanBytes() == BLOCK);
    stack.close();
  }

  @ParameterizedTest
  @ValueSource(ints = {EPERM, ENXIO})
  void aDeadRingFailsWhatItNeverTook(int how) {
    SimKernel kernel =
        kernel(RingWeather.calm().with(Knob.REFUSES_FOR, FOR_EVER).with(Knob.REFUSES_WITH, how));
    UringFile file = file(kernel);
    List<Request> requests = write(file, 100);
    stack.finishAll();
    assertThat(requests).allMatch(r -> r.result().kind() == Outcome.Kind.FAILED);
    assertThat(requests).allMatch(r -> r.result().cleanBytes() == BLOCK);
    assertThat(requests.getFirst().result().error()).asString().contains("sim", "not sent");
    assertThat(requests.getFirst().result().result())
        .isEqualTo(how == EPERM ? -dev.belay.uring.Errno.EPERM : -dev.belay.uring.Errno.ENXIO);
    long before = clock.nowNanos();
    Outcome later = stack.run(file, Op.FLUSH, 0, 0);
    assertThat(later.kind()).isEqualTo(Outcome.Kind.FAILED);
    assertThat(clock.nowNanos() - before).as("without hope nobody waits").isLessThan(SECOND);
    assertThat(log).as("reported once").hasSize(1);
    assertThat(file.status()).contains("refused");
    int enters = kernel.enters();
    long idle = clock.nowNanos();
    while (clock.nowNanos() - idle < 10 * SECOND) {
      stack.loop.turn(SECOND);
    }
    assertThat(kernel.enters() - enters).as("calls in ten seconds").isLessThan(500);
    stack.close();
  }

  @Test
  void aRingThatWorksAgainIsUsedAgain() {
    SimKernel kernel =
        kernel(RingWeather.calm().with(Knob.REFUSES_FOR, FOR_EVER).with(Knob.REFUSES_WITH, EPERM));
    UringFile file = file(kernel);
    MemorySegment buffer = stack.memory(BLOCK);
    assertThat(stack.run(file, Op.WRITE, 0, buffer).kind()).isEqualTo(Outcome.Kind.FAILED);
    kernel.setWeather(RingWeather.calm());
    assertThat(stack.run(file, Op.WRITE, 0, buffer)).isEqualTo(Outcome.done(BLOCK));
    stack.close();
  }

  @Test
  void zeroesAreWrittenWhereNoRangeCanBeZeroed() {
    SimKernel kernel =
        kernel(RingWeather.calm().with(Knob.NO_PUNCH, 1).with(Knob.NO_ZERO_RANGE, 1));
    UringFile file = file(kernel);
    List<Request> requests = new ArrayList<>();
    int length = SIZE / 8;
    for (int i = 0; i < 8; i++) {
      CancelFlag flag = new CancelFlag();
      MemorySegment none = MemorySegment.NULL;
      requests.add(
          stack.submit(file, Op.WRITE_ZEROES, (long) i * length, length, none, flag, false));
    }
    stack.finishAll();
    assertThat(requests).allMatch(r -> r.result().equals(Outcome.done(length)));
    for (int granule = 0; granule < medium.granules(); granule++) {
      assertThat(medium.at(granule)).as("granule " + granule).isZero();
    }
    assertThat(kernel.violations()).isEmpty();
    stack.close();
  }

  /** What was cut before it was known that no range can be zeroed is zeroed, too. */
  @Test
  void aLongRangeIsZeroedByWritingAllOfIt() {
    long mebibyte = 1L << 20;
    boolean[] written = new boolean[640];
    List<Integer> modes = new ArrayList<>();
    SimDevice disk =
        new SimDevice() {
          @Override
          public void begin(SimKernel kernel, SimEntry entry) {
            if (entry.isRange()) {
              modes.add(entry.length());
              entry.answer(-Errno.EOPNOTSUPP, clock.nowNanos());
            } else {
              written[(int) (entry.offsetBytes() / mebibyte)] = true;
              entry.answer((int) entry.lengthBytes(), clock.nowNanos());
            }
          }

          @Override
          public boolean end(SimKernel kernel, SimEntry entry) {
            return true;
          }

          @Override
          public int abort(SimKernel kernel, SimEntry entry) {
            return -Errno.EIO;
          }
        };
    Limits limits = new Limits(1L << 30, 512, 1, Long.MAX_VALUE);
    UringTuning tuning = new UringTuning(64, 1 << 20, 4 << 20);
    UringFile file =
        SimFile.open(
            stack.loop, kernel(RingWeather.calm()), disk, limits, true, false, false, tuning);
    long length = 640 * mebibyte;
    assertThat(stack.run(file, Op.WRITE_ZEROES, 0, length)).isEqualTo(Outcome.done(length));
    assertThat(modes).as("mode 0 only allocates").doesNotContain(0);
    assertThat(written).containsOnly(true);
    stack.close();
  }

  /** Answers everything within half a millisecond, save what is at offset 0. */
  private final class Slow implements SimDevice {
    final Map<Long, Integer> begun = new HashMap<>();
    final int atZero;
    int aborts;

    Slow(int atZero) {
      this.atZero = atZero;
    }

    @Override
    public void begin(SimKernel kernel, SimEntry entry) {
      begun.merge(entry.offsetBytes(), 1, Integer::sum);
      long spread = 200_000 + entry.offsetBytes() / BLOCK * 40_000;
      if (entry.offsetBytes() != 0) {
        entry.answer((int) entry.lengthBytes(), clock.nowNanos() + spread);
      } else if (atZero == 0) {
        entry.answer(0, Long.MAX_VALUE);
      } else {
        entry.answer(atZero, clock.nowNanos());
      }
    }

    @Override
    public boolean end(SimKernel kernel, SimEntry entry) {
      return true;
    }

    @Override
    public int abort(SimKernel kernel, SimEntry entry) {
      aborts++;
      entry.answer(-dev.belay.uring.Errno.ECANCELED, clock.nowNanos());
      return 0;
    }
  }

  @Test
  void aFlagIsSeenWhileOthersAreAnswered() {
    Slow slow = new Slow(0);
    UringFile file = file(kernel(RingWeather.calm()), slow, SIZE, BLOCK);
    Request hung = stack.submit(file, Op.READ, 0, stack.memory(BLOCK), new CancelFlag());
    List<Request> others = new ArrayList<>();
    long start = clock.nowNanos();
    boolean isRaised = false;
    while (!hung.ended() && clock.nowNanos() - start < 10 * SECOND) {
      while (stack.loop.openRequests() < 12) {
        long at = BLOCK * (1L + others.size() % 11);
        others.add(stack.submit(file, Op.READ, at, stack.memory(BLOCK), new CancelFlag()));
      }
      if (!isRaised && clock.nowNanos() - start > 10_000_000) {
        isRaised = true;
        hung.flag.raise();
      }
      stack.loop.turn(SECOND);
    }
    assertThat(hung.ended()).isTrue();
    assertThat(clock.nowNanos() - start).as("soon").isLessThan(200_000_000);
    assertThat(slow.aborts).isEqualTo(1);
    stack.close();
  }

  @ParameterizedTest
  @ValueSource(ints = {-Errno.EAGAIN, -dev.belay.uring.Errno.EINTR})
  void whatIsToBeRepeatedForEverIsRepeatedSeldom(int answer) {
    Slow slow = new Slow(answer);
    UringFile file = file(kernel(RingWeather.calm()), slow, SIZE, BLOCK);
    Request stubborn = stack.submit(file, Op.READ, 0, stack.memory(BLOCK), new CancelFlag());
    long start = clock.nowNanos();
    while (clock.nowNanos() - start < SECOND) {
      stack.loop.turn(SECOND);
    }
    assertThat(slow.begun.get(0L)).as("in a second").isBetween(10, 1000);
    MemorySegment buffer = stack.memory(BLOCK);
    assertThat(stack.run(file, Op.READ, BLOCK, buffer)).isEqualTo(Outcome.done(BLOCK));
    long raised = clock.nowNanos();
    stubborn.flag.raise();
    assertThat(stack.finish(stubborn).kind()).isEqualTo(Outcome.Kind.CANCELLED);
    assertThat(clock.nowNanos() - raised).isLessThan(10_000_000);
    stack.close();
  }

  @Test
  void aRecorderThatThrowsLosesNothing() {
    SimKernel kernel = kernel(RingWeather.calm());
    UringFile file = file(kernel);
    List<Request> requests = write(file, 5);
    file.setRecorder(
        (bio, offset, length) -> {
          if (offset == 2 * BLOCK) {
            throw new InternalError("the recorder is broken");
          }
        });
    List<Throwable> thrown = new ArrayList<>();
    while (stack.loop.openRequests() > 0) {
      try {
        stack.loop.turn(SECOND);
      } catch (InternalError e) {
        thrown.add(e);
      }
    }
    assertThat(thrown.size() + stack.defects.size()).isEqualTo(1);
    stack.defects.clear();
    assertThat(requests.get(2).result().kind()).isEqualTo(Outcome.Kind.FAILED);
    assertThat(requests.get(2).result().cleanBytes()).isEqualTo(BLOCK);
    requests.remove(2);
    assertThat(requests).allMatch(r -> r.result().equals(Outcome.done(BLOCK)));
    file.setRecorder(null);
    assertThat(kernel.violations()).isEmpty();
    stack.close();
  }

  @Test
  void anEndThatThrowsLosesNoCompletionBehindIt() {
    SimKernel kernel = kernel(RingWeather.calm());
    UringFile file = file(kernel);
    List<Request> requests = write(file, 8);
    List<Integer> ends = new ArrayList<>();
    MemorySegment memory = stack.memory(6 * BLOCK);
    for (int i = 0; i < 3; i++) {
      SimStream[] streams = SimStream.pair(BLOCK);
      Wire from = SimWires.adopt(stack.loop, kernel, streams[0]);
      Wire to = SimWires.adopt(stack.loop, kernel, streams[1]);
      long address = memory.address() + 2L * i * BLOCK;
      to.receive(
          address,
          BLOCK,
          result -> {
            ends.add(result);
            if (ends.size() < 3) {
              throw new InternalError("a mapped file was cut short");
            }
          });
      from.wantSend(new Bytes(address + BLOCK, false));
    }
    stack.turnUntil(() -> ends.size() == 3 && stack.loop.openRequests() == 0);
    assertThat(ends).containsOnly(BLOCK);
    assertThat(requests).allMatch(r -> r.result().equals(Outcome.done(BLOCK)));
    assertThat(stack.defects).hasSize(2).allMatch(InternalError.class::isInstance);
    stack.defects.clear();
    stack.close();
  }

  @Test
  void aSenderThatThrowsIsToldAndKeepsNobodyElseFromSending() {
    SimKernel kernel = kernel(RingWeather.calm());
    List<Bytes> senders = new ArrayList<>();
    List<Integer> ends = new ArrayList<>();
    MemorySegment memory = stack.memory(2 * BLOCK);
    for (int i = 0; i < 3; i++) {
      SimStream[] streams = SimStream.pair(BLOCK);
      Wire from = SimWires.adopt(stack.loop, kernel, streams[0]);
      Wire to = SimWires.adopt(stack.loop, kernel, streams[1]);
      to.receive(memory.address(), BLOCK, ends::add);
      senders.add(new Bytes(memory.address() + BLOCK, i == 0));
      from.wantSend(senders.get(i));
    }
    for (int turns = 0; turns < 200 && ends.size() < 2; turns++) {
      try {
        stack.loop.turn(0);
      } catch (InternalError e) {
        stack.defects.add(e);
      }
    }
    assertThat(ends).containsExactly(BLOCK, BLOCK);
    assertThat(senders).extracting(sender -> sender.sent).containsExactly(-Errno.EIO, 0, 0);
    assertThat(stack.defects).hasSize(1);
    stack.defects.clear();
    stack.close();
  }

  /** Sends a block once, or throws. */
  private static final class Bytes implements Sender {
    private final long address;
    private final boolean throwsUp;
    int sent = 1;

    Bytes(long address, boolean throwsUp) {
      this.address = address;
      this.throwsUp = throwsUp;
    }

    @Override
    public void gather(Gather into) {
      if (throwsUp) {
        throw new InternalError("a mapped file was cut short");
      }
      into.add(address, BLOCK);
    }

    @Override
    public void sent(int result) {
      sent = result;
    }
  }
}
