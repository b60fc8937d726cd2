// SPDX-License-Identifier: Apache-2.0

/** The program {@code belay}. */
@NullMarked
package dev.belay.cli;

import org.jspecify.annotations.NullMarked;
