// SPDX-License-Identifier: Apache-2.0
/**
 * io_uring, spoken to directly through the foreign-function API: the ring and its queues, the few
 * system calls around it, error numbers, and what a person must know when it is not there. Nothing
 * else of Belay is imported here.
 *
 * <p>Addresses and descriptors are plain numbers in this package: it is as trusting as the kernel's
 * interface. Who uses it owns the lifetime of the memory: a buffer that was submitted belongs to
 * the kernel until its completion was taken from the ring.
 */
@NullMarked
package dev.belay.uring;

import org.jspecify.annotations.NullMarked;
