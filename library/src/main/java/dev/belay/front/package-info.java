// SPDX-License-Identifier: Apache-2.0
/**
 * What a program uses: {@link dev.belay.front.Volume}, an open stack for any number of threads, and
 * {@link dev.belay.front.AioContext}, the kernel's asynchronous I/O made sane.
 */
@NullMarked
package dev.belay.front;

import org.jspecify.annotations.NullMarked;
