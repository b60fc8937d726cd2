// SPDX-License-Identifier: Apache-2.0
package dev.belay.scenario;

import dev.belay.front.IoFuture;
import dev.belay.front.IoOptions;
import dev.belay.front.Volume;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.zip.CRC32C;

/**
 * A program that {@link KillTest} starts, and kills: writes numbered blocks, one behind the other,
 * and says by a line with a number that all up to that one are durable.
 */
final class KillWriter {
  /** Not a divisor of anything, so that blocks share sectors and lie across chunks. */
  static final int BLOCK = 3000;

  private static final int MOST_IN_BATCH = 24;

  private KillWriter() {}

  /** Its own number, content made of it, and a checksum. */
  static byte[] block(long number) {
    ByteBuffer bytes = ByteBuffer.allocate(BLOCK);
    Random random = new Random(number);
    bytes.putLong(number);
    while (bytes.remaining() > 8) {
      bytes.putLong(random.nextLong());
    }
    CRC32C sum = new CRC32C();
    sum.update(bytes.array(), 0, BLOCK - 8);
    bytes.putLong(sum.getValue());
    return bytes.array();
  }

  /**
   * @param args the stack expression, and the number of the first block
   */
  public static void main(String[] args) throws Exception {
    long next = Long.parseLong(args[1]);
    Random random = new Random(next);
    try (Volume volume = Volume.open(args[0])) {
      long end = volume.sizeBytes() / BLOCK;
      List<IoFuture> batch = new ArrayList<>();
      for (boolean isDurable = false; next < end; ) {
        isDurable = !isDurable;
        long acknowledged = next - 1;
        List<IoFuture> following = new ArrayList<>();
        int count = 1 + random.nextInt(MOST_IN_BATCH);
        for (int i = 0; i < count && next < end; i++, next++) {
          IoOptions options = isDurable ? IoOptions.NONE.withFua() : IoOptions.NONE;
          List<MemorySegment> content = List.of(MemorySegment.ofArray(block(next)));
          following.add(volume.writeAsync(next * BLOCK, content, options));
        }
        for (IoFuture write : batch) {
          write.get(30, TimeUnit.SECONDS);
        }
        if (!batch.isEmpty()) {
          if (isDurable) { // then the batch before was not
            volume.flush();
          }
          System.out.println(acknowledged);
        }
        batch = following;
      }
      Thread.sleep(30_000); // full: waits to be killed
    }
  }
}
