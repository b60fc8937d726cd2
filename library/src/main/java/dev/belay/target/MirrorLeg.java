// SPDX-License-Identifier: Apache-2.0
package dev.belay.target;

import dev.belay.Bio;
import dev.belay.BioEnd;
import dev.belay.md.Member;

/** A member of a mirror, as reads see it: where they are, and what becomes of them. */
final class MirrorLeg implements BioEnd {
  private final Mirror mirror;
  final Member member;

  /** Where the read that was sent last ends. */
  long aheadBytes;

  MirrorLeg(Mirror mirror, Member member) {
    this.mirror = mirror;
    this.member = member;
  }

  /** Reads a whole piece from here. */
  void read(Bio bio, long memberOffsetBytes) {
    send(bio.newClone(this), memberOffsetBytes);
  }

  /** Sends any read here, whose end calls {@link #cameBack}. */
  void send(Bio clone, long memberOffsetBytes) {
    begins(memberOffsetBytes, clone.lengthBytes());
    clone.remap(member.device(), member.startBytes() + memberOffsetBytes).submit();
  }

  void begins(long memberOffsetBytes, long lengthBytes) {
    member.began();
    aheadBytes = memberOffsetBytes + lengthBytes;
  }

  void cameBack() {
    member.ended(aheadBytes);
  }

  @Override
  public void ended(Bio clone) {
    cameBack();
    if (clone.isDone()) {
      clone.parent().complete();
    } else {
      mirror.readEnded(this, clone.parent(), clone);
    }
  }
}
