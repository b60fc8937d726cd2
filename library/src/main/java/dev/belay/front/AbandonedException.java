// SPDX-License-Identifier: Apache-2.0
package dev.belay.front;

import java.io.IOException;

/**
 * The caller walked away from a request that its device does not answer. Nothing is known of it
 * yet: it completes when the device answers, as {@link #future} then says. Until that, native
 * memory that the request was given belongs to the stack, which keeps it reachable; do not use it
 * for anything else. A heap buffer is the caller's again and is never touched.
 */
public final class AbandonedException extends IOException {
  private static final long serialVersionUID = 1;

  private final transient IoFuture future;

  AbandonedException(String message, IoFuture future) {
    super(message);
    this.future = future;
  }

  /** The request, which is still with the device. */
  public IoFuture future() {
    return future;
  }
}
