// SPDX-License-Identifier: Apache-2.0
package dev.belay.serve;

/**
 * How often one command came, and what became of it.
 *
 * @param requests those that were answered, or whose client went away first
 * @param bytes how many bytes those that were done covered
 * @param errors those that failed, or were not fit to be tried
 * @param cancelled those that were stopped: by a deadline, by hand, because the client went away or
 *     because the server stopped
 */
public record CommandCounts(long requests, long bytes, long errors, long cancelled) {
  /** None. */
  public static final CommandCounts NONE = new CommandCounts(0, 0, 0, 0);

  /** The sum of both. */
  public CommandCounts plus(CommandCounts other) {
    return new CommandCounts(
        requests + other.requests,
        bytes + other.bytes,
        errors + other.errors,
        cancelled + other.cancelled);
  }
}
