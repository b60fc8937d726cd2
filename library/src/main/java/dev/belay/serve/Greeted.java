// SPDX-License-Identifier: Apache-2.0
package dev.belay.serve;

import dev.belay.nbd.Session;

/**
 * What is known of a client when it comes from the desk.
 *
 * @param number of its connection
 * @param session what was agreed on
 * @param isEncrypted whether by TLS
 * @param acceptedNanos when it was accepted, by the clock of all loops
 * @param leftover what was received and belongs to its requests
 */
@SuppressWarnings("ArrayRecordComponent") // handed on once, compared never
record Greeted(
    long number, Session session, boolean isEncrypted, long acceptedNanos, byte[] leftover) {}
