// SPDX-License-Identifier: Apache-2.0
package dev.belay;

/** What a device says it did with a bio that was handed to its {@link Device#map}. */
public enum Verdict {
  /** It pointed the bio at a lower device; the loop goes on there at once. */
  REMAPPED,
  /** It has the bio now: it completed it, holds it, or sent clones down in its place. */
  TAKEN
}
