// SPDX-License-Identifier: Apache-2.0
package dev.belay.serve;

/**
 * What a connection did, said when it has ended and nothing of it is left.
 *
 * @param connection its number
 * @param peer who was at the other end, for people
 * @param export the name of what it used; empty for the nameless default
 * @param isEncrypted whether by TLS
 * @param ageNanos from its acceptance to its end
 * @param traffic what it did
 * @param isClean whether the client said goodbye, or the server stopped with nothing under way
 * @param why how it ended: a part of a sentence, such as {@code the client said goodbye}
 */
public record ConnectionReport(
    long connection,
    String peer,
    String export,
    boolean isEncrypted,
    long ageNanos,
    Traffic traffic,
    boolean isClean,
    String why) {}
