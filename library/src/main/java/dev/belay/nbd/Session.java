// SPDX-License-Identifier: Apache-2.0
package dev.belay.nbd;

/**
 * What a handshake led to.
 *
 * @param export as it was told to the client: its flags without those that what was negotiated
 *     rules out
 * @param structuredReplies whether replies may come in chunks, and those to READ must; true also
 *     with extended headers
 * @param extendedHeaders whether all headers have 32 bytes and lengths 64 bits
 * @param allocation whether base:allocation was selected, so that BLOCK_STATUS is allowed
 * @param allocationContext the number of base:allocation in replies to BLOCK_STATUS, any value
 *     (qemu uses 0); of no meaning where it was not selected
 */
public record Session(
    ExportFacts export,
    boolean structuredReplies,
    boolean extendedHeaders,
    boolean allocation,
    int allocationContext) {
  /** Whether the export has all of these FLAG_ bits of {@link Nbd}. */
  public boolean has(int flags) {
    return (export.flags() & flags) == flags;
  }
}
