// SPDX-License-Identifier: Apache-2.0
package dev.belay.serve;

import java.util.List;

/**
 * What a server did since it was opened.
 *
 * @param exports each export, in the order in which they were given to the server
 * @param openConnections those that are there now, with those that are still being greeted
 * @param acceptedConnections all that ever were accepted
 * @param refusedConnections those of them that never came to use an export: over the limit, without
 *     the certificate that was demanded, too slow to say what they want, against the protocol
 * @param openBytes how much memory requests hold now
 */
public record Counters(
    List<OfExport> exports,
    int openConnections,
    long acceptedConnections,
    long refusedConnections,
    long openBytes) {
  /**
   * One export.
   *
   * @param name as clients ask for it
   * @param expression its stack
   * @param sizeBytes how large it is
   * @param openConnections those that use it now
   * @param openRequests received and not answered yet
   * @param openBytes how much memory they hold
   * @param traffic what was done, by connections that have ended and those that are there
   */
  public record OfExport(
      String name,
      String expression,
      long sizeBytes,
      int openConnections,
      int openRequests,
      long openBytes,
      Traffic traffic) {}

  /** What was done, of all exports together. */
  public Traffic traffic() {
    Traffic sum = Traffic.NONE;
    for (OfExport each : exports) {
      sum = sum.plus(each.traffic());
    }
    return sum;
  }
}
