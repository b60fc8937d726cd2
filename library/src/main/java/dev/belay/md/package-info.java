// SPDX-License-Identifier: Apache-2.0
/**
 * What the arrays share: the on-disk format of Linux md, the layouts of its levels, the arithmetic
 * of parity, and the state of an array that is open. The devices themselves are targets.
 */
@NullMarked
package dev.belay.md;

import org.jspecify.annotations.NullMarked;
