// SPDX-License-Identifier: Apache-2.0

/** Benchmarks (JMH) and concurrency stress tests (jcstress). */
@NullMarked
package dev.belay.bench;

import org.jspecify.annotations.NullMarked;
