// SPDX-License-Identifier: Apache-2.0
package dev.belay.scenario;

import dev.belay.Outcome;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** What came of many requests, and what was wrong. */
final class Tally {
  private static final int WRONG_KEPT = 20;

  final List<String> wrong = new ArrayList<>();
  long wrongs;
  int requests;
  int raised;
  int raisedOnLoop;
  int done;
  int cancelled;
  int midway;
  long pieces;
  int leastPieces = Integer.MAX_VALUE;
  int mostPieces;
  long unknownBytes;

  /** Pieces that were sent although the loop could have seen the flag. */
  long late;

  /** Pieces whose flag went up between the leaf's last look and the recorder. */
  long raced;

  void wrong(String sentence) {
    wrongs++;
    if (wrong.size() < WRONG_KEPT) {
      wrong.add(sentence);
    }
  }

  void add(Outcome outcome, int ofPieces, boolean isBystander, boolean isRaisedOnLoop) {
    requests++;
    raised += isBystander ? 0 : 1;
    raisedOnLoop += isRaisedOnLoop ? 1 : 0;
    if (outcome.kind() == Outcome.Kind.DONE) {
      done++;
      leastPieces = Math.min(leastPieces, ofPieces);
      mostPieces = Math.max(mostPieces, ofPieces);
    } else {
      cancelled++;
      midway += outcome.doneBytes() > 0 && outcome.cleanBytes() > 0 ? 1 : 0;
    }
  }

  void addAll(Tally other) {
    wrong.addAll(other.wrong);
    wrongs += other.wrongs;
    requests += other.requests;
    raised += other.raised;
    raisedOnLoop += other.raisedOnLoop;
    done += other.done;
    cancelled += other.cancelled;
    midway += other.midway;
    pieces += other.pieces;
    leastPieces = Math.min(leastPieces, other.leastPieces);
    mostPieces = Math.max(mostPieces, other.mostPieces);
    unknownBytes += other.unknownBytes;
    late += other.late;
    raced += other.raced;
  }

  @Override
  public String toString() {
    return String.format(
        Locale.ROOT,
        "%,d requests, %,d flags raised (%,d on the loop's thread); %,d pieces sent, a whole"
            + " request in %d to %d; %,d cancelled, of which %,d midway, %,d done; unknown bytes"
            + " %,d; flag up between look and send %,d; pieces sent after the flag %,d; violations"
            + " %,d",
        requests,
        raised,
        raisedOnLoop,
        pieces,
        leastPieces,
        mostPieces,
        cancelled,
        midway,
        done,
        unknownBytes,
        raced,
        late,
        wrongs);
  }
}
