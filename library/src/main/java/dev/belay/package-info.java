// SPDX-License-Identifier: Apache-2.0
/**
 * The request, the flag and the loop: what every layer of a stack is made of.
 *
 * <p>A {@link dev.belay.Bio} carries a {@link dev.belay.CancelFlag} down through {@linkplain
 * dev.belay.Device devices}; the {@link dev.belay.Loop} that owns the stack runs each device's
 * {@code map}, looks at the flag between every two of them, and runs the completions. Programs use
 * {@code dev.belay.front}; this package is for those who write devices.
 */
@NullMarked
package dev.belay;

import org.jspecify.annotations.NullMarked;
