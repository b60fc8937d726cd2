// SPDX-License-Identifier: Apache-2.0
package dev.belay.sim;

import dev.belay.Inside;
import dev.belay.Limits;
import dev.belay.Loop;
import dev.belay.leaf.SendRecorder;
import dev.belay.leaf.SimFile;
import dev.belay.leaf.UringFile;
import dev.belay.leaf.UringTuning;
import dev.belay.testing.SimClock;
import dev.belay.testing.SimMedium;
import dev.belay.testing.Steps;
import dev.belay.uring.RingWeather;
import dev.belay.uring.SimDisk;
import dev.belay.uring.SimKernel;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/** A plan's files, by the real poller and the real ring over a simulated kernel. */
final class RingRig {
  final SimClock clock;
  final SimKernel kernel;
  final Loop loop;
  final List<UringFile> files = new ArrayList<>();

  /** Whether the loop has closed all there is. */
  boolean isClosed;

  /**
   * @param media the files' media, in order; empty for new ones, which are added
   * @param space the kernel's memory
   * @param buffers the requests' memory, which may be registered
   */
  RingRig(
      RingPlan plan,
      Steps steps,
      List<SimMedium> media,
      MemorySegment space,
      MemorySegment buffers) {
    SplittableRandom random = new SplittableRandom(plan.seed());
    clock = new SimClock(steps);
    kernel = new SimKernel(clock, steps, plan.weather(), random.split(), space);
    loop = Loop.driven(clock);
    for (int i = 0; i < plan.files(); i++) {
      int blockGranules = 1 << random.nextInt(4);
      int blocks = 8 + random.nextInt(random.nextInt(1, 90));
      if (media.size() == i) {
        SimMedium medium = new SimMedium(i, blocks * blockGranules, blockGranules);
        medium.setKeepsLog(plan.crashAtStep() >= 0);
        media.add(medium);
      }
      boolean isDirect = random.nextBoolean();
      SimMedium medium = media.get(i);
      long sizeBytes = (long) medium.granules() * SimMedium.GRANULE_BYTES;
      int blockBytes = medium.blockGranules() * SimMedium.GRANULE_BYTES;
      int piece = 512 << random.nextInt(3);
      files.add(
          SimFile.open(
              loop,
              kernel,
              new SimDisk(medium, isDirect),
              new Limits(sizeBytes, blockBytes, 1, Long.MAX_VALUE),
              isDirect,
              random.nextInt(3) == 0,
              random.nextInt(4) == 0,
              new UringTuning(1 << random.nextInt(7), piece, piece << random.nextInt(6))));
    }
    if (random.nextBoolean()) {
      loop.poller().pin(buffers.asSlice(0, buffers.byteSize() / 2));
    }
  }

  void setRecorder(SendRecorder recorder) {
    files.forEach(file -> file.setRecorder(recorder));
  }

  void setWeather(RingWeather weather) {
    kernel.setWeather(weather);
  }

  /** Gives everything back, whatever is under way: the kernel answers nothing any more. */
  void abandon() {
    if (!isClosed) {
      isClosed = true;
      kernel.switchOff();
      Inside.abandon(loop);
      loop.poller().close();
    }
  }
}
