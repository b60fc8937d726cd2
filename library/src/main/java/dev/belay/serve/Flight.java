// SPDX-License-Identifier: Apache-2.0
package dev.belay.serve;

/**
 * A request that is under way.
 *
 * @param id CONNECTION.NUMBER, what {@link NbdServer#cancel} takes; never used again
 * @param connection the number of its connection
 * @param peer who asked, for people
 * @param export the name of what it is for; empty for the nameless default
 * @param command what it asks for
 * @param offsetBytes where in the export
 * @param lengthBytes how much
 * @param ageNanos since it was received
 * @param isCancelled whether its flag is up
 * @param where what it waits for, for people: which device has it; or that its payload is being
 *     received, or its reply sent
 */
public record Flight(
    String id,
    long connection,
    String peer,
    String export,
    Command command,
    long offsetBytes,
    long lengthBytes,
    long ageNanos,
    boolean isCancelled,
    String where) {}
