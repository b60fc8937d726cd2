// SPDX-License-Identifier: Apache-2.0
package dev.belay.front;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.belay.Loop;
import dev.belay.leaf.Memory;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
final class BufferPoolTest {
  private final Loop loop = Loop.threaded("test");
  private final Gate gate = new Gate(loop, false);

  private static void until(String what, java.util.function.BooleanSupplier isSo)
      throws InterruptedException {
    long deadline = System.nanoTime() + 20_000_000_000L;
    while (!isSo.getAsBoolean()) {
      assertThat(System.nanoTime() - deadline).as(what).isNegative();
      Thread.sleep(1);
    }
  }

  @Test
  void aBufferIsFreeWhenTheLastRequestOnItEnds() throws Exception {
    try (Volume volume = Volume.start(loop, gate)) {
      BufferPool pool = volume.newBuffers(1000, 2);
      BufferPool.Buffer buffer = pool.take();
      BufferPool.Buffer other = pool.take();
      assertThat(pool.tryTake()).isNull();
      assertThatThrownBy(pool::take).hasMessageContaining("all 2 buffers of the pool are taken");
      IoFuture first = volume.readAsync(0, buffer.segment().asSlice(0, 512));
      IoFuture second = volume.writeAsync(0, buffer.segment().asSlice(0, 512));
      gate.awaitArrived(2);
      buffer.close();
      other.close();
      assertThat(pool.free()).as("the unused one").isEqualTo(1);
      gate.openOne();
      first.get(20, TimeUnit.SECONDS);
      assertThat(pool.free()).as("one request still has it").isEqualTo(1);
      gate.open();
      second.get(20, TimeUnit.SECONDS);
      assertThat(pool.free()).isEqualTo(2);
      buffer.close();
      assertThat(pool.free()).as("closed twice").isEqualTo(2);
      pool.close();
    }
  }

  @Test
  void aBufferOfACallThatTimedOutComesBack() throws Exception {
    try (Volume volume = Volume.start(loop, gate)) {
      BufferPool pool = volume.newBuffers(512, 1);
      for (int i = 0; i < 3; i++) {
        gate.isOpen = false;
        try (BufferPool.Buffer buffer = pool.take()) {
          IoFuture read = volume.readAsync(0, buffer.segment());
          gate.awaitArrived(i + 1);
          assertThatThrownBy(() -> read.get(10, TimeUnit.MILLISECONDS))
              .isInstanceOf(TimeoutException.class);
        }
        assertThat(pool.tryTake()).as("the request still has it").isNull();
        gate.open();
        until("it comes back", () -> pool.free() == 1);
      }
      pool.close();
    }
  }

  @Test
  void closingABufferTwiceTakesItFromNobodyElse() {
    try (Volume volume = Volume.start(loop, gate)) {
      BufferPool pool = volume.newBuffers(512, 1);
      BufferPool.Buffer mine = pool.take();
      mine.close();
      BufferPool.Buffer others = pool.take();
      assertThat(others.segment().address()).isEqualTo(mine.segment().address());
      mine.close();
      assertThat(pool.tryTake()).as("it is somebody else's now").isNull();
      others.close();
      assertThat(pool.free()).isEqualTo(1);
      pool.close();
    }
  }

  @Test
  void aRequestOnABufferThatWasGivenBackIsRefused() throws Exception {
    gate.isOpen = true;
    try (Volume volume = Volume.start(loop, gate);
        AioContext context = AioContext.over(volume, 1)) {
      BufferPool pool = volume.newBuffers(3000, 2);
      BufferPool.Buffer buffer = pool.take();
      MemorySegment segment = buffer.segment().asSlice(512, 512);
      volume.read(0, segment);
      buffer.close();
      assertThatThrownBy(() -> volume.read(0, segment))
          .isInstanceOf(IllegalStateException.class)
          .hasMessageContaining("the buffer was given back to its pool");
      Iocb iocb = context.newIocb().prepareRead(0, segment);
      assertThatThrownBy(() -> context.submit(iocb)).hasMessageContaining("was given back");
      assertThat(context.held()).isZero();
      try (BufferPool.Buffer again = pool.take()) {
        context.submit(iocb.prepareRead(0, again.segment().asSlice(0, 512)));
        assertThat(context.getEvents(1, 1, Duration.ofSeconds(20))).hasSize(1);
      }
      assertThat(pool.free()).isEqualTo(2);
      pool.close();
    }
  }

  @Test
  void whatLiesBesideAPoolIsNoneOfIt() {
    try (Volume volume = Volume.start(loop, gate);
        BufferPool pool = volume.newBuffers(512, 2)) {
      long start = pool.slab().memory.address();
      BufferPool.Buffer first = pool.take();
      BufferPool.Buffer second = pool.take();
      BufferPools pools = volume.pools();
      assertThat(pools.begin(MemorySegment.ofAddress(start - 512))).isNull();
      assertThat(pools.begin(MemorySegment.ofAddress(start + 1024))).isNull();
      for (BufferPool.Buffer each : List.of(first, second)) {
        assertThat(pools.begin(each.segment())).isSameAs(pool);
        pool.takeBack(each.segment().address());
        each.close();
      }
      assertThat(pool.free()).isEqualTo(2);
    }
  }

