// SPDX-License-Identifier: Apache-2.0
package dev.belay.front;

import dev.belay.CancelFlag;
import org.jspecify.annotations.Nullable;

/**
 * A flag for everything that a piece of code does, without passing it as an argument: each request
 * that is made inside, on this thread or on one that inherits its scoped values, carries a child of
 * the scope's flag.
 */
public final class CancelScope {
  private static final ScopedValue<CancelFlag> FLAG = ScopedValue.newInstance();

  private CancelScope() {}

  /** The flag of the scope around the caller; null outside all scopes. */
  public static @Nullable CancelFlag current() {
    return FLAG.isBound() ? FLAG.get() : null;
  }

  /** Runs {@code body} with {@code flag} as the flag of its requests. */
  public static <R extends @Nullable Object, X extends Throwable> R call(
      CancelFlag flag, ScopedValue.CallableOp<R, X> body) throws X {
    return ScopedValue.where(FLAG, flag).call(body);
  }

  /**
   * Runs {@code body} in a scope of its own, below the one around it: what it started and did not
   * wait for is asked to stop, for {@link CancelFlag.Reason#SCOPE}, when the body returns or
   * throws.
   */
  public static <R extends @Nullable Object, X extends Throwable> R call(
      ScopedValue.CallableOp<R, X> body) throws X {
    CancelFlag above = current();
    CancelFlag flag = above == null ? new CancelFlag() : above.child();
    try {
      return call(flag, body);
    } finally {
      if (!flag.isRaised()) { // the look keeps the reason of what is above
        flag.raise(CancelFlag.Reason.SCOPE);
      }
    }
  }
}
