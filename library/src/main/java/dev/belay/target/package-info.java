// SPDX-License-Identifier: Apache-2.0
/**
 * The targets: devices that stand on other devices. A file a target, which reads from top to
 * bottom; {@link dev.belay.target.Linear} is the smallest, and the one to start from.
 */
@NullMarked
package dev.belay.target;

import org.jspecify.annotations.NullMarked;
