// SPDX-License-Identifier: Apache-2.0
package dev.belay.bench;

import dev.belay.front.CancelledException;
import dev.belay.front.Volume;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;

/**
 * On two carriers: a thousand virtual threads blocked in reads of a device that hangs do not stop
 * another from reading another volume; and a million interrupts of readers leave their volume open
 * and the bytes right.
 */
public final class VirtualThreads {
  private static final int BLOCK_BYTES = 4096;
  private static final int BLOCKS = 4096;
  private static final int BLOCKED = 1_000;
  private static final int READS = 100_000;
  private static final int READERS = 8;

  private VirtualThreads() {}

  private static void besideAHungDevice() throws IOException, InterruptedException {
    AtomicLong clean = new AtomicLong();
    List<Thread> blocked = new ArrayList<>();
    try (Volume other = Volume.open("memory(size=16M)")) {
      Volume hung = Volume.open("fault(memory(size=16M), effect=hang)");
      for (int i = 0; i < BLOCKED; i++) {
        blocked.add(
            Thread.startVirtualThread(
                () -> {
                  try {
                    hung.read(0, new byte[BLOCK_BYTES]);
                  } catch (CancelledException e) {
                    clean.addAndGet(e.outcome().cleanBytes());
                  } catch (IOException e) {
                    System.err.println(e.getMessage());
                  }
                }));
      }
      while (hung.root().bios() < BLOCKED) {
        Thread.sleep(1);
      }
      long[] tookNanos = new long[1];
      Thread reader =
          Thread.startVirtualThread(
              () -> {
                long start = System.nanoTime();
                byte[] buffer = new byte[BLOCK_BYTES];
                try {
                  for (int i = 0; i < READS; i++) {
                    other.read((long) (i % BLOCKS) * BLOCK_BYTES, buffer);
                  }
                  tookNanos[0] = System.nanoTime() - start;
                } catch (IOException e) {
                  System.err.println(e.getMessage());
                }
              });
      reader.join();
      long stillBlocked = blocked.stream().filter(Thread::isAlive).count();
      System.out.printf(
          Locale.ROOT,
          "%,d virtual threads blocked in a hung device, %s carriers: another read %,d blocks of"
              + " another volume, %.1f us each; still blocked then: %,d%n",
          BLOCKED,
          System.getProperty("jdk.virtualThreadScheduler.parallelism"),
          READS,
          tookNanos[0] / 1e3 / READS,
          stillBlocked);
      long start = System.nanoTime();
      hung.close();
      for (Thread thread : blocked) {
        thread.join();
      }
      System.out.printf(
          Locale.ROOT,
          "closing the hung volume brought all %,d back in %.1f ms, %,d bytes clean of %,d%n",
          BLOCKED,
          (System.nanoTime() - start) / 1e6,
          clean.get(),
          (long) BLOCKED * BLOCK_BYTES);
    }
  }

  /** What the counters of all readers say. */
  private static final class Readers {
    final AtomicLong interrupts = new AtomicLong();
    final AtomicLong stopped = new AtomicLong();
    final AtomicLong read = new AtomicLong();
    final AtomicLong wrong = new AtomicLong();
    final AtomicBoolean isOver = new AtomicBoolean();

    void run(Volume volume, int seed) {
      SplittableRandom random = new SplittableRandom(seed);
      byte[] buffer = new byte[BLOCK_BYTES];
      byte[] expected = new byte[BLOCK_BYTES];
      while (!isOver.get()) {
        int block = random.nextInt(BLOCKS);
        try {
          volume.read((long) block * BLOCK_BYTES, buffer);
          read.incrementAndGet();
          fill(expected, block);
          if (!Arrays.equals(buffer, expected)) {
            wrong.incrementAndGet();
          }
        } catch (CancelledException e) {
          stopped.incrementAndGet();
        } catch (IOException e) {
          wrong.incrementAndGet();
        }
        if (Thread.interrupted()) {
          interrupts.incrementAndGet();
        }
      }
    }
  }

  private static void fill(byte[] block, int number) {
    Arrays.fill(block, (byte) (number * 31 + 7));
    block[0] = (byte) number;
    block[1] = (byte) (number >>> 8);
  }

  private static void interrupts(String stack, long wanted)
      throws IOException, InterruptedException {
    try (Volume volume = Volume.open(stack)) {
      byte[] block = new byte[BLOCK_BYTES];
      for (int i = 0; i < BLOCKS; i++) {
        fill(block, i);
        volume.write((long) i * BLOCK_BYTES, block);
      }
      Readers readers = new Readers();
      List<Thread> threads = new ArrayList<>();
      for (int i = 0; i < READERS; i++) {
        int seed = i;
        threads.add(Thread.startVirtualThread(() -> readers.run(volume, seed)));
      }
      long start = System.nanoTime();
      // Each waits until the last one was noticed, so that no two of them become one.
      for (int i = 0; readers.interrupts.get() < wanted; i++) {
        Thread reader = threads.get(i % READERS);
        if (!reader.isInterrupted()) {
          reader.interrupt();
        } else if (i % READERS == 0) {
          LockSupport.parkNanos(1_000);
        }
      }
      readers.isOver.set(true);
      for (Thread thread : threads) {
        thread.join();
      }
      int wrongAfter = 0;
      byte[] expected = new byte[BLOCK_BYTES];
      for (int i = 0; i < BLOCKS; i++) {
        volume.read((long) i * BLOCK_BYTES, block);
        fill(expected, i);
        wrongAfter += Arrays.equals(block, expected) ? 0 : 1;
      }
      System.out.printf(
          Locale.ROOT,
          "%s: %,d interrupts noticed by its readers in %.1f s; %,d reads stopped, %,d done, %,d"
              + " wrong; the volume is open, and %,d of its %,d blocks are wrong%n",
          stack,
          readers.interrupts.get(),
          (System.nanoTime() - start) / 1e9,
          readers.stopped.get(),
          readers.read.get(),
          readers.wrong.get(),
          wrongAfter,
          BLOCKS);
    }
  }

  /** Arguments: a stack of 16 MiB or more, which is written over; and how many interrupts. */
  public static void main(String[] args) throws IOException, InterruptedException {
    System.setProperty("jdk.virtualThreadScheduler.parallelism", "2");
    System.setProperty("jdk.virtualThreadScheduler.maxPoolSize", "2");
    besideAHungDevice();
    interrupts(
        args.length > 0 ? args[0] : "memory(size=16M)",
        args.length > 1 ? Long.parseLong(args[1]) : 1_000_000);
  }
}
