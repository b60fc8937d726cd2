// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.serve.Command;
import dev.belay.serve.CommandCounts;
import dev.belay.serve.Counters;
import dev.belay.serve.Traffic;
import java.util.Locale;

/** The line that shows what a server does: rates are those since the line before. */
final class ServeStatus {
  private long beforeNanos;
  private long beforeRequests;
  private long beforeBytes;
  private boolean isFirst = true;

  String line(Counters counters, long nowNanos) {
    Traffic traffic = counters.traffic();
    CommandCounts all = traffic.all();
    long moved = traffic.of(Command.READ).bytes() + traffic.of(Command.WRITE).bytes();
    double seconds = isFirst ? 0 : (nowNanos - beforeNanos) / 1e9;
    double requests = seconds <= 0 ? 0 : (all.requests() - beforeRequests) / seconds;
    double bytes = seconds <= 0 ? 0 : (moved - beforeBytes) / seconds;
    isFirst = false;
    beforeNanos = nowNanos;
    beforeRequests = all.requests();
    beforeBytes = moved;
    int open = counters.exports().stream().mapToInt(Counters.OfExport::openRequests).sum();
    return String.format(
        Locale.ROOT,
        "  %d connection%s, %,.0f requests/s, %.1f MB/s, %d in flight (%s), %d cancelled%s",
        counters.openConnections(),
        counters.openConnections() == 1 ? "" : "s",
        requests,
        bytes / 1e6,
        open,
        Units.bytes(counters.openBytes()),
        all.cancelled(),
        all.errors() == 0 ? "" : ", " + all.errors() + " failed");
  }
}
