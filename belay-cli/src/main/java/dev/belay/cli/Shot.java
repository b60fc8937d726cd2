// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

/**
 * One attempt to stop one large transfer midway: everything that was measured of it.
 *
 * @param reached how far it had got when it was asked to stop
 * @param askingNanos how long the asking took
 * @param answerNanos how long after the asking the transfer's end was told
 * @param said what was told
 * @param truth whether that was so
 * @param movedAfterBytes what went on arriving, in the buffer or the file, after the answer
 * @param movedBytes what had been moved in the end
 * @param others what became of somebody else who used the same file
 */
record Shot(
    String reached,
    long askingNanos,
    long answerNanos,
    String said,
    String truth,
    long movedAfterBytes,
    long movedBytes,
    String others) {}
