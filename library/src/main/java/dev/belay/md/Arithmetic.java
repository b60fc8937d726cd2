// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

/**
 * The inner loops of {@link Syndromes}, over pieces that fit a processor's first cache.
 *
 * <p>All addresses are of native memory, of {@code length} bytes, at most {@link #MOST_BYTES}, of
 * any alignment. A target may be the same as a source, but may not overlap one otherwise.
 * Stateless: for all threads.
 */
interface Arithmetic {
  /** The longest length: a piece of every column of a row fits a processor's first cache. */
  int MOST_BYTES = 4096;

  /** {@code target = a + b}. */
  void sum2(long target, long a, long b, int length);

  /** {@code target = a + b + c}. */
  void sum3(long target, long a, long b, long c, int length);

  /** {@code target = a + b + c + d}. */
  void sum4(long target, long a, long b, long c, long d, int length);

  /** {@code target = a + b + c + d + e}. */
  void sum5(long target, long a, long b, long c, long d, long e, int length);

  /**
   * One step of Horner's rule: {@code q = 2 * fromQ + a}; and {@code p = fromP + a}, where p is not
   * 0.
   */
  void horner1(long p, long q, long fromP, long fromQ, long a, int length);

  /** Three steps, of a, b and c. */
  void horner3(long p, long q, long fromP, long fromQ, long a, long b, long c, int length);

  /** Four steps, of a, b, c and d. */
  void horner4(long p, long q, long fromP, long fromQ, long a, long b, long c, long d, int length);

  /** {@code target = target + factor * source}; the factor is 0 to 255. */
  void addProduct(long target, long source, int factor, int length);

  /** {@code target = factor * target}. */
  void multiply(long target, int factor, int length);

  /**
   * The last step to two columns x and y: with {@code dp = p + y} and {@code dq = q + x}, first
   * {@code x = a * dp + b * dq}, then {@code y = x + dp}.
   */
  void solve(long x, long y, long p, long q, int a, int b, int length);
}
