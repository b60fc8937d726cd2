// SPDX-License-Identifier: Apache-2.0
package dev.belay.front;

import dev.belay.Loop;
import dev.belay.Poller;
import java.lang.foreign.MemorySegment;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/** A loop's own poller, and the addresses of what is pinned at the moment. */
final class Pins implements Poller {
  final Set<Long> addresses = ConcurrentHashMap.newKeySet();
  private final Poller poller;

  private Pins(Poller poller) {
    this.poller = poller;
  }

  static Pins of(Loop loop) {
    Pins pins = new Pins(loop.poller());
    loop.setPoller(pins);
    return pins;
  }

  @Override
  public void pin(MemorySegment memory) {
    addresses.add(memory.address());
  }

  @Override
  public void unpin(MemorySegment memory) {
    addresses.remove(memory.address());
  }

  @Override
  public int reap() {
    return poller.reap();
  }

  @Override
  public void gather() {
    poller.gather();
  }

  @Override
  public void enter(long waitNanos) {
    poller.enter(waitNanos);
  }

  @Override
  public void wake() {
    poller.wake();
  }

  @Override
  public void close() {
    poller.close();
  }
}
