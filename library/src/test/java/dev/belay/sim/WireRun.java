// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import dev.belay.Errno;
import dev.belay.Loop;
import dev.belay.leaf.SimFile;
import dev.belay.leaf.SimWires;
import dev.belay.net.Gather;
import dev.belay.net.Sender;
import dev.belay.net.Wire;
import dev.belay.testing.SimClock;
import dev.belay.testing.Steps;
import dev.belay.uring.RingWeather;
import dev.belay.uring.RingWeather.Knob;
import dev.belay.uring.SimKernel;
import dev.belay.uring.SimStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * Pairs of wires on one ring over a simulated kernel: each end sends and receives a stream that
 * knows its place, ends are closed and connections reset at any step, and every end must come once.
 */
final class WireRun {
  private static final int TURNS_AT_MOST = 200_000;
  private static final int ROOM = 512;

  private final SplittableRandom random;
  private final RingWeather weather;
  private final Steps steps = new Steps();
  private final SimKernel kernel;
  private final Loop loop;
  private final MemorySegment memory;
  private final List<End> ends = new ArrayList<>();
  private int transfers;
  private @Nullable Throwable wrong;

  /** One wire, and what it has sent and received. */
  private final class End implements Sender {
    final int place;
    final SimStream stream;
    final Wire wire;
    final int totalBytes = random.nextInt(3000);
    final boolean receivesAll = random.nextBoolean();
    @Nullable End peer;
    int gathered;
    int gatheredBefore;
    int sent;
    int received;
    int receivingBytes;
    boolean isReceiving;
    boolean isSending;
    boolean hasEnded;
    boolean isClosing;
    boolean isClosed;
    boolean isBroken;
    int hangUps;

    End(int place, SimStream stream) {
      this.place = place;
      this.stream = stream;
      wire = SimWires.adopt(loop, kernel, stream);
    }

    void start() {
      receive();
      if (totalBytes > 0) {
        wire.wantSend(this);
      }
      if (random.nextBoolean()) {
        wire.awaitHangUp(this::hungUp);
      }
    }

    private long address(int part) {
      return memory.address() + (2L * place + part) * ROOM;
    }

    private void hungUp(int result) {
      require(++hangUps == 1, "the hang-up was told twice");
      require(result == 0 || result == -Errno.ECANCELED, "a hang-up with " + result);
      require(!isClosed, "a hang-up after the wire was closed");
    }

    private void receive() {
      if (isClosing || hasEnded) {
        return;
      }
      receivingBytes = 1 + random.nextInt(ROOM);
      isReceiving = true;
      transfers++;
      int left = peer().totalBytes - received;
      if (receivesAll && left > 0) {
        receivingBytes = Math.min(receivingBytes, left);
        wire.receiveAll(address(0), receivingBytes, this::received);
      } else {
        wire.receive(address(0), receivingBytes, this::received);
      }
    }

    private void received(int result) {
      require(isReceiving && !isClosed, "a receive ended that was not under way");
      require(result <= receivingBytes, "more was received than asked for");
      isReceiving = false;
      for (int i = 0; i < result; i++) {
        byte found = memory.get(ValueLayout.JAVA_BYTE, (2L * place) * ROOM + i);
        require(found == place(peer(), received + i), "a byte is not where it belongs");
      }
      received += Math.max(0, result);
      require(received <= peer().gathered, "more was received than sent");
      if (result <= 0) {
        hasEnded = true;
        boolean isClean = result == 0 && !peer().isBroken;
        require(!isClean || peer().isClosing, "the stream ended, and nobody had closed it");
        isBroken |= result < 0;
      }
      receive();
    }

    End peer() {
      End other = peer;
      if (other == null) {
        throw new IllegalStateException("no peer");
      }
      return other;
    }

    @Override
    public void gather(Gather into) {
      require(!isSending && !isClosed, "asked for more while a send is under way");
      int left = Math.min(ROOM, totalBytes - gathered);
      int ranges = 1 + random.nextInt(3);
      long at = address(1);
      gatheredBefore = gathered;
      for (int i = 0; i < ranges && left > 0; i++) {
        int bytes = 1 + random.nextInt(left);
        for (int j = 0; j < bytes; j++) {
          long offset = at - memory.address() + j;
          memory.set(ValueLayout.JAVA_BYTE, offset, place(this, gathered + j));
        }
        into.add(at, bytes);
        at += bytes;
        gathered += bytes;
        left -= bytes;
      }
      isSending = into.count() > 0;
      transfers += isSending ? 1 : 0;
    }

    @Override
    public void sent(int result) {
      require(isSending && !isClosed, "a send ended that was not under way");
      isSending = false;
      if (result < 0) {
        isBroken = true;
        return;
      }
      require(result == 0, "a send ended with " + result);
      sent = gathered;
      if (gathered < totalBytes) {
        wire.wantSend(this);
      }
    }

