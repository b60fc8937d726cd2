// SPDX-License-Identifier: Apache-2.0
package dev.belay.scenario;

import dev.belay.Device;
import dev.belay.Loop;
import dev.belay.front.AioContext;
import dev.belay.front.Volume;
import dev.belay.leaf.FileEngine;
import dev.belay.leaf.FileOptions;
import dev.belay.leaf.UringTuning;
import dev.belay.uring.UringSupport;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Assumptions;

/** What the scenarios stand on: real files by either engine, and memory. */
final class Ground {
  static final int BLOCK = 4096;

  /** Against hanging only. */
  static final Duration LONG = Duration.ofSeconds(30);

  private Ground() {}

  /** Skips the test, visibly, where the engine is not to be had. */
  static void needs(FileEngine engine) {
    UringSupport support = UringSupport.look();
    Assumptions.assumeTrue(
        engine != FileEngine.URING || support.usable(),
        () -> "no io_uring here: " + support.sentence());
  }

  /** A file of that size, made if it is missing, of which {@code depth} requests are in flight. */
  static Device file(Loop loop, FileEngine engine, Path path, long sizeBytes, int depth)
      throws IOException {
    FileOptions options = FileOptions.of(path.toString()).withSize(sizeBytes).withBlock(BLOCK);
    return engine.open(loop, options, UringTuning.DEFAULT.withDepth(depth), depth, 4);
  }

  /** A driven context over one file. */
  static AioContext context(FileEngine engine, Path path, long sizeBytes, int capacity)
      throws IOException {
    Loop loop = Loop.driven();
    return AioContext.driving(loop, file(loop, engine, path, sizeBytes, 8), capacity);
  }

  /** A volume over one file. */
  static Volume volume(FileEngine engine, Path path, long sizeBytes) throws IOException {
    Loop loop = Loop.threaded("scenario");
    return Volume.start(loop, file(loop, engine, path, sizeBytes, 8));
  }

  /** Native memory that devices are given as it is. */
  static MemorySegment memory(long bytes) {
    return Arena.ofAuto().allocate(bytes, BLOCK);
  }

  /** Native memory that is full of one value. */
  static MemorySegment memory(long bytes, int value) {
    return memory(bytes).fill((byte) value);
  }
}
