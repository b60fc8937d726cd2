// SPDX-License-Identifier: Apache-2.0
/** What crosses threads, under jcstress: the flag, the mailbox and the wake-up. */
@NullMarked
package dev.belay.stress;

import org.jspecify.annotations.NullMarked;