  @Test
  void aBufferIsReturnedOnADrivenLoopAsWell() throws Exception {
    Loop driven = Loop.driven();
    Gate held = new Gate(driven, false);
    try (AioContext context = AioContext.driving(driven, held, 2)) {
      BufferPool pool = context.newBuffers(512, 2);
      BufferPool.Buffer buffer = pool.take();
      BufferPool.Buffer elsewhere = pool.take();
      context.submit(context.newIocb().prepareRead(0, buffer.segment()));
      buffer.close();
      assertThatThrownBy(() -> context.submit(context.newIocb().prepareRead(0, buffer.segment())))
          .hasMessageContaining("was given back");
      Thread.ofPlatform().start(elsewhere::close).join();
      context.getEvents(0, 1, Duration.ZERO);
      assertThat(pool.free()).isEqualTo(1);
      held.open();
      assertThat(context.getEvents(1, 1, Duration.ofSeconds(20))).hasSize(1);
      assertThat(pool.free()).isEqualTo(2);
      pool.close();
    }
  }

  @Test
  void aDroppedPoolIsUnpinnedAndSaysSoOnce() throws Exception {
    Pins pins = Pins.of(loop);
    try (Collected log = new Collected();
        Volume volume = Volume.start(loop, gate)) {
      IoFuture read = readIntoADroppedPool(volume);
      gate.awaitArrived(1);
      Collected.often();
      assertThat(pins.addresses).as("a request uses it").hasSize(1);
      gate.open();
      read.get(20, TimeUnit.SECONDS);
      Collected.until("it is unpinned", pins.addresses::isEmpty);
      Collected.until("the log says it", () -> !log.lines("a pool of 3 buffers").isEmpty());
      assertThat(log.lines("a pool of 3 buffers of 512 bytes"))
          .singleElement()
          .asString()
          .contains("never closed", "BufferPoolTest.readIntoADroppedPool");
      assertThat(read.outcome().doneBytes()).isEqualTo(512);
    }
  }

  private static IoFuture readIntoADroppedPool(Volume volume) {
    return volume.readAsync(0, volume.newBuffers(512, 3).take().segment());
  }

  @Test
  void aPoolOfAVolumeThatIsClosedIsNothingToSpeakOf() throws Exception {
    try (Collected log = new Collected()) {
      Volume volume = Volume.start(loop, gate);
      var gone = new java.lang.ref.WeakReference<>(volume.newBuffers(512, 5));
      volume.close();
      Collected.until("it is collected", () -> gone.get() == null);
      Collected.often();
      assertThat(log.lines("a pool of 5 buffers")).isEmpty();
    }
  }

  @Test
  void aClosedPoolIsUnpinnedOnceNoRequestUsesIt() throws Exception {
    Pins pins = Pins.of(loop);
    try (Collected log = new Collected();
        Volume volume = Volume.start(loop, gate)) {
      BufferPool pool = volume.newBuffers(512, 4);
      BufferPool.Buffer last = pool.take();
      for (int i = 0; i < 3; i++) {
        last = pool.take();
      }
      IoFuture read = volume.readAsync(0, last.segment());
      gate.awaitArrived(1);
      pool.close();
      pool.close();
      assertThatThrownBy(pool::tryTake).hasMessageContaining("the pool is closed");
      volume.loop().execute(() -> {});
      BufferPool another = volume.newBuffers(512, 1);
      until("the other is pinned", () -> pins.addresses.size() == 2);
      gate.open();
      read.get(20, TimeUnit.SECONDS);
      until("it is unpinned", () -> pins.addresses.size() == 1);
      last.close();
      volume.readAsync(0, last.segment()).get(20, TimeUnit.SECONDS);
      another.close();
      until("all are unpinned", pins.addresses::isEmpty);
      pool = null;
      last = null;
      Collected.often();
      assertThat(log.lines("a pool of 4 buffers")).isEmpty();
    }
  }

  /** Whoever closes under a request, and whenever: each buffer comes back once. */
  @Test
  void manyThreadsCloseUnderTheirRequests() throws Exception {
    Loop busy = Loop.threaded("busy");
    int count = 8;
    AtomicReference<Throwable> thrown = new AtomicReference<>();
    long seed = System.nanoTime();
    try (Volume volume = Volume.start(busy, new Memory(busy, 1 << 20, 512))) {
      BufferPool pool = volume.newBuffers(512, count);
      List<Thread> threads = new ArrayList<>();
      for (int t = 0; t < 6; t++) {
        Random random = new Random(seed + t);
        threads.add(Thread.ofPlatform().start(() -> useBuffers(volume, pool, random, thrown)));
      }
      for (Thread thread : threads) {
        thread.join();
      }
      assertThat(thrown.get()).as("seed %d", seed).isNull();
      until("all are back, seed " + seed, () -> pool.free() == count);
      List<Long> addresses = new ArrayList<>();
      for (int i = 0; i < count; i++) {
        addresses.add(pool.take().segment().address());
      }
      assertThat(addresses).as("seed %d", seed).doesNotHaveDuplicates();
      pool.close();
    }
  }

  private static void useBuffers(
      Volume volume, BufferPool pool, Random random, AtomicReference<Throwable> thrown) {
    try {
      for (int i = 0; i < 2000; i++) {
        BufferPool.Buffer buffer = pool.tryTake();
        if (buffer == null) {
          Thread.onSpinWait();
          continue;
        }
        IoFuture last = null;
        for (int n = random.nextInt(3); n >= 0; n--) {
          last = volume.readAsync(512L * random.nextInt(64), buffer.segment());
        }
        if (random.nextBoolean()) {
          last.join();
        }
        buffer.close();
      }
    } catch (Throwable e) {
      thrown.set(e);
    }
  }
}
