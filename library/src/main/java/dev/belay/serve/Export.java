// SPDX-License-Identifier: Apache-2.0
package dev.belay.serve;

import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * A stack that clients can ask for.
 *
 * @param name what they ask for; empty for the nameless default
 * @param expression the stack, as text
 * @param readOnly whether clients may only read
 * @param deadline how long a request may take before its flag is raised; null for as long as it
 *     takes
 * @param description shown to clients that list exports; may be empty
 */
public record Export(
    String name,
    String expression,
    boolean readOnly,
    @Nullable Duration deadline,
    String description) {}
