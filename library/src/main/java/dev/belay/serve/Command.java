// SPDX-License-Identifier: Apache-2.0
package dev.belay.serve;

/**
 * What clients ask for, as the protocol calls it; DISC, which ends a connection, is not counted.
 */
public enum Command {
  READ,
  WRITE,
  FLUSH,
  TRIM,
  WRITE_ZEROES,
  CACHE,
  BLOCK_STATUS,
  /** A command that the server does not know. */
  UNKNOWN
}
