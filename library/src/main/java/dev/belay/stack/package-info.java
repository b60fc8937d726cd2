// SPDX-License-Identifier: Apache-2.0

/**
 * The stack expression: the one way to write a stack of devices as text.
 *
 * <pre>
 * expression = name "(" [ item { "," item } ] ")" | path
 * item       = expression | key "=" value          arguments first, then options
 * name, key  = letter { letter | digit | "-" | "_" }
 * path       = bare | quoted                        not empty
 * value      = bare | quoted
 * bare       = one or more characters other than white space, control characters and ( ) , = " ' \
 * quoted     = "…" or '…' with \" \' \\ \n \r \t and &#92;uXXXX
 * </pre>
 *
 * <p>So {@code crypt(raid5(a.img, b.img, c.img, chunk=64k), key-file=k)} is a device on a device on
 * three files. A bare path is a file; white space between the parts means nothing. Values keep the
 * text they were written with, and the device that takes an option says what it must be: a size, a
 * duration, a rate, a count, a fraction, byte ranges, on or off, one word of several, or any text.
 *
 * <p>{@link dev.belay.stack.Expression#parse(String)} reads, {@link
 * dev.belay.stack.Expression#print()} writes the canonical form: one space after each comma, none
 * elsewhere, quotes only where they are needed. Every mistake is a {@link
 * dev.belay.stack.StackException}, with its position and a sentence.
 */
@NullMarked
package dev.belay.stack;

import org.jspecify.annotations.NullMarked;
