// SPDX-License-Identifier: Apache-2.0

/**
 * What every layer of a stack shares: the bio, its flag, its outcome, and the loop that owns it.
 */
@NullMarked
package dev.belay;

import org.jspecify.annotations.NullMarked;
