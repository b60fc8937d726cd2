// SPDX-License-Identifier: Apache-2.0
/**
 * Stacks served to clients over NBD: exports, connections, limits, and who is stopped when.
 *
 * <p>A front, beside {@code dev.belay.front}: its requests enter the stack's loop on that loop's
 * own thread, straight from the socket.
 */
@NullMarked
package dev.belay.serve;

import org.jspecify.annotations.NullMarked;
