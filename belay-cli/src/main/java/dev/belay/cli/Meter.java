// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import com.sun.management.OperatingSystemMXBean;
import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;

/**
 * One look at the clock, at the CPU time of this whole program (user and system, collector and
 * compiler included), at the bytes its threads have allocated, and at what the machine lost to
 * other machines on the same host.
 *
 * @param atNanos {@link System#nanoTime}
 * @param cpuNanos user and system time of all threads since the start
 * @param allocatedBytes by all threads since the start
 * @param stealTicks of /proc/stat: the host ran somebody else; 0 where it is not to be had
 * @param allTicks of /proc/stat: all that the CPUs did, idling included
 */
record Meter(long atNanos, long cpuNanos, long allocatedBytes, long stealTicks, long allTicks) {

  private static final Path STAT = Path.of("/proc/stat");
  private static final OperatingSystemMXBean SYSTEM =
      ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class);
  private static final ThreadMXBean THREADS =
      ManagementFactory.getPlatformMXBean(ThreadMXBean.class);

  /** Looks now. */
  static Meter read() {
    long[] ticks = ticks();
    return new Meter(
        System.nanoTime(),
        SYSTEM.getProcessCpuTime(),
        THREADS.getTotalThreadAllocatedBytes(),
        ticks.length > 7 ? ticks[7] : 0,
        Arrays.stream(ticks).limit(8).sum());
  }

  /** user, nice, system, idle, iowait, irq, softirq, steal, … of all CPUs; see proc(5). */
  private static long[] ticks() {
    try (var lines = Files.lines(STAT)) {
      String first = lines.findFirst().orElse("cpu");
      return Arrays.stream(first.split(" +")).skip(1).mapToLong(Long::parseLong).toArray();
    } catch (IOException | NumberFormatException e) {
      return new long[0];
    }
  }

  /** The share of all CPU time since {@code start} that the host gave to somebody else, 0 to 1. */
  double stealSince(Meter start) {
    long all = allTicks - start.allTicks;
    return all <= 0 ? 0 : (double) (stealTicks - start.stealTicks) / all;
  }
}
