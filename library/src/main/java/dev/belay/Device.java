// SPDX-License-Identifier: Apache-2.0
package dev.belay;

import java.util.List;
import java.util.Objects;

/**
 * Any layer of a stack: a target, which has lower devices, or a leaf, which does the I/O.
 *
 * <p>A device belongs to one loop. Everything here runs on the loop's thread, except the
 * constructor, which runs before the loop starts, and the plain questions ({@link #limits}, {@link
 * #kind}, {@link #lowers}, {@link #zeroesFast}), which any thread may ask. So a device needs no
 * lock and no atomic.
 *
 * <p>What a device does with the flag: nothing, if it passes bios on as they come, because the loop
 * looks between every two devices. One that holds bios back holds them in a {@link Parked} queue.
 * One that must finish what it began {@linkplain Bio#commit commits}, and its clones are shielded.
 */
public abstract class Device {
  private final Loop loop;
  private final String kind;
  private final Limits limits;
  private final List<Device> lowers;

  /*
   * What the checkpoint compares with, kept flat here: limits is a reference away. The alignment
   * masks have a bit set wherever an aligned number has none.
   */
  final long sizeBytes;
  final long blockMask;
  final long memoryMask;

  /** Bios and bytes that passed the checkpoint into this device. Written by the loop's thread. */
  long bios;

  long bytes;

  /**
   * @param kind the device's name in a stack expression
   * @param limits what it takes
   * @param lowers the devices it stands on, of the same loop; none for a leaf
   */
  protected Device(Loop loop, String kind, Limits limits, List<? extends Device> lowers) {
    this.loop = Objects.requireNonNull(loop);
    this.kind = kind;
    this.limits = limits;
    this.lowers = List.copyOf(lowers);
    for (Device lower : this.lowers) {
      if (lower.loop != loop) {
        throw new IllegalArgumentException(
            kind + " and the " + lower.kind + " below it belong to different loops");
      }
    }
    sizeBytes = limits.sizeBytes();
    blockMask = limits.logicalBlockBytes() - 1L;
    memoryMask = limits.memoryAlignmentBytes() - 1L;
    loop.own(this);
  }

  /**
   * Does what this device does with a bio of any operation, whose range and alignment the loop has
   * checked and whose flag was down a moment ago. It either remaps the bio to a lower device and
   * says {@link Verdict#REMAPPED}, or takes it and sees to it that it completes, now or later.
   *
   * <p>A map that throws has taken nothing, but what is in a {@link Parked} queue, is watched, or
   * has clones under way: the loop reports the exception and fails the bio, its bytes unknown, when
   * its clones are back.
   */
  public abstract Verdict map(Bio bio);

  /** What this device has to say about itself now: one line, without its limits or counters. */
  public String status() {
    return "";
  }

  /**
   * Whether to write zeroes here costs much less than to write the bytes, as far as is known: a
   * device says it for itself, a target by default where all its lower devices do. Any thread; a
   * late answer, where the kernel had to be asked.
   */
  public boolean zeroesFast() {
    boolean isFast = !lowers.isEmpty();
    for (Device lower : lowers) {
      isFast &= lower.zeroesFast();
    }
    return isFast;
  }

  /**
   * Shows the bios that this device holds now: those that wait here, and of a leaf those that are
   * with the device below. One that was sent on to a lower device is held by that. What a device
   * does for itself it need not show. On the loop's thread; nothing completes meanwhile.
   */
  public void showHeld(Held held) {}

  /**
   * Sends down what must not be left undone, as requests of the device's own, by {@link
   * Loop#enter}: the last word of an array about itself, for instance. Runs on the loop's thread
   * when the loop closes and no request is left; the devices below settle after it, once its
   * requests have ended.
   */
  public void settle() {}

  /**
   * Gives back what the device holds. Runs on the loop's thread when no bio is left, after every
   * device above has been closed; or where the loop was never started, on the thread that closes
   * it.
   */
  public void close() {}

  /** The loop that owns this device. */
  public final Loop loop() {
    return loop;
  }

  /** The device's name in a stack expression. */
  public final String kind() {
    return kind;
  }

  /** What it takes. */
  public final Limits limits() {
    return limits;
  }

  /** The devices that it stands on; none for a leaf. */
  public final List<Device> lowers() {
    return lowers;
  }

  /** How many bios came into this device with their flag down; a late read on other threads. */
  public final long bios() {
    return bios;
  }

  /** How many bytes they covered. */
  public final long bytes() {
    return bytes;
  }

  @Override
  public String toString() {
    return kind;
  }
}
