// SPDX-License-Identifier: Apache-2.0
/*
 * Several requests share one read, as those of a round of an array do. The read has a flag of its
 * own, which goes up when the last of them has asked; each of them ends as soon as it asks, and
 * nobody else notices: law 8. A round of one carries that one's own flag.
 *
 * What mirrors what
 *   parts, isIn[p]       RecoverRound.parts and its list; WriteRound's are the same
 *   isUp[p]              CancelFlag.isRaised of the part's flag
 *   isWatched[p]         Part.watch; raising puts a watch into MAIL, as flag.pml says
 *   isSharedUp, owner    RecoverRound.readFlag: its own one, or that of the part `owner`
 *   isOwnFlag            RecoverRound.isOwnFlag
 *   isWaiting[p]         it is in Slice.waiting
 *   LOOP                 RecoverRound.begin, goOn, dropStopped, watchAll, leave, deliver
 *   isReading            the read is with the device, which answers, or stops it when its flag
 *                        is up; one that HANGS only stops
 *
 * Left out: what is read, its failures, and that a round reads more than once; writes up to their
 * commit point do the same, and after it look at no flag.
 */

#define PARTS 3
#define NOBODY 9

chan mail = [PARTS] of { byte };
bool isUp[PARTS];
bool willAsk[PARTS];
bool isWatched[PARTS];
bool isWaiting[PARTS];
bool isIn[PARTS];
byte ends[PARTS];
byte parts;
byte arrived;

bool isReading;
bool isOwnFlag;
bool isSharedUp;
byte owner = NOBODY;
bool hangs;

inline finish(p, isStopped) {
  atomic {
    ends[p]++;
    assert(ends[p] == 1);
    assert(!isStopped || isUp[p]);
    isWatched[p] = false
  }
}

inline leave(p) {
  atomic {
#ifndef STAYS_IN
    isIn[p] = false;
#endif
    parts--;
#ifdef RAISED_AT_THE_FIRST
    if
    :: isOwnFlag -> isSharedUp = true
#else
#ifdef NEVER_RAISED
    if
    :: false
#else
    if
    :: parts == 0 && isOwnFlag -> isSharedUp = true
#endif
#endif
    :: else
    fi
  }
}

/* Those that have asked end. */
inline dropStopped(q) {
  q = 0;
  do
  :: q == PARTS -> break
  :: q < PARTS && isIn[q] && isUp[q] -> leave(q); finish(q, true); q++
  :: q < PARTS && !(isIn[q] && isUp[q]) -> q++
  od
}

inline watchAll(q) {
  q = 0;
  do
  :: q == PARTS -> break
  :: q < PARTS && isIn[q] -> isWatched[q] = true;
      if
      :: isUp[q] -> leave(q); finish(q, true)
      :: else
      fi;
      q++
  :: q < PARTS && !isIn[q] -> q++
  od
}

inline begin(q) {
  atomic {
    q = 0;
    do
    :: q == PARTS -> break
    :: q < PARTS ->
        if
        :: isWaiting[q] -> isWaiting[q] = false; isIn[q] = true; parts++
        :: else
        fi;
        q++
    od;
#ifndef FLAG_KEPT
    owner = NOBODY;
    isOwnFlag = false;
    isSharedUp = false;
#endif
    skip
  }
}

inline chooseFlag(q) {
  atomic {
    if
    :: owner == NOBODY && !isOwnFlag ->
#ifdef FLAG_OF_THE_FIRST
        isOwnFlag = false;
#else
        isOwnFlag = parts > 1;
#endif
        if
        :: !isOwnFlag ->
            q = 0;
            do
            :: isIn[q] -> owner = q; break
            :: else -> q++
            od
        :: else
        fi
    :: else
    fi
  }
}

inline isReadUp(up) {
  up = isSharedUp;
  if
  :: owner != NOBODY -> up = isUp[owner]
  :: else
  fi
}

/* Reads for those who are there. */
inline goOn(q, before) {
  do
  :: dropStopped(q);
      before = parts;
      if
      :: parts == 0 -> break
      :: else -> watchAll(q)
      fi;
      if
      :: parts == before -> chooseFlag(q); isReading = true; break
      :: else
      fi
  od
}

/* A part comes, and waits for a round, watched. */
inline arrive(q) {
  atomic { q = arrived; arrived++; isWaiting[q] = true; isWatched[q] = true };
  if
  :: isUp[q] -> isWaiting[q] = false; finish(q, true)
  :: else
  fi
}

active proctype Loop() {
  byte q;
  byte p;
  byte before;
end_idle:
  do
  :: arrived < PARTS -> arrive(q)
  :: !isReading && parts == 0 && (isWaiting[0] || isWaiting[1] || isWaiting[2]) ->
      begin(q);
      goOn(q, before)
  :: mail?p ->
      if
#ifndef WAITS_FOR_ALL
      :: isIn[p] && isWatched[p] -> leave(p); finish(p, true)
#endif
      :: isWaiting[p] -> isWaiting[p] = false; finish(p, true)
      :: else
      fi
  /* Stopped by all that were left, so that nobody is. */
  :: isReading && (isSharedUp || (owner != NOBODY && isUp[owner])) ->
      isReading = false;
      dropStopped(q);
      assert(parts == 0)
  :: isReading && !hangs ->
      isReading = false;
      dropStopped(q);
      p = 0;
      do
      :: p == PARTS -> break
      :: p < PARTS && isIn[p] -> atomic { isIn[p] = false; parts--; finish(p, false) }; p++
      :: p < PARTS && !isIn[p] -> p++
      od
  od
}

active [PARTS] proctype Raiser() {
  byte me = _pid - 1;
  if
  :: willAsk[me] ->
      isUp[me] = true;
      if
      :: isWatched[me] -> mail!me
      :: else
      fi
  :: else
  fi
}

init {
  atomic {
    if
    :: hangs = true
    :: skip
    fi;
    if
    :: willAsk[0] = true
    :: skip
    fi;
    if
    :: willAsk[1] = true
    :: skip
    fi;
    if
    :: willAsk[2] = true
    :: skip
    fi
  };
  timeout;
  /* Whoever asked has ended, whatever the others want. */
  assert(ends[0] == 1 || !isUp[0]);
  assert(ends[1] == 1 || !isUp[1]);
  assert(ends[2] == 1 || !isUp[2]);
  assert(hangs || (ends[0] == 1 && ends[1] == 1 && ends[2] == 1));
  /* What nobody wants is stopped. */
  assert(!isReading || parts > 0)
}