    void close() {
      if (!isClosing) {
        isClosing = true;
        wire.close(
            () -> {
              require(!isClosed, "closed twice");
              require(!isReceiving && !isSending, "closed, and something is under way");
              isClosed = true;
            });
      }
    }

    @Override
    public String toString() {
      return "%n%d: gathered %d of %d, received %d%s%s%s%s%s"
          .formatted(
              place,
              gathered,
              totalBytes,
              received,
              isSending ? ", sending" : "",
              isReceiving ? ", receiving " + receivingBytes : "",
              hasEnded ? ", at the end" : "",
              isBroken ? ", broken" : "",
              isClosed ? ", closed" : isClosing ? ", closing" : "");
    }

    boolean hasAll() {
      return gathered == totalBytes && !isSending && received == peer().totalBytes;
    }
  }

  WireRun(long seed, MemorySegment space, MemorySegment memory) {
    random = new SplittableRandom(seed);
    this.memory = memory;
    RingWeather drawn = RingWeather.random(random);
    weather = drawn.with(Knob.REFUSES_FOR, 0).with(Knob.DROPS, 0);
    SimClock clock = new SimClock(steps);
    kernel = new SimKernel(clock, steps, weather, random.split(), space);
    loop = Loop.driven(clock);
    loop.setDefects(this::note);
    SimFile.poller(loop, kernel);
    kernel.onStuck(() -> kernel.release() || ends.stream().allMatch(end -> end.isClosed));
  }

  private static byte place(End of, int index) {
    return (byte) (index * 31 + (index >> 8) + of.place * 7);
  }

  private void note(Throwable defect) {
    wrong = wrong == null ? defect : wrong;
  }

  private void require(boolean holds, String otherwise) {
    if (!holds) {
      note(new Violation(otherwise));
    }
  }

  /** Plays it; answers how many transfers there were. */
  int play() {
    int pairs = 1 + random.nextInt(6);
    for (int i = 0; i < pairs; i++) {
      SimStream[] streams = SimStream.pair(1 + random.nextInt(1000));
      End one = new End(2 * i, streams[0]);
      End other = new End(2 * i + 1, streams[1]);
      one.peer = other;
      other.peer = one;
      ends.add(one);
      ends.add(other);
    }
    loop.execute(() -> ends.forEach(End::start));
    boolean isQuiet = random.nextInt(3) == 0;
    for (End end : ends) {
      int dice = random.nextInt(6);
      long step = steps.count() + random.nextInt(400);
      if (!isQuiet && dice == 0) {
        steps.plan(step, () -> breakOff(end));
      } else if (!isQuiet && dice == 1) {
        steps.plan(step, () -> loop.execute(end::close));
      }
    }
    try {
      turnUntilDone(isQuiet);
      steps.forget();
      closeLoop();
    } catch (SimKernel.Stuck e) {
      throw new Violation(
          "it sleeps for ever in "
              + weather
              + ends.stream().filter(end -> !end.isClosed).toList()
              + kernel.show(),
          e);
    }
    return transfers;
  }

  private void breakOff(End end) {
    if (!end.isClosed && !end.peer().isClosed) {
      end.isBroken = true;
      end.peer().isBroken = true;
      end.stream.reset(kernel);
    }
  }

  private void turnUntilDone(boolean isQuiet) {
    int closeAfter = isQuiet ? TURNS_AT_MOST : random.nextInt(20, 3000);
    for (int turns = 0; turns < closeAfter; turns++) {
      turn();
      boolean isDone = true;
      for (End end : ends) {
        if (end.hasEnded || end.isBroken || (end.hasAll() && end.peer().hasAll())) {
          end.close();
        }
        isDone &= end.isClosed;
      }
      if (isDone) {
        return;
      }
      if (turns == TURNS_AT_MOST - 1) {
        throw new Violation("it turns and turns in " + weather);
      }
    }
  }

  private void turn() {
    kernel.tick();
    loop.turn(Long.MAX_VALUE);
    check();
  }

  private void check() {
    if (wrong != null) {
      throw new Violation(wrong.getMessage() + " in " + weather, wrong);
    }
    if (!kernel.violations().isEmpty()) {
      throw new Violation(kernel.violations().get(0) + " in " + weather);
    }
  }

  private void closeLoop() {
    if (loop.close(Long.MAX_VALUE) != 0) {
      throw new Violation("the loop is not closed");
    }
    check();
    for (End end : ends) {
      boolean isUnderWay = end.isReceiving || end.isSending;
      if (isUnderWay || (end.isClosing && !end.isClosed)) {
        throw new Violation("the loop is closed, and something is under way in " + weather);
      }
    }
    if (kernel.pending() != 0 || kernel.openDevices() != 0) {
      throw new Violation("the loop is closed, and the kernel still has something in " + weather);
    }
  }
}
