// SPDX-License-Identifier: Apache-2.0
package dev.belay.serve;

import java.util.List;

/**
 * What stopping a server came to.
 *
 * @param tookNanos how long it took
 * @param connections how many connections were there when it began
 * @param finished requests under way at that moment that were done in time
 * @param cancelled those that were stopped when the grace was over
 * @param unanswered those that a device never answered: their memory is left to it
 * @param troubles a sentence for each flush that failed and each stack that could not be closed
 */
public record StopReport(
    long tookNanos,
    int connections,
    long finished,
    long cancelled,
    long unanswered,
    List<String> troubles) {}
