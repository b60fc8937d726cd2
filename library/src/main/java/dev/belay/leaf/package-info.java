// SPDX-License-Identifier: Apache-2.0
/** The devices at the bottom of a stack: those that do the I/O. */
@NullMarked
package dev.belay.leaf;

import org.jspecify.annotations.NullMarked;
