// SPDX-License-Identifier: Apache-2.0
package dev.belay.serve;

/**
 * A connection as it is now.
 *
 * @param connection its number, from 1; never used again by this server
 * @param peer who is at the other end, for people
 * @param export the name of what it uses; empty for the nameless default
 * @param isEncrypted whether by TLS
 * @param ageNanos since it was accepted
 * @param openRequests received and not answered yet
 * @param openBytes how much memory they hold
 * @param traffic what it did so far
 */
public record ConnectionStatus(
    long connection,
    String peer,
    String export,
    boolean isEncrypted,
    long ageNanos,
    int openRequests,
    long openBytes,
    Traffic traffic) {}
