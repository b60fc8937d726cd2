// SPDX-License-Identifier: Apache-2.0
package dev.belay.serve;

import dev.belay.Extents;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/** What one connection did, while it counts. Only on the loop's thread. */
final class Tally {
  private static final Command[] COMMANDS = Command.values();

  private final long[] requests = new long[COMMANDS.length];
  private final long[] bytes = new long[COMMANDS.length];
  private final long[] errors = new long[COMMANDS.length];
  private final long[] cancelled = new long[COMMANDS.length];
  private final long[] times = new long[Latency.BUCKETS];
  private long sumNanos;
  private long doneBytes;
  private long cleanBytes;
  private long unknownBytes;

  @SuppressWarnings("EnumOrdinal") // counted for every request
  void done(Command command, long lengthBytes) {
    int index = command.ordinal();
    requests[index]++;
    bytes[index] += lengthBytes;
  }

  @SuppressWarnings("EnumOrdinal")
  void failed(Command command) {
    requests[command.ordinal()]++;
    errors[command.ordinal()]++;
  }

  /**
   * One was stopped.
   *
   * @param extents what became of the piece that was under way
   * @param before how many bytes were done before that piece
   * @param after how many would have come behind it
   */
  @SuppressWarnings("EnumOrdinal")
  void cancelled(Command command, Extents extents, long before, long after) {
    requests[command.ordinal()]++;
    cancelled[command.ordinal()]++;
    doneBytes += before + extents.bytes(Extents.State.DONE);
    cleanBytes += after + extents.bytes(Extents.State.CLEAN);
    unknownBytes += extents.bytes(Extents.State.UNKNOWN);
  }

  void took(long nanos) {
    times[Latency.bucketOf(nanos)]++;
    sumNanos += nanos;
  }

  @SuppressWarnings("EnumOrdinal")
  Traffic toTraffic() {
    Map<Command, CommandCounts> commands = new EnumMap<>(Command.class);
    for (Command each : COMMANDS) {
      int index = each.ordinal();
      if (requests[index] > 0) {
        commands.put(
            each,
            new CommandCounts(requests[index], bytes[index], errors[index], cancelled[index]));
      }
    }
    List<Long> counts = new ArrayList<>(times.length);
    for (long time : times) {
      counts.add(time);
    }
    return new Traffic(
        Collections.unmodifiableMap(commands),
        new Latency(Collections.unmodifiableList(counts), sumNanos),
        doneBytes,
        cleanBytes,
        unknownBytes);
  }
}
