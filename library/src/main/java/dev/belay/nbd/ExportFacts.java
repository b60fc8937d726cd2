// SPDX-License-Identifier: Apache-2.0
package dev.belay.nbd;

/**
 * What the protocol says of one export.
 *
 * @param name as clients ask for it, at most 4096 bytes of UTF-8; empty for the nameless default
 * @param description for people, at most 4096 bytes; may be empty
 * @param sizeBytes from 0
 * @param flags the transmission flags, FLAG_ constants of {@link Nbd}, HAS_FLAGS among them
 * @param minimumBlockBytes offsets and lengths are multiples of it; a power of two
 * @param preferredBlockBytes what is fast; a power of two
 * @param largestBytes how long the payload of one request may be, at least the preferred block
 */
public record ExportFacts(
    String name,
    String description,
    long sizeBytes,
    int flags,
    int minimumBlockBytes,
    int preferredBlockBytes,
    int largestBytes) {
  /** The same with other flags. */
  ExportFacts withFlags(int other) {
    return new ExportFacts(
        name, description, sizeBytes, other, minimumBlockBytes, preferredBlockBytes, largestBytes);
  }
}
