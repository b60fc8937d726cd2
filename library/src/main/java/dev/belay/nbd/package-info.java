// SPDX-License-Identifier: Apache-2.0
/**
 * The NBD protocol, as bytes and states: what its two ends share. Nothing here does any I/O. The
 * source is doc/proto.md and doc/uri.md of the Network Block Device project; names are those of
 * that text, without the prefix.
 */
@NullMarked
package dev.belay.nbd;

import org.jspecify.annotations.NullMarked;
