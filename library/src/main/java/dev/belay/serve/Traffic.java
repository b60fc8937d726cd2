// SPDX-License-Identifier: Apache-2.0
package dev.belay.serve;

import java.util.Collections;
import java.util.EnumMap;
import java.util.Map;

/**
 * What was asked for, and what became of it. Immutable.
 *
 * @param commands by command; those that never came are missing
 * @param latency of all of them together
 * @param cancelledDoneBytes of the requests that were stopped: what had been read or written
 * @param cancelledCleanBytes what had never been sent to a device
 * @param cancelledUnknownBytes what had been sent, and no answer can be trusted
 */
public record Traffic(
    Map<Command, CommandCounts> commands,
    Latency latency,
    long cancelledDoneBytes,
    long cancelledCleanBytes,
    long cancelledUnknownBytes) {
  /** Nothing. */
  public static final Traffic NONE = new Traffic(Map.of(), Latency.NONE, 0, 0, 0);

  /** The counts of one command. */
  public CommandCounts of(Command command) {
    return commands.getOrDefault(command, CommandCounts.NONE);
  }

  /** All commands added up. */
  public CommandCounts all() {
    CommandCounts sum = CommandCounts.NONE;
    for (CommandCounts each : commands.values()) {
      sum = sum.plus(each);
    }
    return sum;
  }

  /** The sum of both. */
  public Traffic plus(Traffic other) {
    Map<Command, CommandCounts> sums = new EnumMap<>(Command.class);
    sums.putAll(commands);
    other.commands.forEach((command, counts) -> sums.merge(command, counts, CommandCounts::plus));
    return new Traffic(
        Collections.unmodifiableMap(sums),
        latency.plus(other.latency),
        cancelledDoneBytes + other.cancelledDoneBytes,
        cancelledCleanBytes + other.cancelledCleanBytes,
        cancelledUnknownBytes + other.cancelledUnknownBytes);
  }
}
