// SPDX-License-Identifier: Apache-2.0
/**
 * Byte streams between programs, as a loop sees them: connected {@link dev.belay.net.Wire}s, the
 * {@link dev.belay.net.Sockets} that make them, and encryption on top of one.
 *
 * <p>Everything belongs to one loop and runs on its thread, like the devices of that loop: what
 * comes from a socket can go down into a device without crossing a thread. No protocol is known
 * here.
 */
@NullMarked
package dev.belay.net;

import org.jspecify.annotations.NullMarked;
